//! The end of a subtransaction that had an xid.

use std::sync::atomic::{Ordering::Release, fence};

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::{PgProc, ProcNumber};
use super::probe::LockProbe;
use super::xid::TransactionId;

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Aborts a subtransaction whose xid is the first of `xids`; the others are those of its own
    /// children (procarray.c `XidCacheRemoveRunningXids`, from xact.c
    /// `RecordTransactionAbort`).
    ///
    /// ProcArrayLock exclusively, blocking. The xids leave the cache, the newest of them counts as
    /// completed, and every cached snapshot becomes stale. Without an xid (`xids` empty) there is
    /// nothing to do and no lock is taken. A subtransaction's commit does nothing at all.
    ///
    /// An xid that is not cached was beyond the 64 of an overflowed cache.
    pub fn abort_subtransaction(
        &self,
        slot: ProcNumber,
        xids: &[TransactionId],
        probe: &mut impl LockProbe,
    ) {
        let later = |a: TransactionId, b: &TransactionId| if a.precedes(*b) { *b } else { a };
        let Some(latest_xid) = xids.first().map(|own| xids.iter().fold(*own, later)) else {
            return;
        };
        let proc = self.proc(slot);
        self.exclusive(probe, |_| {
            for xid in xids.iter().rev() {
                let removed = self.remove_cached_subxid(proc, *xid);
                debug_assert!(
                    removed || proc.subxid_status().overflowed(),
                    "subtransaction {xid} of slot {slot} is not running"
                );
            }
            self.complete_xid(latest_xid);
        });
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{NoProbe, ProcArrayConfig, SnapshotSource};

    struct Savepoints;
    impl LockVisitor for Savepoints {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slots = array.open_standing(2, 0, Default::default()).unwrap();
            let (writer, reader) = (slots[0], slots[1]);
            let mut seen = array.new_snapshot();
            let mut look =
                |array: &ProcArray<L>| array.get_snapshot_data(reader, &mut seen, &mut NoProbe);
            let top = array.get_new_transaction_id(writer, &mut NoProbe);
            let subs: Vec<_> = (0..4)
                .map(|_| array.get_new_subtransaction_id(writer, &mut NoProbe))
                .collect();
            look(&array);
            let (before, completions) = (array.lock_counts(), array.xact_completion_count());

            // No xid, no lock.
            array.abort_subtransaction(writer, &[], &mut NoProbe);
            assert_eq!(array.lock_counts(), before);
            assert_eq!(look(&array), SnapshotSource::Reused);

            // The second with its child, the third.
            array.abort_subtransaction(writer, &subs[1..3], &mut NoProbe);
            array.check_invariants().unwrap();
            let counts = array.lock_counts() - before;
            assert_eq!(counts.proc_array.exclusive, 1);
            assert_eq!(counts.xid_gen.exclusive, 0);
            assert_eq!(array.xact_completion_count(), completions + 1);

            assert_eq!(look(&array), SnapshotSource::Scanned);
            // Sub 2 is the newest completed; the transaction and what has not been rolled back still run.
            assert_eq!(seen.xmax, subs[2].advance());
            assert_eq!((seen.xmin, seen.xip()), (top, &[top][..]));
            let mut subxip = seen.subxip.clone();
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
                .map(|_| array.get_new_subtransaction_id(slots[0], &mut NoProbe))
                .collect();
            let mut seen = array.new_snapshot();
            let mut snapshot = |array: &ProcArray<L>| {
                array.get_snapshot_data(slots[1], &mut seen, &mut NoProbe);
                (seen.suboverflowed, seen.subxip.len())
            };
            // Not cached: only the flag knows of it.
            array.abort_subtransaction(slots[0], &subs[65..], &mut NoProbe);
            assert!(snapshot(&array).0);
            array.abort_subtransaction(slots[0], &subs[..1], &mut NoProbe);
            array.check_invariants().unwrap();
            assert!(snapshot(&array).0, "an overflow stays until the end");
            array.end_transaction(slots[0], &mut NoProbe);
            assert_eq!(snapshot(&array), (false, 0));
        }
    }

    #[test]
    fn an_overflowed_cache_forgets_which_subtransactions_run() {
        LockKind::default().visit(Overflow);
    }
}
