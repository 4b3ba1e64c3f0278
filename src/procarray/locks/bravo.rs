//! A read-biased lock after BRAVO (Dice and Kogan, USENIX ATC 2019).

use super::fair::{FairExclusive, FairLock, FairShared};
use super::sync::{AtomicBool, AtomicU32, Ordering, fence, spin_loop, thread_number, yield_now};
use super::{LaterReaders, SharedExclusiveLock, WakeCounts};

use crossbeam::utils::CachePadded;

/// Looks at a published reader before the writer gives up the CPU between looks.
const SPINS: u32 = 100;

/// While the bias is on, a reader publishes itself in a table slot of its thread's and leaves the
/// lock itself alone. A writer takes the lock, turns the bias off and waits until the
/// table is empty; readers then go through the lock, and the `SLOW_READS`th of them
/// since turns the bias on again.
///
/// Differs from the paper in three ways: each lock has a table of its own (the paper has one for
/// all), the bias is on from the start, and it comes back after a number of reads, not after a
/// time. The lock below is `fair`, and readers of the fast path get past writers who
/// wait in its queue, until the first of these has it.
pub struct BravoLock<const SLOW_READS: u32 = 128, const SLOTS: usize = 64> {
    bias: CachePadded<AtomicBool>,
    /// Slow reads since the bias was turned off.
    slow_reads: CachePadded<AtomicU32>,
    /// Whether a reader is published.
    table: [CachePadded<AtomicBool>; SLOTS],
    lock: FairLock,
}

impl<const SLOW_READS: u32, const SLOTS: usize> BravoLock<SLOW_READS, SLOTS> {
    /// The fast path: none if the bias is off or another thread has the slot.
    #[inline]
    fn publish(&self) -> Option<&AtomicBool> {
        // Relaxed: only a hint, looked at again below.
        if !self.bias.load(Ordering::Relaxed) {
            return None;
        }
        let slot = &*self.table[thread_number() % SLOTS];
        // Acquire: the slot's previous reader comes before a writer who sees only this one go.
        slot.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // The slot's store against this load here, the bias' store against the slots' loads in
        // `revoke`: one of the two sees the other.
        fence(Ordering::SeqCst);
        // Acquire: the bias was turned on by a reader who came after the last writer.
        if self.bias.load(Ordering::Acquire) {
            return Some(slot);
        }
        slot.store(false, Ordering::Release);
        None
    }

    /// A reader has the lock below: the bias may come back, as no writer is inside.
    #[inline]
    fn count_slow_read(&self) {
        if !self.bias.load(Ordering::Relaxed)
            && self.slow_reads.fetch_add(1, Ordering::Relaxed) + 1 >= SLOW_READS
        {
            self.bias.store(true, Ordering::Release);
        }
    }

    /// Turns the bias off, under the lock; whether it was on, so that readers may be published.
    #[inline]
    fn revoke(&self) -> bool {
        let was_on = self.bias.load(Ordering::Relaxed);
        if was_on {
            self.bias.store(false, Ordering::Relaxed);
            self.slow_reads.store(0, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
        was_on
    }

    /// Whether a reader is published. When there is none, what they all did came before.
    fn any_published(&self) -> bool {
        let mut slots = self.table.iter();
        slots.any(|slot| slot.load(Ordering::Acquire))
    }

    /// Waits until every slot was seen empty once: none is filled for long any more.
    #[cold]
    fn drain(&self) {
        for slot in &self.table {
            let mut looks = 0;
            while slot.load(Ordering::Acquire) {
                looks += 1;
                if looks < SPINS {
                    spin_loop();
                } else {
                    yield_now();
                }
            }
        }
    }

    /// Whether nobody holds it or waits, published or not.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.any_published() && self.lock.is_at_rest()
    }
}

/// Held in shared mode: published, or through the lock below.
pub enum BravoShared<'a> {
    /// The slot to be emptied.
    Published(&'a AtomicBool),
    /// The lock's own guard.
    Slow(#[expect(dead_code, reason = "held until dropped")] FairShared<'a>),
}

impl Drop for BravoShared<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Self::Published(slot) = self {
            slot.store(false, Ordering::Release);
        }
    }
}

