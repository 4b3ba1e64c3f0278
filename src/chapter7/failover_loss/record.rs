//! What is kept of a run.

use serde::{Deserialize, Serialize};

use super::arms::{Arm, Client, PatroniArm};
use crate::chapter7::level::Level;

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FailoverLoss {
    /// `server_version` of all servers.
    pub server_version: String,
    /// The file system on which the primary's cluster lies.
    pub file_system: String,
    /// `data_checksums` of the primary, and of its copies; `None` in older runs.
    pub checksums: Option<String>,
    /// What PostgreSQL's settings are by default: `synchronous_commit`, `synchronous_standby_names`.
    pub defaults: (String, String),
    /// Each trial, in the order in which they ran.
    pub trials: Vec<Trial>,
    /// Trials with Patroni, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patroni: Vec<PatroniTrial>,
}

/// The steps in which acknowledgements are counted, in ns.
pub const STEP_NS: u64 = 20_000_000;

/// One primary that died. Instants are ns after the begin of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What failed.
    pub arm: Arm,
    /// Which time.
    pub round: u32,
    /// Why nothing can be concluded from it, if so.
    pub void: Option<String>,
    /// When the network was cut, where that was before the kill.
    pub cut_ns: Option<u64>,
    /// When the primary was killed, and the network cut at the latest.
    pub kill_ns: u64,
    /// How long the promotion took, or the start of the old primary in place, in ns.
    pub back_ns: u64,
    /// What became of the writers' inserts.
    pub outcomes: Vec<Outcome>,
    /// Rows that no client has sent.
    pub foreign: u64,
    /// Rows that are there more than once.
    pub twice: u64,
    /// Bytes of WAL that the old primary had and the promoted standby had not; about, since the old one writes some when
    /// it is opened.
    pub missing_bytes: Option<u64>,
    /// What the emulation of a lost page cache took away: the standby's written and flushed positions, in bytes.
    pub page_cache: Option<PageCache>,
}

/// A standby's positions when it lost its page cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCache {
    /// What it had written.
    pub written: u64,
    /// What of it was on its disk.
    pub flushed: u64,
}

/// What became of the inserts of some writers, by the clients' own record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `synchronous_commit`.
    pub level: Level,
    /// What became of their waits.
    pub client: Client,
    /// Inserts that were acknowledged to a client.
    pub acked: u64,
    /// Those of them that are not there: lost.
    pub lost: u64,
    /// Inserts that were acknowledged with a warning, and those of them that are lost.
    pub warned: u64,
    /// The latter.
    pub warned_lost: u64,
    /// Inserts that were not acknowledged and are there.
    pub unacked_present: u64,
    /// Inserts that were not acknowledged and are not there.
    pub unacked_missing: u64,
    /// Writers that lost a row and kept a later one.
    pub holes: u64,
    /// When the first lost row was acknowledged.
    pub first_lost_ns: Option<u64>,
    /// Lost rows that the old primary has when it is opened alone; `None` where it was not.
    pub on_old: Option<u64>,
    /// Acknowledgements in each [`STEP_NS`].
    pub acks: Vec<u32>,
    /// Those of rows that are lost.
    pub lost_acks: Vec<u32>,
}

/// A leader that died under Patroni, which then chose another one. Instants are ns after the begin of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatroniTrial {
    /// What Patroni calls itself.
    pub version: String,
    /// `server_version`.
    pub server_version: String,
    /// What there was.
    pub arm: PatroniArm,
    /// Why nothing can be concluded from it, if so.
    pub void: Option<String>,
    /// When the leader was killed.
    pub kill_ns: u64,
    /// What the node that was behind lacked of the other one then, in bytes of WAL.
    pub behind_bytes: Option<u64>,
    /// Which node became the leader while the old one was dead.
    pub promoted: Option<String>,
    /// From the kill to a leader that takes writes, in ns; where nobody is promoted, to the old one that was started again.
    pub leader_ns: Option<u64>,
    /// What became of the writers' inserts.
    pub outcomes: Vec<Outcome>,
    /// Rows that no client has sent.
    pub foreign: u64,
    /// Rows that are there more than once.
    pub twice: u64,
    /// What there was when the leader was killed; `None` in older runs, as are those below.
    pub at_kill: Option<AtKill>,
    /// Rows acknowledged at `on` that only the dead node has, where nobody is promoted.
    pub on_one_node: Option<u64>,
    /// Looks at all nodes.
    pub looks: Option<Looks>,
    /// What there was when the old leader was started again, if it was.
    pub rejoined: Option<Rejoined>,
}

/// What there was when Patroni's leader was killed. Positions are bytes of WAL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtKill {
    /// What the leader had on its disk right before.
    pub leader: u64,
    /// What the standby had received that had most.
    pub standby: u64,
    /// The leader's position as Patroni stored it last.
    pub stored: Option<u64>,
    /// `synchronous_standby_names`.
    pub list: String,
    /// The standbys in `/sync`, with `synchronous_mode`.
    pub in_sync: Option<Vec<String>>,
}

impl AtKill {
    /// What the best standby lacked, in bytes.
    pub fn missing(&self) -> u64 {
        self.leader.saturating_sub(self.standby)
    }

    /// The same by the position that Patroni had stored.
    pub fn missing_of_stored(&self) -> Option<u64> {
        Some(self.stored?.saturating_sub(self.standby))
    }
}

/// Looks at all nodes, every 200 ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// How many.
    pub count: u64,
    /// Most nodes that took writes in one of them.
    pub most_leaders: u64,
}

/// An old leader that is back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejoined {
    /// Rows that it had, opened alone.
    pub before: u64,
    /// Rows that it has as one of the others'.
    pub after: u64,
    /// Patroni's line of pg_rewind, if there was one.
    pub rewound: Option<String>,
    /// Number and hash of the rows of each node.
    pub rows: Vec<String>,
    /// From its start until all others stream from one leader, in ns.
    pub back_ns: u64,
}
