//! Transaction ids and the end of a transaction or a subtransaction: `GetNewTransactionId`,
//! `ReadNextTransactionId`, `ProcArrayEndTransaction`, `XidCacheRemoveRunningXids`, and VACUUM's status flag.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::fence;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::group_list::GroupPart;
use super::locks::SharedExclusiveLock;
use super::pgproc::status_flags::{PROC_IN_VACUUM, PROC_VACUUM_STATE_MASK};
use super::pgproc::{PGPROC_MAX_CACHED_SUBXIDS, PgProc, ProcNumber, SubxidStatus};
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
    pub fn get_new_transaction_id(&self, slot: ProcNumber) -> TransactionId {
        let proc = self.proc(slot);
        if proc.top_xid().is_valid() {
            return proc.top_xid();
        }
        let guard = self.xid_gen_lock.acquire_exclusive();
        let xid = self.advance_next_xid();
        self.with_offsets_standing_still(|| self.home().set_xid(proc, xid));
        drop(guard);
        proc.latest_xid().set(xid.0);
        xid
    }

    /// Gives a subtransaction an xid (varsup.c `GetNewTransactionId(isSubXact)`), and
    /// first one to the transaction where it has none, as `AssignTransactionId` does.
    ///
    /// The first 64 go into the PGPROC, later ones set its overflow flag.
    pub fn get_new_subtransaction_id(&self, slot: ProcNumber) -> TransactionId {
        self.get_new_transaction_id(slot);
        let proc = self.proc(slot);
        let guard = self.xid_gen_lock.acquire_exclusive();
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
        self.with_offsets_standing_still(|| self.home().set_subxid_status(proc, status));
        drop(guard);
        proc.latest_xid().set(xid.0);
        xid
    }

    /// Aborts a subtransaction whose xid is the first of `xids`; the others are those of its own
    /// children (procarray.c `XidCacheRemoveRunningXids`, from xact.c
    /// `RecordTransactionAbort`).
    ///
    /// ProcArrayLock exclusively, blocking. The xids leave the cache, the newest of them counts as
    /// completed, and every cached snapshot becomes stale. Without an xid (`xids` empty) there is
    /// nothing to do and no lock is taken. A subtransaction's commit does nothing at all.
    ///
    /// An xid that is not cached was beyond the 64 of an overflowed cache.
    pub fn abort_subtransaction(&self, slot: ProcNumber, xids: &[TransactionId]) {
        let later = |a: TransactionId, b: &TransactionId| if a.precedes(*b) { *b } else { a };
        let Some(latest_xid) = xids.first().map(|own| xids.iter().fold(*own, later)) else {
            return;
        };
        let proc = self.proc(slot);
        let _guard = self.proc_array_lock.acquire_exclusive();
        for xid in xids.iter().rev() {
            let removed = self.remove_cached_subxid(proc, *xid);
            debug_assert!(
                removed || proc.subxid_status().overflowed(),
                "subtransaction {xid} of slot {slot} is not running"
            );
        }
        self.complete_xid(latest_xid);
    }

    /// From the back, as the newest is the likeliest; the last one fills the gap.
    fn remove_cached_subxid(&self, proc: PgProc<'_>, xid: TransactionId) -> bool {
        let status = proc.subxid_status();
        let cached = &proc.subxids()[..status.count()];
        let Some(place) = cached.iter().rposition(|cached| cached.get() == xid.0) else {
            return false;
        };
        cached[place].set(cached[cached.len() - 1].get());
        // pg_write_barrier, as there; snapshots cannot be reading, as they hold the lock.
        fence(Release);
        let status = status.one_less();
        self.home().set_subxid_status(proc, status);
        true
    }

    /// Does `store`, to a place in the dense arrays that the caller's XidGenLock keeps where it is.
    /// Where adding and removing do without XidGenLock (an ablation), ProcArrayLock shared does:
    /// inside XidGenLock, and then nobody takes the two the other way round.
    #[inline]
    fn with_offsets_standing_still(&self, store: impl FnOnce()) {
        let may_move = self.config.profile.version().dense_arrays && !self.nests_xid_gen_lock();
        let _guard = may_move.then(|| self.proc_array_lock.acquire_shared());
        store();
    }

    fn advance_next_xid(&self) -> TransactionId {
        let next_xid = &self.home().transam_variables().next_xid;
        let full = FullTransactionId(next_xid.load(Relaxed));
        next_xid.store(full.advance().0, Relaxed);
        full.xid()
    }

    /// The xid that the next transaction will get (varsup.c `ReadNextTransactionId`, before 14
    /// `ReadNewTransactionId`): XidGenLock in shared mode.
    pub fn read_next_transaction_id(&self) -> TransactionId {
        let _guard = self.xid_gen_lock.acquire_shared();
        FullTransactionId(self.home().transam_variables().next_xid.load(Relaxed)).xid()
    }

    /// Ends the backend's transaction (procarray.c `ProcArrayEndTransaction`).
    ///
    /// Without an xid it takes **no lock**, unless it ran a VACUUM (14 and later). With one it tries
    /// ProcArrayLock exclusively, which fails while anybody holds it in any mode, shared
    /// holders included, and then joins a group (`ProcArrayGroupClearXid`), or without
    /// [`group_clear`](super::Ablations::group_clear) queues for the lock.
    pub fn end_transaction(&self, slot: ProcNumber) -> TransactionEnd {
        let proc = self.proc(slot);
        let xid = proc.top_xid();
        if !xid.is_valid() {
            proc.xmin().set(TransactionId::INVALID.0);
            let cleared_flags = self.clear_vacuum_flags(proc);
            return TransactionEnd::WithoutXid { cleared_flags };
        }
        let at_once = self.proc_array_lock.try_acquire_exclusive();
        let is_busy = at_once.is_none();
        if is_busy && self.config.ablations.group_clear {
            return match self.group_clear_xid(slot) {
                GroupPart::Leader(members) => TransactionEnd::GroupLeader { xid, members },
                GroupPart::Follower => TransactionEnd::GroupFollower(xid),
            };
        }
        // To queue is what followed a busy lock up to 9.5.
        let guard = at_once.unwrap_or_else(|| self.proc_array_lock.acquire_exclusive());
        self.end_transaction_internal(proc, TransactionId(proc.latest_xid().get()));
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
    pub fn set_in_vacuum(&self, slot: ProcNumber) {
        let proc = self.proc(slot);
        let _guard = self.proc_array_lock.acquire_exclusive();
        let flags = proc.status_flags().get() as u8 | PROC_IN_VACUUM;
        self.home().set_status_flags(proc, flags);
    }

    /// Whether the lock was taken for it. Up to 13 the flags are in the own PGXACT, and it is not.
    fn clear_vacuum_flags(&self, proc: PgProc<'_>) -> bool {
        let takes_lock = self.config.profile.version().dense_arrays
            && proc.status_flags().get() as u8 & PROC_VACUUM_STATE_MASK != 0;
        let _guard = takes_lock.then(|| self.proc_array_lock.acquire_exclusive());
        self.store_cleared_vacuum_flags(proc);
        takes_lock
    }

    fn store_cleared_vacuum_flags(&self, proc: PgProc<'_>) {
        let flags = proc.status_flags().get() as u8;
        if flags & PROC_VACUUM_STATE_MASK != 0 {
            let cleared = flags & !PROC_VACUUM_STATE_MASK;
            self.home().set_status_flags(proc, cleared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{ProcArrayConfig, SnapshotSource};

    struct Savepoints;
    impl LockVisitor for Savepoints {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slots = array.open_standing(2, 0, Default::default()).unwrap();
            let (writer, reader) = (slots[0], slots[1]);
            let mut seen = array.new_snapshot();
            let mut look = |array: &ProcArray<L>| array.get_snapshot_data(reader, &mut seen);
            let top = array.get_new_transaction_id(writer);
            let subs: Vec<_> = (0..4)
                .map(|_| array.get_new_subtransaction_id(writer))
                .collect();
            look(&array);
            let (before, completions) = (array.lock_counts(), array.xact_completion_count());

            // No xid, no lock.
            array.abort_subtransaction(writer, &[]);
            assert_eq!(array.lock_counts(), before);
            assert_eq!(look(&array), SnapshotSource::Reused);

            // The second with its child, the third.
            array.abort_subtransaction(writer, &subs[1..3]);
            array.check_invariants().unwrap();
            let counts = array.lock_counts() - before;
            assert_eq!(counts.proc_array.exclusive, 1);
            assert_eq!(counts.xid_gen.exclusive, 0);
            assert_eq!(array.xact_completion_count(), completions + 1);

            assert_eq!(look(&array), SnapshotSource::Scanned);
            // Sub 2 is the newest completed; the transaction and what has not been rolled back still run.
            assert_eq!(seen.xmax, subs[2].advance());
            assert_eq!((seen.xmin, seen.xip()), (top, &[top][..]));
            let mut subxip = seen.subxids.xip.clone();
            subxip.sort_unstable_by_key(|xid| xid.0);
            assert_eq!(subxip, [subs[0], subs[3]]);
        }
    }

    #[test]
    fn a_rolled_back_savepoint_leaves_the_cache_and_makes_snapshots_stale() {
        for kind in LockKind::ALL {
            kind.visit(Savepoints);
        }
    }

    struct Overflow;
    impl LockVisitor for Overflow {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slots = array.open_standing(2, 0, Default::default()).unwrap();
            let subs: Vec<_> = (0..66)
                .map(|_| array.get_new_subtransaction_id(slots[0]))
                .collect();
            let mut seen = array.new_snapshot();
            let mut snapshot = |array: &ProcArray<L>| {
                array.get_snapshot_data(slots[1], &mut seen);
                (seen.subxids.overflowed, seen.subxids.xip.len())
            };
            // Not cached: only the flag knows of it.
            array.abort_subtransaction(slots[0], &subs[65..]);
            assert!(snapshot(&array).0);
            array.abort_subtransaction(slots[0], &subs[..1]);
            array.check_invariants().unwrap();
            assert!(snapshot(&array).0, "an overflow stays until the end");
            array.end_transaction(slots[0]);
            assert_eq!(snapshot(&array), (false, 0));
        }
    }

    #[test]
    fn an_overflowed_cache_forgets_which_subtransactions_run() {
        LockKind::default().visit(Overflow);
    }
}
