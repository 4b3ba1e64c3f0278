//! The algorithm of `LWLockAcquire` and `LWLockRelease` (lwlock.c, 9.5 and later).

use std::marker::PhantomData;

use super::super::sync::{AtomicU32, Ordering};
use super::bits::Release;
use super::counters::WakeCounters;
use super::spin_delay::SpinDelay;
use super::wait_slot::{Mode, NOBODY, WaitList, WaitSlots, wait_state};

/// An LWLock as PostgreSQL release `R` has it. Whoever acquires says where the wait slots
/// are and which one is its own.
///
/// - Whether the lock is free is all that an attempt looks at. Waiters do not count:
///   **whoever comes at the right moment passes those who queue**, readers pass a waiting
///   writer as long as readers hold the lock.
/// - Nothing is handed over. Who is woken competes again, and queues at the tail if it loses.
/// - A release that leaves nobody holding wakes the writer at the head of the queue,
///   or, with a reader at the head, every reader in the queue, past the writers in between.
/// - From a wake-up until one of the woken runs, no further wake-up happens.
///
/// All that is decided is decided on the one state word, so acquire and release order
/// suffice where PostgreSQL's read-modify-writes are full barriers; on x86-64 they
/// are the same instructions.
#[derive(Debug)]
pub(crate) struct RawLwLock<R> {
    state: AtomicU32,
    waiters: WaitList,
    counters: WakeCounters,
    release: PhantomData<R>,
}

