//! What a waiter has in its PGPROC.

use super::super::semaphore::Semaphore;
use super::super::sync::{AtomicU32, Ordering::Relaxed};

/// No slot.
pub(crate) const NOBODY: u32 = u32::MAX;

/// `LWLockMode`, the two that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// `LW_SHARED`.
    Shared,
    /// `LW_EXCLUSIVE`.
    Exclusive,
}

/// `LWLockWaitState`.
pub(crate) mod wait_state {
    /// On no wait list; also tells a sleeper that it has been woken.
    pub(crate) const NOT_WAITING: u32 = 0;
    /// On a wait list.
    pub(crate) const WAITING: u32 = 1;
    /// Taken off the list by somebody who will wake it.
    pub(crate) const PENDING_WAKEUP: u32 = 2;
}

/// The wait fields of a PGPROC (proc.h: `lwWaiting`, `lwWaitMode`, `lwWaitLink`, `sem`).
///
/// Mode and links belong to whoever holds the wait list's bit of the lock that the owner
/// waits for; once the slot is off that list, to who took it off, until `waiting` says
/// `NOT_WAITING`.
#[derive(Debug)]
pub(crate) struct WaitSlot {
    /// One of [`wait_state`].
    pub(crate) waiting: AtomicU32,
    mode: AtomicU32,
    previous: AtomicU32,
    next: AtomicU32,
    /// One for all of the owner's waits, as in PostgreSQL.
    pub(crate) semaphore: Semaphore,
}

impl WaitSlot {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicU32::new(wait_state::NOT_WAITING),
            mode: AtomicU32::new(Mode::Shared as u32),
            previous: AtomicU32::new(NOBODY),
            next: AtomicU32::new(NOBODY),
            semaphore: Semaphore::new(),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        if self.mode.load(Relaxed) == Mode::Exclusive as u32 {
            Mode::Exclusive
        } else {
            Mode::Shared
        }
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u32, Relaxed);
    }
}

/// Where slots are found (`ProcGlobal->allProcs`), and what each thread has learnt
/// about spinning.
pub(crate) trait WaitSlots {
    /// The slot of that number.
    fn slot(&self, number: u32) -> &WaitSlot;
    /// The calling thread's `spins_per_delay` (s_lock.c).
    fn spins_per_delay(&self) -> u32;
    /// Sets it.
    fn set_spins_per_delay(&self, spins: u32);
}

/// A doubly linked list of slots by number (`proclist_head`, proclist.h). Every method
/// but [`is_empty`](Self::is_empty) wants the lock that guards the list.
#[derive(Debug)]
pub(crate) struct WaitList {
    head: AtomicU32,
    tail: AtomicU32,
}

impl WaitList {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicU32::new(NOBODY),
            tail: AtomicU32::new(NOBODY),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Relaxed) == NOBODY
    }

    /// The first slot, or [`NOBODY`].
    pub(crate) fn head(&self) -> u32 {
        self.head.load(Relaxed)
    }

    /// The slot after `number`, or [`NOBODY`].
    pub(crate) fn after(&self, slots: &impl WaitSlots, number: u32) -> u32 {
        slots.slot(number).next.load(Relaxed)
    }

    /// Appends at the tail.
    pub(crate) fn push_tail(&self, slots: &impl WaitSlots, number: u32) {
        let slot = slots.slot(number);
        let tail = self.tail.load(Relaxed);
        slot.previous.store(tail, Relaxed);
        slot.next.store(NOBODY, Relaxed);
        if tail == NOBODY {
            self.head.store(number, Relaxed);
        } else {
            slots.slot(tail).next.store(number, Relaxed);
        }
        self.tail.store(number, Relaxed);
    }

    /// Takes a slot out, wherever it stands.
    pub(crate) fn remove(&self, slots: &impl WaitSlots, number: u32) {
        let slot = slots.slot(number);
        let (previous, next) = (slot.previous.load(Relaxed), slot.next.load(Relaxed));
        if previous == NOBODY {
            self.head.store(next, Relaxed);
        } else {
            slots.slot(previous).next.store(next, Relaxed);
        }
        if next == NOBODY {
            self.tail.store(previous, Relaxed);
        } else {
            slots.slot(next).previous.store(previous, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Few([WaitSlot; 4]);
    impl WaitSlots for Few {
        fn slot(&self, number: u32) -> &WaitSlot {
            &self.0[number as usize]
        }
        fn spins_per_delay(&self) -> u32 {
            100
        }
        fn set_spins_per_delay(&self, _: u32) {}
    }

    fn order(list: &WaitList, slots: &Few) -> Vec<u32> {
        let mut order = Vec::new();
        let mut at = list.head();
        while at != NOBODY {
            order.push(at);
            at = list.after(slots, at);
        }
        order
    }

    #[test]
    fn slots_queue_at_the_tail_and_leave_from_anywhere() {
        let slots = Few(std::array::from_fn(|_| WaitSlot::new()));
        let list = WaitList::new();
        for removed in [vec![1], vec![0], vec![3], vec![3, 0], vec![1, 2]] {
            for number in 0..4 {
                list.push_tail(&slots, number);
            }
            assert_eq!(order(&list, &slots), [0, 1, 2, 3]);
            for number in &removed {
                list.remove(&slots, *number);
            }
            let left: Vec<u32> = (0..4).filter(|n| !removed.contains(n)).collect();
            assert_eq!(order(&list, &slots), left);
            for number in left {
                list.remove(&slots, number);
            }
            assert!(list.is_empty());
            assert_eq!(list.tail.load(Relaxed), NOBODY);
        }
    }
}
