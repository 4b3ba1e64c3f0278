//! The list of free PGPROCs (`ProcGlobal->freeProcs`).

use parking_lot::Mutex;

use super::pgproc::ProcNumber;

/// Free slots behind a small lock of their own, PostgreSQL's `ProcStructLock` spinlock.
///
/// Order as up to PostgreSQL 15: first allocation descends from the highest slot
/// (`InitProcGlobal` pushes them ascending), a returned slot is the next one taken (LIFO).
pub(crate) struct FreeList {
    free: Mutex<Vec<ProcNumber>>,
}

impl FreeList {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            free: Mutex::new((0..slots).map(ProcNumber).collect()),
        }
    }

    /// Takes the slot at the head, or none.
    pub(crate) fn pop(&self) -> Option<ProcNumber> {
        self.free.lock().pop()
    }

    /// Returns a slot to the head. Never allocates: capacity is that of all slots.
    pub(crate) fn push(&self, slot: ProcNumber) {
        self.free.lock().push(slot);
    }

    /// The free slots at this moment, head last.
    pub(crate) fn slots(&self) -> Vec<ProcNumber> {
        self.free.lock().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.free.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_allocation_descends_and_a_returned_slot_comes_first() {
        let list = FreeList::new(3);
        assert_eq!(list.pop(), Some(ProcNumber(2)));
        assert_eq!(list.pop(), Some(ProcNumber(1)));
        list.push(ProcNumber(2));
        assert_eq!(list.pop(), Some(ProcNumber(2)));
        assert_eq!(list.pop(), Some(ProcNumber(0)));
        assert_eq!(list.pop(), None);
    }
}
