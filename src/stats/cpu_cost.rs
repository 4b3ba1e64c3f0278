//! What one client transaction of an arm costs each group of processes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{Block, BlockCpu, CpuAccount, CpuGroup, Role, RoleTally, Throttling};

/// CPU of a contender's blocks, summed up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CpuSum {
    /// By group of processes.
    pub groups: BTreeMap<CpuGroup, CpuAccount>,
    /// Time over which it was counted, in ns.
    pub over_ns: u64,
    /// Operations that were begun meanwhile, warm-up included, by role.
    pub begun: BTreeMap<Role, u64>,
    /// How the cgroups of server and load were held back, together; `None` where that is not counted.
    pub throttling: Option<Throttling>,
}

impl CpuSum {
    /// Sums up blocks.
    pub(super) fn of(blocks: &[&Block]) -> Self {
        let mut sum = CpuSum::default();
        for block in blocks {
            sum.add(&block.cpu, &block.tallies);
        }
        sum
    }

    /// Adds a block's CPU and the operations that it was used for.
    pub(super) fn add(&mut self, cpu: &BlockCpu, tallies: &BTreeMap<Role, RoleTally>) {
        for (role, tally) in tallies {
            *self.begun.entry(*role).or_default() += tally.begun_in_load;
        }
        self.over_ns += cpu.over_ns;
        for (group, account) in &cpu.groups {
            self.groups.entry(*group).or_default().add(account);
        }
        let throttled = [cpu.server_throttling, cpu.own_throttling];
        for held_back in throttled.into_iter().flatten() {
            let total = self.throttling.get_or_insert_default();
            total.periods += held_back.periods;
            total.ns += held_back.ns;
        }
    }

    /// The server's processes, PgBouncer and the helper of `cpu-burn`; or the load threads.
    fn side(&self, load: bool) -> CpuAccount {
        let is_load = |g: &CpuGroup| matches!(g, CpuGroup::Reader | CpuGroup::Client);
        let mut sum = CpuAccount::default();
        for (_, account) in self.groups.iter().filter(|(g, _)| is_load(g) == load) {
            sum.add(account);
        }
        sum
    }

    fn per_second(&self, count: Option<u64>) -> Option<f64> {
        (self.over_ns > 0).then_some(count? as f64 * 1e9 / self.over_ns as f64)
    }

    /// Context switches of a side per second, voluntary and involuntary.
    pub fn switches_per_second(&self, load: bool) -> Option<(f64, f64)> {
        let side = self.side(load);
        Some((
            self.per_second(side.voluntary_switches)?,
            self.per_second(side.involuntary_switches)?,
        ))
    }

    /// Time that a side was runnable and waited for a core, in ns per second, over all its processes.
    pub fn run_delay_ns_per_second(&self, load: bool) -> Option<f64> {
        self.per_second(self.side(load).run_delay_ns)
    }
}

/// CPU of one client transaction in ns, by group; only groups that were counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CpuPerTransaction {
    /// The transactions it was divided by: all that were begun, warm-up included.
    pub transactions: u64,
    /// In ns; below zero where the arm used less than the readers alone did in `quiet`.
    pub ns: BTreeMap<CpuGroup, f64>,
    /// Whether the readers' part was taken off the server's groups; not where `quiet` was not run.
    pub net_of_readers: bool,
}

impl CpuPerTransaction {
    /// The postmaster's and its backends'.
    pub fn server_ns(&self) -> Option<f64> {
        Some(self.ns.get(&CpuGroup::Postmaster)? + self.ns.get(&CpuGroup::Backends)?)
    }
}

impl CpuSum {
    pub(super) fn begun(&self, role: Role) -> u64 {
        self.begun.get(&role).copied().unwrap_or(0)
    }

    /// CPU of one client transaction: the server's groups without what the readers' statements cost in
    /// `quiet`. `None` without transactions, and for runs that did not count them.
    pub(super) fn per_transaction(&self, quiet: Option<&CpuSum>) -> Option<CpuPerTransaction> {
        let transactions = self.begun(Role::Client);
        if transactions == 0 || self.groups.is_empty() {
            return None;
        }
        let quiet = quiet.filter(|q| q.begun(Role::Reader) > 0);
        let statements = self.begun(Role::Reader) as f64;
        let of_readers = |group: CpuGroup| -> Option<f64> {
            // Only the server works for readers and clients alike.
            let shared = matches!(group, CpuGroup::Postmaster | CpuGroup::Backends);
            let quiet = quiet.filter(|_| shared)?;
            let used_ns = quiet.groups.get(&group)?.used_ns as f64;
            Some(used_ns / quiet.begun(Role::Reader) as f64 * statements)
        };
        let ns = self
            .groups
            .iter()
            .filter(|(group, _)| **group != CpuGroup::Reader)
            .map(|(&group, account)| {
                let used = account.used_ns as f64 - of_readers(group).unwrap_or(0.0);
                (group, used / transactions as f64)
            })
            .collect();
        Some(CpuPerTransaction {
            transactions,
            ns,
            net_of_readers: quiet.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::stats::{Answer, analyse};
    use crate::testing::sample_run_with_cpu;

    #[test]
    fn what_the_readers_cost_in_quiet_is_taken_off() {
        let run = sample_run_with_cpu();
        let summary = analyse(&run, Answer::Contrast, None);
        let level = &summary.levels[0];
        let cost = |arm| level.contender(arm, false).unwrap().cpu_cost.clone();
        assert_eq!(cost(Arm::Quiet), None);
        let unpooled = cost(Arm::Unpooled).unwrap();
        // 8 blocks of 60 transactions; backends used 1 ms + 60 * 50 us each, and 1 ms is the readers'.
        assert_eq!(unpooled.transactions, 480);
        assert!(unpooled.net_of_readers);
        assert_eq!(unpooled.ns[&CpuGroup::Backends], 50_000.0);
        assert_eq!(unpooled.ns[&CpuGroup::Client], 10_000.0);
        assert!(!unpooled.ns.contains_key(&CpuGroup::Reader));
        let sum = &level.contender(Arm::Unpooled, false).unwrap().cpu;
        assert_eq!(sum.run_delay_ns_per_second(false), Some(2_000_000.0));
        assert_eq!(sum.switches_per_second(false), Some((20.0, 4.0)));
        assert_eq!(sum.switches_per_second(true), None);
        assert_eq!(sum.throttling.unwrap().periods, 8);
    }
}
