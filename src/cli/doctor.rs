//! `doctor`: looks at this machine and says what is missing.

use clap::Args;

use super::measure::print_json;
use super::outcome::{CommandError, Outcome};
use crate::console::{print, tell};
use crate::doctor::{Check, Status, checks_of_tests, install, render, run_checks};

/// `procbench doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench doctor
  procbench doctor --json       for other programs
  procbench doctor --install    shows and runs apt-get for what is missing (elsewhere prints the command)")]
pub struct DoctorCommand {
    /// Install what is missing
    #[arg(long)]
    install: bool,
    /// Look at what only the tests of the repository need, too
    #[arg(long)]
    tests: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl DoctorCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// When installing fails.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let look = || {
            let mut checks = run_checks();
            if self.tests {
                checks.extend(checks_of_tests());
            }
            checks
        };
        let mut checks = look();
        if self.install && install_missing(&checks)? {
            checks = look();
        }
        if self.json {
            print_json(&checks)?;
        } else {
            let lines = render(&checks).into_iter();
            lines.for_each(|line| print(format!("{line}\n")));
        }
        if checks.iter().any(|c| c.status == Status::Missing) {
            return Err(CommandError::Failed(anyhow::anyhow!(
                "something is missing: see the lines above, or run procbench doctor --install"
            )));
        }
        Ok(Outcome::Done)
    }
}

/// Installs what the checks miss; says on stderr what it does, and gives whether there was something.
///
/// # Errors
/// When nothing could be installed and something is missing.
pub fn install_missing(checks: &[Check]) -> Result<bool, CommandError> {
    let say = |line: &str| tell(&format!("procbench: {line}"));
    let installed = install(checks, &say).map_err(|e| CommandError::Failed(e.into()))?;
    if !installed.is_empty() {
        say(&format!("installed {}", installed.join(", ")));
    }
    Ok(!installed.is_empty())
}
