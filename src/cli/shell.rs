//! `completions` and `man`: what a shell and its manual know of this command line, on stdout.

use clap::{Args, Command};
use clap_complete::Shell;

use super::outcome::{CommandError, Outcome};
use crate::console::print;
use crate::names::unknown;

/// `procbench completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  procbench completions bash > ~/.local/share/bash-completion/completions/procbench")]
pub struct CompletionsCommand {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsCommand {
    /// Carries out the command, for this command line.
    ///
    /// # Errors
    /// None.
    pub fn run(self, mut of: Command) -> Result<Outcome, CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut of, "procbench", &mut script);
        print(script);
        Ok(Outcome::Done)
    }
}

/// `procbench man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench man | man -l -            all of it
  procbench man server > procbench-server.1")]
pub struct ManCommand {
    /// The command; without one, procbench itself
    command: Option<String>,
}

impl ManCommand {
    /// Carries out the command, for this command line.
    ///
    /// # Errors
    /// A command that there is not.
    pub fn run(self, mut of: Command) -> Result<Outcome, CommandError> {
        of.build();
        if let Some(name) = self.command {
            let found = of.find_subcommand(&name).cloned();
            let shown = of.get_subcommands().filter(|c| !c.is_hide_set());
            let names: Vec<&str> = shown.map(Command::get_name).collect();
            let none = || CommandError::Request(unknown("command", &name, &names));
            of = found.ok_or_else(none)?;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(of)
            .render(&mut page)
            .map_err(|e| CommandError::Failed(e.into()))?;
        print(page);
        Ok(Outcome::Done)
    }
}
