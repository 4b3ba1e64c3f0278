//! `compare`: stored runs side by side.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::measure::{make_dir, print_rows, print_sections};
use super::options::{StdoutFormat, StdoutOptions};
use super::outcome::{CommandError, Outcome};
use crate::console::print;
use crate::experiment::analyse;
use crate::record::{find_runs, read_run};
use crate::report::comparison::comparison;
use crate::report::figure::Look;
use crate::report::{comparable, drawings, rows};
use crate::stats::Analysis;

/// `procbench compare`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench compare results/A results/B
  procbench compare results/A/server results/A/model
  procbench compare one/run.json two/run.json --out comparison --format csv")]
pub struct CompareCommand {
    /// Run files, or directories below which they lie; two runs or more
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Draw figures, too, into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    stdout: StdoutOptions,
}

impl CompareCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable or incomparable runs are a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let found: Result<Vec<_>, _> = self.runs.iter().map(|path| find_runs(path)).collect();
        let paths = found.map_err(CommandError::request)?.concat();
        if let [alone] = &paths[..] {
            return Err(CommandError::Request(format!(
                "{} is the only run there: name another to compare it with",
                alone.display()
            )));
        }
        let read = paths.iter().map(|path| read_run(path));
        let runs: Result<Vec<_>, _> = read.map(|run| run.map(|run| analyse(&run))).collect();
        let runs: Vec<Analysis> = runs.map_err(CommandError::request)?;
        let items: Vec<&Analysis> = runs.iter().collect();
        comparable::check(&items).map_err(CommandError::request)?;
        let mut written = Vec::new();
        if let Some(out) = &self.out {
            make_dir(out)?;
            written = drawings::draw_comparison(&items, Look::Screen, out).context("drawing")?;
        }
        let format = self.stdout.format();
        if format == StdoutFormat::Text {
            print_sections(&comparison(&items));
            let is_png = |path: &&PathBuf| path.extension().is_some_and(|e| e == "png");
            for path in written.iter().filter(is_png) {
                print(format!("figure: {}\n", path.display()));
            }
        } else {
            let all: Vec<_> = runs.iter().flat_map(rows::summary_rows).collect();
            print_rows(&all, format)?;
        }
        Ok(Outcome::Done)
    }
}
