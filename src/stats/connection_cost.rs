//! What a connection costs the server, and in which bursts: what `cpu-burn` is to use in its place.

use std::collections::BTreeMap;

use super::cpu_cost::CpuSum;
use crate::arm::Arm;
use crate::record::{BlockCpu, CpuGroup, Role, RoleTally};

/// What an operation of `cpu-burn` is asked to use, in a block's counters: the forking process, then the child's
/// bursts in their order.
const ASKED: [&str; 4] = [
    "burn.asked-parent-ns",
    "burn.asked-connect-ns",
    "burn.asked-query-ns",
    "burn.asked-exit-ns",
];

/// What the forking process used in a block, in ns.
const PARENT_USED: &str = "burn.parent-used-ns";

const UNKNOWN: &str = "what a connection costs is not known";

/// CPU of one operation of `cpu-burn` in ns, in the rhythm of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bursts {
    /// Used by the forking process, one connection after another, as the postmaster's is.
    pub parent_ns: u64,
    /// Used by the child: from the fork to its first ReadyForQuery, for the statement, from Terminate to the exit.
    /// Between them it sleeps until the client asks.
    pub child_ns: [u64; 3],
}

impl Bursts {
    /// As counters of a block, with what the forking process used in it.
    pub fn counters(&self, parent_used_ns: u64) -> [(&'static str, u64); 5] {
        let [connect, query, exit] = self.child_ns;
        let asked = [self.parent_ns, connect, query, exit];
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| (ASKED[i], asked[i]));
        [a, b, c, d, (PARENT_USED, parent_used_ns)]
    }
}

/// The CPU of the blocks of one level, summed up.
#[derive(Debug, Clone)]
pub struct ConnectionCost {
    /// Which shares of a backend's CPU go into connecting and into its statement; or why that is not known.
    shares: Result<[f64; 2], String>,
    quiet: CpuSum,
    unpooled: CpuSum,
    burner: CpuSum,
    /// What `cpu-burn` was asked to use over all operations, and did use: the forking process, its children.
    asked_ns: [u64; 2],
    used_ns: [u64; 2],
}

impl Default for ConnectionCost {
    fn default() -> Self {
        ConnectionCost {
            shares: Err(UNKNOWN.to_owned()),
            quiet: CpuSum::default(),
            unpooled: CpuSum::default(),
            burner: CpuSum::default(),
            asked_ns: [0; 2],
            used_ns: [0; 2],
        }
    }
}

impl ConnectionCost {
    /// Takes over how the CPU of the backends counted so far was spread: the mean for connecting and for the
    /// statement, in ns, of some of these connections; or why that is not known.
    pub fn spread(&mut self, phases_ns: Result<[f64; 2], String>) {
        self.shares = phases_ns.and_then(|phases_ns| {
            let [_, backends] = self.unpooled_ns().ok_or(UNKNOWN)?;
            Ok(phases_ns.map(|ns| ns / backends))
        });
    }

    /// Adds a block's CPU. Arms other than `quiet`, `unpooled` and `cpu-burn`, and blocks without the
    /// server's CPU, are ignored.
    pub fn add(
        &mut self,
        arm: Arm,
        cpu: &BlockCpu,
        tallies: &BTreeMap<Role, RoleTally>,
        counters: &BTreeMap<String, u64>,
    ) {
        let (sum, needed) = match arm {
            Arm::Quiet => (&mut self.quiet, CpuGroup::Backends),
            Arm::Unpooled => (&mut self.unpooled, CpuGroup::Backends),
            Arm::CpuBurn => (&mut self.burner, CpuGroup::Burner),
            _ => return,
        };
        let Some(account) = cpu.groups.get(&needed) else {
            return;
        };
        sum.add(cpu, tallies);
        if arm == Arm::CpuBurn {
            let begun = tallies.get(&Role::Client).map_or(0, |t| t.begun_in_load);
            let counter = |name: &str| counters.get(name).copied().unwrap_or(0);
            let [parent, connect, query, exit] = ASKED.map(counter);
            self.asked_ns[0] += parent * begun;
            self.asked_ns[1] += (connect + query + exit) * begun;
            self.used_ns[0] += counter(PARENT_USED);
            self.used_ns[1] += account.used_ns.saturating_sub(counter(PARENT_USED));
        }
    }

    /// Server CPU of one `unpooled` transaction, in ns: the postmaster's, and its backends' without what the
    /// readers' statements cost in `quiet`. `None` before both have been seen.
    fn unpooled_ns(&self) -> Option<[f64; 2]> {
        let cost = self.unpooled.per_transaction(Some(&self.quiet))?;
        let server_ns = cost.net_of_readers.then(|| cost.server_ns())??;
        let parts = [CpuGroup::Postmaster, CpuGroup::Backends];
        (server_ns > 0.0).then_some(parts.map(|group| cost.ns[&group]))
    }

