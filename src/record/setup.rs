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

/// The counters, in the order of the fields.
const NAMES: [&str; 4] = [
    "server.setup.count",
    "server.setup.total-us",
    "server.setup.fork-us",
    "server.setup.authentication-us",
];

impl SetupSums {
    /// As a block's counters.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let values = [
            self.count,
            self.total_us,
            self.fork_us,
            self.authentication_us,
        ];
        NAMES.map(str::to_owned).into_iter().zip(values).collect()
    }

    /// From a block's counters; `None` where the server did not log setups.
    pub fn of_counters(counters: &BTreeMap<String, u64>) -> Option<Self> {
        let [count, total_us, fork_us, authentication_us] = NAMES.map(|n| counters.get(n).copied());
        Some(SetupSums {
            count: count?,
            total_us: total_us?,
            fork_us: fork_us?,
            authentication_us: authentication_us?,
        })
    }
}
