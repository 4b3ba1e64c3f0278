//! `chapter`: the experiments of the chapter, one after the other.

use std::path::PathBuf;

use clap::Args;

use super::canned::{Given, ModeChoice, Order, carry_out};
use super::named::{Named, Names};
use super::options::OutputOptions;
use super::outcome::{CommandError, Outcome};
use crate::doctor::run_checks;
use crate::experiment::{self, Experiment, Scale};

/// `procbench chapter`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench chapter --quick --install   the README's first command, some minutes
  procbench chapter                     for print, about a quarter of an hour
  procbench chapter --pg 13,15,17,18    the same on every version, about an hour and a half
  procbench chapter --only pool,anatomy
  procbench chapter --resume results/20261124T190000Z-chapter-1a2b3c   what is missing there")]
pub struct ChapterCommand {
    /// Install what is missing first (apt-get on Debian and Ubuntu; elsewhere prints the command)
    #[arg(long)]
    install: bool,
    /// Only these experiments, with commas (`procbench experiments` lists all)
    #[arg(long, value_delimiter = ',', value_name = "EXPERIMENT,...", value_parser = Names)]
    only: Option<Vec<Named>>,
    /// Go on in this directory: complete runs there are taken over if they were asked for in the same way
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "overwrite"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    output: OutputOptions,
}

impl ChapterCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or results that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let given = self.given;
        let experiments = chosen(self.only.as_deref(), given.load.scale())?;
        let order = Order {
            experiments: &experiments,
            modes: ModeChoice::Both,
            name: "chapter",
            is_chapter: true,
            resumes: self.resume.is_some(),
        };
        // What makes no sense is refused before anything is installed.
        order.planned(&given)?;
        let mut output = self.output;
        if let Some(dir) = self.resume {
            if !dir.is_dir() {
                return Err(CommandError::Request(format!(
                    "--resume {}: there is no such directory; without --resume the chapter begins anew",
                    dir.display()
                )));
            }
            output.out = Some(dir);
            output.overwrite = true;
        }
        if self.install {
            super::doctor::install_missing(&run_checks())?;
        }
        carry_out(&order, &given, &output)
    }
}

/// The experiments that were named, or those of the chapter at this scale.
///
/// # Errors
/// One that is no part of it.
fn chosen(only: Option<&[Named]>, scale: Scale) -> Result<Vec<&'static Experiment>, CommandError> {
    let Some(named) = only else {
        return Ok(experiment::chapter(scale));
    };
    let mut chosen: Vec<&'static Experiment> = Vec::new();
    for one in named {
        let Named::Canned(experiment) = *one else {
            return Err(CommandError::Request(format!(
                "--only {0}: it is no part of this chapter: procbench run {0}",
                one.name()
            )));
        };
        if !chosen.iter().any(|e| e.name == experiment.name) {
            chosen.push(experiment);
        }
    }
    Ok(chosen)
}
