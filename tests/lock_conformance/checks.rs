//! The checks, generic over the lock.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use procbench::procarray::locks::SharedExclusiveLock;

/// For what must not happen while a lock is held. Only a correct lock waits so long.
const MUST_NOT_HAPPEN: Duration = Duration::from_millis(500);

/// What was found wrong, if anything.
pub type Verdict = Result<(), String>;
/// A check's name, and the check.
pub type Check = (&'static str, fn(Duration) -> Verdict);

/// Every check, for one lock. The argument bounds the wait for what must happen.
pub fn checks<L: SharedExclusiveLock>() -> [Check; 9] {
    [
        ("readers overlap", readers_overlap::<L>),
        ("writer excludes reader", writer_excludes_reader::<L>),
        ("writer excludes writer", writer_excludes_writer::<L>),
        ("reader excludes writer", reader_excludes_writer::<L>),
        ("guards release on drop", guards_release_on_drop::<L>),
        ("guards release on unwind", guards_release_on_unwind::<L>),
        ("try in every state", try_in_every_state::<L>),
        ("try guards hold", try_guards_hold::<L>),
        ("no update lost or torn", no_update_lost_or_torn::<L>),
    ]
}

/// Runs `work` on a thread of its own; the receiver gets its result.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, result) = channel();
    thread::spawn(move || {
        // Nobody is listening any more when the check has given up.
        let _ = done.send(work());
    });
    result
}

fn bounded<T: Send + 'static>(
    bound: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    apart(work)
        .recv_timeout(bound)
        .map_err(|_| format!("{what}: stuck"))
}

fn shared<L: SharedExclusiveLock>(lock: &L) {
    drop(lock.acquire_shared());
}

fn exclusive<L: SharedExclusiveLock>(lock: &L) {
    drop(lock.acquire_exclusive());
}

/// Takes the lock, calls back while it is held, releases it.
type Hold<L> = fn(&L, &dyn Fn());

fn readers_overlap<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    let lock = Arc::new(L::new());
    bounded(bound, "second reader", move || {
        let _first = lock.acquire_shared();
        let other = Arc::clone(&lock);
        apart(move || shared(&*other)).recv().is_ok()
    })
    .map(drop)
}

/// `holder` takes the lock and holds it: `contender` must not get through before it lets go,
/// and must get through then.
fn excludes<L: SharedExclusiveLock>(
    bound: Duration,
    hold: impl FnOnce(&L, &dyn Fn()) + Send + 'static,
    contender: fn(&L),
) -> Verdict {
    let lock = Arc::new(L::new());
    let (holding, is_held) = channel();
    let (let_go, may_let_go) = channel::<()>();
    let held = Arc::clone(&lock);
    let holder = apart(move || {
        hold(&held, &|| {
            let _ = holding.send(());
            let _ = may_let_go.recv();
        });
    });
    is_held.recv_timeout(bound).map_err(|_| "holder: stuck")?;
    let (about_to, is_about_to) = channel();
    let through = apart(move || {
        let _ = about_to.send(());
        contender(&lock);
    });
    is_about_to
        .recv_timeout(bound)
        .map_err(|_| "contender: never ran")?;
    let early = through.recv_timeout(MUST_NOT_HAPPEN).is_ok();
    drop(let_go);
    if early {
        return Err("contender got in while the lock was held".to_owned());
    }
    holder
        .recv_timeout(bound)
        .map_err(|_| "holder: stuck in release")?;
    through
        .recv_timeout(bound)
        .map_err(|_| "contender: stuck after the release".to_owned())
}

fn hold_shared<L: SharedExclusiveLock>(lock: &L, while_held: &dyn Fn()) {
    let _guard = lock.acquire_shared();
    while_held();
}

fn hold_exclusive<L: SharedExclusiveLock>(lock: &L, while_held: &dyn Fn()) {
    let _guard = lock.acquire_exclusive();
    while_held();
}

fn writer_excludes_reader<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    excludes::<L>(bound, hold_exclusive, shared)
}

fn writer_excludes_writer<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    excludes::<L>(bound, hold_exclusive, exclusive)
}

fn reader_excludes_writer<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    excludes::<L>(bound, hold_shared, exclusive)
}

/// Takes and drops a guard by each of the four methods; after each the lock must be free.
fn guards_release_on_drop<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    let methods: [fn(&L); 4] = [
        shared,
        exclusive,
        |lock| drop(lock.try_acquire_shared()),
        |lock| drop(lock.try_acquire_exclusive()),
    ];
    for method in methods {
        let lock = Arc::new(L::new());
        bounded(bound, "writer after a dropped guard", move || {
            method(&lock);
            exclusive(&*lock);
        })?;
    }
    Ok(())
}

