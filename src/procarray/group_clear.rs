//! Committers that find ProcArrayLock busy end their transactions as a group.

use std::sync::atomic::AtomicU32;

use crossbeam::utils::CachePadded;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::group_list::{GroupList, GroupMembers, GroupPart};
use super::locks::{Semaphore, SharedExclusiveLock};
use super::pgproc::ProcNumber;
use super::xid::TransactionId;

/// The list of those who wait for a leader, and the semaphores on which they sleep.
///
/// The semaphores lie outside the PGPROCs, 128 bytes each, as PostgreSQL's do
/// (posix_sema.c; the PGPROC holds a pointer).
pub(super) struct GroupClear {
    list: GroupList,
    semaphores: Box<[CachePadded<Semaphore>]>,
}

impl GroupClear {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            list: GroupList::new(),
            semaphores: (0..slots)
                .map(|_| CachePadded::new(Semaphore::new()))
                .collect(),
        }
    }
}

impl<L: SharedExclusiveLock> GroupMembers for ProcArray<L> {
    fn group_member(&self, number: u32) -> &AtomicU32 {
        self.home().proc(number).group_member()
    }

    fn group_next(&self, number: u32) -> &AtomicU32 {
        self.home().proc(number).group_next()
    }

    fn semaphore(&self, number: u32) -> &Semaphore {
        &self.group_clear.semaphores[number as usize]
    }
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Ends the transaction of `slot`, whose xid is set, together with those of others
    /// that wait for the same (procarray.c `ProcArrayGroupClearXid`, 9.6 and later), as
    /// [`GroupList::clear_xid`] says.
    pub(super) fn group_clear_xid(&self, slot: ProcNumber) -> GroupPart {
        let my_proc = self.proc(slot);
        my_proc.group_member_xid().set(my_proc.latest_xid().get());
        self.group_clear.list.clear_xid(
            self,
            slot.0,
            || self.proc_array_lock.acquire_exclusive(),
            |number| {
                let proc = self.home().proc(number);
                let latest_xid = TransactionId(proc.group_member_xid().get());
                self.end_transaction_internal(proc, latest_xid);
            },
            drop,
        )
    }

    /// Members on the list at this moment; whoever calls it keeps a leader out by holding the lock.
    #[cfg(test)]
    pub(super) fn group_waiting(&self) -> usize {
        self.group_clear.list.len(self)
    }

    /// Posts that no follower has taken.
    #[cfg(test)]
    pub(super) fn group_surplus_posts(&self) -> u32 {
        let semaphores = self.group_clear.semaphores.iter();
        semaphores.map(|semaphore| semaphore.count()).sum()
    }

    /// A post to `slot` that no leader makes.
    #[cfg(test)]
    pub(super) fn post_to(&self, slot: ProcNumber) {
        self.semaphore(slot.0).post();
    }
}
