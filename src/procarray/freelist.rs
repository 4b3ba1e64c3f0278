//! The list of free PGPROCs (`ProcGlobal->freeProcs`).

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::pgproc::ProcNumber;
use super::profile::PgProfile;

/// Free slots behind a small lock of their own, PostgreSQL's `ProcStructLock` spinlock.
///
/// First allocation descends from the highest slot up to 16 and ascends from 17 on
/// (`InitProcGlobal`). Slots are taken from the head (`InitProcess`) and go back to the head
/// up to 15, to the tail from 16 on (`ProcKill`).
pub(crate) struct FreeList {
    free: Mutex<VecDeque<ProcNumber>>,
    to_tail: bool,
}

impl FreeList {
    pub(crate) fn new(slots: u32, profile: PgProfile) -> Self {
        let mut free: VecDeque<_> = (0..slots).map(ProcNumber).collect();
        if !profile.version().allocates_ascending {
            free.make_contiguous().reverse();
        }
        Self {
            free: Mutex::new(free),
            to_tail: profile.version().recycles_fifo,
        }
    }

    /// Takes the slot at the head, or none.
    pub(crate) fn pop(&self) -> Option<ProcNumber> {
        self.free.lock().pop_front()
    }

    /// Returns a slot. Never allocates: capacity is that of all slots.
    pub(crate) fn push(&self, slot: ProcNumber) {
        let mut free = self.free.lock();
        if self.to_tail {
            free.push_back(slot);
        } else {
            free.push_front(slot);
        }
    }

    /// The free slots at this moment, head first.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> Vec<ProcNumber> {
        self.free.lock().iter().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.free.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gives_slots_out_and_takes_them_back_in_its_order() {
        use PgProfile as V;
        for (profile, taken) in [
            (V::V13, [2, 1, 2, 0]),
            (V::V15, [2, 1, 2, 0]),
            (V::V16, [2, 1, 0, 2]),
            (V::V17, [0, 1, 2, 0]),
            (V::V18, [0, 1, 2, 0]),
        ] {
            let list = FreeList::new(3, profile);
            let (first, second) = (list.pop().unwrap(), list.pop().unwrap());
            list.push(first);
            let third = list.pop().unwrap();
            let fourth = list.pop().unwrap();
            assert_eq!([first, second, third, fourth].map(|slot| slot.0), taken);
            assert_eq!(list.pop(), None);
        }
    }
}
