//! Each number of a counted lock in a scripted situation, on every lock where it is defined.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::counted::CELLS;
use super::{CountedLock, LockCounts, LockKind, LockVisitor, SharedExclusiveLock};
use crate::clock::{Clock, MonotonicClock};

/// The counts without the one that depends on the clock.
fn untimed(counts: LockCounts) -> LockCounts {
    LockCounts {
        exclusive_held_ns: 0,
        ..counts
    }
}

fn await_waits<L: SharedExclusiveLock>(lock: &CountedLock<L>, waits: u64) {
    while {
        let counts = lock.counts();
        counts.shared_waits + counts.exclusive_waits < waits
    } {
        thread::yield_now();
    }
}

/// Returns when the clock has moved, and by how much.
fn some_time() -> u64 {
    let began = MonotonicClock.now_ns();
    loop {
        let passed = MonotonicClock.now_ns() - began;
        if passed > 0 {
            return passed;
        }
    }
}

struct CountsEveryPath;
impl LockVisitor for CountsEveryPath {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        let lock = CountedLock::<L>::new();
        drop(lock.acquire_shared());
        drop(lock.acquire_exclusive());
        drop(lock.try_acquire_shared().unwrap());
        drop(lock.try_acquire_exclusive().unwrap());
        let before = lock.counts();
        assert_eq!(
            untimed(before),
            LockCounts {
                shared: 2,
                exclusive: 2,
                ..LockCounts::default()
            }
        );

        // Busy: both conditional attempts fail, both blocking ones wait.
        let held = lock.acquire_exclusive();
        thread::scope(|scope| {
            let conditional = scope.spawn(|| {
                lock.try_acquire_shared().is_none() && lock.try_acquire_exclusive().is_none()
            });
            assert!(conditional.join().unwrap());
            scope.spawn(|| drop(lock.acquire_shared()));
            scope.spawn(|| drop(lock.acquire_exclusive()));
            await_waits(&lock, 2);
            drop(held);
        });
        assert_eq!(
            untimed(lock.counts() - before),
            LockCounts {
                shared: 1,
                exclusive: 2,
                shared_waits: 1,
                exclusive_waits: 1,
                exclusive_conditional_failures: 1,
                // Whoever came second found the other.
                queue_length_sum: 1,
                ..LockCounts::default()
            }
        );
    }
}

#[test]
fn counts_every_path() {
    for kind in LockKind::ALL {
        kind.visit(CountsEveryPath);
    }
}

struct QueueLengths;
impl LockVisitor for QueueLengths {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        const WAITERS: u64 = 5;
        let lock = &CountedLock::<L>::new();
        for _ in 0..2 {
            let before = lock.counts();
            let held = lock.acquire_exclusive();
            thread::scope(|scope| {
                for i in 0..WAITERS {
                    scope.spawn(move || match i % 2 {
                        0 => drop(lock.acquire_shared()),
                        _ => drop(lock.acquire_exclusive()),
                    });
                    await_waits(lock, before.shared_waits + before.exclusive_waits + i + 1);
                }
                drop(held);
            });
            let counts = lock.counts() - before;
            assert_eq!(counts.queue_length_sum, WAITERS * (WAITERS - 1) / 2);
            assert_eq!(lock.take_extremes().longest_queue, WAITERS - 1);
            assert_eq!(lock.take_extremes(), Default::default(), "taken");
        }
    }
}

#[test]
fn every_wait_counts_who_waited_before_it() {
    for kind in LockKind::ALL {
        kind.visit(QueueLengths);
    }
}

struct Times;
impl LockVisitor for Times {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        for times in [true, false] {
            let lock = &match times {
                true => CountedLock::<L>::new(),
                false => CountedLock::<L>::without_times(),
            };
            let began = MonotonicClock.now_ns();
            let held = lock.acquire_exclusive();
            let (held_at_least, starved_at_least) = thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let _held = lock.acquire_exclusive();
                    some_time()
                });
                await_waits(lock, 1);
                let passed = some_time();
                drop(held);
                (passed + waiter.join().unwrap(), passed)
            });
            drop(lock.acquire_shared());
            let held_ns = lock.counts().exclusive_held_ns;
            let starved_ns = lock.take_extremes().longest_starvation_ns;
            let at_most = MonotonicClock.now_ns() - began;
            if times {
                // The first hold's release may run on into the second hold.
                assert!((held_at_least..=2 * at_most).contains(&held_ns));
                assert!((starved_at_least..=at_most).contains(&starved_ns));
            } else {
                assert_eq!((held_ns, starved_ns), (0, 0));
            }
        }
    }
}

