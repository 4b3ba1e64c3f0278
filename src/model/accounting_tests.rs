//! What the locks count while backends do what was counted on servers. A regression guard: the model
//! was written to take each lock so often.

use super::accounting::{Acquisitions, LockRules, Mismatch};
use super::backend::{Backend, Connection};
use super::operation_counts::OperationCounts;
use crate::config::Background;
use crate::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use crate::procarray::{Ablations, NoProbe, PgProfile, ProcArray, ProcArrayConfig};

/// Something whose acquisitions were counted on real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerAction {
    /// Connect, a first `SELECT 1`, disconnect.
    Connection,
    /// A login of an unknown role.
    FailedLogin,
    /// `SELECT` in a warm session, simple protocol.
    Select,
    /// Single-row `INSERT` in a warm session, simple protocol.
    Insert,
    /// A REPEATABLE READ transaction of two `SELECT`s.
    RepeatableRead,
}

impl ServerAction {
    /// All of them.
    const ALL: [Self; 5] = [
        Self::Connection,
        Self::FailedLogin,
        Self::Select,
        Self::Insert,
        Self::RepeatableRead,
    ];

    /// As counted inside servers of 13.16, 15.18, 17.11 and 18 (USDT probes and uprobes, averages over 20,
    /// exact integers); 16 was not run and is taken to be as 15.
    const fn measured(self, profile: PgProfile) -> Acquisitions {
        use PgProfile::{V13, V15, V16, V17, V18};
        match (self, profile) {
            (Self::Connection, V13) => Acquisitions::of(6, 2, 0),
            (Self::Connection, V15 | V16 | V17) => Acquisitions::of(6, 2, 2),
            (Self::Connection, V18) => Acquisitions::of(5, 2, 2),
            (Self::FailedLogin, V13) => Acquisitions::of(2, 2, 0),
            (Self::FailedLogin, V15 | V16 | V17) => Acquisitions::of(2, 2, 2),
            (Self::FailedLogin, V18) => Acquisitions::of(1, 2, 2),
            (Self::Select, _) => Acquisitions::of(2, 0, 0),
            (Self::Insert, _) => Acquisitions::of(2, 1, 1),
            (Self::RepeatableRead, _) => Acquisitions::of(1, 0, 0),
        }
    }
}

impl Acquisitions {
    /// ProcArrayLock shared and exclusive, XidGenLock exclusive.
    const fn of(shared: u64, exclusive: u64, xid_gen_exclusive: u64) -> Self {
        Self {
            shared,
            exclusive,
            conditional_failures: 0,
            xid_gen_shared: 0,
            xid_gen_exclusive,
        }
    }
}

/// One array, its rules, and a warm backend in it.
struct Bench<L> {
    array: ProcArray<L>,
    rules: LockRules,
    warm: Connection,
}

impl<L: SharedExclusiveLock> Bench<L> {
    fn new(profile: PgProfile, ablations: Ablations) -> Self {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            profile,
            ablations,
            ..ProcArrayConfig::default()
        })
        .unwrap();
        array.open_standing(10, 5, Default::default()).unwrap();
        let mut counts = OperationCounts::default();
        let mut snapshot = array.new_snapshot();
        let joined = Backend::join(&array, &mut snapshot, &mut counts, &mut NoProbe);
        let mut warm = joined.unwrap();
        warm.statement(1);
        let slot = warm.slot;
        let warm = Connection { slot, snapshot };
        Bench {
            array,
            rules: LockRules { profile, ablations },
            warm,
        }
    }

    /// What the locks counted, which must be what the operations are to take.
    fn taken(&mut self, act: impl FnOnce(&mut Backend<'_, L>)) -> Acquisitions {
        let before = self.array.lock_counts();
        let mut counts = OperationCounts::default();
        let Connection { slot, snapshot } = &mut self.warm;
        act(&mut Backend::new(&self.array, *slot, snapshot, &mut counts));
        let counted = self.array.lock_counts() - before;
        assert_eq!(self.rules.check(&counts, &counted), Ok(()), "{counts:?}");
        self.array.check_invariants().unwrap();
        Acquisitions::from(&counted)
    }

    fn action(&mut self, action: ServerAction) -> Acquisitions {
        let version = self.rules.profile.version();
        self.taken(|warm| match action {
            ServerAction::Connection => connect(warm, &[version.snapshots_per_connect, 2]),
            ServerAction::FailedLogin => connect(warm, &[version.snapshots_per_failed_login]),
            ServerAction::Select => warm.statement(2),
            ServerAction::Insert => warm.commit(2, &Background::default()),
            // One for the transaction; the second SELECT takes none.
            ServerAction::RepeatableRead => warm.statement(1),
        })
    }
}

