//! The closed list of arms: the ways in which the clients' transactions are done.
//!
//! [`ARMS`] holds one descriptor per arm. What an arm does is in `src/model/arms/` for the model and
//! in `src/server/arms/` for the server.

use crate::names::named_enum;
use crate::procarray::Premapping;

named_enum! {
    /// Where the operations run.
    pub enum Mode: "mode" {
        /// The modelled ProcArray in this process.
        Model = "model",
        /// A real PostgreSQL server.
        Server = "server",
    }
}

named_enum! {
    /// One way of doing the clients' transactions. The same name means the same
    /// thing in both modes.
    pub enum Arm: "arm" {
        /// No client transactions at all: what the foreground readers see alone.
        Quiet = "quiet",
        /// The transactions on persistent, direct connections.
        KeptOpen = "kept-open",
        /// Connect, transaction, disconnect, each time.
        Unpooled = "unpooled",
        /// As `unpooled`, but each forked child maps the PGPROC array before it joins, by one write
        /// fault per 4 kB page: the same faults, outside ProcArrayLock.
        Premapped = "premapped",
        /// As `premapped`, by one read per 64 kB, of which Linux makes one fault per 16 pages.
        PremappedFew = "premapped-few",
        /// The transactions through an in-process pool.
        Pool = "pool",
        /// The `unpooled` client with only the address changed to PgBouncer's.
        Pgbouncer = "pgbouncer",
        /// The transactions on persistent connections to PgBouncer.
        PgbouncerKept = "pgbouncer-kept",
        /// Connect, send nothing, half-close, wait for EOF: a fork without a ProcArray entry.
        ForkOnly = "fork-only",
        /// Logins of an unknown role: the ProcArray is joined, almost nothing is loaded.
        FailedLogin = "failed-login",
        /// VACUUMs of an empty table: exclusive acquisitions without a fork.
        Vacuum = "vacuum",
        /// Small writes on persistent direct connections.
        Commit = "commit",
        /// The CPU of a connection, and no ProcArray.
        CpuBurn = "cpu-burn",
    }
}

/// Which connections an arm's clients hold open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// None.
    None,
    /// One per client, open throughout the run.
    Persistent,
    /// One per client at most, during the arm's own blocks.
    PerTransaction,
    /// Those of the in-process pool, open throughout the run.
    Pool,
    /// Those of PgBouncer to the server, one pool for all arms through PgBouncer.
    PgBouncerPool,
}

/// What an arm needs beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// PgBouncer.
    PgBouncer,
    /// A server that procbench starts, and why: nothing is created on the servers of
    /// others, and their processes are not seen.
    OwnServer(&'static str),
}

/// How a line is drawn. An arm has the same in every figure: colours follow Okabe and Ito's palette for colour-blind
/// readers; dash and weight repeat the distinction for a black-and-white print.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Colour as `#rrggbb`.
    pub colour: &'static str,
    /// Line width in pixels.
    pub weight: f64,
    /// `stroke-dasharray` in pixels; empty is a solid line.
    pub dash: &'static str,
}

impl Stroke {
    /// From its parts.
    pub const fn new(colour: &'static str, weight: f64, dash: &'static str) -> Self {
        Stroke {
            colour,
            weight,
            dash,
        }
    }
}

/// What is known about an arm beside what it does.
#[derive(Debug)]
pub struct Descriptor {
    /// The arm.
    pub arm: Arm,
    /// What its clients do, in one clause.
    pub meaning: &'static str,
    /// The modes that have it.
    pub modes: &'static [Mode],
    /// Which connections its clients hold.
    pub connections: Connections,
    /// What it needs.
    pub needs: Needs,
    /// How it is drawn.
    pub stroke: Stroke,
}

const BOTH: &[Mode] = &[Mode::Model, Mode::Server];
const SERVER: &[Mode] = &[Mode::Server];
const TABLE: Needs = Needs::OwnServer("it needs a table of its own");

const PRELOAD: Needs = Needs::OwnServer("the postmaster preloads a library");

/// The others are described by what they have beside it.
const QUIET: Descriptor = Descriptor {
    arm: Arm::Quiet,
    meaning: "no client transactions",
    modes: BOTH,
    connections: Connections::None,
    needs: Needs::Nothing,
    stroke: Stroke::new("#6e6e6e", 1.3, "1.5 2.5"),
};

