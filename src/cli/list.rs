//! `experiments`: what can be run by name.

use super::outcome::{CommandError, Outcome};
use crate::arm::Arm;
use crate::console::print;
use crate::experiment::registry;

/// Lists the experiments, then the arms.
///
/// # Errors
/// None.
pub fn run() -> Result<Outcome, CommandError> {
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
    for arm in Arm::ALL {
        print(&format!("  {arm:15} {}\n", arm.descriptor().meaning));
    }
    Ok(Outcome::Done)
}
