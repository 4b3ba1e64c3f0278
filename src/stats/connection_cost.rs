//! What a connection costs the server's CPU, and what `cpu-burn` is to use in its place.

use std::collections::BTreeMap;

use super::cpu_cost::CpuSum;
use crate::arm::Arm;
use crate::record::{BlockCpu, CpuGroup, Role, RoleTally};

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
    use crate::record::CpuAccount;

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
