//! A real child process for a connection, as the postmaster forks one.
#![expect(
    unsafe_code,
    reason = "a process with threads forks, and the child leaves without destructors"
)]

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getpid, getppid};

use super::locks::prepare_to_fork;
use super::shared_memory::{SharedBox, SharedMemoryError};

/// A child that has not ended by then is killed (alarm(2)), so that nobody waits for it for ever.
const LONGEST_LIFE_SECONDS: u32 = 60;

/// A child that did not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChildFailure {
    /// There was none.
    #[error("fork: {0}")]
    Fork(Errno),
    /// A signal ended it.
    #[error("the child was killed by {0}")]
    Killed(Signal),
    /// It ended, with this exit code.
    #[error("the child ended with exit code {0}")]
    Exited(i32),
}

/// What a child writes down for its parent, in memory that both see.
pub(crate) struct Notes<T>(SharedBox<NoteCell<T>>);

struct NoteCell<T> {
    inside_lock: AtomicBool,
    note: UnsafeCell<T>,
}

// SAFETY: parent and child write in turn: the parent sleeps until the child has ended, and
// `Notes::of_child` wants it exclusively.
unsafe impl<T: Send> Sync for NoteCell<T> {}

/// What a child says before it does something from which nobody could recover if it died there.
pub(crate) struct InsideLock<'a>(Option<&'a AtomicBool>);

impl InsideLock<'_> {
    /// Says so to nobody.
    pub(crate) const UNHEARD: InsideLock<'static> = InsideLock(None);

    /// Does `operation`, which takes a lock that others need.
    pub(crate) fn during<R>(&self, operation: impl FnOnce() -> R) -> R {
        let say = |inside| {
            if let Some(flag) = self.0 {
                flag.store(inside, SeqCst);
            }
        };
        say(true);
        let result = operation();
        say(false);
        result
    }
}

/// How a child's work went.
pub(crate) struct ChildOutcome<T> {
    /// As far as it got. Of a child that died the last field being written may be half written.
    pub(crate) note: T,
    /// How it ended.
    pub(crate) end: Result<(), ChildFailure>,
    /// Whether it died where it may have held or awaited a lock.
    pub(crate) died_inside_lock: bool,
}

impl<T: Copy + Default + Send> Notes<T> {
    /// Empty ones. `T` is plain numbers: no reference of a child's means anything to its parent.
    pub(crate) fn new() -> Result<Self, SharedMemoryError> {
        Ok(Self(SharedBox::new(NoteCell {
            inside_lock: AtomicBool::new(false),
            note: UnsafeCell::new(T::default()),
        })?))
    }

    /// As [`in_child`], with notes.
    pub(crate) fn of_child(
        &mut self,
        work: impl FnOnce(&mut T, &InsideLock<'_>),
    ) -> ChildOutcome<T> {
        let cell = &*self.0;
        cell.inside_lock.store(false, SeqCst);
        // SAFETY: no child lives, and `self` is borrowed exclusively.
        unsafe { *cell.note.get() = T::default() };
        let end = in_child(|| {
            // SAFETY: the parent looks again only when this process has ended.
            let note = unsafe { &mut *cell.note.get() };
            work(note, &InsideLock(Some(&cell.inside_lock)));
        });
        ChildOutcome {
            // SAFETY: the child has ended, which waitpid(2) orders before this.
            note: unsafe { cell.note.get().read_volatile() },
            end,
            died_inside_lock: cell.inside_lock.load(SeqCst),
        }
    }
}

/// Does `work` in a forked child of the calling thread, and waits for its end.
///
/// `work` sees all memory as it is now, and what it writes is lost unless it writes to shared
/// memory. Other threads of the process do not exist for it, and what they hold is held for ever:
/// it must not allocate, print, or take any lock but LWLocks of a
/// [`ProcArray`](super::ProcArray). The child dies with its parent.
///
/// # Errors
/// [`ChildFailure`] when there was no child or it did not get to the end of `work`.
fn in_child(work: impl FnOnce()) -> Result<(), ChildFailure> {
    prepare_to_fork();
    let parent = getpid();
    // SAFETY: until it exits the child runs `work` only, which keeps to what is allowed after
    // fork in a process with threads, as said above.
    match unsafe { fork() }.map_err(ChildFailure::Fork)? {
        ForkResult::Child => {
            let mut code = 1;
            let dies_with_parent = prctl::set_pdeathsig(Signal::SIGKILL).is_ok();
            // The parent may have died before that.
            if dies_with_parent && getppid() == parent {
                // SAFETY: no memory is involved.
                unsafe { libc::alarm(LONGEST_LIFE_SECONDS) };
                let done = catch_unwind(AssertUnwindSafe(work));
                code = if done.is_ok() { 0 } else { 101 };
            }
            // SAFETY: ends the process without running the parent's destructors and exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => loop {
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
                Ok(WaitStatus::Exited(_, code)) => return Err(ChildFailure::Exited(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    return Err(ChildFailure::Killed(signal));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(ChildFailure::Fork(error)),
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_child_is_heard_of_through_shared_memory_only() {
        let shared = SharedBox::new(AtomicU32::new(1)).unwrap();
        let private = AtomicU32::new(1);
        let outcome = in_child(|| {
            shared.fetch_add(1, SeqCst);
            private.fetch_add(1, SeqCst);
        });
        assert_eq!(outcome, Ok(()));
        assert_eq!((shared.load(SeqCst), private.load(SeqCst)), (2, 1));
    }

    #[test]
    fn a_killed_child_and_one_that_fails_are_told_apart() {
        let killed = in_child(|| {
            let _ = kill(getpid(), Signal::SIGKILL);
        });
        assert_eq!(killed, Err(ChildFailure::Killed(Signal::SIGKILL)));
        // Ends as a panic does, without the message that a panic prints.
        let failed = in_child(|| std::panic::resume_unwind(Box::new(())));
        assert_eq!(failed, Err(ChildFailure::Exited(101)));
    }

    #[test]
    fn notes_of_a_child_that_died_go_as_far_as_it_got() {
        let mut notes = Notes::<[u64; 2]>::new().unwrap();
        let done = notes.of_child(|note, inside| inside.during(|| note[1] = 7));
        assert_eq!((done.note, done.end), ([0, 7], Ok(())));
        assert!(!done.died_inside_lock);
        for inside_lock in [false, true] {
            let died = notes.of_child(|note, inside| {
                note[0] = 5;
                let die = || {
                    let _ = kill(getpid(), Signal::SIGKILL);
                };
                if inside_lock {
                    inside.during(die)
                } else {
                    die()
                }
            });
            assert_eq!(died.note, [5, 0]);
            assert_eq!(died.end, Err(ChildFailure::Killed(Signal::SIGKILL)));
            assert_eq!(died.died_inside_lock, inside_lock);
        }
    }
}
