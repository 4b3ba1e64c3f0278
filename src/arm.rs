//! The closed list of arms: the ways in which the clients' transactions are done.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::Mode;

/// One way of doing the clients' transactions. The same name means the same
/// thing in both modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// No client transactions at all: what the foreground readers see alone.
    Quiet,
    /// The transactions on persistent, direct connections.
    KeptOpen,
    /// Connect, transaction, disconnect, each time.
    Unpooled,
    /// The transactions through an in-process pool.
    Pool,
    /// The `unpooled` client with only the address changed to PgBouncer's.
    Pgbouncer,
    /// The transactions on persistent connections to PgBouncer.
    PgbouncerKept,
    /// Connect, send nothing, half-close, wait for EOF: a fork without a ProcArray entry.
    ForkOnly,
    /// Logins of an unknown role: the ProcArray is joined, almost nothing is loaded.
    FailedLogin,
    /// VACUUMs of an empty table: exclusive acquisitions without a fork.
    Vacuum,
    /// Small writes on persistent direct connections.
    Commit,
    /// The CPU of a connection, and no ProcArray.
    CpuBurn,
}

impl Arm {
    /// Every arm, in the order of presentation.
    pub const ALL: [Arm; 11] = [
        Arm::Quiet,
        Arm::KeptOpen,
        Arm::Unpooled,
        Arm::Pool,
        Arm::Pgbouncer,
        Arm::PgbouncerKept,
        Arm::ForkOnly,
        Arm::FailedLogin,
        Arm::Vacuum,
        Arm::Commit,
        Arm::CpuBurn,
    ];

    /// The name used on the command line, in files and in figures.
    pub fn name(self) -> &'static str {
        match self {
            Arm::Quiet => "quiet",
            Arm::KeptOpen => "kept-open",
            Arm::Unpooled => "unpooled",
            Arm::Pool => "pool",
            Arm::Pgbouncer => "pgbouncer",
            Arm::PgbouncerKept => "pgbouncer-kept",
            Arm::ForkOnly => "fork-only",
            Arm::FailedLogin => "failed-login",
            Arm::Vacuum => "vacuum",
            Arm::Commit => "commit",
            Arm::CpuBurn => "cpu-burn",
        }
    }

    /// One line of explanation for tables and help.
    pub fn meaning(self) -> &'static str {
        match self {
            Arm::Quiet => "no client transactions",
            Arm::KeptOpen => "transactions on persistent direct connections",
            Arm::Unpooled => "connect, transaction, disconnect, each time",
            Arm::Pool => "transactions through an in-process pool",
            Arm::Pgbouncer => "as unpooled, but connecting to PgBouncer",
            Arm::PgbouncerKept => "transactions on persistent connections to PgBouncer",
            Arm::ForkOnly => "connect, send nothing, close: a fork, no ProcArray",
            Arm::FailedLogin => "logins of an unknown role: ProcArray, little else",
            Arm::Vacuum => "VACUUM of an empty table: exclusive, no fork",
            Arm::Commit => "small writes on persistent connections",
            Arm::CpuBurn => "the CPU of a connection, no ProcArray",
        }
    }

    /// Position in [`Arm::ALL`]; fixes the arm's style in every figure.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether this arm needs PgBouncer.
    pub fn needs_pgbouncer(self) -> bool {
        matches!(self, Arm::Pgbouncer | Arm::PgbouncerKept)
    }

    /// Why a server that is not ours cannot have this arm: nothing is created there, and its processes
    /// are not seen.
    pub fn needs_own_server(self) -> Option<&'static str> {
        match self {
            Arm::Vacuum | Arm::Commit => Some("it needs a table of its own"),
            Arm::CpuBurn => Some("it needs the CPU time of the server's processes"),
            _ => None,
        }
    }

    /// Whether `mode` can run this arm.
    pub fn exists_in(self, mode: Mode) -> bool {
        match mode {
            Mode::Server => true,
            Mode::Model => !self.needs_pgbouncer(),
        }
    }

    /// The arms that `mode` can run.
    pub fn all_in(mode: Mode) -> Vec<Arm> {
        Arm::ALL.into_iter().filter(|a| a.exists_in(mode)).collect()
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not one of [`Arm::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown arm '{given}': choose from {}", names())]
pub struct UnknownArm {
    given: String,
}

fn names() -> String {
    Arm::ALL.map(Arm::name).join(", ")
}

impl FromStr for Arm {
    type Err = UnknownArm;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Arm::ALL
            .into_iter()
            .find(|a| a.name() == s)
            .ok_or_else(|| UnknownArm {
                given: s.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_through_text_and_json() {
        for arm in Arm::ALL {
            assert_eq!(arm.name().parse::<Arm>().unwrap(), arm);
            let json = serde_json::to_string(&arm).unwrap();
            assert_eq!(json, format!("\"{}\"", arm.name()));
            assert_eq!(Arm::ALL[arm.index()], arm);
        }
        assert!(
            "keptopen"
                .parse::<Arm>()
                .unwrap_err()
                .to_string()
                .contains("kept-open")
        );
    }
}
