//! Sums of a server's own account of its connections' setup, as a block's counters.

use std::collections::BTreeMap;

/// What the server logged of a block's connections (`log_connections = setup_durations`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetupSums {
    /// Connections that became ready.
    pub count: u64,
    /// Sum of their totals, accept() to ready for query, in us.
    pub total_us: u64,
    /// Sum of their forks, in us.
    pub fork_us: u64,
    /// Sum of their authentications, in us.
    pub authentication_us: u64,
}

const COUNT: &str = "server.setup.count";
const TOTAL: &str = "server.setup.total-us";
const FORK: &str = "server.setup.fork-us";
const AUTHENTICATION: &str = "server.setup.authentication-us";

impl SetupSums {
    /// As a block's counters.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        [
            (COUNT, self.count),
            (TOTAL, self.total_us),
            (FORK, self.fork_us),
            (AUTHENTICATION, self.authentication_us),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// From a block's counters; `None` where the server did not log setups.
    pub fn of_counters(counters: &BTreeMap<String, u64>) -> Option<Self> {
        Some(SetupSums {
            count: *counters.get(COUNT)?,
            total_us: *counters.get(TOTAL)?,
            fork_us: *counters.get(FORK)?,
            authentication_us: *counters.get(AUTHENTICATION)?,
        })
    }
}
