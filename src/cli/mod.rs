//! The command line: one file a command. Results go to stdout, progress and
//! warnings to stderr. Exit codes: 0 done, 1 failed or partial, 2 wrong request.

mod chapter;
mod compare;
mod doctor;
mod export;
mod figures;
mod list;
mod measure;
mod options;
mod outcome;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use outcome::{CommandError, Outcome};

/// What connection churn does to running queries: a modelled ProcArray and a
/// real PostgreSQL, measured on the same axes.
#[derive(Debug, Parser)]
#[command(name = "procbench", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  procbench doctor --install          look at this machine, install what is missing
  procbench chapter --quick           the main job: both modes, comparison, figures, summary
  procbench server --standing 0,500   churn against a PostgreSQL that is started for it
  procbench model --lock std          the modelled ProcArray on another lock
  procbench compare results/A results/B
  procbench figures results/A         redraw everything from the stored run

Exit codes: 0 done, 1 failed or partial (what was measured is kept), 2 the request was wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the modelled ProcArray in this process
    Model(measure::ModelCommand),
    /// Measure churn against a real PostgreSQL
    Server(measure::ServerCommand),
    /// Run a canned experiment, in one or both modes
    Run(chapter::RunCommand),
    /// The main job: every experiment of the chapter in both modes, compared and drawn
    Chapter(chapter::ChapterCommand),
    /// Lay stored runs side by side: table and figures
    Compare(compare::CompareCommand),
    /// Redraw every figure of the stored runs below a directory
    Figures(figures::FiguresCommand),
    /// Write a stored run as JSON, CSV, hgrm or hlog
    Export(export::ExportCommand),
    /// List the experiments
    Experiments(list::ExperimentsCommand),
    /// Look at this machine and say what is missing
    Doctor(doctor::DoctorCommand),
}

/// Parses the process's arguments and carries them out.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli.command {
        Command::Model(command) => command.run(),
        Command::Server(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Chapter(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Figures(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Experiments(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            eprintln!("procbench: {error}");
            error.exit_code()
        }
    }
}

/// Help and version as they are; a wrong request as one line.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            eprintln!("procbench: {}", one_line(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

/// clap's message without its usage block, on one line.
fn one_line(message: &str) -> String {
    let kept: Vec<&str> = message
        .lines()
        .map(str::trim)
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .filter(|l| !l.is_empty())
        .collect();
    let line = kept.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line} (see --help)")
}

/// Prints a result on stdout. A reader that has gone away (`| head`) is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_requests_are_one_line() {
        for arguments in [
            vec!["model", "--lock", "mutex"],
            vec!["model", "--reader-rate", "-5"],
            vec!["model", "--duration", "0s"],
            vec!["server", "--server", "postgres//host"],
            vec!["export", "--format", "xml", "run.json"],
            vec!["export"],
            vec!["frobnicate"],
        ] {
            let error = Cli::try_parse_from(std::iter::once("procbench").chain(arguments.clone()))
                .unwrap_err();
            let line = one_line(&error.to_string());
            assert!(
                !line.contains('\n') && line.len() > 20,
                "{arguments:?}: {line}"
            );
        }
    }
}