/// A connection of statements with so many snapshots, in the books of `other`.
fn connect<L: SharedExclusiveLock>(other: &mut Backend<'_, L>, statements: &[u32]) {
    let mut memory = other.array.new_snapshot();
    let joined = Backend::join(other.array, &mut memory, other.counts, &mut NoProbe);
    let mut new = joined.unwrap();
    for snapshots in statements {
        new.statement(*snapshots);
    }
    new.leave(&mut NoProbe);
}

struct Table(PgProfile);
impl LockVisitor for Table {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        let mut bench = Bench::<L>::new(self.0, Ablations::default());
        for action in ServerAction::ALL {
            let measured = action.measured(self.0);
            assert_eq!(bench.action(action), measured, "{action:?} on {}", self.0);
        }
    }
}

#[test]
fn each_profile_takes_the_locks_as_often_as_servers_were_seen_to() {
    for &profile in PgProfile::ALL {
        profile.version().lock.visit(Table(profile));
    }
}

/// ProcArrayLock exclusive and shared, XidGenLock exclusive and shared.
type Four = (u64, u64, u64, u64);

struct Others(PgProfile, Ablations);
impl LockVisitor for Others {
    /// A VACUUM of an empty table; a parallel worker without its leader's snapshot; a view of
    /// 11 rows; a pruning statement.
    type Output = [Four; 4];
    fn visit<L: SharedExclusiveLock>(self) -> [Four; 4] {
        let mut bench = Bench::<L>::new(self.0, self.1);
        let four = |taken: Acquisitions| {
            assert_eq!(taken.conditional_failures, 0);
            let xid_gen = (taken.xid_gen_exclusive, taken.xid_gen_shared);
            (taken.exclusive, taken.shared, xid_gen.0, xid_gen.1)
        };
        let vacuum = bench.taken(|warm| warm.vacuum());
        let mut parallel = bench.taken(|warm| {
            let mut memory = warm.array.new_snapshot();
            warm.launch_parallel_worker(&mut memory).unwrap();
        });
        parallel.shared -= 1;
        let view = bench.taken(|warm| {
            warm.read_activity(0, &mut Vec::new());
            assert_eq!(warm.counts.monitor_rows, 11);
        });
        let prune = bench.taken(|warm| warm.prune(2));
        [four(vacuum), four(parallel), four(view), four(prune)]
    }
}

#[test]
fn vacuum_parallel_workers_monitoring_and_pruning_take_their_locks() {
    let taken =
        |profile: PgProfile| LockKind::default().visit(Others(profile, Ablations::default()));
    // 15: VACUUM and the parallel worker as measured on 15.18.
    let pg15 = [(2, 6, 0, 5), (3, 7, 2, 0), (0, 11, 0, 0), (0, 3, 0, 0)];
    assert_eq!(taken(PgProfile::V15), pg15);
    assert_eq!(taken(PgProfile::V16), pg15);
    let pg17 = [(2, 6, 0, 5), (3, 7, 2, 0), (0, 22, 0, 0), (0, 3, 0, 0)];
    assert_eq!(taken(PgProfile::V17), pg17);
    // 18 takes no startup snapshot.
    let pg18 = [(2, 6, 0, 5), (3, 6, 2, 0), (0, 22, 0, 0), (0, 3, 0, 0)];
    assert_eq!(taken(PgProfile::V18), pg18);
    // 13 clears the flag without a lock, takes the xmin over in shared mode, and never nests XidGenLock.
    let pg13 = [(1, 6, 0, 5), (2, 8, 0, 0), (0, 11, 0, 0), (0, 3, 0, 0)];
    assert_eq!(taken(PgProfile::V13), pg13);
}

