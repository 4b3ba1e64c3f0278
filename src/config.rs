//! What a run was asked to do: typed, validated, stored in the run file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arm::Arm;
use crate::load::keep_awake::KeepAwakeChoice;
use crate::load::{Arrivals, OfferedRate};
use crate::procarray::SlotOrder;
use crate::procarray::locks::LockKind;
use crate::record::Mode;

/// When a disconnect counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Disconnect {
    /// At the server's EOF: the backend has left the ProcArray.
    Wait,
    /// At once after Terminate, as libpq does.
    Close,
}

/// The clients' rate: given, or to be calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientRate {
    /// Half of what the weakest arm sustains at the largest number of standing
    /// connections, measured before the run.
    Auto,
    /// As given.
    Given(OfferedRate),
}

impl fmt::Display for ClientRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientRate::Auto => f.write_str("auto"),
            ClientRate::Given(rate) => rate.fmt(f),
        }
    }
}

impl FromStr for ClientRate {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == "auto" {
            Ok(ClientRate::Auto)
        } else {
            s.parse()
                .map(ClientRate::Given)
                .map_err(|e: String| format!("{e}, or 'auto' to calibrate it"))
        }
    }
}

/// The statement that readers and clients run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// pgbench's select-only script: one row of `pgbench_accounts` by key.
    SelectOnly,
    /// Any SQL text, sent by the simple protocol.
    Sql(String),
}

impl FromStr for Statement {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.trim() {
            "" => Err("the query is empty".to_owned()),
            "select-only" => Ok(Statement::SelectOnly),
            sql => Ok(Statement::Sql(sql.to_owned())),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::SelectOnly => f.write_str("select-only"),
            Statement::Sql(sql) => f.write_str(sql),
        }
    }
}

/// Settings only the model has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The lock that stands for ProcArrayLock and XidGenLock.
    pub lock: LockKind,
    /// Snapshots a statement takes (2 for a simple-protocol SELECT).
    pub snapshots_per_statement: u32,
    /// Shared acquisitions of a connection before its first statement is over
    /// (4 on 13-17 beyond the statement's own 2, 3 on 18).
    pub snapshots_per_connect: u32,
    /// CPU burnt for the fork of each connection, in ns, outside any lock.
    pub fork_cpu_ns: u64,
    /// CPU burnt for authentication, catalogue loading and exit of each
    /// connection, in ns, outside any lock.
    pub session_cpu_ns: u64,
    /// Where the two CPU costs come from, in words.
    pub cpu_cost_source: String,
    /// A known delay inside ProcArrayAdd's exclusive section, in ns: the positive control.
    pub inject_hold_ns: u64,
}

/// Settings only a server run has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `auto`, `docker`, `local` or a URL without its password.
    pub server: String,
    /// PostgreSQL major version asked for.
    pub pg: Option<u32>,
    /// `tcp` or `unix`.
    pub transport: String,
    /// What readers and clients run.
    pub query: Statement,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// Address of an existing PgBouncer, for servers given by URL.
    pub pgbouncer: Option<String>,
}

/// Everything a run was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The mode.
    pub mode: Mode,
    /// The arms, in order of presentation.
    pub arms: Vec<Arm>,
    /// Foreground readers.
    pub readers: u32,
    /// Their total rate.
    pub reader_rate: OfferedRate,
    /// Clients.
    pub clients: u32,
    /// Their total rate.
    pub client_rate: ClientRate,
    /// Connections in the pools (in-process and PgBouncer).
    pub pool_size: u32,
    /// Numbers of standing connections.
    pub standing: Vec<u32>,
    /// Where churn finds its slots.
    pub slot_order: SlotOrder,
    /// Measured time an arm at each number of standing connections, over all
    /// its blocks, in ns.
    pub duration_ns: u64,
    /// Warm-up of each block, in ns.
    pub warmup_ns: u64,
    /// Blocks an arm at each number of standing connections.
    pub blocks: u32,
    /// Fresh starts at each number of standing connections.
    pub visits: u32,
    /// Seed of order and arrivals.
    pub seed: u64,
    /// Spacing of paced arrivals.
    pub arrivals: Arrivals,
    /// How cores are kept awake.
    pub keep_awake: KeepAwakeChoice,
    /// The percentile quoted in headlines (99 = p99).
    pub quoted_percentile: f64,
    /// Model settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelConfig>,
    /// Server settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerConfig>,
}

/// A request that makes no sense; one line, says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Longest warm-up and measured part of one block together.
const LONGEST_BLOCK: Duration = Duration::from_secs(3600);

/// Most blocks of an arm; every block's histograms are kept in memory and in the run file.
const MOST_BLOCKS: u32 = 10_000;

impl Config {
    /// Checks that the request makes sense.
    ///
    /// # Errors
    /// One line that says which option is wrong and what to give instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        if self.arms.is_empty() {
            return fail("--arms is empty: name at least one arm".into());
        }
        if let Some(arm) = self.arms.iter().find(|a| !a.exists_in(self.mode)) {
            let arms: Vec<&str> = Arm::all_in(self.mode).iter().map(|a| a.name()).collect();
            return fail(format!(
                "the {} has no arm '{arm}': choose from {}",
                self.mode,
                arms.join(", ")
            ));
        }
        for (name, value) in [
            ("--readers", self.readers),
            ("--clients", self.clients),
            ("--pool-size", self.pool_size),
            ("--blocks", self.blocks),
            ("--starts", self.visits),
        ] {
            if value == 0 {
                return fail(format!("{name} must be at least 1"));
            }
        }
        if self.readers > 1000 || self.clients > 1000 || self.pool_size > 1000 {
            return fail("--readers, --clients and --pool-size can be 1000 at most".into());
        }
        if self.blocks > MOST_BLOCKS {
            return fail(format!(
                "--blocks {} is too many: at most {MOST_BLOCKS}",
                self.blocks
            ));
        }
        if self.standing.is_empty() {
            return fail("--standing is empty: give one or more numbers, such as 0,500".into());
        }
        if let Some(n) = self.standing.iter().find(|&&n| n > 100_000) {
            return fail(format!(
                "--standing {n} is more than PostgreSQL can hold: at most 100000"
            ));
        }
        if self.duration_ns == 0 {
            return fail("--duration must be longer than zero".into());
        }
        if self.block_ns() < 1_000_000 {
            return fail(format!(
                "--duration over {} blocks leaves less than 1 ms a block: give more time or fewer blocks",
                self.blocks
            ));
        }
        if Duration::from_nanos(self.block_ns().saturating_add(self.warmup_ns)) > LONGEST_BLOCK {
            return fail(
                "a block (duration / blocks + warm-up) can last one hour at most: give more blocks"
                    .into(),
            );
        }
        if self.visits > self.blocks {
            return fail(format!(
                "--starts {} is more than --blocks {}: every start needs a block",
                self.visits, self.blocks
            ));
        }
        Ok(())
    }

    /// Measured length of one block, in ns.
    pub fn block_ns(&self) -> u64 {
        self.duration_ns / u64::from(self.blocks.max(1))
    }

    /// The largest number of standing connections.
    pub fn largest_standing(&self) -> u32 {
        self.standing.iter().copied().max().unwrap_or(0)
    }
}