    /// What the next operations are to be asked for, so that fork, child and exit cost as much as a connection in
    /// either process: its CPU less what came on top of the request so far. What of a backend's CPU is neither
    /// for connecting nor for the statement is its exit's.
    ///
    /// # Errors
    /// What is not known.
    pub fn next_request(&self) -> Result<Bursts, String> {
        let target = self.unpooled_ns().ok_or(UNKNOWN)?;
        let operations = self.burner.begun(Role::Client).max(1) as f64;
        let [parent, child] = [0, 1].map(|i| {
            let on_top = (self.used_ns[i] as f64 - self.asked_ns[i] as f64) / operations;
            (target[i] - on_top).max(0.0)
        });
        let [connect, query] = self.shares.clone()?.map(|share| target[1] * share);
        let exit = (child - connect - query).max(0.0);
        // Below 1 where next to nothing is left for the exit.
        let scale = child / (connect + query + exit).max(1.0);
        Ok(Bursts {
            parent_ns: parent as u64,
            child_ns: [connect, query, exit].map(|ns| (ns * scale) as u64),
        })
    }

    /// `unpooled`'s CPU so far beyond that of the readers, in ns: the basis of its cost.
    pub fn unpooled_seen_ns(&self) -> f64 {
        let server_ns: f64 = self.unpooled_ns().unwrap_or_default().iter().sum();
        server_ns * self.unpooled.begun(Role::Client) as f64
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

    /// A block of `cpu-burn` with so many operations: what it was asked for, and what both processes used.
    fn burn(cost: &mut ConnectionCost, clients: u64, asked: Bursts, used_ns: [u64; 2]) {
        let counters = asked.counters(used_ns[0]);
        let counters = counters.map(|(name, n)| (name.to_owned(), n)).into();
        let cpu = cpu(&[(CpuGroup::Burner, used_ns[0] + used_ns[1])]);
        cost.add(Arm::CpuBurn, &cpu, &tallies(100, clients), &counters);
    }

    fn server(cost: &mut ConnectionCost, arm: Arm, used: (u64, u64), counts: (u64, u64)) {
        let used = [(CpuGroup::Postmaster, used.0), (CpuGroup::Backends, used.1)];
        let tallies = tallies(counts.0, counts.1);
        cost.add(arm, &cpu(&used), &tallies, &BTreeMap::new());
    }

    #[test]
    fn the_request_converges_to_what_either_process_of_a_connection_costs() {
        let mut cost = ConnectionCost::default();
        cost.spread(Ok([150.0, 30.0]));
        assert_eq!(cost.next_request(), Err(UNKNOWN.to_owned()));
        server(&mut cost, Arm::Quiet, (0, 1_000), (100, 0));
        assert_eq!(cost.unpooled_ns(), None);
        // 2,000 for 200 statements of the readers, 50 connections at 100 and 300.
        server(&mut cost, Arm::Unpooled, (5_000, 17_000), (200, 50));
        assert_eq!(cost.unpooled_ns(), Some([100.0, 300.0]));
        assert_eq!(cost.unpooled_seen_ns(), 20_000.0);
        let request = |parent_ns, child_ns| {
            Ok(Bursts {
                parent_ns,
                child_ns,
            })
        };
        assert_eq!(cost.next_request(), Err(UNKNOWN.to_owned()));
        cost.spread(Ok([150.0, 30.0]));
        let first = cost.next_request();
        assert_eq!(first, request(100, [150, 30, 120]));
        // On top of it come 20 for accept and fork, and 80 for the child's exit.
        burn(&mut cost, 10, first.unwrap(), [1_200, 3_800]);
        let second = cost.next_request();
        assert_eq!(second, request(80, [150, 30, 40]));
        burn(&mut cost, 90, second.clone().unwrap(), [9_000, 27_000]);
        assert_eq!(cost.next_request(), second);
        // Nothing is known of a server whose processes cannot be seen; other arms are not counted.
        cost.add(
            Arm::Unpooled,
            &cpu(&[]),
            &tallies(200, 50),
            &BTreeMap::new(),
        );
        server(&mut cost, Arm::Pool, (1, 1), (200, 50));
        assert_eq!(cost.unpooled_ns(), Some([100.0, 300.0]));
        // Connections become dearer: the shares stay.
        server(&mut cost, Arm::Unpooled, (5_000, 47_000), (200, 50));
        assert_eq!(cost.next_request(), request(80, [300, 60, 160]));
    }

    #[test]
    fn bursts_that_are_dearer_than_the_whole_are_scaled_down_to_it() {
        let mut cost = ConnectionCost::default();
        server(&mut cost, Arm::Quiet, (0, 0), (100, 0));
        server(&mut cost, Arm::Unpooled, (0, 10_000), (0, 50));
        cost.spread(Ok([300.0, 100.0]));
        let bursts = cost.next_request().unwrap();
        assert_eq!((bursts.parent_ns, bursts.child_ns), (0, [150, 50, 0]));
        cost.spread(Err("hidden".to_owned()));
        assert_eq!(cost.next_request(), Err("hidden".to_owned()));
    }
}
