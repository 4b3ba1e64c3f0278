//! One connection, from joining the array to leaving it: in the client's thread, or in a process of its own.

use super::backend::{Backend, too_many_connections};
use super::lock_times::Stopwatch;
use super::operation_counts::OperationCounts;
use crate::clock::burn_cpu;
use crate::clock::{Clock, MonotonicClock};
use crate::procarray::forked::{ChildFailure, InsideLock, Notes};
use crate::procarray::locks::{SharedExclusiveLock, abandon_my_slot};
use crate::procarray::{NoProbe, Premapping, ProcArray, ProcNumber, Snapshot};
use crate::record::ErrorClass;

/// What a connection does between joining and leaving.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    /// CPU burnt before joining in place of a fork, in ns; a real one has its own.
    pub(super) fork_cpu_ns: u64,
    /// CPU burnt after joining, in ns.
    pub(super) session_cpu_ns: u64,
    /// Snapshots until it is connected.
    pub(super) at_login: u32,
    /// Snapshots of its statement; none of one whose login fails.
    pub(super) statement: Option<u32>,
    /// How a forked child maps the PGPROC array before it joins.
    pub(super) premapping: Option<Premapping>,
}

/// When what happened in it, by the clock that all processes share.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Session {
    pub(super) add: Stopwatch,
    pub(super) added_ns: u64,
    pub(super) connected_ns: u64,
    pub(super) queried_ns: u64,
    pub(super) remove: Stopwatch,
    pub(super) removed_ns: u64,
}

/// What forking takes: where children write, and an array with a free slot on which they rehearse.
pub(super) struct Forking<L> {
    notes: Notes<(Session, OperationCounts)>,
    rehearsal: (ProcArray<L>, ProcNumber),
}

impl<L: SharedExclusiveLock> Forking<L> {
    /// For children of one thread that join `array`; none where there is no memory for it.
    pub(super) fn new(array: &ProcArray<L>) -> Option<Self> {
        Some(Self {
            notes: Notes::new().ok()?,
            rehearsal: array.rehearsal().ok()?,
        })
    }
}

/// Why a connection did not go through its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionError {
    /// Its own error; the others go on.
    Connection(ErrorClass),
    /// The child died where it may have held or awaited ProcArrayLock, which nobody can get any
    /// more: a PostgreSQL server would restart (postmaster.c `HandleChildCrash`).
    ProcArrayLock(ChildFailure),
}

fn now_ns() -> u64 {
    MonotonicClock.now_ns()
}

/// What a connection does while it is in the array.
fn work<L: SharedExclusiveLock>(
    backend: &mut Backend<'_, L>,
    steps: Steps,
    session: &mut Session,
    inside: &InsideLock<'_>,
) {
    session.added_ns = now_ns();
    burn_cpu(steps.session_cpu_ns);
    inside.during(|| backend.statement(steps.at_login));
    session.connected_ns = now_ns();
    if let Some(snapshots) = steps.statement {
        inside.during(|| backend.statement(snapshots));
    }
    session.queried_ns = now_ns();
}

/// Burns the CPU of a fork, joins the array in the calling thread, goes through the steps and leaves.
/// The snapshot's `memory` is that of an earlier backend.
pub(super) fn in_thread<L: SharedExclusiveLock>(
    array: &ProcArray<L>,
    memory: &mut Snapshot,
    counts: &mut OperationCounts,
    steps: Steps,
) -> Result<Session, SessionError> {
    let mut session = Session::default();
    burn_cpu(steps.fork_cpu_ns);
    let joined = Backend::join(array, memory, counts, &mut session.add);
    let mut backend = joined.map_err(SessionError::Connection)?;
    work(&mut backend, steps, &mut session, &InsideLock::UNHEARD);
    backend.leave(&mut session.remove);
    session.removed_ns = now_ns();
    Ok(session)
}

