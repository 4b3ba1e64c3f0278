//! From events to a block's counters and series, under the names that the model gives its own.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, Hold, Place};
use super::split::{Span, Trace};
use crate::record::{Operation, Phase, Role, SeriesHistogram, SeriesKey, StatementPart};

/// Which of the server's processes are whose, by PID on this machine. All others are the clients', whether they come
/// and go or stay.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    /// The readers' backends.
    pub(super) readers: BTreeSet<u32>,
    /// Those that were there before anybody connected: checkpointer, writers.
    pub(super) auxiliary: BTreeSet<u32>,
}

impl Roles {
    fn of(&self, pid: u32) -> Option<Role> {
        if self.auxiliary.contains(&pid) {
            None
        } else if self.readers.contains(&pid) {
            Some(Role::Reader)
        } else {
            Some(Role::Client)
        }
    }
}

/// A block's counters and series.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Account {
    pub(in crate::server) counters: BTreeMap<String, u64>,
    pub(in crate::server) series: BTreeMap<SeriesKey, SeriesHistogram>,
}

impl Account {
    /// What readers and clients did in these events.
    pub(super) fn of(events: &[Event], roles: &Roles) -> Self {
        let mut account = Account::default();
        for name in COUNTERS {
            account.counters.insert((*name).to_owned(), 0);
        }
        let mut probes_ns = Vec::new();
        for event in events {
            match event {
                Event::Hold(hold) => {
                    if let Some(role) = roles.of(hold.pid) {
                        account.take(hold, role);
                        let entered = Some(hold.entered_ns).filter(|at| *at > 0);
                        probes_ns.extend(entered.map(|at| hold.requested_ns.saturating_sub(at)));
                    }
                }
                Event::XidGen { pid, exclusive, .. } if roles.of(*pid).is_some() => {
                    account.count(
                        if *exclusive {
                            XID_EXCLUSIVE
                        } else {
                            XID_SHARED
                        },
                        1,
                    );
                }
                _ => {}
            }
        }
        // Between the probes at a function's entry and at its first call lies next to nothing but one probe.
        probes_ns.sort_unstable();
        if let Some(median) = probes_ns.get(probes_ns.len() / 2) {
            let probes = probes_ns.len() as u64;
            account.count(PROBES, probes);
            account.count(PROBES_NS, probes * median);
        }
        account
    }

    /// Adds where the readers' statements spent their time, sorted by how long they took. A reader whose statements do
    /// not fit a backend's is left out.
    pub(super) fn split(&mut self, events: &[Event], statements: &[Vec<Span>]) {
        let trace = Trace::new(events);
        for reader in statements {
            let Some(all) = trace.split(reader) else {
                self.count("split.readers-left-out", 1);
                continue;
            };
            for parts in all {
                let total_ns: u64 = parts.iter().sum();
                let below = |us: &&u64| total_ns >= **us * 1_000;
                for &us in StatementPart::THRESHOLDS_US.iter().take_while(below) {
                    self.count(&StatementPart::statements(us), 1);
                    for (part, ns) in StatementPart::ALL.iter().zip(parts) {
                        self.count(&part.counter(us), ns);
                    }
                }
            }
        }
    }

    fn take(&mut self, hold: &Hold, role: Role) {
        let held_ns = hold.released_ns.saturating_sub(hold.acquired_ns);
        let waited_ns = hold.acquired_ns.saturating_sub(hold.requested_ns);
        let busy = u64::from(hold.sleeps > 0);
        if hold.exclusive {
            self.count("procarraylock.exclusive", 1);
            self.count("procarraylock.exclusive-waits", busy);
            self.count("procarraylock.exclusive-held-ns", held_ns);
        } else {
            self.count("procarraylock.shared", 1);
            self.count("procarraylock.shared-waits", busy);
        }
        let operation = match (hold.place, role) {
            (Place::Add, _) => {
                self.count("operations.procarray-add", 1);
                self.count("faults.procarray-add", hold.faults);
                let largest = self.counters.entry(LARGEST.to_owned()).or_default();
                *largest = (*largest).max(hold.faults);
                Operation::ProcArrayAdd
            }
            (Place::Remove, _) => {
                self.count("operations.procarray-remove", 1);
                self.count("faults.procarray-remove", hold.faults);
                Operation::ProcArrayRemove
            }
            (Place::Elsewhere, Role::Reader) if !hold.exclusive => {
                self.count("operations.reader-snapshot", 1);
                Operation::Snapshot
            }
            (Place::Elsewhere, _) => return,
        };
        for (phase, ns) in [(Phase::Wait, waited_ns), (Phase::Hold, held_ns)] {
            let key = SeriesKey::service(role, operation, phase);
            self.series.entry(key).or_default().record(ns);
        }
    }

