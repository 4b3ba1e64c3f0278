//! What one client transaction of an arm costs each group of processes, and what `cpu-burn` is to use in the place
//! of a connection.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arm::Arm;
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

/// The CPU of the blocks of one level, summed up.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCost {
    quiet: CpuSum,
    unpooled: CpuSum,
    burner: CpuSum,
    /// What `cpu-burn`'s children were asked to use, over all operations.
    asked_ns: u64,
}

impl ConnectionCost {
    /// Adds a block's CPU. Arms other than `quiet`, `unpooled` and `cpu-burn`, and blocks without the
    /// server's CPU, are ignored. `asked_ns` is what a child of `cpu-burn` was asked for.
    pub fn add(
        &mut self,
        arm: Arm,
        cpu: &BlockCpu,
        tallies: &BTreeMap<Role, RoleTally>,
        asked_ns: u64,
    ) {
        let (sum, needed) = match arm {
            Arm::Quiet => (&mut self.quiet, CpuGroup::Backends),
            Arm::Unpooled => (&mut self.unpooled, CpuGroup::Backends),
            Arm::CpuBurn => (&mut self.burner, CpuGroup::Burner),
            _ => return,
        };
        if !cpu.groups.contains_key(&needed) {
            return;
        }
        sum.add(cpu, tallies);
        if arm == Arm::CpuBurn {
            let begun = tallies.get(&Role::Client).map_or(0, |t| t.begun_in_load);
            self.asked_ns += asked_ns * begun;
        }
    }

    /// Server CPU of one `unpooled` transaction, in ns, without what the readers' statements cost in
    /// `quiet`. `None` before both have been seen.
    fn unpooled_ns(&self) -> Option<f64> {
        let cost = self.unpooled.per_transaction(Some(&self.quiet))?;
        let server_ns = cost.net_of_readers.then(|| cost.server_ns())??;
        (server_ns > 0.0).then_some(server_ns)
    }

    /// What the next child is to be asked for, in ns, so that fork, child and exit cost as much as a
    /// connection: the target less what came on top of the request so far.
    pub fn next_request_ns(&self) -> Option<u64> {
        let target = self.unpooled_ns()?;
        let used_ns = self
            .burner
            .groups
            .get(&CpuGroup::Burner)
            .map_or(0, |a| a.used_ns);
        let operations = self.burner.begun(Role::Client).max(1) as f64;
        let on_top = (used_ns as f64 - self.asked_ns as f64) / operations;
        Some((target - on_top).max(0.0) as u64)
    }

    /// `unpooled`'s CPU so far beyond that of the readers, in ns: the basis of its cost.
    pub fn unpooled_seen_ns(&self) -> f64 {
        self.unpooled_ns().unwrap_or(0.0) * self.unpooled.begun(Role::Client) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::record::CpuAccount;
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

    fn tallies(readers: u64, clients: u64) -> BTreeMap<Role, RoleTally> {
        let begun = |begun_in_load| RoleTally {
            begun_in_load,
            ..RoleTally::default()
        };
        BTreeMap::from([
            (Role::Reader, begun(readers)),
            (Role::Client, begun(clients)),
        ])
    }

    fn cpu(groups: &[(CpuGroup, u64)]) -> BlockCpu {
        let account = |used_ns| CpuAccount {
            used_ns,
            ..CpuAccount::default()
        };
        BlockCpu {
            groups: groups.iter().map(|&(g, ns)| (g, account(ns))).collect(),
            ..BlockCpu::default()
        }
    }

    #[test]
    fn the_request_converges_to_what_a_connection_costs() {
        let mut cost = ConnectionCost::default();
        assert_eq!(cost.next_request_ns(), None);
        let server = |p, b| cpu(&[(CpuGroup::Postmaster, p), (CpuGroup::Backends, b)]);
        cost.add(Arm::Quiet, &server(0, 1_000), &tallies(100, 0), 0);
        assert_eq!(cost.unpooled_ns(), None);
        // 2,000 for 200 statements of the readers, 50 connections at 400.
        cost.add(Arm::Unpooled, &server(5_000, 17_000), &tallies(200, 50), 0);
        assert_eq!(cost.unpooled_ns(), Some(400.0));
        assert_eq!(cost.unpooled_seen_ns(), 20_000.0);
        assert_eq!(cost.next_request_ns(), Some(400));
        // Fork and exit cost 100 on top of what was asked for.
        cost.add(
            Arm::CpuBurn,
            &cpu(&[(CpuGroup::Burner, 5_000)]),
            &tallies(100, 10),
            400,
        );
        assert_eq!(cost.next_request_ns(), Some(300));
        cost.add(
            Arm::CpuBurn,
            &cpu(&[(CpuGroup::Burner, 36_000)]),
            &tallies(100, 90),
            300,
        );
        assert_eq!(cost.next_request_ns(), Some(300));
        // Nothing is known of a server whose processes cannot be seen.
        cost.add(Arm::Unpooled, &cpu(&[]), &tallies(200, 50), 0);
        cost.add(Arm::Pool, &server(1, 1), &tallies(200, 50), 0);
        assert_eq!(cost.unpooled_ns(), Some(400.0));
    }
}
