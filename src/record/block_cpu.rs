//! What a block used of the machine's CPU.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// CPU used during a block's whole load (warm-up included), in ns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockCpu {
    /// Time over which it was counted, in ns.
    pub over_ns: u64,
    /// By process group: `reader`, `client` (worker threads), `server`, `pgbouncer`, `burner`.
    pub used_ns: BTreeMap<String, u64>,
    /// The same in finer groups, and how long they waited for a core. Empty in
    /// files of earlier versions, and in the model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<CpuGroup, CpuAccount>,
    /// How often the server's cgroup was throttled; `None` where it has no quota or cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_throttling: Option<Throttling>,
    /// How often procbench's own cgroup was throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_throttling: Option<Throttling>,
    /// The busiest single load thread's share of one core, 0 to 1.
    pub busiest_load_thread: f64,
    /// Machine-wide busy share over all cores, 0 to 1, without SCHED_IDLE spinners; `None` where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_busy: Option<f64>,
    /// Share of all CPU time that the hypervisor gave to others, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_stolen: Option<f64>,
}

/// Whose CPU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuGroup {
    /// The postmaster: accept, fork, reaping.
    Postmaster,
    /// Every child of the postmaster, auxiliary processes included, and those it has reaped.
    Backends,
    /// PgBouncer.
    Pooler,
    /// The helper that burns CPU in place of a connection, and its children.
    Burner,
    /// The readers' load threads.
    Reader,
    /// The clients' load thread.
    Client,
}

/// What a group used during a block's whole load, and how long it waited for a core.
///
/// Switches and waits of the server are those of processes that are alive when the load is over: a process
/// that has exited takes them with it (`/proc` keeps only its CPU, with the postmaster).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuAccount {
    /// CPU time in ns. Exited backends come in steps of 10 ms (`/proc/PID/stat`), the rest in ns.
    pub used_ns: u64,
    /// Voluntary context switches: it had to wait for something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches: another process was scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// Time it was runnable and waited for a core, in ns (`/proc/PID/schedstat`, second field).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_delay_ns: Option<u64>,
}

impl CpuAccount {
    /// Adds another account. A value is unknown only if both do not know it.
    pub fn add(&mut self, other: &CpuAccount) {
        let sum = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
        self.used_ns += other.used_ns;
        self.voluntary_switches = sum(self.voluntary_switches, other.voluntary_switches);
        self.involuntary_switches = sum(self.involuntary_switches, other.involuntary_switches);
        self.run_delay_ns = sum(self.run_delay_ns, other.run_delay_ns);
    }
}

/// How a cgroup's CPU quota throttled it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which it was throttled (`nr_throttled`).
    pub periods: u64,
    /// For how long, in ns, summed over CPUs.
    pub ns: u64,
}
