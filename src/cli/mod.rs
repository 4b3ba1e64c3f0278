//! The command line: one file a command. Results go to stdout, progress and
//! warnings to stderr. Exit codes: 0 done, 1 failed or partial, 2 wrong request.

mod canned;
mod chapter;
mod cluster;
mod compare;
mod demo;
mod doctor;
mod export;
mod factor_options;
mod figures;
mod list;
mod measure;
mod named;
mod options;
mod outcome;
mod overlay;
mod report;
mod run;
mod server_options;
mod shell;
mod stored;
mod taken_over;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use outcome::{CommandError, Outcome};

use crate::conninfo::is_conninfo;
use crate::console::{Talk, complain, end_of_output, print, printed, set_talk};
use crate::server::burner;

/// What connection churn does to running queries: a modelled ProcArray and a
/// real PostgreSQL, measured on the same axes.
#[derive(Debug, Parser)]
#[command(name = "procbench", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Say only errors and the answer
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say each block that is measured and each file that is written, too
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// What `procbench` alone says.
const BEGIN: &str = "\
What connection churn does to running queries of PostgreSQL. Where to begin:

  You write:         procbench chapter --quick --install     all of it, quickly
  You teach:         procbench demo                          pooled or not, live
  You run a server:  procbench server postgres://me@host/db  should I pool?

procbench --help lists all commands, procbench COMMAND --help has examples.
";

const EXAMPLES: &str = "\
Examples:
  procbench doctor --install          look at this machine, install what is missing
  procbench chapter --quick           the main job: both modes, comparison, figures, summary
  procbench server --standing 0,500   churn against a PostgreSQL that is started for it
  procbench server --url-from-env     gentle load on the server that psql would connect to
  procbench model --lock std          the modelled ProcArray on another lock
  procbench compare results/A results/B
  procbench figures results/A         redraw everything from the stored run
  procbench report results/A --open   one page of it, in the browser

Exit codes: 0 done, 1 failed or partial (what was measured is kept), 2 the request was wrong.
Ctrl-C ends a run in good order (exit code 1). A second one ends it at once (130); what it leaves is
removed by the next start.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the modelled ProcArray in this process
    Model(measure::ModelCommand),
    /// Measure churn against a real PostgreSQL
    Server(measure::ServerCommand),
    /// Run a canned experiment, in one or both modes
    Run(run::RunCommand),
    /// The main job: every experiment of the chapter in both modes, compared and drawn
    Chapter(chapter::ChapterCommand),
    /// What the chapter says beside 7.4, on clusters that are started for it
    Chapter7(cluster::Chapter7Command),
    /// Show churn live in the terminal, step by step; or play a stored demonstration
    Demo(demo::DemoCommand),
    /// Lay stored runs side by side: table and figures
    Compare(compare::CompareCommand),
    /// Redraw every figure of the stored runs below a directory
    Figures(figures::FiguresCommand),
    /// Write one HTML page of stored runs: claims, answers, figures, tables
    Report(report::ReportCommand),
    /// Write a stored run as JSON, CSV, hgrm or hlog
    Export(export::ExportCommand),
    /// List the experiments, or say what is declared of one
    Experiments(list::ExperimentsCommand),
    /// Look at this machine and say what is missing
    Doctor(doctor::DoctorCommand),
    /// Print a shell's completions
    Completions(shell::CompletionsCommand),
    /// Print a manual page
    Man(shell::ManCommand),
    /// The helper of the arm cpu-burn, which procbench starts by itself
    #[command(name = burner::SUBCOMMAND, hide = true)]
    Burner,
}

/// Parses the process's arguments and carries them out.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    set_talk(match (cli.quiet, cli.verbose) {
        (true, _) => Talk::Quiet,
        (_, true) => Talk::Verbose,
        _ => Talk::Usual,
    });
    let outcome = carry_out(cli.command);
    let (code, message) = match outcome {
        Ok(outcome) => match end_of_output() {
            Ok(()) if outcome == Outcome::Done => return ExitCode::SUCCESS,
            Ok(()) => return ExitCode::from(1),
            Err(problem) => (1, problem),
        },
        Err(CommandError::Request(message)) => (2, without_passwords(&message, arguments())),
        Err(CommandError::Failed(error)) => (1, format!("{error:#}")),
    };
    // Names of files, and what a server says, may contain line breaks.
    let line: Vec<&str> = message.lines().map(str::trim).collect();
    complain(&format!("procbench: {}", line.join(" ")));
    ExitCode::from(code)
}