/// Every arm, in the order of presentation.
pub static ARMS: [Descriptor; 13] = [
    QUIET,
    Descriptor {
        arm: Arm::KeptOpen,
        meaning: "transactions on persistent direct connections",
        connections: Connections::Persistent,
        stroke: Stroke::new("#000000", 2.0, ""),
        ..QUIET
    },
    Descriptor {
        arm: Arm::Unpooled,
        meaning: "connect, transaction, disconnect, each time",
        connections: Connections::PerTransaction,
        stroke: Stroke::new("#d55e00", 2.6, ""),
        ..QUIET
    },
    Descriptor {
        arm: Arm::Premapped,
        meaning: "as unpooled, page faults of joining before the lock",
        connections: Connections::PerTransaction,
        needs: PRELOAD,
        stroke: Stroke::new("#5a4a9e", 2.2, "11 3 4 3"),
        ..QUIET
    },
    Descriptor {
        arm: Arm::PremappedFew,
        meaning: "as premapped, with one fault for 16 pages",
        connections: Connections::PerTransaction,
        needs: PRELOAD,
        stroke: Stroke::new("#8f5a33", 1.8, "4 3"),
        ..QUIET
    },
    Descriptor {
        arm: Arm::Pool,
        meaning: "transactions through an in-process pool",
        connections: Connections::Pool,
        stroke: Stroke::new("#008762", 1.8, "10 3.5"),
        ..QUIET
    },
    Descriptor {
        arm: Arm::Pgbouncer,
        meaning: "as unpooled, but connecting to PgBouncer",
        modes: SERVER,
        connections: Connections::PgBouncerPool,
        needs: Needs::PgBouncer,
        stroke: Stroke::new("#005a9c", 2.2, "6 2.5"),
    },
    Descriptor {
        arm: Arm::PgbouncerKept,
        meaning: "transactions on persistent connections to PgBouncer",
        modes: SERVER,
        connections: Connections::PgBouncerPool,
        needs: Needs::PgBouncer,
        stroke: Stroke::new("#2b8cc4", 1.6, "7 2.5 1.5 2.5"),
    },
    Descriptor {
        arm: Arm::ForkOnly,
        meaning: "connect, send nothing, close: a fork, no ProcArray",
        connections: Connections::PerTransaction,
        stroke: Stroke::new("#b07a00", 1.8, "3 2.5"),
        ..QUIET
    },
    Descriptor {
        arm: Arm::FailedLogin,
        meaning: "logins of an unknown role: ProcArray, little else",
        connections: Connections::PerTransaction,
        stroke: Stroke::new("#a84f80", 1.8, "10 2.5 3 2.5"),
        ..QUIET
    },
    Descriptor {
        arm: Arm::Vacuum,
        meaning: "VACUUM of an empty table: exclusive, no fork",
        modes: BOTH,
        connections: Connections::Persistent,
        needs: TABLE,
        stroke: Stroke::new("#7a4f2a", 1.6, "8 2 1.5 2 1.5 2"),
    },
    Descriptor {
        arm: Arm::Commit,
        meaning: "small writes on persistent connections",
        modes: BOTH,
        connections: Connections::Persistent,
        needs: TABLE,
        stroke: Stroke::new("#e08a4f", 2.2, "1.5 2"),
    },
    Descriptor {
        arm: Arm::CpuBurn,
        meaning: "the CPU of a connection, no ProcArray",
        needs: Needs::OwnServer("it needs the CPU time of the server's processes"),
        stroke: Stroke::new("#5c660a", 1.4, "14 4"),
        ..QUIET
    },
];

impl Arm {
    /// Its row of [`ARMS`].
    pub fn descriptor(self) -> &'static Descriptor {
        &ARMS[self.index()]
    }

    /// Position in [`ARMS`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether this arm needs PgBouncer.
    pub fn needs_pgbouncer(self) -> bool {
        self.descriptor().needs == Needs::PgBouncer
    }

    /// Why a server that is not ours cannot have this arm.
    pub fn needs_own_server(self) -> Option<&'static str> {
        match self.descriptor().needs {
            Needs::OwnServer(why) => Some(why),
            Needs::Nothing | Needs::PgBouncer => None,
        }
    }

    /// How this arm's forked children map the PGPROC array before they join it.
    pub fn premapping(self) -> Option<Premapping> {
        match self {
            Arm::Premapped => Some(Premapping::WriteEachPage),
            Arm::PremappedFew => Some(Premapping::ReadPer64Kb),
            _ => None,
        }
    }

    /// Whether `mode` can run this arm.
    pub fn exists_in(self, mode: Mode) -> bool {
        self.descriptor().modes.contains(&mode)
    }

    /// The arms that `mode` can run.
    pub fn all_in(mode: Mode) -> Vec<Arm> {
        let mut arms = Arm::ALL.to_vec();
        arms.retain(|a| a.exists_in(mode));
        arms
    }

    /// The arm among `arms` whose A/A twin is run beside it: `kept-open` where it runs.
    pub fn baseline(arms: &[Arm]) -> Option<Arm> {
        [Arm::KeptOpen, Arm::Quiet]
            .into_iter()
            .find(|a| arms.contains(a))
            .or_else(|| arms.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_through_text_and_json() {
        assert_eq!(Arm::ALL.len(), ARMS.len());
        for &arm in Arm::ALL {
            assert_eq!(arm.descriptor().arm, arm, "out of order in ARMS");
            assert_eq!(arm.name().parse::<Arm>().unwrap(), arm);
            let json = serde_json::to_string(&arm).unwrap();
            assert_eq!(json, format!("\"{}\"", arm.name()));
        }
        // Told apart by colour, and by dash and weight in print.
        for (i, a) in ARMS.iter().enumerate() {
            for b in &ARMS[..i] {
                assert_ne!(a.stroke.colour, b.stroke.colour, "{} and {}", a.arm, b.arm);
                let lines = [a, b].map(|d| (d.stroke.weight, d.stroke.dash));
                assert_ne!(lines[0], lines[1], "{} and {}", a.arm, b.arm);
            }
        }
        assert!("keptopen".parse::<Arm>().unwrap_err().contains("kept-open"));
    }
}
