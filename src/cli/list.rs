//! `experiments`: what can be run by name.

use clap::Args;
use serde::Serialize;

use super::measure::print_json;
use super::outcome::{CommandError, Outcome};
use crate::arm::{Arm, Mode};
use crate::chapter7;
use crate::console::print;
use crate::experiment::{Experiment, find, registry};

/// `procbench experiments`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench experiments               a line for each
  procbench experiments churn-tail    its question, prediction, and what would refute it")]
pub struct ExperimentsCommand {
    /// Everything that is declared of these
    #[arg(value_name = "EXPERIMENT")]
    names: Vec<String>,
    /// Print everything that is declared as JSON
    #[arg(long)]
    json: bool,
}

/// What is declared of an experiment.
#[derive(Serialize)]
struct Declared {
    name: &'static str,
    modes: &'static [Mode],
    question: &'static str,
    prediction: &'static str,
    refuted_by: &'static str,
    primary_outcome: &'static str,
    limits: &'static [&'static str],
}

impl Declared {
    fn of(e: &'static Experiment) -> Self {
        Declared {
            name: e.name,
            modes: e.modes,
            question: e.question,
            prediction: e.prediction,
            refuted_by: e.refuted_by,
            primary_outcome: e.primary_outcome,
            limits: e.limits,
        }
    }
}

impl ExperimentsCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A name that no experiment has.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let found = self.names.iter().map(|name| find(name));
        let found: Result<Vec<_>, _> = found.collect();
        let found = found.map_err(CommandError::request)?;
        if self.json {
            let all = if found.is_empty() {
                registry().iter().collect()
            } else {
                found
            };
            let all: Vec<Declared> = all.into_iter().map(Declared::of).collect();
            return print_json(&all);
        }
        found.into_iter().for_each(|e| print(declared(e)));
        if self.names.is_empty() {
            for experiment in registry() {
                print(format!("{:16} {}\n", experiment.name, experiment.question));
            }
            for on_cluster in chapter7::registry() {
                print(format!("{:16} {}\n", on_cluster.name, on_cluster.question));
            }
            print("\narms\n");
            for arm in Arm::ALL {
                print(format!("  {arm:15} {}\n", arm.descriptor().meaning));
            }
        }
        Ok(Outcome::Done)
    }
}

fn declared(experiment: &Experiment) -> String {
    let modes: Vec<&str> = experiment.modes.iter().map(|m| m.name()).collect();
    format!(
        "{} ({})\n  question:        {}\n  prediction:      {}\n  refuted by:      {}\n  primary outcome: {}\n",
        experiment.name,
        modes.join(", "),
        experiment.question,
        experiment.prediction,
        experiment.refuted_by,
        experiment.primary_outcome
    )
}
