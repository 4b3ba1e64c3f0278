//! `export`: a stored run for other tools.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::outcome::{CommandError, Outcome};
use crate::console::print;
use crate::experiment::analyse;
use crate::record::{read_run, write_atomically};
use crate::report::export::ExportFormat;

/// `procbench export`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench export results/A/server --format csv > server.csv
  procbench export results/A/server --format hlog --out server.hlog")]
pub struct ExportCommand {
    /// Run file, or the directory that holds it
    run: PathBuf,
    /// json, csv, hgrm or hlog
    #[arg(long, value_name = "FORMAT", required_unless_present = "json")]
    format: Option<ExportFormat>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// File to write instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ExportCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// An unreadable run is a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let run = read_run(&self.run).map_err(CommandError::request)?;
        let format = self.format.unwrap_or(ExportFormat::Json);
        let bytes = format.write(&run, &analyse(&run)).context("export")?;
        match &self.out {
            Some(path) => write_atomically(path, &bytes).map_err(CommandError::unwritten_file)?,
            None => print(bytes),
        }
        Ok(Outcome::Done)
    }
}
