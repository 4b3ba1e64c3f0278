//! Options that the measuring commands share. Same names in both modes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values;
use crate::arm::Arm;
use crate::config::Arrivals;
use crate::config::KeepAwakeChoice;
use crate::config::{Config, ModelConfig};
use crate::experiment::Scale;
use crate::factor::OfferedRate;
use crate::names::named_enum;
use crate::procarray::Ablations;

/// The load: who, how many, how fast, how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Arms to run, with commas (default: all that the mode has)
    #[arg(long, value_delimiter = ',', value_name = "ARM,...")]
    pub arms: Option<Vec<Arm>>,
    /// Foreground readers
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub readers: Option<u32>,
    /// Total rate of the readers' statements: per second, or 'max' for a closed loop
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub reader_rate: Option<OfferedRate>,
    /// Clients
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub clients: Option<u32>,
    /// Connections in the in-process pool and in PgBouncer's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pool_size: Option<u32>,
    /// Measured time per arm and level (one combination of all lists), over all its blocks (10s, 500ms)
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// Warm-up of each block
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub warmup: Option<Duration>,
    /// Blocks per arm and level
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub blocks: Option<u32>,
    /// Fresh server starts (or arrays) per level
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub starts: Option<u32>,
    /// Seed of the block order and of the arrivals
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Spacing of paced arrivals
    #[arg(long, value_enum)]
    pub arrivals: Option<Arrivals>,
    /// Keep idle cores awake: auto, pm (power management), spin (SCHED_IDLE spinners) or off
    #[arg(long, value_name = "HOW")]
    pub keep_awake: Option<KeepAwakeChoice>,
    /// Percentile to quote in headlines and verdicts
    #[arg(long, value_name = "P", value_parser = values::percentile)]
    pub quote: Option<f64>,
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
    /// What to print on stdout: text, json or csv
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: StdoutFormat,
}

named_enum! {
    /// What a measuring command prints on stdout.
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
    pub without: Option<Ablations>,
    /// Where pgxactoff lies: in the PGPROC, as in PostgreSQL, or in an array of its own
    #[arg(long, value_enum)]
    pub pgxactoff: Option<PgxactoffPlace>,
    /// Backends that commit beside readers and clients (1 where --commit-rate asks for some)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub committers: Option<u32>,
    /// Subtransactions with an xid in each of them
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub subtransactions: Option<u32>,
    /// How many of these roll back, each under ProcArrayLock exclusively
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rolled_back_subtransactions: Option<u32>,
    /// Readings of pg_stat_activity per second
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub monitor_rate: Option<f64>,
    /// Horizon scans (as vacuum and pruning do) per second
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub horizon_rate: Option<f64>,
    /// Parallel workers started and ended per second
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub parallel_rate: Option<f64>,
    /// Snapshots per statement
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub snapshots: Option<u32>,
    /// CPU burnt for the fork of each connection (500us)
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub fork_cpu: Option<Duration>,
    /// CPU burnt for authentication, catalogue loading and exit of each connection (1500us)
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub session_cpu: Option<Duration>,
    /// Positive control: a known delay inside ProcArrayAdd's exclusive section
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub inject_hold: Option<Duration>,
}

/// Lays a value over another, if it was given.
fn set<T: Clone>(target: &mut T, given: &Option<T>) {
    if let Some(value) = given {
        target.clone_from(value);
    }
}

fn ns(time: Duration) -> u64 {
    time.as_nanos() as u64
}

impl LoadOptions {
    /// The length of the run.
    pub fn scale(&self) -> Scale {
        if self.quick {
            Scale::Quick
        } else {
            Scale::Full
        }
    }

    /// Lays the given options over `config`.
    pub fn apply(&self, config: &mut Config) {
        let blocks_before = config.blocks;
        set(
            &mut config.arms,
            &self.arms.clone().map(|mut arms| {
                arms.sort();
                arms.dedup();
                arms
            }),
        );
        set(&mut config.readers, &self.readers);
        set(&mut config.reader_rate, &self.reader_rate);
        set(&mut config.clients, &self.clients);
        set(&mut config.pool_size, &self.pool_size);
        set(&mut config.blocks, &self.blocks);
        // Other numbers of blocks keep the length of a block.
        config.duration_ns =
            config.duration_ns / u64::from(blocks_before.max(1)) * u64::from(config.blocks);
        set(&mut config.duration_ns, &self.duration.map(ns));
        set(&mut config.warmup_ns, &self.warmup.map(ns));
        set(&mut config.starts, &self.starts);
        if self.starts.is_none() {
            config.starts = config.starts.min(config.blocks.max(1));
        }
        set(&mut config.seed, &self.seed);
        set(&mut config.arrivals, &self.arrivals);
        set(&mut config.keep_awake, &self.keep_awake);
        set(&mut config.quoted_percentile, &self.quote);
    }
}

impl ModelOptions {
    /// Lays the given options over `model`.
    pub fn apply(&self, model: &mut ModelConfig) {
        if let Some(without) = self.without {
            model.ablations = Ablations {
                own_pgxactoff_array: model.ablations.own_pgxactoff_array,
                ..without
            };
        }
        let own_array = self.pgxactoff.map(|p| p == PgxactoffPlace::OwnArray);
        set(&mut model.ablations.own_pgxactoff_array, &own_array);
        let background = &mut model.background;
        set(&mut background.committers, &self.committers);
        set(&mut background.subtransactions, &self.subtransactions);
        set(
            &mut background.rolled_back_subtransactions,
            &self.rolled_back_subtransactions,
        );
        set(&mut background.monitor_rate_per_second, &self.monitor_rate);
        set(&mut background.horizon_rate_per_second, &self.horizon_rate);
        set(
            &mut background.parallel_workers_per_second,
            &self.parallel_rate,
        );
        set(&mut model.snapshots_per_statement, &self.snapshots);
        set(&mut model.fork_cpu_ns, &self.fork_cpu.map(ns));
        set(&mut model.session_cpu_ns, &self.session_cpu.map(ns));
        if self.fork_cpu.is_some() || self.session_cpu.is_some() {
            model.cpu_cost_source = "given on the command line".to_owned();
        }
        set(&mut model.inject_hold_ns, &self.inject_hold.map(ns));
    }
}
