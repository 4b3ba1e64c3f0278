//! What a server by URL said about itself to a role with ordinary rights.

use serde::{Deserialize, Serialize};

use crate::names::named_enum;

named_enum! {
    /// How a pooler hands out its server connections.
    #[derive(Default)]
    pub enum PoolMode: "pool mode" {
        /// For a client's whole session.
        Session = "session",
        /// For a transaction.
        #[default]
        Transaction = "transaction",
        /// For a statement: transaction blocks are refused.
        Statement = "statement",
    }
}

/// What stands between the client and the backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Between {
    /// Nothing: the server sees the very port that the client connected from, or the client uses
    /// the server's own Unix socket.
    Nothing,
    /// Something that passes bytes on (address translation, a proxy, a tunnel).
    Relay,
    /// A pooler: the address is not the server's own.
    Pooler {
        /// How it hands out connections.
        mode: PoolMode,
        /// By what it was recognised.
        evidence: String,
    },
}

/// The connections that were open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Entries of `pg_stat_activity` with a database: client backends, and workers in a database.
    /// Without procbench's own. Every role sees how many there are.
    pub connections: u64,
    /// Those of them whose state this role may see.
    pub state_visible: u64,
    /// Of those, how many were idle.
    pub idle: u64,
}

/// Connections that the server's other users made during the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OthersConnections {
    /// Their number: the growth of `pg_stat_database.sessions` over all databases, procbench's own
    /// subtracted.
    pub count: u64,
    /// Over how long, in s.
    pub over_s: f64,
    /// Whether procbench's own could be subtracted; not behind a pooler, whose connections they are.
    pub without_ours: bool,
}

impl OthersConnections {
    /// Connections per second.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.over_s.max(f64::MIN_POSITIVE)
    }
}

/// What a server by URL said about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Major version.
    pub pg_major: u32,
    /// `max_connections`.
    pub max_connections: u64,
    /// Connections that the role could still open.
    pub free_connections: u64,
    /// `shared_buffers`, with its unit.
    pub shared_buffers: String,
    /// `huge_pages`: `on`, `off` or `try`.
    pub huge_pages: String,
    /// `huge_pages_status` (17 and later): what `try` has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages_status: Option<String>,
    /// The connections that were open before the load.
    pub census: Census,
    /// What stands in between.
    pub between: Between,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// Whether the role sees other roles' statements and waits (`pg_read_all_stats`, a part of `pg_monitor`).
    pub reads_all_stats: bool,
    /// What others did meanwhile; `None` before 14, and where it could not be read twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<OthersConnections>,
}

impl Survey {
    /// Whether shared memory lies in huge pages; `None` where the settings do not say.
    pub fn has_huge_pages(&self) -> Option<bool> {
        match (self.huge_pages_status.as_deref(), self.huge_pages.as_str()) {
            (Some("on"), _) | (None, "on") => Some(true),
            (Some("off"), _) | (None, "off") => Some(false),
            _ => None,
        }
    }

    /// Whether the address is a pooler's.
    pub fn is_pooler(&self) -> bool {
        matches!(self.between, Between::Pooler { .. })
    }
}
