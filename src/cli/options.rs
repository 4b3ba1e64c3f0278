//! Options that the measuring commands share. Same names in both modes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values;
use crate::arm::Arm;
use crate::config::Arrivals;
use crate::config::KeepAwakeChoice;
use crate::config::{Background, Config, ConfigError, ModelConfig};
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::procarray::locks::{LockChoice, LockKind};
use crate::procarray::{Ablations, MappingKind, PageSize, PgProfile, SlotOrder, UnknownMechanism};

/// A list of whole numbers, as one value.
#[derive(Debug, Clone)]
pub struct Numbers(Vec<u32>);

fn numbers(text: &str) -> Result<Numbers, String> {
    values::numbers(text).map(Numbers)
}

/// A list of rates per second, as one value.
#[derive(Debug, Clone)]
pub struct Rates(Vec<f64>);

fn rates(text: &str) -> Result<Rates, String> {
    values::rates(text).map(Rates)
}

/// The mechanisms left out, as one value.
fn without(text: &str) -> Result<Ablations, UnknownMechanism> {
    Ablations::without(text)
}

/// Each value once, in the order in which they were given.
pub(super) fn distinct<T: Clone + PartialEq>(given: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(given.len());
    for value in given {
        if !kept.contains(value) {
            kept.push(value.clone());
        }
    }
    kept
}

fn lock_help() -> String {
    let names: Vec<&str> = LockKind::ALL.iter().map(|kind| kind.name()).collect();
    format!(
        "The locks, with commas (default: the version's own): {}; each with or without +reuse-check, which reuses a valid snapshot without the lock",
        names.join(", ")
    )
}

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
    /// Total rate of the clients' transactions, with commas: per second, 'max', '50%' of what the weakest arm sustains, or 'auto' (half of it)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "RATE,...",
        allow_negative_numbers = true
    )]
    pub client_rate: Option<Vec<ClientRate>>,
    /// Connections in the in-process pool and in PgBouncer's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pool_size: Option<u32>,
    /// Standing connections: 500, or a list 0,500, or a range 50..5000:log6
    #[arg(long, value_name = "N,...", value_parser = numbers, allow_negative_numbers = true)]
    pub standing: Option<Numbers>,
    /// Where churn finds its slots relative to the standing connections: front, behind or spread, with commas
    #[arg(long, value_delimiter = ',', value_name = "ORDER,...")]
    pub slot_order: Option<Vec<SlotOrder>>,
    /// Measured time per arm and level (one combination of all lists), over all blocks (10s, 500ms)
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// Warm-up of each block
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub warmup: Option<Duration>,
    /// Blocks per arm and level
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub blocks: Option<u32>,
    /// Fresh server starts (or arrays) for each level
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

/// What a measuring command prints on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdoutFormat {
    /// Tables for people.
    Text,
    /// The summary's rows as JSON.
    Json,
    /// The summary's rows as CSV.
    Csv,
}

impl std::str::FromStr for StdoutFormat {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "text" => Ok(StdoutFormat::Text),
            "json" => Ok(StdoutFormat::Json),
            "csv" => Ok(StdoutFormat::Csv),
            _ => Err(format!("unknown format '{s}': choose from text, json, csv")),
        }
    }
}

impl std::fmt::Display for StdoutFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StdoutFormat::Text => "text",
            StdoutFormat::Json => "json",
            StdoutFormat::Csv => "csv",
        })
    }
}

/// Which PostgreSQL, on which pages.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Version")]
pub struct VersionOptions {
    /// PostgreSQL major versions, with commas: 13, 15, 17, 18; the model knows 16, too
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "MAJOR,...",
        allow_negative_numbers = true
    )]
    pub pg: Option<Vec<u32>>,
    /// Pages of the shared memory, with commas: 4k, 2m (the host must grant them: sysctl vm.nr_hugepages)
    #[arg(long, value_delimiter = ',', value_name = "SIZE,...")]
    pub page_size: Option<Vec<PageSize>>,
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
    /// The locks, with commas
    #[arg(long, value_delimiter = ',', value_name = "LOCK,...", help = lock_help())]
    pub lock: Option<Vec<LockChoice>>,
    /// How connections see the shared memory, with commas: shared (mapped already), fresh (a new mapping each), forked (a child process each)
    #[arg(long, value_delimiter = ',', value_name = "HOW,...")]
    pub mapping: Option<Vec<MappingKind>>,
    /// Leave mechanisms out, with commas: group-clear, reuse, renumbering, xidgenlock
    #[arg(long, value_name = "MECHANISM,...", value_parser = without)]
    pub without: Option<Ablations>,
    /// Where pgxactoff lies: in the PGPROC, as in PostgreSQL, or in an array of its own
    #[arg(long, value_enum)]
    pub pgxactoff: Option<PgxactoffPlace>,
    /// Backends that commit beside readers and clients (1 where --commit-rate asks for some)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub committers: Option<u32>,
    /// Their transactions per second, over all of them: 100, or a list or range 0,10..1000:log4
    #[arg(long, value_name = "RATE,...", value_parser = rates, allow_negative_numbers = true)]
    pub commit_rate: Option<Rates>,
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

