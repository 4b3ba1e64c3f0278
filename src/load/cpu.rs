//! CPU of every process involved during a block, read from /proc before and after it.
//!
//! **What it is counted over.** From just before the block is ordered to just after its last worker has
//! ended: lead-in (the few ms until the load starts), warm-up, measured window, and drain (operations that
//! are still to end). [`BlockCpu::over_ns`] is this whole stretch, not the measured window; shares refer to
//! it. CPU per operation is therefore CPU over `begun_in_load` of the tally, not over the window's operations.
//! The load threads' own account covers their part of it: for as long as the block's workers run. `over_ns` goes from the
//! start of the first reading to the start of the second; the counters lag behind its ends by as long as it
//! takes to read them (a few ms with hundreds of standing connections).

use std::collections::BTreeMap;

use nix::sys::resource::UsageWho;

use crate::cgroup;
use crate::clock::{Clock, MonotonicClock, process_cpu_ns};
use crate::procfs::{self, ServerTasks, TaskCpu};
use crate::record::{BlockCpu, BlockRecord, CpuGroup, Role, Throttling};

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
    server: Option<ServerTasks>,
    pgbouncer: Option<TaskCpu>,
    server_throttling: Option<Throttling>,
    own_throttling: Option<Throttling>,
    machine: Option<procfs::MachineCpu>,
    own_ns: u64,
}

impl CpuReading {
    /// Reads the counters now. With many standing connections this reads many
    /// files, so it stays outside the measured window; an earlier reading spares those of processes
    /// that have not run since.
    pub fn take(watched: Watched, earlier: Option<&CpuReading>) -> Self {
        let server = earlier.and_then(|e| e.server.as_ref());
        CpuReading {
            at_ns: MonotonicClock.now_ns(),
            server: watched
                .postmaster
                .and_then(|pid| ServerTasks::read(pid, server)),
            pgbouncer: watched.pgbouncer.and_then(|pid| TaskCpu::read(pid, None)),
            server_throttling: watched.postmaster.and_then(cgroup::throttling),
            own_throttling: cgroup::throttling(std::process::id()),
            machine: procfs::machine_cpu(),
            own_ns: process_cpu_ns(UsageWho::RUSAGE_SELF).unwrap_or(0),
        }
    }

    /// What was used from `self` to `now`, with the load threads' own account; see the module for what falls
    /// into it. A counter that went back counts as nothing used.
    pub fn until(&self, now: &CpuReading, record: &BlockRecord) -> BlockCpu {
        let over_ns = now.at_ns.saturating_sub(self.at_ns);
        let mut used_ns: BTreeMap<String, u64> = record
            .cpu_ns
            .iter()
            .map(|(role, ns)| (role.to_string(), *ns))
            .collect();
        let mut groups = BTreeMap::new();
        if let (Some(now), Some(before)) = (&now.server, &self.server) {
            let postmaster = now.postmaster.since(&before.postmaster);
            let backends = now.backends_since(before);
            used_ns.insert("server".to_owned(), postmaster.used_ns + backends.used_ns);
            groups.insert(CpuGroup::Postmaster, postmaster);
            groups.insert(CpuGroup::Backends, backends);
        }
        if let (Some(now), Some(before)) = (&now.pgbouncer, &self.pgbouncer) {
            let pooler = now.since(before);
            used_ns.insert("pgbouncer".to_owned(), pooler.used_ns);
            groups.insert(CpuGroup::Pooler, pooler);
        }
        for (role, account) in &record.load_threads {
            match role {
                Role::Reader => groups.insert(CpuGroup::Reader, *account),
                Role::Client => groups.insert(CpuGroup::Client, *account),
                _ => None,
            };
        }
        let load_ns: u64 = record.cpu_ns.values().sum();
        // The keep-awake spinners are ours, too, but nobody has to wait for them.
        let spinners_ns = now
            .own_ns
            .saturating_sub(self.own_ns)
            .saturating_sub(load_ns);
        let machine = now
            .machine
            .zip(self.machine)
            .map(|(now, before)| machine_shares(now, before, spinners_ns));
        let busiest = record.busiest_thread_ns;
        BlockCpu {
            over_ns,
            used_ns,
            groups,
            server_throttling: held_back(now.server_throttling, self.server_throttling),
            own_throttling: held_back(now.own_throttling, self.own_throttling),
            busiest_load_thread: busiest as f64 / over_ns.max(1) as f64,
            machine_busy: machine.map(|m| m.0),
            machine_stolen: machine.map(|m| m.1),
        }
    }
}

fn held_back(now: Option<Throttling>, before: Option<Throttling>) -> Option<Throttling> {
    let (now, before) = (now?, before?);
    Some(Throttling {
        periods: now.periods.saturating_sub(before.periods),
        ns: now.ns.saturating_sub(before.ns),
    })
}

/// Shares of the machine's CPU time between two readings that were busy (without the spinners) and stolen.
/// The kernel's counters may go back: idle and iowait do (proc(5)), and steal with some hypervisors.
fn machine_shares(
    now: procfs::MachineCpu,
    before: procfs::MachineCpu,
    spinners_ns: u64,
) -> (f64, f64) {
    let (busy, idle, stolen) = (
        now.busy_ns
            .saturating_sub(before.busy_ns)
            .saturating_sub(spinners_ns) as f64,
        now.idle_ns.saturating_sub(before.idle_ns) as f64,
        now.steal_ns.saturating_sub(before.steal_ns) as f64,
    );
    let all = (busy + idle + stolen + spinners_ns as f64).max(1.0);
    (busy / all, stolen / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::MachineCpu;

    #[test]
    fn counters_that_go_back_count_as_nothing() {
        let before = MachineCpu {
            busy_ns: 1_000,
            idle_ns: 1_000,
            steal_ns: 1_000,
        };
        let now = MachineCpu {
            busy_ns: 1_300,
            idle_ns: 990,
            steal_ns: 1_100,
        };
        // 400 ns in all: 100 of spinners, 200 of others, 100 stolen.
        assert_eq!(machine_shares(now, before, 100), (0.5, 0.25));
        assert_eq!(machine_shares(before, before, 0), (0.0, 0.0));
    }

    #[test]
    fn a_reading_that_lies_before_the_first_one_uses_nothing() {
        let watched = Watched::default();
        let later = CpuReading {
            at_ns: u64::MAX,
            own_ns: u64::MAX,
            ..CpuReading::take(watched, None)
        };
        let now = CpuReading::take(watched, Some(&later));
        let cpu = later.until(&now, &BlockRecord::default());
        assert_eq!(cpu.over_ns, 0);
        assert!(cpu.used_ns.is_empty());
    }
}
