//! What a connection's time is made of: its phases at each level, and the server's own account beside them.

use serde::Serialize;

use super::contrast::Estimate;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{Operation, Phase, Role, SeriesKey};

/// A part of a connection's time as the client's clock sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

impl ConnectionPhase {
    /// Its name in tables and figures.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionPhase::Socket => "socket connect",
            ConnectionPhase::Tls => "TLS handshake",
            ConnectionPhase::Startup => "startup to ready",
            ConnectionPhase::Challenge => "startup to challenge",
            ConnectionPhase::Exchange => "challenge to last answer",
            ConnectionPhase::AfterExchange => "last answer to ready",
            ConnectionPhase::Query => "query",
            ConnectionPhase::Disconnect => "disconnect",
            ConnectionPhase::Between => "client between phases",
            ConnectionPhase::Whole => "whole connection",
        }
    }

    /// The series it is recorded in; `None` for what is a difference of others.
    pub(super) fn key(self) -> Option<SeriesKey> {
        let (operation, phase) = match self {
            ConnectionPhase::Socket => (Operation::Connect, Phase::Socket),
            ConnectionPhase::Tls => (Operation::Connect, Phase::Tls),
            ConnectionPhase::Startup => (Operation::Connect, Phase::Startup),
            ConnectionPhase::Challenge => (Operation::Connect, Phase::Challenge),
            ConnectionPhase::Exchange => (Operation::Connect, Phase::Exchange),
            ConnectionPhase::Query => (Operation::Query, Phase::Total),
            ConnectionPhase::Disconnect => (Operation::Disconnect, Phase::Total),
            ConnectionPhase::Whole => (Operation::Transaction, Phase::Total),
            ConnectionPhase::AfterExchange | ConnectionPhase::Between => return None,
        };
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