impl LoadOptions {
    /// Lays the given options over `config`.
    pub fn apply(&self, config: &mut Config) {
        fn set<T: Clone>(target: &mut T, given: &Option<T>) {
            if let Some(value) = given {
                target.clone_from(value);
            }
        }
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
        if let Some(rates) = &self.client_rate {
            config.client_rates = match rates[..] {
                [one] => {
                    config.client_rate = one;
                    Vec::new()
                }
                _ => distinct(rates),
            };
        }
        set(&mut config.pool_size, &self.pool_size);
        set(&mut config.standing, &self.standing.clone().map(|n| n.0));
        set(
            &mut config.slot_orders,
            &self.slot_order.as_deref().map(distinct),
        );
        set(&mut config.blocks, &self.blocks);
        match self.duration {
            Some(duration) => config.duration_ns = duration.as_nanos() as u64,
            // Other numbers of blocks keep the length of a block.
            None => {
                config.duration_ns =
                    config.duration_ns / u64::from(blocks_before.max(1)) * u64::from(config.blocks)
            }
        }
        set(
            &mut config.warmup_ns,
            &self.warmup.map(|d| d.as_nanos() as u64),
        );
        set(&mut config.visits, &self.starts);
        if self.starts.is_none() {
            config.visits = config.visits.min(config.blocks.max(1));
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
        self.apply_memory(model);
        self.apply_background(&mut model.background);
        if let Some(Rates(rates)) = &self.commit_rate {
            model.commit_rates = match rates[..] {
                [one] => {
                    model.background.commit_rate_per_second = one;
                    Vec::new()
                }
                _ => rates.clone(),
            };
            if self.committers.is_none() && rates.iter().any(|&r| r > 0.0) {
                model.background.committers = model.background.committers.max(1);
            }
        }
        if let Some(locks) = &self.lock {
            model.locks = distinct(locks);
        }
        if let Some(snapshots) = self.snapshots {
            model.snapshots_per_statement = snapshots;
        }
        let ns = |d: Duration| d.as_nanos() as u64;
        if self.fork_cpu.is_some() || self.session_cpu.is_some() {
            model.fork_cpu_ns = self.fork_cpu.map_or(model.fork_cpu_ns, ns);
            model.session_cpu_ns = self.session_cpu.map_or(model.session_cpu_ns, ns);
            model.cpu_cost_source = "given on the command line".to_owned();
        }
        if let Some(hold) = self.inject_hold {
            model.inject_hold_ns = ns(hold);
        }
    }

    fn apply_memory(&self, model: &mut ModelConfig) {
        if let Some(mappings) = &self.mapping {
            model.mappings = distinct(mappings);
        }
        if let Some(without) = self.without {
            model.ablations = Ablations {
                own_pgxactoff_array: model.ablations.own_pgxactoff_array,
                ..without
            };
        }
        if let Some(place) = self.pgxactoff {
            model.ablations.own_pgxactoff_array = place == PgxactoffPlace::OwnArray;
        }
    }

    fn apply_background(&self, background: &mut Background) {
        fn set<T: Copy>(target: &mut T, given: Option<T>) {
            *target = given.unwrap_or(*target);
        }
        set(&mut background.committers, self.committers);
        set(&mut background.subtransactions, self.subtransactions);
        set(
            &mut background.rolled_back_subtransactions,
            self.rolled_back_subtransactions,
        );
        set(&mut background.monitor_rate_per_second, self.monitor_rate);
        set(&mut background.horizon_rate_per_second, self.horizon_rate);
        set(
            &mut background.parallel_workers_per_second,
            self.parallel_rate,
        );
    }
}

impl VersionOptions {
    /// Lays the given versions over `model`.
    ///
    /// # Errors
    /// One that the model does not have.
    pub fn apply(&self, model: &mut ModelConfig) -> Result<(), ConfigError> {
        if let Some(majors) = &self.pg {
            let profiles: Result<Vec<PgProfile>, _> =
                majors.iter().map(|m| m.to_string().parse()).collect();
            model.profiles = distinct(&profiles.map_err(|e| ConfigError(format!("--pg: {e}")))?);
        }
        self.apply_pages(&mut model.page_sizes, &mut model.page_size_if_granted);
        Ok(())
    }

    /// Page sizes asked for by name: a run without them is partial.
    pub(super) fn apply_pages(&self, sizes: &mut Vec<PageSize>, if_granted: &mut bool) {
        if let Some(given) = &self.page_size {
            *sizes = distinct(given);
            *if_granted = false;
        }
    }
}
