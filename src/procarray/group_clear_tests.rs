//! Groups of committers: one that is arranged, and many that find themselves.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use super::{Ablations, ProcArray, ProcArrayConfig, ProcNumber, TransactionEnd};

const MEMBERS: usize = 6;

fn array<L: SharedExclusiveLock>(group_clear: bool) -> (ProcArray<L>, Vec<ProcNumber>) {
    let array = ProcArray::new(ProcArrayConfig {
        ablations: Ablations {
            group_clear,
            ..Ablations::default()
        },
        ..ProcArrayConfig::default()
    })
    .unwrap();
    let slots = array.open_standing(20, 0, Default::default()).unwrap();
    (array, slots)
}

/// Commits that all find a reader inside; it leaves once every one of them has failed to get
/// the lock and, with group clear, is on the list.
struct Arranged {
    group_clear: bool,
}
impl LockVisitor for Arranged {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let (array, slots) = &array::<L>(self.group_clear);
        let committers = &slots[3..3 + MEMBERS];
        let mut xids: Vec<_> = committers
            .iter()
            .map(|slot| array.get_new_transaction_id(*slot))
            .collect();
        array.get_new_subtransaction_id(committers[2]);
        if self.group_clear {
            // A wake-up that is not the leader's: its taker must sleep on, and give it back.
            committers.iter().for_each(|slot| array.post_to(*slot));
        }
        let (before, completions) = (array.lock_counts(), array.xact_completion_count());
        let reader = array.proc_array_lock.uncounted().acquire_shared();
        let ends: Vec<_> = thread::scope(|scope| {
            let committing: Vec<_> = committers
                .iter()
                .map(|slot| scope.spawn(|| array.end_transaction(*slot)))
                .collect();
            let arrived = || {
                let failures = (array.lock_counts() - before).proc_array;
                let listed = if self.group_clear {
                    array.group_waiting()
                } else {
                    MEMBERS
                };
                (failures.exclusive_conditional_failures as usize).min(listed)
            };
            while arrived() < MEMBERS {
                thread::yield_now();
            }
            assert!(committing.iter().all(|committer| !committer.is_finished()));
            drop(reader);
            let ends = committing.into_iter().map(|c| c.join().unwrap());
            ends.collect()
        });

        let counts = (array.lock_counts() - before).proc_array;
        assert_eq!(counts.exclusive_conditional_failures, MEMBERS as u64);
        assert_eq!(counts.shared, 0);
        let leaders = ends
            .iter()
            .filter(|end| matches!(end, TransactionEnd::GroupLeader { members, .. } if *members as usize == MEMBERS));
        let followers = ends
            .iter()
            .filter(|end| matches!(end, TransactionEnd::GroupFollower(_)));
        let queued = ends
            .iter()
            .filter(|end| matches!(end, TransactionEnd::Queued(_)));
        let parts = (leaders.count(), followers.count(), queued.count());
        if self.group_clear {
            assert_eq!(counts.exclusive, 1, "one acquisition for all");
            assert_eq!(parts, (1, MEMBERS - 1, 0));
            // Followers woke once each by their leader, and every post that was not its is back.
            assert_eq!(array.group_surplus_posts() as usize, MEMBERS);
            assert_eq!(array.group_waiting(), 0);
        } else {
            assert_eq!(counts.exclusive, MEMBERS as u64, "one for each");
            assert_eq!(parts, (0, 0, MEMBERS));
        }
        let mut ended: Vec<_> = ends.iter().filter_map(|end| end.xid()).collect();
        ended.sort_unstable_by_key(|xid| xid.0);
        xids.sort_unstable_by_key(|xid| xid.0);
        assert_eq!(ended, xids);
        assert!(committers.iter().all(|slot| !array.xid(*slot).is_valid()));
        assert_eq!(array.xact_completion_count(), completions + MEMBERS as u64);
        array.check_invariants().unwrap();
        let mut snapshot = array.new_snapshot();
        array.get_snapshot_data(slots[0], &mut snapshot);
        // The subxid was the last one given out, and has completed with its transaction.
        let next = array.read_next_transaction_id();
        assert_eq!((snapshot.xmax, snapshot.xip().len()), (next, 0));
    }
}

#[test]
fn a_group_takes_the_lock_once_for_all_its_members() {
    for kind in LockKind::ALL {
        kind.visit(Arranged { group_clear: true });
    }
}

#[test]
fn without_group_clear_everybody_queues_for_the_lock() {
    for kind in LockKind::ALL {
        kind.visit(Arranged { group_clear: false });
    }
}

/// Committers beside a reader that takes the lock again and again.
struct Stress;
impl LockVisitor for Stress {
    type Output = u64;

    fn visit<L: SharedExclusiveLock>(self) -> u64 {
        const COMMITS: u64 = 3_000;
        let (array, slots) = &array::<L>(true);
        let (before, completions) = (array.lock_counts(), array.xact_completion_count());
        let committing = &AtomicBool::new(true);
        let (mut at_once, mut led, mut followed, mut groups) = (0, 0, 0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut snapshot = array.new_snapshot();
                let mut taken = 0_u32;
                while committing.load(SeqCst) {
                    let guard = array.proc_array_lock.uncounted().acquire_shared();
                    // Inside, so that others come upon it on a machine of few cores as well.
                    thread::yield_now();
                    drop(guard);
                    array.get_snapshot_data(slots[0], &mut snapshot);
                    array.snapshot_reset_xmin(slots[0]);
                    taken += 1;
                    if taken.is_multiple_of(256) {
                        array.check_invariants().unwrap();
                    }
                }
            });
            let committers: Vec<_> = slots[1..=MEMBERS]
                .iter()
                .map(|slot| {
                    scope.spawn(|| {
                        (0..COMMITS)
                            .map(|_| {
                                let xid = array.get_new_transaction_id(*slot);
                                let end = array.end_transaction(*slot);
                                assert_eq!(end.xid(), Some(xid));
                                assert!(!array.xid(*slot).is_valid(), "it is over for its owner");
                                end
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let ended: Vec<_> = committers.into_iter().map(|c| c.join()).collect();
            committing.store(false, SeqCst);
            for end in ended.into_iter().flat_map(Result::unwrap) {
                match end {
                    TransactionEnd::AtOnce(_) => at_once += 1,
                    TransactionEnd::GroupLeader { members, .. } => {
                        groups += 1;
                        led += u64::from(members);
                    }
                    TransactionEnd::GroupFollower(_) => followed += 1,
                    other => panic!("{other:?}"),
                }
            }
        });
        let commits = MEMBERS as u64 * COMMITS;
        assert_eq!(at_once + led, commits, "every xid is cleared by one");
        assert_eq!(
            led,
            groups + followed,
            "a group is its leader and followers"
        );
        let counts = array.lock_counts() - before;
        assert_eq!(counts.proc_array.exclusive, at_once + groups);
        assert_eq!(counts.proc_array.exclusive_conditional_failures, led);
        assert_eq!(counts.xid_gen.exclusive, commits);
        assert_eq!(array.xact_completion_count(), completions + commits);
        assert_eq!(array.group_surplus_posts(), 0, "everybody woken once");
        assert_eq!(array.group_waiting(), 0);
        array.check_invariants().unwrap();
        groups
    }
}

#[test]
fn groups_conserve_xids_posts_and_acquisitions() {
    for kind in LockKind::ALL {
        // On a busy machine committers may not meet in one run.
        let met = (0..20).any(|_| kind.visit(Stress) > 0);
        assert!(met, "no group was made under {kind}");
    }
}
