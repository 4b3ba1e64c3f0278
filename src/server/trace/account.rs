//! From events to a block's counters and series, under the names that the model gives its own.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, Hold, Place};
use super::split::{Parts, Span, Trace};
use crate::config::Tracing;
use crate::record::{
    Operation, Phase, Role, SeriesHistogram, SeriesKey, StatementClass, StatementPart,
};

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
    /// What readers and clients did in these events. A twin's trace does not see XidGenLock.
    pub(super) fn of(events: &[Event], roles: &Roles, tracing: Tracing) -> Self {
        let mut account = Account::default();
        let xid_gen = match tracing {
            Tracing::EveryBlock => [XID_SHARED, XID_EXCLUSIVE].as_slice(),
            Tracing::Twins | Tracing::Off => &[],
        };
        for name in COUNTERS.iter().chain(xid_gen) {
            account.count(name, 0);
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

    /// Adds where the readers' statements spent their time: all of them, and where a threshold is known, those over
    /// it. A reader whose statements do not fit a backend's is left out.
    pub(super) fn split(
        &mut self,
        events: &[Event],
        statements: &[Vec<Span>],
        slow_over_ns: Option<u64>,
    ) {
        let trace = Trace::new(events);
        let classes = match slow_over_ns {
            Some(_) => StatementClass::ALL,
            None => &[StatementClass::All],
        };
        // None of a class is a count, too.
        for class in classes {
            self.count(&class.counter(), 0);
        }
        for reader in statements {
            let Some(all) = trace.split(reader) else {
                self.count("split.readers-left-out", 1);
                continue;
            };
            for parts in all {
                for class in classes_of(&parts, slow_over_ns) {
                    self.count(&class.counter(), 1);
                    for (part, ns) in StatementPart::ALL.iter().zip(parts) {
                        self.count(&part.counter(class), ns);
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

/// The classes of a statement: without its waits for the lock it would have been so much shorter.
fn classes_of(parts: &Parts, slow_over_ns: Option<u64>) -> impl Iterator<Item = StatementClass> {
    let total_ns: u64 = parts.iter().sum();
    let lock_ns: u64 = StatementPart::LOCK.iter().map(|p| parts[*p as usize]).sum();
    let is_slow = |ns: u64| slow_over_ns.is_some_and(|over| ns > over);
    let (slow, without) = (is_slow(total_ns), is_slow(total_ns - lock_ns));
    [
        (StatementClass::All, true),
        (StatementClass::Slow, slow),
        (StatementClass::SlowByLock, slow && !without),
    ]
    .into_iter()
    .filter_map(|(class, is_in)| is_in.then_some(class))
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
        let account = Account::of(&events, &roles, Tracing::EveryBlock);
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

    /// Three statements of one reader: 60 us; 510 us, of which 400 us waiting for a CPU; 300 us, of which 210 us
    /// waiting for the lock.
    fn three_statements(slow_over_ns: Option<u64>) -> Account {
        let lines = [
            "w 20 1000",
            "r 20 2000",
            "q 20 50000",
            "w 20 500000",
            "r 20 900000",
            "q 20 950000",
            "w 20 1000000",
            "r 20 1010000",
            "s 20 1020000",
            "h 30 1 0 0 1000000 1000000 1000000 1200000 418",
            "w 20 1210000",
            "r 20 1230000",
            "h 20 0 1 1 0 1015000 1231000 1232000 0",
            "q 20 1290000",
        ];
        let events: Vec<Event> = lines.iter().map(|l| Event::parse(l).unwrap()).collect();
        let mut account = Account::default();
        let statements = vec![(0, 60_000), (490_000, 1_000_000), (1_000_000, 1_300_000)];
        account.split(&events, &[statements, vec![(0, 2)]], slow_over_ns);
        account
    }

    #[test]
    fn slow_statements_are_summed_up_apart_and_parts_add_up_to_their_time() {
        let account = three_statements(Some(200_000));
        let counter = |name: &str| account.counters.get(name).copied();
        let of = |class: StatementClass| {
            let ns = |p: &StatementPart| counter(&p.counter(class)).unwrap();
            let sum: u64 = StatementPart::ALL.iter().map(ns).sum();
            (counter(&class.counter()), sum)
        };
        assert_eq!(of(StatementClass::All), (Some(3), 870_000));
        assert_eq!(of(StatementClass::Slow), (Some(2), 810_000));
        assert_eq!(of(StatementClass::SlowByLock), (Some(1), 300_000));
        assert_eq!(counter("split.slow.wait-for-cpu-ns"), Some(410_000));
        assert_eq!(
            counter("split.slow-by-lock.lock-holder-running-ns"),
            Some(180_000)
        );
        assert_eq!(
            counter("split.slow-by-lock.lock-wake-up-ns"),
            Some(10_000 + 20_000)
        );
        assert_eq!(counter("split.readers-left-out"), Some(1));
    }

    #[test]
    fn a_statement_is_slow_by_the_lock_if_what_is_left_without_it_is_not_over_the_threshold() {
        let counts = |over_ns| {
            let account = three_statements(over_ns);
            StatementClass::ALL
                .iter()
                .map(|c| account.counters.get(&c.counter()).copied())
                .collect::<Vec<_>>()
        };
        // 300 us are 90 without the lock.
        assert_eq!(counts(Some(300_000)), [Some(3), Some(1), Some(0)]);
        assert_eq!(counts(Some(299_999)), [Some(3), Some(2), Some(1)]);
        assert_eq!(counts(Some(90_000)), [Some(3), Some(2), Some(1)]);
        assert_eq!(counts(Some(89_999)), [Some(3), Some(2), Some(0)]);
        assert_eq!(counts(None), [Some(3), None, None]);
    }

    #[test]
    fn a_block_in_which_nothing_happened_counts_zeros() {
        let account = Account::of(&[], &Roles::default(), Tracing::Twins);
        assert_eq!(account.counters.len(), COUNTERS.len());
        assert!(account.counters.values().all(|n| *n == 0) && account.series.is_empty());
    }
}