    fn count(&mut self, name: &str, n: u64) {
        *self.counters.entry(name.to_owned()).or_default() += n;
    }
}

const XID_SHARED: &str = "xidgenlock.shared";
const XID_EXCLUSIVE: &str = "xidgenlock.exclusive";
const LARGEST: &str = "faults.procarray-add.largest";
/// Probes whose cost was seen, and that cost: the median times their number, in ns.
const PROBES: &str = "trace.probes";
const PROBES_NS: &str = "trace.probes-ns";

/// What is counted in every traced block, be it zero.
const COUNTERS: &[&str] = &[
    "operations.procarray-add",
    "operations.procarray-remove",
    "operations.reader-snapshot",
    "faults.procarray-add",
    LARGEST,
    "faults.procarray-remove",
    "procarraylock.shared",
    "procarraylock.shared-waits",
    "procarraylock.exclusive",
    "procarraylock.exclusive-waits",
    "procarraylock.exclusive-held-ns",
    XID_SHARED,
    XID_EXCLUSIVE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_go_to_the_role_of_their_process_and_the_servers_own_are_left_out() {
        let lines = [
            // A backend that comes: joins (418 faults), takes a snapshot after a sleep, leaves.
            "x 30 0 105",
            "h 30 1 0 0 100 103 110 510 418",
            "h 30 0 1 1 0 600 650 660 0",
            "x 30 0 705",
            "h 30 2 0 0 700 703 706 726 0",
            // A reader's snapshots, and the background writer's.
            "h 20 0 1 0 0 800 802 803 0",
            "h 20 0 1 1 0 900 950 951 0",
            "x 10 1 990",
            "h 10 0 1 0 0 990 991 992 0",
        ];
        let events: Vec<Event> = lines.iter().map(|l| Event::parse(l).unwrap()).collect();
        let roles = Roles {
            readers: [20].into(),
            auxiliary: [10].into(),
        };
        let account = Account::of(&events, &roles);
        let expected = [
            ("operations.procarray-add", 1),
            ("operations.procarray-remove", 1),
            ("operations.reader-snapshot", 2),
            ("faults.procarray-add", 418),
            ("faults.procarray-add.largest", 418),
            ("faults.procarray-remove", 0),
            ("procarraylock.shared", 3),
            ("procarraylock.shared-waits", 2),
            ("procarraylock.exclusive", 2),
            ("procarraylock.exclusive-waits", 0),
            ("procarraylock.exclusive-held-ns", 420),
            ("xidgenlock.shared", 0),
            ("xidgenlock.exclusive", 2),
            ("trace.probes", 2),
            ("trace.probes-ns", 6),
        ];
        let expected: BTreeMap<String, u64> = expected
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v))
            .collect();
        assert_eq!(account.counters, expected);
        let keys: Vec<String> = account.series.keys().map(ToString::to_string).collect();
        let of = |name: &str| account.series[&name.parse().unwrap()].percentile_ns(100.0);
        assert_eq!(of("client.procarray-add.hold.service"), Some(400));
        assert_eq!(of("client.procarray-remove.hold.service"), Some(20));
        assert_eq!(of("reader.snapshot.wait.service"), Some(50));
        assert_eq!(keys.len(), 6, "{keys:?}");
    }

    #[test]
    fn slow_statements_are_summed_up_apart_and_parts_add_up_to_their_time() {
        let lines = [
            "w 20 1000",
            "r 20 2000",
            "q 20 50000",
            "w 20 500000",
            "r 20 900000",
            "q 20 950000",
        ];
        let events: Vec<Event> = lines.iter().map(|l| Event::parse(l).unwrap()).collect();
        let mut account = Account::default();
        let statements = vec![(0, 60_000), (490_000, 1_000_000)];
        account.split(&events, &[statements, vec![(0, 2)]]);
        let counter = |name: &str| account.counters.get(name).copied();
        assert_eq!(counter("split.over-0us.statements"), Some(2));
        assert_eq!(counter("split.over-500us.statements"), Some(1));
        assert_eq!(counter("split.over-1000us.statements"), None);
        assert_eq!(counter("split.over-500us.wait-for-cpu-ns"), Some(400_000));
        assert_eq!(counter("split.readers-left-out"), Some(1));
        let sum = |us| {
            let of = |p: &StatementPart| counter(&p.counter(us)).unwrap();
            StatementPart::ALL.iter().map(of).sum::<u64>()
        };
        assert_eq!((sum(0), sum(500)), (570_000, 510_000));
    }

    #[test]
    fn a_block_in_which_nothing_happened_counts_zeros() {
        let account = Account::of(&[], &Roles::default());
        assert_eq!(account.counters.len(), COUNTERS.len());
        assert!(account.counters.values().all(|n| *n == 0) && account.series.is_empty());
    }
}
