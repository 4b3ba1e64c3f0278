//! A first-come, first-served lock.

use super::semaphore::Semaphore;
use super::sync::{Arc, AtomicU32, Mutex, MutexGuard, Ordering, PoisonError, thread_local};
use super::{LaterReaders, SharedExclusiveLock, WakeCounts};

use std::collections::VecDeque;

/// Held in exclusive mode.
const EXCLUSIVE: u32 = 1 << 31;
/// Somebody is in the queue: nobody gets in but through it.
const QUEUED: u32 = 1 << 30;
/// One holder in shared mode; the count is in the lower bits.
const ONE_SHARED: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Shared,
    Exclusive,
}

impl Mode {
    /// The word after a grant to a newcomer, if it may have one.
    fn granted(self, word: u32) -> Option<u32> {
        match self {
            Self::Shared if word & (EXCLUSIVE | QUEUED) == 0 => Some(word + ONE_SHARED),
            Self::Exclusive if word == 0 => Some(EXCLUSIVE),
            _ => None,
        }
    }
}

struct Waiter {
    mode: Mode,
    semaphore: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    wakes: WakeCounts,
}

thread_local! {
    /// What this thread sleeps on, in whichever lock: it waits for one at a time.
    static OWN: Arc<Semaphore> = Arc::new(Semaphore::new());
}

/// Strict first-come, first-served: whoever finds the lock busy or somebody waiting goes to
/// the end of the queue, readers behind writers too. The releaser hands the lock to the head of
/// the queue, to a reader together with all readers that follow it directly, so no newcomer
/// gets in between. Conditional attempts fail while anybody waits.
///
/// The price is that the lock stands still from the release until the new owner runs. As with
/// any lock that lets readers wait behind writers, whoever holds it must not ask for it again.
pub struct FairLock {
    word: AtomicU32,
    /// Has waiters exactly while `QUEUED` is set; both change under the mutex only.
    queue: Mutex<Queue>,
}

impl FairLock {
    /// One attempt: never when somebody waits.
    #[inline]
    fn attempt(&self, mode: Mode) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(granted) = mode.granted(word) {
            let exchanged = self.word.compare_exchange_weak(
                word,
                granted,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match exchanged {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    #[inline]
    fn acquire(&self, mode: Mode, busy: impl FnOnce()) {
        if !self.attempt(mode) {
            busy();
            self.queue_up(mode);
        }
    }

    #[cold]
    fn queue_up(&self, mode: Mode) {
        OWN.with(|own| {
            let mut queue = self.queue();
            // Free or about to be? Only a lock that is held may be marked as queued for:
            // its holder then finds the mark when it releases.
            let mut word = self.word.load(Ordering::Relaxed);
            loop {
                let next = mode.granted(word);
                let exchanged = self.word.compare_exchange_weak(
                    word,
                    next.unwrap_or(word | QUEUED),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                );
                match exchanged {
                    Ok(_) if next.is_some() => return,
                    Ok(_) => break,
                    Err(changed) => word = changed,
                }
            }
            queue.waiters.push_back(Waiter {
                mode,
                semaphore: Arc::clone(own),
            });
            drop(queue);
            // One post, by the releaser that has made this thread an owner.
            own.wait();
        });
    }

    /// Makes the head of the queue the owner. Called by the last holder only, and while
    /// `QUEUED` is set nobody else changes the word outside the mutex.
    #[cold]
    fn hand_over(&self) {
        let mut queue = self.queue();
        let readers = queue
            .waiters
            .iter()
            .take_while(|waiter| waiter.mode == Mode::Shared)
            .count();
        let (owners, held) = match readers {
            0 => (1, EXCLUSIVE),
            readers => (readers, readers as u32 * ONE_SHARED),
        };
        let queued = if queue.waiters.len() > owners {
            QUEUED
        } else {
            0
        };
        self.word.store(held | queued, Ordering::Release);
        let wakes = &mut queue.wakes;
        wakes.wake_ups += 1;
        wakes.woken_shared += readers as u64;
        wakes.woken_exclusive += (owners - readers) as u64;
        wakes.most_woken = wakes.most_woken.max(owners as u64);
        for owner in queue.waiters.drain(..owners) {
            owner.semaphore.post();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under it panics, and a thread that panics elsewhere leaves it whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody holds it or waits, and the word says so.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.word.load(Ordering::SeqCst) == 0 && self.queue().waiters.is_empty()
    }
}

/// Held in shared mode.
pub struct FairShared<'a>(&'a FairLock);

impl Drop for FairShared<'_> {
    #[inline]
    fn drop(&mut self) {
        // Acquire for the last one: what earlier readers did comes before the next owner.
        let before = self.0.word.fetch_sub(ONE_SHARED, Ordering::AcqRel);
        if before == QUEUED | ONE_SHARED {
            self.0.hand_over();
        }
    }
}

/// Held in exclusive mode.
pub struct FairExclusive<'a>(&'a FairLock);

impl Drop for FairExclusive<'_> {
    #[inline]
    fn drop(&mut self) {
        let word = &self.0.word;
        let freed = word.compare_exchange(EXCLUSIVE, 0, Ordering::Release, Ordering::Relaxed);
        if freed.is_err() {
            self.0.hand_over();
        }
    }
}