#[test]
fn times_enclose_what_happened_in_them() {
    for kind in LockKind::ALL {
        kind.visit(Times);
    }
}

struct SharedCells;
impl LockVisitor for SharedCells {
    type Output = LockCounts;
    fn visit<L: SharedExclusiveLock>(self) -> LockCounts {
        let lock = CountedLock::<L>::new();
        thread::scope(|scope| {
            for _ in 0..(CELLS + 16) {
                scope.spawn(|| {
                    for _ in 0..50 {
                        drop(lock.acquire_shared());
                    }
                    drop(lock.acquire_exclusive());
                });
            }
        });
        lock.counts()
    }
}

#[test]
fn more_threads_than_cells_lose_no_count() {
    let threads = (CELLS + 16) as u64;
    for kind in LockKind::ALL {
        let counts = kind.visit(SharedCells);
        assert_eq!((counts.shared, counts.exclusive), (threads * 50, threads));
    }
}

/// Whoever finds it busy stays away until the gate is opened, so that a script can
/// let others past. Readers get in past waiting writers.
struct Gated {
    lock: std::sync::RwLock<()>,
    open: AtomicBool,
}

impl Gated {
    fn attempt<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> T {
        loop {
            if self.open.load(SeqCst)
                && let Some(guard) = attempt()
            {
                return guard;
            }
            thread::yield_now();
        }
    }
}

impl SharedExclusiveLock for Gated {
    const LATER_READERS: crate::procarray::locks::LaterReaders =
        crate::procarray::locks::LaterReaders::Either;

    type Shared<'a> = std::sync::RwLockReadGuard<'a, ()>;
    type Exclusive<'a> = std::sync::RwLockWriteGuard<'a, ()>;
    fn new() -> Self {
        Self {
            lock: std::sync::RwLock::new(()),
            open: AtomicBool::new(false),
        }
    }
    fn acquire_shared(&self) -> Self::Shared<'_> {
        self.attempt(|| self.try_acquire_shared())
    }
    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        self.attempt(|| self.try_acquire_exclusive())
    }
    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        self.lock.try_read().ok()
    }
    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        self.lock.try_write().ok()
    }
}

#[test]
fn barges_and_the_starvation_they_cause_are_counted_one_by_one() {
    let lock = &CountedLock::<Gated>::new();
    let first = lock.acquire_shared();
    thread::scope(|scope| {
        let writer = scope.spawn(|| drop(lock.acquire_exclusive()));
        await_waits(lock, 1);
        let before = lock.counts();
        assert_eq!((before.shared_barges, before.exclusive_barges), (0, 0));
        // Past the writer: three shared, of which one conditional.
        drop(lock.acquire_shared());
        drop(lock.acquire_shared());
        drop(lock.try_acquire_shared().unwrap());
        assert!(lock.try_acquire_exclusive().is_none());
        drop(first);
        // And two exclusive.
        drop(lock.acquire_exclusive());
        drop(lock.try_acquire_exclusive().unwrap());
        assert_eq!(
            untimed(lock.counts() - before),
            LockCounts {
                shared: 3,
                exclusive: 2,
                exclusive_conditional_failures: 1,
                shared_barges: 3,
                exclusive_barges: 2,
                ..LockCounts::default()
            }
        );
        lock.uncounted().open.store(true, SeqCst);
        writer.join().unwrap();
    });
    assert_eq!(lock.take_extremes().longest_starvation_grants, 5);
    let before = lock.counts();
    drop(lock.acquire_exclusive());
    drop(lock.acquire_shared());
    let after = lock.counts() - before;
    assert_eq!((after.shared_barges, after.exclusive_barges), (0, 0));
}
