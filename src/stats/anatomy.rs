//! What a connection's time is made of: its phases at each level, and the server's own account beside them.

use serde::Serialize;

use super::bootstrap::Estimate;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{Operation, Phase, Role, SeriesKey};

/// A part of a connection's time as the client's clock sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionPhase {
    /// connect() to connected.
    Socket,
    /// SSLRequest sent to the end of the handshake.
    Tls,
    /// Startup message sent to ReadyForQuery.
    Startup,
    /// Its first part, to the server's first authentication request, where there is one.
    Challenge,
    /// Its second part: that request received to the client's last answer sent.
    Exchange,
    /// Its last part, from there to ReadyForQuery.
    AfterExchange,
    /// The statement.
    Query,
    /// Terminate sent to the close.
    Disconnect,
    /// What lies between these, all of it the client's.
    Between,
    /// All of it.
    Whole,
}

/// Every phase in the order of a connection's life, its name in tables and figures, and the client's series
/// that it is recorded in, unless it is a difference of others.
const PHASES: [(ConnectionPhase, &str, Option<(Operation, Phase)>); 10] = {
    use ConnectionPhase::*;
    [
        (Socket, "socket connect", part(Phase::Socket)),
        (Tls, "TLS handshake", part(Phase::Tls)),
        (Startup, "startup to ready", part(Phase::Startup)),
        (Challenge, "startup to challenge", part(Phase::Challenge)),
        (Exchange, "challenge to last answer", part(Phase::Exchange)),
        (AfterExchange, "last answer to ready", None),
        (Query, "query", whole(Operation::Query)),
        (Disconnect, "disconnect", whole(Operation::Disconnect)),
        (Between, "client between phases", None),
        (Whole, "whole connection", whole(Operation::Transaction)),
    ]
};

const fn part(of_connect: Phase) -> Option<(Operation, Phase)> {
    Some((Operation::Connect, of_connect))
}

const fn whole(operation: Operation) -> Option<(Operation, Phase)> {
    Some((operation, Phase::Total))
}

impl ConnectionPhase {
    /// All of them, in the order of a connection's life, the whole last.
    pub(super) fn all() -> impl Iterator<Item = ConnectionPhase> {
        PHASES.iter().map(|row| row.0)
    }

    /// Its name in tables and figures.
    pub fn name(self) -> &'static str {
        PHASES[self as usize].1
    }

    /// The series it is recorded in; `None` for what is a difference of others.
    pub(super) fn key(self) -> Option<SeriesKey> {
        let (operation, phase) = PHASES[self as usize].2?;
        Some(SeriesKey::service(Role::Client, operation, phase))
    }
}

/// One phase at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseTimes {
    /// Which.
    pub phase: ConnectionPhase,
    /// How many connections it was seen in.
    pub samples: u64,
    /// Its mean, with its 95 % interval over blocks.
    pub mean: Estimate,
    /// Median; `None` for what is a difference of means.
    pub p50: Option<Estimate>,
    /// 99th percentile; `None` also with fewer than ten samples above it.
    pub p99: Option<Estimate>,
    /// Whether it is one of the parts that add up to the whole.
    pub adds_up: bool,
}

/// A server's own account of its connections' setup (`log_connections = setup_durations`), means in ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetupAccount {
    /// Connections it logged.
    pub connections: u64,
    /// accept() to ready for query.
    pub total: Estimate,
    /// The fork.
    pub fork: Estimate,
    /// Authentication, waiting for the client included.
    pub authentication: Estimate,
    /// The rest of the total.
    pub rest: Estimate,
}

/// What connections are made of at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anatomy {
    /// The level.
    pub factors: Factors,
    /// The arm whose connections these are.
    pub arm: Arm,
    /// Its phases, in the order of a connection's life, the whole last.
    pub phases: Vec<PhaseTimes>,
    /// Share of the whole's mean that is startup, 0 to 1.
    pub startup_share: Estimate,
    /// CPU that the server used in the blocks, over the connections, in ns; `None` where it is not known.
    pub server_cpu_ns: Option<f64>,
    /// The server's own account, if it gave one.
    pub server: Option<SetupAccount>,
    /// Why the numbers are not to be quoted, if so.
    pub struck: Option<String>,
    /// Reasons to read them with care.
    pub cautions: Vec<String>,
}

impl Anatomy {
    /// One phase.
    pub fn phase(&self, phase: ConnectionPhase) -> Option<&PhaseTimes> {
        self.phases.iter().find(|p| p.phase == phase)
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.phase(ConnectionPhase::Whole).map_or(0, |p| p.samples)
    }

    /// Mean of one phase.
    pub fn mean(&self, phase: ConnectionPhase) -> Option<Estimate> {
        self.phase(phase).map(|p| p.mean)
    }
}