struct Savepoints(PgProfile, Background);
impl LockVisitor for Savepoints {
    /// And how far the completion counter went.
    type Output = (Acquisitions, u64);
    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let mut bench = Bench::<L>::new(self.0, Ablations::default());
        let before = bench.array.xact_completion_count();
        let taken = bench.taken(|warm| {
            warm.commit(2, &self.1);
            let rolled_back = u64::from(self.1.rolled_back_subtransactions);
            assert_eq!(warm.counts.subtransaction_aborts, rolled_back);
        });
        (taken, bench.array.xact_completion_count() - before)
    }
}

#[test]
fn each_rolled_back_savepoint_takes_the_lock_and_completes_once_more() {
    for &profile in PgProfile::ALL {
        // The last pair's cache has overflowed before anything rolls back.
        for (each, rolled_back) in [(3, 0), (1, 1), (3, 2), (70, 3)] {
            let subtransactions = Background {
                subtransactions: each,
                rolled_back_subtransactions: rolled_back,
                ..Background::default()
            };
            let (taken, completed) = profile
                .version()
                .lock
                .visit(Savepoints(profile, subtransactions));
            let ends = 1 + u64::from(rolled_back);
            let expected = Acquisitions {
                shared: 2,
                exclusive: ends,
                conditional_failures: 0,
                xid_gen_shared: 0,
                xid_gen_exclusive: 1 + u64::from(each),
            };
            assert_eq!(taken, expected, "{subtransactions:?} on {profile}");
            // On a server of 18 one such savepoint and the end made it two more.
            assert_eq!(completed, ends, "{subtransactions:?} on {profile}");
        }
    }
}

struct Ablated(Ablations);
impl LockVisitor for Ablated {
    type Output = (Acquisitions, Acquisitions);
    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let mut bench = Bench::<L>::new(PgProfile::V15, self.0);
        (
            bench.action(ServerAction::Connection),
            bench.action(ServerAction::Insert),
        )
    }
}

#[test]
fn every_ablation_keeps_the_books() {
    let as_it_is = Ablations::default();
    let normal = LockKind::default().visit(Ablated(as_it_is));
    for without in ["group-clear", "reuse", "renumbering"] {
        let ablations = Ablations::without(without).unwrap();
        assert_eq!(
            LockKind::default().visit(Ablated(ablations)),
            normal,
            "{without}"
        );
    }
    let own_array = Ablations {
        own_pgxactoff_array: true,
        ..as_it_is
    };
    assert_eq!(LockKind::default().visit(Ablated(own_array)), normal);
    // Without the nesting only who gets an xid takes XidGenLock, and ProcArrayLock besides.
    let ablations = Ablations::without("xidgenlock").unwrap();
    let (connection, insert) = LockKind::default().visit(Ablated(ablations));
    let four = |a: Acquisitions| (a.exclusive, a.shared, a.xid_gen_exclusive);
    assert_eq!(four(normal.0), (2, 6, 2));
    assert_eq!(four(connection), (2, 6, 0));
    assert_eq!(four(normal.1), (1, 2, 1));
    assert_eq!(four(insert), (1, 3, 1));
}

#[test]
fn a_lost_acquisition_and_a_lost_follower_are_found() {
    let rules = LockRules {
        profile: PgProfile::V15,
        ablations: Ablations::default(),
    };
    let mut counts = OperationCounts {
        snapshots_scanned: 1,
        ..OperationCounts::default()
    };
    let mut counted = crate::procarray::ProcArrayCounts::default();
    let found = rules.check(&counts, &counted).unwrap_err();
    assert!(matches!(found, Mismatch::Locks { .. }));
    assert!(found.to_string().ends_with("a bug in procbench"));
    counted.proc_array.shared = 1;
    assert_eq!(rules.check(&counts, &counted), Ok(()));
    counts.group_members = 1;
    let found = rules.check(&counts, &counted).unwrap_err();
    assert!(matches!(found, Mismatch::Groups { members: 1, .. }));
}
