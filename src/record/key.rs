//! Names of the recorded series: `role.operation.phase.clock`.

use std::fmt;
use std::str::FromStr;

use crate::names::{named_enum, serde_by_text};

named_enum! {
    /// Whose operation it is.
    pub enum Role: "role" {
        /// A foreground reader: the victim whose tail is quoted.
        Reader = "reader",
        /// A client: does transactions in the way its arm says.
        Client = "client",
        /// Commits small writes in the background (model).
        Committer = "committer",
        /// Reads `pg_stat_activity` in the background (model).
        Monitor = "monitor",
        /// Prunes pages in the background (model).
        Pruner = "pruner",
        /// Runs parallel queries in the background (model).
        ParallelLeader = "parallel-leader",
    }
}

named_enum! {
    /// What is done.
    pub enum Operation: "operation" {
        /// One statement of a foreground reader.
        Statement = "statement",
        /// One whole client transaction, connection included where the arm connects.
        Transaction = "transaction",
        /// From nothing to ReadyForQuery; in the model InitProcess + ProcArrayAdd.
        Connect = "connect",
        /// The client's statement.
        Query = "query",
        /// Terminate to EOF; in the model ProcArrayRemove + ProcKill.
        Disconnect = "disconnect",
        /// Taking a connection out of the pool.
        Checkout = "checkout",
        /// GetSnapshotData (model).
        Snapshot = "snapshot",
        /// ProcArrayAdd (model).
        ProcArrayAdd = "procarray-add",
        /// ProcArrayRemove (model).
        ProcArrayRemove = "procarray-remove",
        /// A small write: statement, xid, end of the transaction (model).
        Commit = "commit",
        /// A statement that computes the horizons (model).
        Horizon = "horizon",
        /// One reading of `pg_stat_activity` (model).
        Monitor = "monitor",
        /// A parallel query's worker, from its start to its end (model).
        ParallelWorker = "parallel-worker",
        /// A login that fails; on a server, from the startup message to the server's close.
        FailedLogin = "failed-login",
        /// VACUUM of an empty table (model).
        Vacuum = "vacuum",
    }
}

named_enum! {
    /// Which part of the operation.
    pub enum Phase: "phase" {
        /// All of it.
        Total = "total",
        /// Waiting for the lock.
        Wait = "wait",
        /// Holding the lock.
        Hold = "hold",
        /// The socket's connect.
        Socket = "socket",
        /// TLS: SSLRequest sent to the end of the handshake.
        Tls = "tls",
        /// Startup message sent to ReadyForQuery received.
        Startup = "startup",
        /// Startup message sent to AuthenticationOk (files of earlier versions; it comes with ReadyForQuery).
        Authentication = "authentication",
        /// Startup message sent to the server's first authentication request, if it makes one.
        Challenge = "challenge",
        /// That request received to the client's last answer sent.
        Exchange = "exchange",
    }
}

named_enum! {
    /// From which instant the time is counted.
    pub enum ClockKind: "clock" {
        /// From the scheduled instant: what a user would have waited.
        Response = "response",
        /// From the instant the operation was begun.
        Service = "service",
        /// How late an idle worker began: procbench's own error.
        Pacing = "pacing",
        /// Response time without the worker's own lateness.
        Adjusted = "adjusted",
    }
}

/// One recorded series; written `reader.statement.total.response`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// Whose operation.
    pub role: Role,
    /// Which operation.
    pub operation: Operation,
    /// Which part of it.
    pub phase: Phase,
    /// Counted from when.
    pub clock: ClockKind,
}

impl SeriesKey {
    /// A key from its four parts.
    pub const fn new(role: Role, operation: Operation, phase: Phase, clock: ClockKind) -> Self {
        SeriesKey {
            role,
            operation,
            phase,
            clock,
        }
    }

    /// Service time of `operation`'s `phase`.
    pub const fn service(role: Role, operation: Operation, phase: Phase) -> Self {
        Self::new(role, operation, phase, ClockKind::Service)
    }

    const fn of_statement(clock: ClockKind) -> Self {
        Self::new(Role::Reader, Operation::Statement, Phase::Total, clock)
    }

    /// What the primary outcome is read from: a running statement's response time.
    pub const READER_RESPONSE: Self = Self::of_statement(ClockKind::Response);

    /// A running statement's service time.
    pub const READER_SERVICE: Self = Self::of_statement(ClockKind::Service);

    /// A running statement's response time without the worker's own lateness.
    pub const READER_ADJUSTED: Self = Self::of_statement(ClockKind::Adjusted);

    /// How late an idle reader began a statement.
    pub const READER_PACING: Self = Self::of_statement(ClockKind::Pacing);
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.role, self.operation, self.phase, self.clock
        )
    }
}

impl FromStr for SeriesKey {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let parts: Vec<&str> = s.split('.').collect();
        let read = || -> Result<Self, String> {
            let [role, operation, phase, clock] = parts[..] else {
                return Err("not of four parts".to_owned());
            };
            let (operation, phase) = (operation.parse()?, phase.parse()?);
            Ok(Self::new(role.parse()?, operation, phase, clock.parse()?))
        };
        let expected = "role.operation.phase.clock, such as reader.statement.total.response";
        read().map_err(|_| format!("'{s}' is not a series: expected {expected}"))
    }
}

serde_by_text!(SeriesKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        let key = SeriesKey::service(Role::Client, Operation::ProcArrayAdd, Phase::Hold);
        assert_eq!(key.to_string(), "client.procarray-add.hold.service");
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("reader.statement.total".parse::<SeriesKey>().is_err());
        assert!(
            "reader.statement.total.duration"
                .parse::<SeriesKey>()
                .is_err()
        );
    }
}
