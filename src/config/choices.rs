//! What can be chosen for a run where there is no factor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::named_enum;

/// How arrivals of a paced load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Independent arrivals with exponential gaps (the default).
    Poisson,
    /// Equal gaps, with a random phase for each worker.
    Even,
}

/// When a disconnect counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Disconnect {
    /// At the server's EOF: the backend has left the ProcArray.
    Wait,
    /// At once after Terminate, as libpq does.
    Close,
}

/// How statements are sent; the names are pgbench's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The text each time (Query).
    #[default]
    Simple,
    /// Prepared once per connection (Parse), then executed (Bind, Describe, Execute).
    Prepared,
}

/// The statement that readers and clients run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// pgbench's select-only script: one row of `pgbench_accounts` by key.
    SelectOnly,
    /// Any SQL text.
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

named_enum! {
    /// Whether and how cores are kept awake.
    pub enum KeepAwakeChoice: "way to keep cores awake" {
        /// By power management where allowed; else by spinners in the model and not
        /// at all beside a server.
        Auto = "auto" | "on",
        /// By power management.
        PowerManagement = "pm",
        /// By SCHED_IDLE spinners.
        Spinners = "spin",
        /// Not at all.
        Off = "off",
    }
}

named_enum! {
    /// Which blocks of a server run are traced (root, bpftrace).
    #[derive(Default)]
    pub enum Tracing: "choice of blocks to trace" {
        /// None: the times of statements and transactions are quoted.
        #[default]
        Off = "off",
        /// A twin of each, right after it: where statements spend their time; quoted times are the others'.
        Twins = "twins",
        /// All: acquisitions, holds and faults are quoted, times are not.
        EveryBlock = "every-block",
    }
}

impl Tracing {
    /// Whether nothing was asked for; such a file says nothing about it.
    pub fn is_off(&self) -> bool {
        *self == Tracing::Off
    }
}
