//! Options that the measuring commands share. Same names in both modes.

use std::path::PathBuf;

use clap::Args;

use super::outcome::CommandError;
use super::overlay::Overlay;
use crate::config::{Config, ModelConfig};
use crate::experiment::Scale;
use crate::names::named_enum;
use crate::procarray::Ablations;

/// The load: who, how many, how fast, how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    #[command(flatten)]
    fields: Overlay<Config>,
    /// Few and short blocks: minutes instead of the full length
    #[arg(long)]
    pub quick: bool,
}

/// Where the run goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Directory for run file, figures and tables (default: results/TIME-NAME-ID)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over the run that is in that directory already
    #[arg(long, requires = "out")]
    pub overwrite: bool,
    #[command(flatten)]
    pub stdout: StdoutOptions,
    /// Print every table, not only the answer
    #[arg(long)]
    pub details: bool,
}

/// What goes to stdout.
#[derive(Debug, Clone, Args)]
pub struct StdoutOptions {
    /// What to print on stdout: text, json or csv
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: StdoutFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl StdoutOptions {
    /// What was asked for.
    pub fn format(&self) -> StdoutFormat {
        match self.json {
            true => StdoutFormat::Json,
            false => self.format,
        }
    }
}

named_enum! {
    /// What a command prints on stdout.
    pub enum StdoutFormat: "format" {
        /// Tables for people.
        Text = "text",
        /// The summary's rows as JSON.
        Json = "json",
        /// The summary's rows as CSV.
        Csv = "csv",
    }
}

/// Where pgxactoff lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PgxactoffPlace {
    /// In each PGPROC, as in PostgreSQL.
    Pgproc,
    /// In an array of its own, which no PostgreSQL has.
    OwnArray,
}

/// Options of the modelled ProcArray.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelOptions {
    /// Leave mechanisms out, with commas: group-clear, reuse, renumbering, xidgenlock
    #[arg(long, value_name = "MECHANISM,...", value_parser = Ablations::without)]
    without: Option<Ablations>,
    /// Where pgxactoff lies: in the PGPROC, as in PostgreSQL, or in an array of its own
    #[arg(long, value_enum)]
    pgxactoff: Option<PgxactoffPlace>,
    #[command(flatten)]
    fields: Overlay<ModelConfig>,
}

impl LoadOptions {
    /// The ids of all options of the command that were given.
    pub fn given(&self) -> Vec<String> {
        self.fields.given()
    }

    /// The length of the run.
    pub fn scale(&self) -> Scale {
        if self.quick {
            Scale::Quick
        } else {
            Scale::Full
        }
    }

    /// Lays the given options over `config`.
    pub fn apply(&self, config: &mut Config) -> Result<(), CommandError> {
        let block_ns = config.block_ns();
        self.fields.apply(config)?;
        if self.fields.is_given("arms") {
            config.arms.sort();
            config.arms.dedup();
            config.arms_by_name = true;
        }
        // Other numbers of blocks keep the length of a block.
        if !self.fields.is_given("duration_ns") {
            config.duration_ns = block_ns * u64::from(config.blocks);
        }
        if !self.fields.is_given("starts") {
            config.starts = config.starts.min(config.blocks.max(1));
        }
        Ok(())
    }
}

impl ModelOptions {
    /// Whether it is said what a connection's CPU is.
    pub fn give_cpu(&self) -> bool {
        self.fields.is_given("fork_cpu_ns") || self.fields.is_given("session_cpu_ns")
    }

    /// Lays the given options over `model`.
    pub fn apply(&self, model: &mut ModelConfig) -> Result<(), CommandError> {
        let own_pgxactoff_array = match self.pgxactoff {
            Some(place) => place == PgxactoffPlace::OwnArray,
            None => model.ablations.own_pgxactoff_array,
        };
        model.ablations = Ablations {
            own_pgxactoff_array,
            ..self.without.unwrap_or(model.ablations)
        };
        if self.give_cpu() {
            model.cpu_cost_source = "given on the command line".to_owned();
        }
        self.fields.apply(model)
    }
}
