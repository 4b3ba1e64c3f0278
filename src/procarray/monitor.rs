//! What reading `pg_stat_activity` costs others.

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::ProcNumber;
use super::xid::TransactionId;

/// A backend as the status array knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusEntry {
    /// Its slot.
    pub slot: ProcNumber,
    /// Its process id.
    pub pid: u32,
}

/// What `ProcNumberGetTransactionIds` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionIds {
    /// Top-level xid, or `INVALID`.
    pub xid: TransactionId,
    /// Advertised xmin, or `INVALID`.
    pub xmin: TransactionId,
    /// Cached subtransactions.
    pub subxids: usize,
    /// Whether there are more.
    pub suboverflowed: bool,
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// The process id of the backend in `slot`, read without a lock; 0 for a free slot.
    pub fn pid(&self, slot: ProcNumber) -> u32 {
        self.proc(slot).pid().get()
    }

    /// All backends that have a process id, read without a lock into `entries`, which is emptied
    /// first: it stands for the copy of `PgBackendStatus` that a reader of the view makes
    /// (backend_status.c `pgstat_read_current_status`).
    pub fn read_current_status(&self, entries: &mut Vec<StatusEntry>) {
        entries.clear();
        let all = (0..self.config.max_backends).map(ProcNumber);
        let all = all.map(|slot| StatusEntry {
            slot,
            pid: self.pid(slot),
        });
        entries.extend(all.filter(|entry| entry.pid != 0));
    }

    /// The backend with process id `pid` (procarray.c `BackendPidGetProc`).
    ///
    /// ProcArrayLock in shared mode, and a linear search through the PGPROCs: one cold
    /// line for each backend in front of it. None where it has left; 0 is nobody's, and costs
    /// no lock.
    fn backend_pid_get_proc(&self, pid: u32) -> Option<ProcNumber> {
        if pid == 0 {
            return None;
        }
        let _guard = self.proc_array_lock.acquire_shared();
        let members = self.home().pgprocnos()[..self.num_procs()].iter();
        let mut members = members.map(|number| ProcNumber(number.get()));
        members.find(|member| self.pid(*member) == pid)
    }

    /// What the backend in `slot` runs; from 17 on under ProcArrayLock in shared mode (procarray.c
    /// `ProcNumberGetTransactionIds`). Up to 16 it is SInvalWriteLock, which is not modelled.
    fn transaction_ids(&self, slot: ProcNumber) -> TransactionIds {
        let takes_lock = self.config.profile.version().monitor_shared_per_row > 1;
        let _guard = takes_lock.then(|| self.proc_array_lock.acquire_shared());
        let proc = self.proc(slot);
        let status = proc.subxid_status();
        TransactionIds {
            xid: proc.top_xid(),
            xmin: TransactionId(proc.xmin().get()),
            subxids: status.count(),
            suboverflowed: status.overflowed(),
        }
    }

    /// What one row of `pg_stat_activity` takes from here (pgstatfuncs.c `pg_stat_get_activity`):
    /// from 17 on the ids, one shared acquisition; in every version a search by process
    /// id for the wait event, another.
    ///
    /// Returns also where the process id was found; none where the backend has left meanwhile.
    pub fn monitor_row(&self, entry: StatusEntry) -> (TransactionIds, Option<ProcNumber>) {
        let ids = self.transaction_ids(entry.slot);
        (ids, self.backend_pid_get_proc(entry.pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{PgProfile, ProcArrayConfig};

    /// Shared acquisitions of one read of the view with 20 backends, one of which leaves meanwhile.
    struct View(PgProfile);
    impl LockVisitor for View {
        type Output = u64;
        fn visit<L: SharedExclusiveLock>(self) -> u64 {
            let array = ProcArray::<L>::new(ProcArrayConfig {
                profile: self.0,
                ..ProcArrayConfig::default()
            })
            .unwrap();
            let slots = array.open_standing(20, 3, Default::default()).unwrap();
            let xid = array.get_new_transaction_id(slots[3]);
            let mut entries = Vec::new();
            array.read_current_status(&mut entries);
            assert_eq!(entries.len(), 20, "the placeholders have left");
            array.remove(slots[7], None);
            array.proc_kill(slots[7]);
            let before = array.lock_counts();
            for entry in entries {
                let (ids, found) = array.monitor_row(entry);
                let gone = entry.slot == slots[7];
                assert_eq!(found, (!gone).then_some(entry.slot));
                let running = entry.slot == slots[3];
                assert_eq!(ids.xid == xid, running);
            }
            assert_eq!(array.backend_pid_get_proc(0), None);
            let counts = array.lock_counts() - before;
            assert_eq!((counts.proc_array.exclusive, counts.xid_gen.shared), (0, 0));
            counts.proc_array.shared
        }
    }

    #[test]
    fn a_row_takes_the_lock_once_and_from_17_twice() {
        let taken = |profile| LockKind::default().visit(View(profile));
        assert_eq!(taken(PgProfile::V13), 20);
        assert_eq!(taken(PgProfile::V16), 20);
        assert_eq!(taken(PgProfile::V17), 40);
        assert_eq!(taken(PgProfile::V18), 40);
    }
}
