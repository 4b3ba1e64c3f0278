//! `doctor`: looks at this machine and says what is missing.

use clap::Args;

use super::measure::print_json;
use super::outcome::{CommandError, Outcome};
use crate::console::{print, tell};
use crate::doctor::{Status, install, render, run_checks};

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
        if self.install {
            install_missing()?;
        }
        let checks = run_checks();
        if self.json {
            print_json(&checks)?;
        } else {
            let lines = render(&checks).into_iter();
            lines.for_each(|line| print(&format!("{line}\n")));
        }
        if checks.iter().any(|c| c.status == Status::Missing) {
            return Err(CommandError::Failed(anyhow::anyhow!(
                "something is missing: see the lines above, or run procbench doctor --install"
            )));
        }
        Ok(Outcome::Done)
    }
}

/// Installs what the checks miss; says on stderr what it does.
///
/// # Errors
/// When nothing could be installed and something is missing.
pub fn install_missing() -> Result<(), CommandError> {
    let say = |line: &str| tell(&format!("procbench: {line}"));
    let installed = install(&run_checks(), &say).map_err(|e| CommandError::Failed(e.into()))?;
    if !installed.is_empty() {
        say(&format!("installed {}", installed.join(", ")));
    }
    Ok(())
}