impl SharedExclusiveLock for FairLock {
    const LATER_READERS: LaterReaders = LaterReaders::Wait;

    type Shared<'a> = FairShared<'a>;
    type Exclusive<'a> = FairExclusive<'a>;

    fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            queue: Mutex::new(Queue::default()),
        }
    }

    #[inline]
    fn acquire_shared_noting(&self, busy: impl FnOnce()) -> FairShared<'_> {
        self.acquire(Mode::Shared, busy);
        FairShared(self)
    }

    #[inline]
    fn acquire_exclusive_noting(&self, busy: impl FnOnce()) -> FairExclusive<'_> {
        self.acquire(Mode::Exclusive, busy);
        FairExclusive(self)
    }

    #[inline]
    fn try_acquire_shared(&self) -> Option<FairShared<'_>> {
        self.attempt(Mode::Shared).then(|| FairShared(self))
    }

    #[inline]
    fn try_acquire_exclusive(&self) -> Option<FairExclusive<'_>> {
        self.attempt(Mode::Exclusive).then(|| FairExclusive(self))
    }

    fn wake_counts(&self) -> Option<WakeCounts> {
        Some(self.queue().wakes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Whoever queues here, in this order, behind a writer.
    const ARRIVALS: [(char, Mode); 6] = [
        ('a', Mode::Shared),
        ('b', Mode::Shared),
        ('C', Mode::Exclusive),
        ('d', Mode::Shared),
        ('E', Mode::Exclusive),
        ('F', Mode::Exclusive),
    ];

    #[test]
    fn the_lock_is_handed_on_in_the_order_of_arrival() {
        let lock = &FairLock::new();
        let log = &Mutex::new(String::new());
        let held = lock.acquire_exclusive();
        thread::scope(|scope| {
            for (arrived, (name, mode)) in ARRIVALS.into_iter().enumerate() {
                scope.spawn(move || match mode {
                    Mode::Shared => {
                        let _guard = lock.acquire_shared();
                        log.lock().unwrap().push(name);
                    }
                    Mode::Exclusive => {
                        let _guard = lock.acquire_exclusive();
                        log.lock().unwrap().push(name);
                    }
                });
                while lock.queue().waiters.len() == arrived {
                    thread::yield_now();
                }
            }
            assert!(lock.try_acquire_shared().is_none());
            drop(held);
        });
        let log = log.lock().unwrap();
        // Readers let in together write in any order.
        assert!(["abCdEF", "baCdEF"].contains(&log.as_str()), "{log}");
        assert!(lock.is_at_rest());
        // {a, b}, C, d, E, F.
        assert_eq!(
            lock.wake_counts(),
            Some(WakeCounts {
                wake_ups: 5,
                woken_shared: 3,
                woken_exclusive: 3,
                most_woken: 2,
                ..WakeCounts::default()
            })
        );
    }

    #[test]
    fn nobody_barges_past_a_waiter_whom_the_mode_would_suit() {
        let lock = &FairLock::new();
        let reader = lock.acquire_shared();
        thread::scope(|scope| {
            scope.spawn(|| drop(lock.acquire_exclusive()));
            while lock.queue().waiters.is_empty() {
                thread::yield_now();
            }
            assert!(lock.try_acquire_shared().is_none(), "a writer waits");
            scope.spawn(|| drop(lock.acquire_shared()));
            while lock.queue().waiters.len() < 2 {
                thread::yield_now();
            }
            drop(reader);
        });
        assert!(lock.try_acquire_exclusive().is_some());
    }
}
