//! `experiments`: what can be run by name.

use clap::Args;

use super::outcome::{CommandError, Outcome};
use crate::arm::Arm;
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
}

impl ExperimentsCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A name that no experiment has.
    pub fn run(self) -> Result<Outcome, CommandError> {
        for name in &self.names {
            print(&declared(find(name).map_err(CommandError::request)?));
        }
        if self.names.is_empty() {
            for experiment in registry() {
                print(&format!("{:16} {}\n", experiment.name, experiment.question));
            }
            print("\narms\n");
            for arm in Arm::ALL {
                print(&format!("  {arm:15} {}\n", arm.descriptor().meaning));
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
