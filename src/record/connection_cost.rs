//! What a connection costs the server's CPU, and what `cpu-burn` uses in its place.

use std::collections::BTreeMap;

use crate::arm::Arm;
use crate::record::{BlockCpu, CpuGroup, Role, RoleTally};

/// CPU, and the operations that it was used for.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cpu_ns: u64,
    reader_statements: u64,
    client_operations: u64,
}

/// The CPU of the blocks of one level, summed up.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCost {
    quiet: Used,
    unpooled: Used,
    burner: Used,
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
        let used = |group| cpu.groups.get(&group).map(|a| a.used_ns);
        let server = used(CpuGroup::Postmaster).zip(used(CpuGroup::Backends));
        let (sum, cpu_ns) = match arm {
            Arm::Quiet => (&mut self.quiet, server.map(|s| s.0 + s.1)),
            Arm::Unpooled => (&mut self.unpooled, server.map(|s| s.0 + s.1)),
            Arm::CpuBurn => (&mut self.burner, used(CpuGroup::Burner)),
            _ => return,
        };
        let begun = |role| tallies.get(&role).map_or(0, |t| t.begun_in_load);
        let Some(cpu_ns) = cpu_ns else { return };
        sum.cpu_ns += cpu_ns;
        sum.reader_statements += begun(Role::Reader);
        sum.client_operations += begun(Role::Client);
        if arm == Arm::CpuBurn {
            self.asked_ns += asked_ns * begun(Role::Client);
        }
    }

    /// Server CPU of one `unpooled` transaction, in ns, without what the readers' statements cost in
    /// `quiet`. `None` before both have been seen.
    pub fn unpooled_ns(&self) -> Option<f64> {
        let (quiet, unpooled) = (self.quiet, self.unpooled);
        let seen = quiet.reader_statements > 0 && unpooled.client_operations > 0;
        let of_readers = quiet.cpu_ns as f64 / quiet.reader_statements as f64
            * unpooled.reader_statements as f64;
        let of_clients = unpooled.cpu_ns as f64 - of_readers;
        (seen && of_clients > 0.0).then(|| of_clients / unpooled.client_operations as f64)
    }

    /// CPU of one `cpu-burn` operation, fork and exit included, in ns.
    pub fn burner_ns(&self) -> Option<f64> {
        let operations = self.burner.client_operations;
        (operations > 0).then(|| self.burner.cpu_ns as f64 / operations as f64)
    }

    /// `cpu-burn`'s CPU per operation over `unpooled`'s; it should be 1.
    pub fn burn_ratio(&self) -> Option<f64> {
        Some(self.burner_ns()? / self.unpooled_ns()?)
    }

    /// What the next child is to be asked for, in ns, so that fork, child and exit cost as much as a
    /// connection: the target less what came on top of the request so far.
    pub fn next_request_ns(&self) -> Option<u64> {
        let target = self.unpooled_ns()?;
        let operations = self.burner.client_operations.max(1) as f64;
        let on_top = (self.burner.cpu_ns as f64 - self.asked_ns as f64) / operations;
        Some((target - on_top).max(0.0) as u64)
    }

    /// `unpooled`'s CPU so far beyond that of the readers, in ns: the basis of its cost.
    pub fn unpooled_seen_ns(&self) -> f64 {
        self.unpooled_ns().unwrap_or(0.0) * self.unpooled.client_operations as f64
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
        assert_eq!(cost.burn_ratio(), Some(1.25));
        assert_eq!(cost.next_request_ns(), Some(300));
        cost.add(
            Arm::CpuBurn,
            &cpu(&[(CpuGroup::Burner, 36_000)]),
            &tallies(100, 90),
            300,
        );
        assert_eq!(cost.next_request_ns(), Some(300));
        assert_eq!(cost.burn_ratio(), Some(1.025));
        // Nothing is known of a server whose processes cannot be seen.
        cost.add(Arm::Unpooled, &cpu(&[]), &tallies(200, 50), 0);
        cost.add(Arm::Pool, &server(1, 1), &tallies(200, 50), 0);
        assert_eq!(cost.unpooled_ns(), Some(400.0));
    }
}
