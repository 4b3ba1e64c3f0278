//! CPU of everybody during a block, read from /proc before and after it.

use std::collections::BTreeMap;

use nix::sys::resource::{UsageWho, getrusage};

use crate::load::{Clock, MonotonicClock};
use crate::procfs;
use crate::record::{BlockCpu, BlockRecord};

/// Whose CPU is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched {
    /// The postmaster, if visible.
    pub postmaster: Option<u32>,
    /// PgBouncer, if visible.
    pub pgbouncer: Option<u32>,
}

/// A reading of every counter.
#[derive(Debug)]
pub struct CpuReading {
    at_ns: u64,
    server_ns: Option<u64>,
    pgbouncer_ns: Option<u64>,
    machine: Option<procfs::MachineCpu>,
    own_ns: u64,
}

impl CpuReading {
    /// Reads the counters now. With many standing connections this reads many
    /// files, so it stays outside the measured window.
    pub fn take(watched: Watched) -> Self {
        CpuReading {
            at_ns: MonotonicClock.now_ns(),
            server_ns: watched
                .postmaster
                .and_then(procfs::process_tree_cpu)
                .map(|c| c.total_ns()),
            pgbouncer_ns: watched
                .pgbouncer
                .and_then(procfs::process_cpu)
                .map(|c| c.total_ns()),
            machine: procfs::machine_cpu(),
            own_ns: own_cpu_ns(),
        }
    }

    /// What was used since `self`, with the load threads' own account.
    pub fn until_now(&self, watched: Watched, record: &BlockRecord) -> BlockCpu {
        let now = CpuReading::take(watched);
        let over_ns = now.at_ns - self.at_ns;
        let since = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        let mut used_ns: BTreeMap<String, u64> = record
            .cpu_ns
            .iter()
            .map(|(role, ns)| (role.to_string(), *ns))
            .collect();
        if let Some(ns) = since(now.server_ns, self.server_ns) {
            used_ns.insert("server".to_owned(), ns);
        }
        if let Some(ns) = since(now.pgbouncer_ns, self.pgbouncer_ns) {
            used_ns.insert("pgbouncer".to_owned(), ns);
        }
        let load_ns: u64 = record.cpu_ns.values().sum();
        // The keep-awake spinners are ours, too, but nobody has to wait for them.
        let spinners_ns = (now.own_ns - self.own_ns).saturating_sub(load_ns);
        let machine = now.machine.zip(self.machine).map(|(now, before)| {
            let (busy, idle, stolen) = (
                (now.busy_ns - before.busy_ns).saturating_sub(spinners_ns) as f64,
                (now.idle_ns - before.idle_ns) as f64,
                (now.steal_ns - before.steal_ns) as f64,
            );
            let all = (busy + idle + stolen + spinners_ns as f64).max(1.0);
            (busy / all, stolen / all)
        });
        let busiest = record.busiest_thread_ns;
        BlockCpu {
            over_ns,
            used_ns,
            busiest_load_thread: busiest as f64 / over_ns.max(1) as f64,
            machine_busy: machine.map(|m| m.0),
            machine_stolen: machine.map(|m| m.1),
        }
    }
}

fn own_cpu_ns() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        [usage.user_time(), usage.system_time()]
            .iter()
            .map(|t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_usec() as u64 * 1_000)
            .sum()
    })
}