/// In a child: joins, goes through the steps and leaves.
fn join_work_leave<L: SharedExclusiveLock>(
    backend: &mut Backend<'_, L>,
    steps: Steps,
    session: &mut Session,
    inside: &InsideLock<'_>,
) {
    // The child's own stores of InitProcess: its PGPROC's pages are mapped before the hold.
    backend.array.touch_own_proc(backend.slot);
    inside.during(|| backend.enter(&mut session.add));
    work(backend, steps, session, inside);
    inside.during(|| backend.exit(&mut session.remove));
    session.removed_ns = now_ns();
}

/// Forks a child that joins the array with the mapping it inherits, no page of which is mapped
/// in it, goes through the steps and leaves.
///
/// The free list stays with the parent, as its lock is the process's own. A child that dies is
/// an error; where it is still in the array the parent takes it out, unless it may have held or
/// awaited a lock ([`SessionError::ProcArrayLock`]): then nothing of the array may be touched any more.
pub(super) fn in_child<L: SharedExclusiveLock>(
    array: &ProcArray<L>,
    memory: &mut Snapshot,
    counts: &mut OperationCounts,
    steps: Steps,
    forking: &mut Forking<L>,
) -> Result<Session, SessionError> {
    let slot = array.init_process();
    let slot = slot.ok_or_else(|| SessionError::Connection(too_many_connections()))?;
    let child = forking.notes.of_child(|(session, counts), inside| {
        array.make_locks_resident();
        if let Some(how) = steps.premapping {
            array.premap(how);
        }
        // Once on the small array, to have the code mapped as a running server has it.
        let short = Steps {
            session_cpu_ns: 0,
            ..steps
        };
        let (mut unread, mut uncounted) = Default::default();
        let (small, small_slot) = &forking.rehearsal;
        let mut rehearsing = Backend::new(small, *small_slot, memory, &mut uncounted);
        join_work_leave(&mut rehearsing, short, &mut unread, &InsideLock::UNHEARD);
        let mut backend = Backend::new(array, slot, memory, counts);
        join_work_leave(&mut backend, steps, session, inside);
    });
    let (session, counted) = child.note;
    *counts += counted;
    let Err(failure) = child.end else {
        array.proc_kill(slot);
        return Ok(session);
    };
    if child.died_inside_lock {
        abandon_my_slot();
        return Err(SessionError::ProcArrayLock(failure));
    }
    if !matches!(failure, ChildFailure::Fork(_)) {
        // It may have died with a lock of the old one. Without memory for another the next children rehearse
        // on that, and may fail there.
        if let Ok(another) = array.rehearsal() {
            forking.rehearsal = another;
        }
    }
    if array.pgxactoff(slot).is_some() {
        let mut backend = Backend::new(array, slot, memory, counts);
        backend.reset_xmin();
        backend.exit(&mut NoProbe);
    }
    array.proc_kill(slot);
    Err(SessionError::Connection(ErrorClass::new("child")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{MappingKind, ProcArrayConfig};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

    const STEPS: Steps = Steps {
        fork_cpu_ns: 0,
        session_cpu_ns: 0,
        at_login: 4,
        statement: Some(2),
        premapping: None,
    };

    fn array<L: SharedExclusiveLock>(slots: u32) -> ProcArray<L> {
        ProcArray::new(ProcArrayConfig {
            max_backends: slots,
            mapping: MappingKind::Forked,
            ..ProcArrayConfig::default()
        })
        .unwrap()
    }

    struct Books;
    impl LockVisitor for Books {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            const CHILDREN: u64 = 40;
            let array = &array::<L>(40);
            let committing = array.open_standing(30, 10, Default::default()).unwrap();
            let before = array.lock_counts();
            let (mut commits, mut shared, mut faults) = (0, 0, 0);
            std::thread::scope(|scope| {
                let forking = || {
                    let mut counts = OperationCounts::default();
                    let mut memory = array.new_snapshot();
                    let mut forking = Forking::new(array).unwrap();
                    for _ in 0..CHILDREN {
                        let done = in_child(array, &mut memory, &mut counts, STEPS, &mut forking);
                        let session = done.unwrap();
                        assert!(session.added_ns <= session.connected_ns);
                        assert!(session.connected_ns <= session.queried_ns);
                        assert!(session.queried_ns <= session.removed_ns);
                    }
                    counts
                };
                let children = [scope.spawn(forking), scope.spawn(forking)];
                while children.iter().any(|thread| !thread.is_finished()) {
                    array.get_new_transaction_id(committing[0]);
                    array.end_transaction(committing[0]);
                    commits += 1;
                }
                for thread in children {
                    let counts = thread.join().unwrap();
                    assert_eq!((counts.adds, counts.removes), (CHILDREN, CHILDREN));
                    shared += counts.snapshots();
                    faults += counts.add_faults;
                }
            });
            array.check_invariants().unwrap();
            assert_eq!(array.num_procs(), committing.len());
            let counts = array.lock_counts() - before;
            assert_eq!(counts.proc_array.exclusive, 4 * CHILDREN + commits);
            assert_eq!(counts.proc_array.shared, shared);
            assert_eq!(shared, 2 * CHILDREN * 6);
            assert!(faults >= 2 * CHILDREN, "{faults} faults");
        }
    }

    #[test]
    fn children_and_threads_share_the_locks_and_the_books() {
        for kind in [LockKind::LwLock17, LockKind::LwLock18, LockKind::LwLock19] {
            kind.visit(Books);
        }
    }

    struct Dies;
    impl LockVisitor for Dies {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = &array::<L>(2);
            let thread_id = &AtomicI32::new(0);
            let steps = Steps {
                session_cpu_ns: 30_000_000_000,
                ..STEPS
            };
            std::thread::scope(|scope| {
                let connecting = scope.spawn(|| {
                    thread_id.store(rustix::thread::gettid().as_raw_nonzero().get(), SeqCst);
                    let mut forking = Forking::new(array).unwrap();
                    let mut counts = OperationCounts::default();
                    let mut memory = array.new_snapshot();
                    let done = in_child(array, &mut memory, &mut counts, steps, &mut forking);
                    (counts, done.unwrap_err())
                });
                // In the array, and out of the lock: the clock says that it burns CPU by then.
                while array.num_procs() == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                std::thread::sleep(std::time::Duration::from_millis(300));
                let children = format!("/proc/self/task/{}/children", thread_id.load(SeqCst));
                let child = std::fs::read_to_string(children).unwrap();
                kill(
                    Pid::from_raw(child.trim().parse().unwrap()),
                    Signal::SIGKILL,
                )
                .unwrap();
                let (counts, loss) = connecting.join().unwrap();
                assert_eq!(loss, SessionError::Connection(ErrorClass::new("child")));
                assert_eq!((counts.adds, counts.removes), (1, 1));
            });
            assert_eq!(array.num_procs(), 0);
            array.check_invariants().unwrap();
            assert!(array.init_process().is_some() && array.init_process().is_some());
        }
    }

    #[test]
    fn a_killed_child_is_an_error_and_leaves_the_array() {
        LockKind::LwLock17.visit(Dies);
    }

    struct Refused;
    impl LockVisitor for Refused {
        type Output = String;
        fn visit<L: SharedExclusiveLock>(self) -> String {
            let made = ProcArray::<L>::new(ProcArrayConfig {
                mapping: MappingKind::Forked,
                ..ProcArrayConfig::default()
            });
            made.err()
                .map_or_else(String::new, |error| error.to_string())
        }
    }

    #[test]
    fn locks_of_one_process_are_refused() {
        for kind in LockKind::ALL {
            let refusal = kind.visit(Refused);
            let works = kind.works_between_processes();
            assert_eq!(refusal.is_empty(), works, "{kind}: {refusal}");
            assert!(works || refusal.contains("give --lock lwlock-17"));
        }
    }
}