fn carry_out(command: Command) -> Result<Outcome, CommandError> {
    match command {
        Command::Model(command) => command.run(),
        Command::Server(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Chapter(command) => command.run(),
        Command::Chapter7(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Figures(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Experiments(command) => command.run(),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
        Command::Doctor(command) => command.run(),
        Command::Burner => burner::serve()
            .map(|()| Outcome::Done)
            .map_err(|e| CommandError::Failed(e.into())),
    }
}

/// Help and version as they are; a wrong request as one line.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print(BEGIN);
            written()
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // clap's own colours, where stdout is a terminal.
            printed(error.print());
            written()
        }
        _ => {
            let message = without_passwords(&error.to_string(), arguments());
            complain(&format!("procbench: {}", one_line(&message)));
            ExitCode::from(2)
        }
    }
}

/// The exit code of a command that only prints.
fn written() -> ExitCode {
    match end_of_output() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&format!("procbench: {problem}"));
            ExitCode::from(1)
        }
    }
}

/// What was given on the command line.
fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned())
}

/// Messages repeat the argument they refuse, and this may hold a password: in a URL, or in
/// libpq's `password=...`. Such arguments are taken out, wherever they were given.
fn without_passwords(message: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut message = message.to_owned();
    for argument in arguments {
        let value = match argument.split_once('=') {
            Some((_, value)) if argument.starts_with("--") => value,
            _ => &argument,
        };
        let is_address = |text: &str| text.contains(['@', '?']);
        let may_hold_password = is_conninfo(value)
            || argument.to_lowercase().contains("password")
            || argument
                .split_once(':')
                .is_some_and(|(_, rest)| is_address(rest));
        if !may_hold_password {
            continue;
        }
        // A list of arms is refused piece by piece.
        for part in std::iter::once(value).chain(value.split(',').filter(|p| p.len() > 2)) {
            if !part.is_empty() {
                message = message.replace(part, "(not repeated)");
            }
        }
    }
    message
}

/// clap's message without its usage block, on one line.
fn one_line(message: &str) -> String {
    let kept: Vec<&str> = message
        .lines()
        .map(str::trim)
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .filter(|l| !l.is_empty())
        .collect();
    let line = kept.join(" ").replace(" tip: ", "; ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line} (see --help)")
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
    fn every_help_has_examples_that_can_be_parsed() {
        let mut cli = Cli::command();
        cli.build();
        let hidden = |c: &clap::Command| c.is_hide_set() || c.get_name() == "help";
        let shown = cli.get_subcommands().filter(|c| !hidden(c));
        let mut examples = 0;
        for command in std::iter::once(&cli).chain(shown) {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains("Example"), "{name} --help has no example");
            let lines = help.lines().map(str::trim_start);
            for line in lines.filter(|l| l.starts_with("procbench ")) {
                // What it does stands behind two blanks or a sign.
                let line = line.split("  ").next().unwrap_or_default();
                let line = line.split(['|', '>', '#']).next().unwrap_or_default();
                // What is quoted is one argument.
                let words = line
                    .split('\'')
                    .enumerate()
                    .flat_map(|(n, part)| match n % 2 {
                        0 => part.split_whitespace().collect(),
                        _ => vec![part],
                    });
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{name}: {line}: {}", parsed.unwrap_err());
                examples += 1;
            }
        }
        assert!(examples > 20, "{examples}");
    }

    /// What prints results prints them for other programs, too; `-q` and `-v` go with every command.
    #[test]
    fn results_are_also_json() {
        for line in [
            "model --json",
            "server --json",
            "run pool --json",
            "chapter --json -q",
            "compare a b --json -v",
            "demo --replay a --json",
            "figures a --json",
            "export a --json",
            "experiments --json",
            "experiments partition-detach --json",
            "doctor --json",
        ] {
            let line = format!("procbench {line}");
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
        for line in [
            "model --json --format csv",
            "export a --json --format csv",
            "doctor -q -v",
        ] {
            let line = format!("procbench {line}");
            assert!(
                Cli::try_parse_from(line.split_whitespace()).is_err(),
                "{line}"
            );
        }
    }

    #[test]
    fn what_may_hold_a_password_is_not_repeated() {
        let redacted = |argument: &str| {
            let message = format!("unexpected argument '{argument}' found");
            without_passwords(&message, [argument.to_owned()].into_iter())
        };
        for argument in [
            "postgres://me:secret@h/x",
            "postgres://me@h/x?password=secret",
            "me:secret@h",
            "host=h PASSWORD=secret",
            "host=h secret",
            "user=me:secret host=h",
            "postgres://me%3Asecret@h",
        ] {
            assert_eq!(
                redacted(argument),
                "unexpected argument '(not repeated)' found"
            );
        }
        for argument in ["postgres:/me", "0..500:3", "dockr", "me@h"] {
            assert!(redacted(argument).contains(argument), "{argument}");
        }
        let piece = without_passwords(
            "unknown arm 'postgres://me:sec'",
            ["--arms=postgres://me:sec,ret@h".to_owned()].into_iter(),
        );
        assert_eq!(piece, "unknown arm '(not repeated)'");
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
