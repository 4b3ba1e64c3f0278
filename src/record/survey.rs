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

/// What a look at the server gave, or why it gave nothing. Each look stands alone.
pub type Seen<T> = Result<T, String>;

/// The settings that the advice rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// `max_connections`.
    pub max_connections: u64,
    /// Those of them that this role may not have (`superuser_reserved_connections`, `reserved_connections`).
    pub reserved: u64,
    /// `shared_buffers`, with its unit.
    pub shared_buffers: String,
    /// `huge_pages`: `on`, `off` or `try`.
    pub huge_pages: String,
    /// `huge_pages_status` (17 and later): what `try` has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages_status: Option<String>,
}

/// What a server by URL said about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Major version.
    pub pg_major: u32,
    /// Its settings.
    pub settings: Seen<ServerSettings>,
    /// Whether it is a hot standby.
    pub standby: Seen<bool>,
    /// The connections that were open before the load.
    pub census: Seen<Census>,
    /// What stands in between.
    pub between: Seen<Between>,
    /// Whether the role sees other roles' statements and waits (`pg_read_all_stats`, a part of `pg_monitor`).
    pub reads_all_stats: Seen<bool>,
    /// What others did meanwhile.
    pub others: Seen<OthersConnections>,
}

impl Survey {
    /// A survey in which nothing is known, for this reason.
    pub fn unknown(pg_major: u32, why: &str) -> Self {
        let why = || why.to_owned();
        Survey {
            pg_major,
            settings: Err(why()),
            standby: Err(why()),
            census: Err(why()),
            between: Err(why()),
            reads_all_stats: Err(why()),
            others: Err(why()),
        }
    }

    /// Connections that the role could still open, where that is known.
    pub fn free_connections(&self) -> Option<u64> {
        let settings = self.settings.as_ref().ok()?;
        let taken = settings.reserved + self.census.as_ref().ok()?.connections;
        Some(settings.max_connections.saturating_sub(taken))
    }

    /// Whether shared memory lies in huge pages; `None` where the settings do not say.
    pub fn has_huge_pages(&self) -> Option<bool> {
        let settings = self.settings.as_ref().ok()?;
        let status = settings.huge_pages_status.as_deref();
        match (status, settings.huge_pages.as_str()) {
            (Some("on"), _) | (None, "on") => Some(true),
            (Some("off"), _) | (None, "off") => Some(false),
            _ => None,
        }
    }

    /// Whether the address is a pooler's.
    pub fn is_pooler(&self) -> bool {
        matches!(self.between, Ok(Between::Pooler { .. }))
    }

    /// Whether nothing stands in between, for all that is known.
    pub fn is_direct(&self) -> bool {
        self.between == Ok(Between::Nothing)
    }

    /// Whether it is known to be a hot standby.
    pub fn is_standby(&self) -> bool {
        self.standby == Ok(true)
    }
}