impl<R: Release> RawLwLock<R> {
    /// A free lock (`LWLockInitialize`).
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(R::FREE),
            waiters: WaitList::new(),
            counters: WakeCounters::default(),
            release: PhantomData,
        }
    }

    /// What happened on the slow path so far.
    pub(crate) fn counters(&self) -> &WakeCounters {
        &self.counters
    }

    /// The modes in the order of the queue.
    #[cfg(test)]
    pub(crate) fn queue(&self, slots: &impl WaitSlots) -> Vec<Mode> {
        let mut modes = Vec::new();
        self.lock_wait_list(slots);
        let mut at = self.waiters.head();
        while at != NOBODY {
            modes.push(slots.slot(at).mode());
            at = self.waiters.after(slots, at);
        }
        self.unlock_wait_list();
        modes
    }

    const fn value(mode: Mode) -> u32 {
        match mode {
            Mode::Shared => R::SHARED,
            Mode::Exclusive => R::EXCLUSIVE,
        }
    }

    /// Takes the lock if it is free for `mode`, and says whether it did
    /// (`LWLockAttemptLock`, which says the opposite). A failed attempt writes, too: the
    /// word as it was, so that its line moves to the one who failed.
    #[inline]
    pub(crate) fn attempt(&self, mode: Mode) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        // The usual cases first and apart, so that the processor need not wait for the load.
        let expected = match mode {
            Mode::Exclusive => R::FREE,
            Mode::Shared => state,
        };
        let usual = state == expected && Self::is_free(state, mode);
        usual
            && self
                .state
                .compare_exchange_weak(
                    expected,
                    expected + Self::value(mode),
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
            || self.attempt_again(mode)
    }

    const fn is_free(state: u32, mode: Mode) -> bool {
        match mode {
            Mode::Exclusive => state & R::HELD == 0,
            Mode::Shared => state & R::EXCLUSIVE == 0,
        }
    }

    #[cold]
    fn attempt_again(&self, mode: Mode) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let free = Self::is_free(state, mode);
            let wanted = if free {
                state + Self::value(mode)
            } else {
                state
            };
            match self.state.compare_exchange_weak(
                state,
                wanted,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return free,
                Err(changed) => state = changed,
            }
        }
    }

    /// The rest of `LWLockAcquire` after a failed first attempt: queue, try again, sleep, try
    /// again, and so on. `me` is the caller's own slot. Returns with the lock held.
    #[cold]
    pub(crate) fn wait(&self, slots: &impl WaitSlots, me: u32, mode: Mode) {
        let mut surplus = 0;
        loop {
            self.queue_self(slots, me, mode);
            // It may have been released before we were on the list: nobody would wake us.
            if self.attempt(mode) {
                surplus += self.dequeue_self(slots, me);
                break;
            }
            surplus += self.sleep_until_woken(slots, me);
            self.allow_wake_ups();
            if self.attempt(mode) {
                break;
            }
        }
        // Wake-ups that were for another of this thread's waits.
        for _ in 0..surplus {
            slots.slot(me).semaphore.post();
        }
    }

    /// Sleeps until a release has taken us off the list; returns how many posts were taken that
    /// were meant for something else.
    fn sleep_until_woken(&self, slots: &impl WaitSlots, me: u32) -> u64 {
        let slot = slots.slot(me);
        let mut surplus = 0;
        loop {
            slot.semaphore.wait();
            if slot.waiting.load(Ordering::Acquire) == wait_state::NOT_WAITING {
                return surplus;
            }
            surplus += 1;
        }
    }

    /// Releases the lock held in `mode`, and wakes whom the policy says (`LWLockRelease`).
    #[inline]
    pub(crate) fn release(&self, slots: &impl WaitSlots, mode: Mode) {
        let value = Self::value(mode);
        let state = self.state.fetch_sub(value, Ordering::AcqRel) - value;
        if state & (R::HAS_WAITERS | R::HELD) == R::HAS_WAITERS && Self::may_wake(state) {
            self.wake_up(slots);
        }
    }

    const fn may_wake(state: u32) -> bool {
        (state & R::WAKE_FLAG == 0) == R::FLAG_FORBIDS_WAKING
    }

    const fn with_wake_ups(state: u32, allowed: bool) -> u32 {
        if allowed == R::FLAG_FORBIDS_WAKING {
            state & !R::WAKE_FLAG
        } else {
            state | R::WAKE_FLAG
        }
    }

    /// Ends a wake-up that was for us: the next release may wake again.
    pub(super) fn allow_wake_ups(&self) {
        if R::FLAG_FORBIDS_WAKING {
            self.state.fetch_and(!R::WAKE_FLAG, Ordering::AcqRel);
        } else {
            self.state.fetch_or(R::WAKE_FLAG, Ordering::AcqRel);
        }
    }

    /// `LWLockWaitListLock`.
    fn lock_wait_list(&self, slots: &impl WaitSlots) {
        while self.state.fetch_or(R::LIST_LOCKED, Ordering::Acquire) & R::LIST_LOCKED != 0 {
            let mut delay = SpinDelay::new(slots);
            while self.state.load(Ordering::Relaxed) & R::LIST_LOCKED != 0 {
                delay.pause();
            }
            delay.finish(slots);
        }
    }

    /// `LWLockWaitListUnlock`.
    fn unlock_wait_list(&self) {
        self.state.fetch_and(!R::LIST_LOCKED, Ordering::Release);
    }

    /// Appends us to the wait list (`LWLockQueueSelf`).
    pub(super) fn queue_self(&self, slots: &impl WaitSlots, me: u32, mode: Mode) {
        let slot = slots.slot(me);
        self.lock_wait_list(slots);
        self.state.fetch_or(R::HAS_WAITERS, Ordering::Relaxed);
        slot.waiting.store(wait_state::WAITING, Ordering::Relaxed);
        slot.set_mode(mode);
        self.waiters.push_tail(slots, me);
        self.unlock_wait_list();
    }

    /// Takes us off the wait list, having got the lock without being woken
    /// (`LWLockDequeueSelf`; since a4adc31f69, 2022, without a walk). Returns surplus
    /// posts as [`sleep_until_woken`](Self::sleep_until_woken) does.
    fn dequeue_self(&self, slots: &impl WaitSlots, me: u32) -> u64 {
        let slot = slots.slot(me);
        self.lock_wait_list(slots);
        let is_queued = slot.waiting.load(Ordering::Relaxed) == wait_state::WAITING;
        if is_queued {
            self.waiters.remove(slots, me);
        }
        if self.waiters.is_empty() {
            self.state.fetch_and(!R::HAS_WAITERS, Ordering::Relaxed);
        }
        self.unlock_wait_list();
        if is_queued {
            slot.waiting
                .store(wait_state::NOT_WAITING, Ordering::Relaxed);
            return 0;
        }
        // Somebody is about to wake us: nobody else is woken until we say so, and the
        // post must not be left for our next wait.
        self.allow_wake_ups();
        self.sleep_until_woken(slots, me)
    }

    /// Takes the one or the many off the list whose turn it is, and wakes them
    /// (`LWLockWakeup`). The caller, who has just released, pays for every post.
    #[cold]
    fn wake_up(&self, slots: &impl WaitSlots) {
        let woken = WaitList::new();
        let (mut shared, mut exclusive, mut skipped, mut passed_over) = (0, 0, 0, 0);
        self.lock_wait_list(slots);
        let mut at = self.waiters.head();
        while at != NOBODY {
            let next = self.waiters.after(slots, at);
            let slot = slots.slot(at);
            let mode = slot.mode();
            if mode == Mode::Exclusive && shared > 0 {
                skipped += 1;
            } else {
                self.waiters.remove(slots, at);
                woken.push_tail(slots, at);
                slot.waiting
                    .store(wait_state::PENDING_WAKEUP, Ordering::Relaxed);
                if mode == Mode::Exclusive {
                    exclusive += 1;
                    break;
                }
                shared += 1;
                passed_over = skipped;
            }
            at = next;
        }
        self.counters.woke(shared, exclusive, passed_over);

        let is_empty = if R::LATE_EMPTINESS {
            woken.is_empty()
        } else {
            self.waiters.is_empty()
        };
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let mut wanted = Self::with_wake_ups(state, woken.is_empty());
            if is_empty {
                wanted &= !R::HAS_WAITERS;
            }
            wanted &= !R::LIST_LOCKED;
            match self.state.compare_exchange_weak(
                state,
                wanted,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(changed) => state = changed,
            }
        }

        let mut at = woken.head();
        while at != NOBODY {
            // Read first: from the next store on, the slot is its owner's again.
            let next = woken.after(slots, at);
            let slot = slots.slot(at);
            slot.waiting
                .store(wait_state::NOT_WAITING, Ordering::Release);
            slot.semaphore.post();
            at = next;
        }
    }

    /// Whether nobody holds it, waits or is being woken, and the state word says so.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.state.load(Ordering::SeqCst) == R::FREE && self.waiters.is_empty()
    }
}
