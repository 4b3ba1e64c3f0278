//! Committers that find ProcArrayLock busy end their transactions as a group.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, fence};

use crossbeam::utils::CachePadded;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::{Semaphore, SharedExclusiveLock};
use super::pgproc::{PgProc, ProcNumber};
use super::probe::{LockName, LockProbe};
use super::xid::TransactionId;

/// End of the list (`INVALID_PROC_NUMBER`).
const NOBODY: u32 = u32::MAX;

/// The list of those who wait for a leader (`ProcGlobal->procArrayGroupFirst`), linked
/// through the PGPROCs, and the semaphores on which they sleep.
///
/// The semaphores lie outside the PGPROCs, 128 bytes each, as PostgreSQL's do
/// (posix_sema.c; the PGPROC holds a pointer).
pub(super) struct GroupClear {
    first: CachePadded<AtomicU32>,
    semaphores: Box<[CachePadded<Semaphore>]>,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupPart {
    /// Took the lock for so many, itself included.
    Leader(u32),
    /// Slept until a leader had cleared its xid.
    Follower,
}

impl GroupClear {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            first: CachePadded::new(AtomicU32::new(NOBODY)),
            semaphores: (0..slots)
                .map(|_| CachePadded::new(Semaphore::new()))
                .collect(),
        }
    }

    fn semaphore(&self, slot: u32) -> &Semaphore {
        &self.semaphores[slot as usize]
    }

    /// Puts `slot` in front, and returns who was there before.
    fn push(&self, proc: PgProc<'_>, slot: ProcNumber) -> u32 {
        let mut next = self.first.load(Relaxed);
        loop {
            proc.group_next().store(next, Relaxed);
            // AcqRel: the leader that takes the list sees what its members wrote before.
            match self
                .first
                .compare_exchange_weak(next, slot.0, AcqRel, Relaxed)
            {
                Ok(_) => return next,
                Err(changed) => next = changed,
            }
        }
    }
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Ends the transaction of `slot`, whose xid is set, together with those of others
    /// that wait for the same (procarray.c `ProcArrayGroupClearXid`, 9.6 and later).
    ///
    /// The first on the list is the leader: it acquires ProcArrayLock exclusively, takes the whole
    /// list as it is by then, clears every member under the one lock, and wakes them after
    /// the release. The probe of a follower hears of no acquisition.
    pub(super) fn group_clear_xid(
        &self,
        slot: ProcNumber,
        probe: &mut impl LockProbe,
    ) -> GroupPart {
        let group = &self.group_clear;
        let my_proc = self.proc(slot);
        my_proc.group_member().set(1);
        my_proc.group_member_xid().set(my_proc.latest_xid().get());
        if group.push(my_proc, slot) != NOBODY {
            self.await_leader(my_proc, slot);
            return GroupPart::Follower;
        }

        let guard = self.proc_array_lock.acquire_exclusive();
        probe.acquired(LockName::ProcArray);
        // From here on newcomers make a list of their own.
        let members = group.first.swap(NOBODY, AcqRel);
        let mut count = 0;
        let mut next = members;
        while next != NOBODY {
            let proc = self.home().proc(next);
            let latest_xid = TransactionId(proc.group_member_xid().get());
            self.end_transaction_internal(proc, latest_xid);
            next = proc.group_next().load(Relaxed);
            count += 1;
        }
        probe.releasing(LockName::ProcArray);
        drop(guard);

        let mut next = members;
        while next != NOBODY {
            let number = next;
            let proc = self.home().proc(number);
            next = proc.group_next().load(Relaxed);
            proc.group_next().store(NOBODY, Relaxed);
            // pg_write_barrier: once its flag is down the member may join the next list.
            fence(Release);
            proc.group_member().set(0);
            if number != slot.0 {
                group.semaphore(number).post();
            }
        }
        GroupPart::Leader(count)
    }

    /// Sleeps until the own flag is down. Posts that were meant for another wait are
    /// posted again at the end.
    fn await_leader(&self, my_proc: PgProc<'_>, slot: ProcNumber) {
        let semaphore = self.group_clear.semaphore(slot.0);
        let mut surplus = 0;
        loop {
            semaphore.wait();
            if my_proc.group_member().get() == 0 {
                break;
            }
            surplus += 1;
        }
        // Pairs with the leader's fence: what it did to this PGPROC is seen.
        fence(Acquire);
        for _ in 0..surplus {
            semaphore.post();
        }
    }

    /// Members on the list at this moment; whoever calls it keeps a leader out by holding the lock.
    #[cfg(test)]
    pub(super) fn group_waiting(&self) -> usize {
        let mut count = 0;
        let mut next = self.group_clear.first.load(Acquire);
        while next != NOBODY {
            next = self.home().proc(next).group_next().load(Acquire);
            count += 1;
        }
        count
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
        self.group_clear.semaphore(slot.0).post();
    }
}
