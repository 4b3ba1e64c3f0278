//! The list of committers that wait for a leader. Over nothing but the words that they share and
//! their semaphores, so that `proofs/` explores what is used.

use crossbeam::utils::CachePadded;

use super::locks::Semaphore;
use super::locks::sync::{AtomicU32, Ordering, fence};

/// End of the list (`INVALID_PROC_NUMBER`).
pub(crate) const NOBODY: u32 = u32::MAX;

/// What the list needs of the PGPROCs.
pub(crate) trait GroupMembers {
    /// Not zero while its owner waits for its xid to be cleared (`procArrayGroupMember`).
    fn group_member(&self, number: u32) -> &AtomicU32;
    /// The member behind it (`procArrayGroupNext`).
    fn group_next(&self, number: u32) -> &AtomicU32;
    /// On which its owner sleeps, and maybe for other reasons, too (`sem`).
    fn semaphore(&self, number: u32) -> &Semaphore;
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupPart {
    /// Took the lock for so many, itself included.
    Leader(u32),
    /// Slept until a leader had cleared its xid.
    Follower,
}

/// The list (`ProcGlobal->procArrayGroupFirst`), linked through the PGPROCs.
pub(crate) struct GroupList {
    first: CachePadded<AtomicU32>,
}

impl GroupList {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            first: CachePadded::new(AtomicU32::new(NOBODY)),
        }
    }

    /// `me`, whose xid is to be cleared, joins the list (procarray.c `ProcArrayGroupClearXid`,
    /// 9.6 and later).
    ///
    /// The first on it is the leader: it acquires the lock, takes the whole list as it is by then,
    /// clears every member, releases the lock, and wakes the others.
    pub(crate) fn clear_xid<G>(
        &self,
        members: &impl GroupMembers,
        me: u32,
        acquire: impl FnOnce() -> G,
        mut clear: impl FnMut(u32),
        release: impl FnOnce(G),
    ) -> GroupPart {
        members.group_member(me).store(1, Ordering::Relaxed);
        if self.push(members, me) != NOBODY {
            await_leader(members, me);
            return GroupPart::Follower;
        }

        let guard = acquire();
        // From here on newcomers make a list of their own.
        let taken = self.first.swap(NOBODY, Ordering::AcqRel);
        let mut count = 0;
        let mut next = taken;
        while next != NOBODY {
            clear(next);
            next = members.group_next(next).load(Ordering::Relaxed);
            count += 1;
        }
        release(guard);

        let mut next = taken;
        while next != NOBODY {
            let number = next;
            next = members.group_next(number).load(Ordering::Relaxed);
            members.group_next(number).store(NOBODY, Ordering::Relaxed);
            // pg_write_barrier: once its flag is down the member may join the next list.
            fence(Ordering::Release);
            members.group_member(number).store(0, Ordering::Relaxed);
            if number != me {
                members.semaphore(number).post();
            }
        }
        GroupPart::Leader(count)
    }

    /// Puts `me` in front, and returns who was there before.
    fn push(&self, members: &impl GroupMembers, me: u32) -> u32 {
        let mut next = self.first.load(Ordering::Relaxed);
        loop {
            members.group_next(me).store(next, Ordering::Relaxed);
            // AcqRel: the leader that takes the list sees what its members wrote before.
            match self
                .first
                .compare_exchange_weak(next, me, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return next,
                Err(changed) => next = changed,
            }
        }
    }

    /// Members on the list at this moment; whoever calls it keeps a leader out by holding the lock.
    #[cfg(test)]
    pub(crate) fn len(&self, members: &impl GroupMembers) -> usize {
        let mut count = 0;
        let mut next = self.first.load(Ordering::Acquire);
        while next != NOBODY {
            next = members.group_next(next).load(Ordering::Acquire);
            count += 1;
        }
        count
    }
}

/// Sleeps until the own flag is down. Posts that were meant for another wait are posted again at
/// the end.
fn await_leader(members: &impl GroupMembers, me: u32) {
    let semaphore = members.semaphore(me);
    let mut surplus = 0;
    loop {
        semaphore.wait();
        if members.group_member(me).load(Ordering::Relaxed) == 0 {
            break;
        }
        surplus += 1;
    }
    // Pairs with the leader's fence: what it did to this PGPROC is seen.
    fence(Ordering::Acquire);
    for _ in 0..surplus {
        semaphore.post();
    }
}