impl<const SLOW_READS: u32, const SLOTS: usize> SharedExclusiveLock
    for BravoLock<SLOW_READS, SLOTS>
{
    // Until a writer waits the bias is on; from then on readers queue.
    const LATER_READERS: LaterReaders = LaterReaders::Wait;
    // A writer looks at the table again and again, and is past the point where readers could pass it
    // when it is counted.
    const WAITERS_SLEEP: bool = false;

    type Shared<'a> = BravoShared<'a>;
    type Exclusive<'a> = FairExclusive<'a>;

    fn new() -> Self {
        Self {
            bias: CachePadded::new(AtomicBool::new(true)),
            slow_reads: CachePadded::new(AtomicU32::new(0)),
            table: std::array::from_fn(|_| CachePadded::new(AtomicBool::new(false))),
            lock: FairLock::new(),
        }
    }

    #[inline]
    fn acquire_shared_noting(&self, busy: impl FnOnce()) -> BravoShared<'_> {
        if let Some(slot) = self.publish() {
            return BravoShared::Published(slot);
        }
        let guard = self.lock.acquire_shared_noting(busy);
        self.count_slow_read();
        BravoShared::Slow(guard)
    }

    /// Calls `busy` also when it has the lock below but finds a reader published: by then
    /// the bias is off, and later readers queue.
    #[inline]
    fn acquire_exclusive_noting(&self, busy: impl FnOnce()) -> FairExclusive<'_> {
        let mut busy = Some(busy);
        let mut note = || {
            if let Some(busy) = busy.take() {
                busy();
            }
        };
        let guard = self.lock.acquire_exclusive_noting(&mut note);
        if self.revoke() && self.any_published() {
            note();
            self.drain();
        }
        guard
    }

    #[inline]
    fn try_acquire_shared(&self) -> Option<BravoShared<'_>> {
        if let Some(slot) = self.publish() {
            return Some(BravoShared::Published(slot));
        }
        let guard = self.lock.try_acquire_shared()?;
        self.count_slow_read();
        Some(BravoShared::Slow(guard))
    }

    fn try_acquire_exclusive(&self) -> Option<FairExclusive<'_>> {
        let guard = self.lock.try_acquire_exclusive()?;
        if self.revoke() && self.any_published() {
            // As it was: while the lock below is held nobody else turns the bias on or off.
            self.bias.store(true, Ordering::Release);
            return None;
        }
        Some(guard)
    }

    /// Those of the lock below. A writer that waits for published readers is not asleep.
    fn wake_counts(&self) -> Option<WakeCounts> {
        self.lock.wake_counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    type Small = BravoLock<3, 2>;

    fn published(lock: &Small) -> usize {
        let published = |slot: &&CachePadded<AtomicBool>| slot.load(Ordering::SeqCst);
        lock.table.iter().filter(published).count()
    }

    #[test]
    fn the_bias_goes_with_a_writer_and_comes_back_after_the_counted_reads() {
        let lock = Small::new();
        for _ in 0..2 {
            let reader = lock.acquire_shared();
            assert!(matches!(reader, BravoShared::Published(_)));
            assert_eq!(published(&lock), 1);
            drop(reader);
            assert_eq!(published(&lock), 0);
            drop(lock.acquire_exclusive());
            for _ in 0..3 {
                assert!(matches!(lock.acquire_shared(), BravoShared::Slow(_)));
            }
        }
        assert!(matches!(lock.acquire_shared(), BravoShared::Published(_)));
    }

    #[test]
    fn a_taken_slot_is_got_around() {
        let lock = Small::new();
        let first = lock.acquire_shared();
        let second = lock.acquire_shared();
        assert!(matches!(first, BravoShared::Published(_)));
        assert!(matches!(second, BravoShared::Slow(_)));
        drop((first, second));
        assert!(lock.try_acquire_exclusive().is_some());
    }

    #[test]
    fn a_conditional_writer_fails_on_a_published_reader_and_changes_nothing() {
        let lock = Small::new();
        let reader = lock.acquire_shared();
        assert!(lock.try_acquire_exclusive().is_none());
        assert_eq!(published(&lock), 1);
        drop(reader);
        assert!(
            matches!(lock.acquire_shared(), BravoShared::Published(_)),
            "the bias is still on"
        );
        assert!(lock.try_acquire_exclusive().is_some());
    }

    #[test]
    fn a_writer_waits_for_published_readers_and_later_readers_for_it() {
        let lock = &Small::new();
        let reader = lock.acquire_shared();
        thread::scope(|scope| {
            let writer = scope.spawn(|| drop(lock.acquire_exclusive()));
            while lock.bias.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            assert!(lock.try_acquire_shared().is_none());
            assert!(!writer.is_finished());
            drop(reader);
        });
        assert!(lock.is_at_rest());
        assert!(matches!(lock.acquire_shared(), BravoShared::Slow(_)));
    }
}
