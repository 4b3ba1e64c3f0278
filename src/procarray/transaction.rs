//! Transaction ids and the end of a transaction: `GetNewTransactionId`,
//! `ReadNextTransactionId`, `ProcArrayEndTransaction`, and VACUUM's status flag.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::fence;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::group_list::GroupPart;
use super::locks::SharedExclusiveLock;
use super::pgproc::status_flags::{PROC_IN_VACUUM, PROC_VACUUM_STATE_MASK};
use super::pgproc::{PGPROC_MAX_CACHED_SUBXIDS, PgProc, ProcNumber, SubxidStatus};
use super::probe::{LockName, LockProbe, holding};
use super::view::View;
use super::xid::{FullTransactionId, TransactionId};

/// How [`ProcArray::end_transaction`] ended a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionEnd {
    /// It had no xid. ProcArrayLock was taken only to clear the flags of a VACUUM.
    WithoutXid {
        /// Whether it was.
        cleared_flags: bool,
    },
    /// The conditional acquisition of ProcArrayLock succeeded.
    AtOnce(TransactionId),
    /// It failed, and the backend cleared a group of xids, its own included.
    GroupLeader {
        /// The own xid.
        xid: TransactionId,
        /// Xids cleared under the one acquisition.
        members: u32,
    },
    /// It failed, and another backend cleared the xid.
    GroupFollower(TransactionId),
    /// It failed, and the backend queued for the lock, as without group clear.
    Queued(TransactionId),
}

#[cfg(test)]
impl TransactionEnd {
    /// The xid that has ended, if there was one.
    pub(crate) fn xid(self) -> Option<TransactionId> {
        match self {
            Self::WithoutXid { .. } => None,
            Self::AtOnce(xid)
            | Self::GroupLeader { xid, .. }
            | Self::GroupFollower(xid)
            | Self::Queued(xid) => Some(xid),
        }
    }
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Gives the backend's transaction an xid (varsup.c `GetNewTransactionId`), or
    /// returns the one that it has (xact.c `GetTopTransactionId`).
    ///
    /// Under XidGenLock only: the xid appears in the dense array while
    /// others may be scanning it under ProcArrayLock. They skip it, since it is not
    /// before their xmax: an xid enters the array before any later one is given
    /// out, hence before any later one can complete.
    pub fn get_new_transaction_id(
        &self,
        slot: ProcNumber,
        probe: &mut impl LockProbe,
    ) -> TransactionId {
        let proc = self.proc(slot);
        if proc.top_xid().is_valid() {
            return proc.top_xid();
        }
        let xid = self.xid_gen_exclusive(probe, |probe| {
            let xid = self.advance_next_xid();
            self.with_offsets_standing_still(probe, || self.home().set_xid(proc, xid));
            xid
        });
        proc.latest_xid().set(xid.0);
        xid
    }

    /// Gives a subtransaction an xid (varsup.c `GetNewTransactionId(isSubXact)`), and
    /// first one to the transaction where it has none, as `AssignTransactionId` does.
    ///
    /// The first 64 go into the PGPROC, later ones set its overflow flag.
    pub fn get_new_subtransaction_id(
        &self,
        slot: ProcNumber,
        probe: &mut impl LockProbe,
    ) -> TransactionId {
        self.get_new_transaction_id(slot, probe);
        let proc = self.proc(slot);
        let xid = self.xid_gen_exclusive(probe, |probe| {
            let xid = self.advance_next_xid();
            let status = proc.subxid_status();
            let status = if status.count() < PGPROC_MAX_CACHED_SUBXIDS {
                proc.subxids()[status.count()].set(xid.0);
                // pg_write_barrier: whoever sees the count sees the id.
                fence(Release);
                status.one_more()
            } else {
                status.with_overflow()
            };
            self.with_offsets_standing_still(probe, || self.home().set_subxid_status(proc, status));
            xid
        });
        proc.latest_xid().set(xid.0);
        xid
    }

    /// Does `store`, to a place in the dense arrays that the caller's XidGenLock keeps where it is.
    /// Where adding and removing do without XidGenLock (an ablation), ProcArrayLock shared does:
    /// inside XidGenLock, and then nobody takes the two the other way round.
    #[inline]
    fn with_offsets_standing_still(&self, probe: &mut impl LockProbe, store: impl FnOnce()) {
        if self.nests_xid_gen_lock() || !self.config.profile.version().dense_arrays {
            return store();
        }
        self.shared(probe, |_| store());
    }

    fn advance_next_xid(&self) -> TransactionId {
        let next_xid = &self.transam_variables().next_xid;
        let full = FullTransactionId(next_xid.load(Relaxed));
        next_xid.store(full.advance().0, Relaxed);
        full.xid()
    }