fn guards_release_on_unwind<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    let holds: [Hold<L>; 2] = [hold_shared, hold_exclusive];
    for hold in holds {
        let lock = Arc::new(L::new());
        let usable = bounded(bound, "lock after a panic under it", move || {
            // resume_unwind: a panic without the message on stderr.
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                hold(&lock, &|| resume_unwind(Box::new(())));
            }));
            shared(&*lock);
            exclusive(&*lock);
            let tried = lock.try_acquire_shared().is_some();
            panicked.is_err() && tried && lock.try_acquire_exclusive().is_some()
        })?;
        if !usable {
            return Err("try-lock fails for ever after a panic under the lock".to_owned());
        }
    }
    Ok(())
}

/// Free, one reader, two readers, one writer: what each conditional acquire must answer,
/// from another thread, without blocking; and free again afterwards.
fn try_in_every_state<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    fn answers<L: SharedExclusiveLock>(
        lock: &Arc<L>,
        bound: Duration,
        state: &str,
        expected: (bool, bool),
    ) -> Verdict {
        let lock = Arc::clone(lock);
        let found = bounded(bound, &format!("try while {state}"), move || {
            let shared = lock.try_acquire_shared().is_some();
            (shared, lock.try_acquire_exclusive().is_some())
        })?;
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "{state}: try (shared, exclusive) gave {found:?}, not {expected:?}"
        ))
    }
    let lock = Arc::new(L::new());
    answers(&lock, bound, "free", (true, true))?;
    let held = Arc::clone(&lock);
    bounded(bound * 3, "states with readers", move || {
        let _reader = held.acquire_shared();
        answers(&held, bound, "one reader", (true, false))?;
        let Some(_second) = held.try_acquire_shared() else {
            return Err("a second reader is refused".to_owned());
        };
        answers(&held, bound, "two readers", (true, false))
    })??;
    answers(&lock, bound, "free after readers", (true, true))?;
    let held = Arc::clone(&lock);
    bounded(bound * 2, "state with a writer", move || {
        let _writer = held.acquire_exclusive();
        answers(&held, bound, "one writer", (false, false))
    })??;
    answers(&lock, bound, "free after a writer", (true, true))
}

/// What a conditional acquire got must be held in that mode.
fn try_guards_hold<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    let lock = Arc::new(L::new());
    bounded(bound, "holding by try", move || {
        let probe = |lock: &Arc<L>| {
            let lock = Arc::clone(lock);
            apart(move || {
                let shared = lock.try_acquire_shared().is_some();
                (shared, lock.try_acquire_exclusive().is_some())
            })
            .recv()
        };
        let reader = lock.try_acquire_shared();
        if reader.is_none() || probe(&lock) != Ok((true, false)) {
            return Err("try shared does not hold shared".to_owned());
        }
        drop(reader);
        let writer = lock.try_acquire_exclusive();
        if writer.is_none() || probe(&lock) != Ok((false, false)) {
            return Err("try exclusive does not hold exclusive".to_owned());
        }
        drop(writer);
        Ok(())
    })?
}

/// Writers increment a pair in separate loads and stores, asleep in between, so that whoever the lock does not
/// keep out comes in; readers must see equal halves, and no increment may be lost.
fn no_update_lost_or_torn<L: SharedExclusiveLock>(bound: Duration) -> Verdict {
    const WRITERS: u64 = 3;
    const READERS: u64 = 2;
    const ROUNDS: u64 = 60;
    let asleep = || thread::sleep(Duration::from_micros(50));
    // On a busy machine one could be through before the next has begun.
    let together = Arc::new(Barrier::new((WRITERS + READERS) as usize));
    let lock = Arc::new(L::new());
    let pair = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (lock, pair) = (Arc::clone(&lock), Arc::clone(&pair));
            let together = Arc::clone(&together);
            apart(move || {
                together.wait();
                for _ in 0..ROUNDS {
                    let _guard = lock.acquire_exclusive();
                    let (left, right) = (pair.0.load(Relaxed), pair.1.load(Relaxed));
                    pair.0.store(left + 1, Relaxed);
                    asleep();
                    pair.1.store(right + 1, Relaxed);
                }
                0
            })
        })
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (lock, pair) = (Arc::clone(&lock), Arc::clone(&pair));
            let together = Arc::clone(&together);
            apart(move || {
                together.wait();
                let mut torn = 0_u64;
                for _ in 0..ROUNDS {
                    let _guard = lock.acquire_shared();
                    let left = pair.0.load(Relaxed);
                    asleep();
                    torn += u64::from(left != pair.1.load(Relaxed));
                }
                torn
            })
        })
        .collect();
    let mut torn = 0;
    for thread in writers.iter().chain(&readers) {
        torn += thread
            .recv_timeout(bound)
            .map_err(|_| "a thread is stuck")?;
    }
    let total = (pair.0.load(Relaxed), pair.1.load(Relaxed));
    if torn > 0 || total != (WRITERS * ROUNDS, WRITERS * ROUNDS) {
        return Err(format!("{torn} torn reads, totals {total:?}"));
    }
    Ok(())
}
