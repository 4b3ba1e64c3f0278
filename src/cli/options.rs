//! Options that the measuring commands share. Same names in both modes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values;
use crate::arm::Arm;
use crate::config::{ClientRate, Config, Disconnect, ModelConfig, ServerConfig, Statement};
use crate::load::keep_awake::KeepAwakeChoice;
use crate::load::{Arrivals, OfferedRate};
use crate::procarray::SlotOrder;
use crate::procarray::locks::LockKind;
use crate::server::ServerRequest;
use crate::server::provision::{ServerChoice, ServerUrl, Transport};

/// A list of whole numbers, as one value.
#[derive(Debug, Clone)]
pub struct Numbers(Vec<u32>);

fn numbers(text: &str) -> Result<Numbers, String> {
    values::numbers(text).map(Numbers)
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
    /// Total rate of the clients' transactions: per second, 'max', or 'auto' (half of what the weakest arm sustains)
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub client_rate: Option<ClientRate>,
    /// Connections in the in-process pool and in PgBouncer's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pool_size: Option<u32>,
    /// Standing connections: 500, or a list 0,500, or a range 50..5000:log6
    #[arg(long, value_name = "N,...", value_parser = numbers, allow_negative_numbers = true)]
    pub standing: Option<Numbers>,
    /// Where churn finds its slots relative to the standing connections: front, behind or spread
    #[arg(long, value_name = "ORDER")]
    pub slot_order: Option<SlotOrder>,
    /// Measured time an arm and number of standing connections, over all blocks (10s, 500ms)
    #[arg(long, value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// Warm-up of each block
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub warmup: Option<Duration>,
    /// Blocks an arm and number of standing connections
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub blocks: Option<u32>,
    /// Fresh server starts (or arrays) for each number of standing connections
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

/// Options of the modelled ProcArray.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelOptions {
    /// The lock: parking_lot, parking_lot_0.12, std, sharded, fair or bravo
    #[arg(long, value_name = "LOCK")]
    pub lock: Option<LockKind>,
    /// Snapshots a statement takes
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

/// Options of the real server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// The server: auto, docker, local, or postgres://user@host:port/db (password from PGPASSWORD or ~/.pgpass)
    #[arg(long, value_name = "SERVER")]
    pub server: Option<ServerChoice>,
    /// PostgreSQL major version
    #[arg(long, value_name = "MAJOR", allow_negative_numbers = true)]
    pub pg: Option<u32>,
    /// How clients reach the server: tcp or unix
    #[arg(long, value_name = "tcp|unix")]
    pub transport: Option<Transport>,
    /// What readers and clients run: SQL, or 'select-only' for pgbench's script on pgbench_accounts
    #[arg(long, value_name = "SQL")]
    pub query: Option<Statement>,
    /// When a disconnect is over
    #[arg(long, value_enum)]
    pub disconnect: Option<Disconnect>,
    /// Your own PgBouncer before a server given by URL
    #[arg(long, value_name = "URL")]
    pub pgbouncer: Option<ServerUrl>,
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
        set(&mut config.client_rate, &self.client_rate);
        set(&mut config.pool_size, &self.pool_size);
        set(&mut config.standing, &self.standing.clone().map(|n| n.0));
        set(&mut config.slot_order, &self.slot_order);
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
        if let Some(lock) = self.lock {
            model.lock = lock;
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
}

impl ServerOptions {
    /// The typed request, and the same as recorded (without a password).
    pub fn request(&self, defaults: &ServerConfig) -> (ServerRequest, ServerConfig) {
        let choice = self.server.clone().unwrap_or_default();
        let request = ServerRequest {
            pg_major: self.pg,
            transport: self.transport.unwrap_or_default(),
            query: self.query.clone().unwrap_or_else(|| defaults.query.clone()),
            disconnect: self.disconnect.unwrap_or(defaults.disconnect),
            pgbouncer: self.pgbouncer.clone(),
            choice,
        };
        let recorded = ServerConfig {
            server: request.choice.to_string(),
            pg: request.pg_major,
            transport: request.transport.to_string(),
            query: request.query.clone(),
            disconnect: request.disconnect,
            pgbouncer: request.pgbouncer.as_ref().map(ToString::to_string),
        };
        (request, recorded)
    }
}