    /// The xid that the next transaction will get (varsup.c `ReadNextTransactionId`, before 14
    /// `ReadNewTransactionId`): XidGenLock in shared mode.
    pub fn read_next_transaction_id(&self, probe: &mut impl LockProbe) -> TransactionId {
        let acquire = || self.xid_gen_lock.acquire_shared();
        let read = |_: &mut _| self.transam_variables().next_xid.load(Relaxed);
        FullTransactionId(holding(probe, LockName::XidGen, acquire, read)).xid()
    }

    /// Ends the backend's transaction (procarray.c `ProcArrayEndTransaction`).
    ///
    /// Without an xid it takes **no lock**, unless it ran a VACUUM (14 and later). With one it tries
    /// ProcArrayLock exclusively, which fails while anybody holds it in any mode, shared
    /// holders included, and then joins a group (`ProcArrayGroupClearXid`), or without
    /// [`group_clear`](super::Ablations::group_clear) queues for the lock.
    pub fn end_transaction(&self, slot: ProcNumber, probe: &mut impl LockProbe) -> TransactionEnd {
        let proc = self.proc(slot);
        let xid = proc.top_xid();
        if !xid.is_valid() {
            proc.xmin().set(TransactionId::INVALID.0);
            let cleared_flags = self.clear_vacuum_flags(proc, probe);
            return TransactionEnd::WithoutXid { cleared_flags };
        }
        probe.requesting(LockName::ProcArray);
        let at_once = self.proc_array_lock.try_acquire_exclusive();
        let is_busy = at_once.is_none();
        if is_busy && self.config.ablations.group_clear {
            return match self.group_clear_xid(slot, probe) {
                GroupPart::Leader(members) => TransactionEnd::GroupLeader { xid, members },
                GroupPart::Follower => TransactionEnd::GroupFollower(xid),
            };
        }
        // To queue is what followed a busy lock up to 9.5.
        let guard = at_once.unwrap_or_else(|| self.proc_array_lock.acquire_exclusive());
        probe.acquired(LockName::ProcArray);
        self.end_transaction_internal(proc, TransactionId(proc.latest_xid().get()));
        probe.releasing(LockName::ProcArray);
        drop(guard);
        if is_busy {
            TransactionEnd::Queued(xid)
        } else {
            TransactionEnd::AtOnce(xid)
        }
    }

    /// `ProcArrayEndTransactionInternal`, under ProcArrayLock exclusive.
    pub(super) fn end_transaction_internal(&self, proc: PgProc<'_>, latest_xid: TransactionId) {
        self.home().set_xid(proc, TransactionId::INVALID);
        proc.xmin().set(TransactionId::INVALID.0);
        self.store_cleared_vacuum_flags(proc);
        Self::clear_subxids(self.home(), proc);
        self.complete_xid(latest_xid);
    }

    /// Empties the subxid cache, both copies, if there is anything in it.
    pub(super) fn clear_subxids(view: &View, proc: PgProc<'_>) {
        if !proc.subxid_status().is_empty() {
            view.set_subxid_status(proc, SubxidStatus::default());
        }
    }

    /// Marks the backend as running a lazy VACUUM (vacuum.c `vacuum_rel`):
    /// ProcArrayLock exclusively, for one flag. With the end of its transaction that
    /// makes the two exclusive acquisitions of a VACUUM of an empty table.
    pub fn set_in_vacuum(&self, slot: ProcNumber, probe: &mut impl LockProbe) {
        let proc = self.proc(slot);
        self.exclusive(probe, |_| {
            let flags = proc.status_flags().get() as u8 | PROC_IN_VACUUM;
            self.home().set_status_flags(proc, flags);
        });
    }

    /// Whether the lock was taken for it.
    fn clear_vacuum_flags(&self, proc: PgProc<'_>, probe: &mut impl LockProbe) -> bool {
        if proc.status_flags().get() as u8 & PROC_VACUUM_STATE_MASK == 0 {
            return false;
        }
        if !self.config.profile.version().dense_arrays {
            // The flags are in the own PGXACT.
            self.store_cleared_vacuum_flags(proc);
            return false;
        }
        self.exclusive(probe, |_| self.store_cleared_vacuum_flags(proc));
        true
    }

    fn store_cleared_vacuum_flags(&self, proc: PgProc<'_>) {
        let flags = proc.status_flags().get() as u8;
        if flags & PROC_VACUUM_STATE_MASK != 0 {
            let cleared = flags & !PROC_VACUUM_STATE_MASK;
            self.home().set_status_flags(proc, cleared);
        }
    }
}
