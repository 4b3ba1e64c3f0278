//! `experiments`: what can be run by name.

use clap::Args;

use super::outcome::{CommandError, Outcome};
use crate::arm::Arm;
use crate::console::print;
use crate::experiment::registry;

/// `procbench experiments`
#[derive(Debug, Args)]
pub struct ExperimentsCommand {}

impl ExperimentsCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// None.
    pub fn run(self) -> Result<Outcome, CommandError> {
        for experiment in registry() {
            let modes: Vec<&str> = experiment.modes.iter().map(|m| m.name()).collect();
            print(&format!(
                "{} ({})\n  question:        {}\n  prediction:      {}\n  refuted by:      {}\n  primary outcome: {}\n",
                experiment.name,
                modes.join(", "),
                experiment.question,
                experiment.prediction,
                experiment.refuted_by,
                experiment.primary_outcome
            ));
        }
        print("\narms\n");
        for arm in Arm::all() {
            print(&format!("  {arm:15} {}\n", arm.descriptor().meaning));
        }
        Ok(Outcome::Done)
    }
}
