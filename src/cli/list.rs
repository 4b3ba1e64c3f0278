//! `experiments`: what can be run by name.

use clap::Args;
use serde::Serialize;

use super::measure::print_json;
use super::named::{Named, Names};
use super::outcome::{CommandError, Outcome};
use crate::arm::{Arm, Mode};
use crate::console::print;

/// `procbench experiments`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench experiments               a line for each
  procbench experiments churn-tail    its question, prediction, and what would refute it")]
pub struct ExperimentsCommand {
    /// Everything that is declared of these
    #[arg(value_name = "EXPERIMENT", value_parser = Names)]
    names: Vec<Named>,
    /// Print everything that is declared as JSON
    #[arg(long)]
    json: bool,
}

/// What is declared of an experiment.
#[derive(Serialize)]
struct Declared {
    name: &'static str,
    short: &'static str,
    modes: &'static [Mode],
    question: &'static str,
    prediction: &'static str,
    refuted_by: &'static str,
    primary_outcome: &'static str,
    limits: &'static [&'static str],
}

impl Declared {
    fn of(named: Named) -> Self {
        match named {
            Named::Canned(e) => Declared {
                name: e.name,
                short: e.short,
                modes: e.modes,
                question: e.question,
                prediction: e.prediction,
                refuted_by: e.refuted_by,
                primary_outcome: e.primary_outcome,
                limits: e.limits,
            },
            Named::OnCluster(e) => Declared {
                name: e.name,
                short: e.short,
                modes: &[Mode::Server],
                question: e.question,
                prediction: e.prediction,
                refuted_by: e.refuted_by,
                primary_outcome: e.primary_outcome,
                limits: e.limits,
            },
        }
    }

    fn text(&self) -> String {
        let modes: Vec<&str> = self.modes.iter().map(|m| m.name()).collect();
        format!(
            "{} ({})\n  question:        {}\n  prediction:      {}\n  refuted by:      {}\n  primary outcome: {}\n",
            self.name,
            modes.join(", "),
            self.question,
            self.prediction,
            self.refuted_by,
            self.primary_outcome
        )
    }
}

impl ExperimentsCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// JSON that cannot be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let lists = self.names.is_empty();
        let named = match lists {
            true => Named::all().collect(),
            false => self.names,
        };
        if self.json {
            let all: Vec<Declared> = named.into_iter().map(Declared::of).collect();
            return print_json(&all);
        }
        for one in named {
            print(match lists {
                true => format!("{:16} {}\n", one.name(), one.short()),
                false => Declared::of(one).text(),
            });
        }
        if lists {
            print("\narms\n");
            for arm in Arm::ALL {
                print(format!("  {arm:15} {}\n", arm.descriptor().meaning));
            }
            print("\nprocbench experiments NAME prints all that is declared of one.\n");
        }
        Ok(Outcome::Done)
    }
}
