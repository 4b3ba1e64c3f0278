//! Which locks each operation must take, how often, in every version: the one place that says so.
//!
//! A regression guard. The model takes a lock because it was written to, so that these counts agree says
//! that no change has lost an acquisition, and nothing more about PostgreSQL.

use super::operation_counts::OperationCounts;
use crate::procarray::{Ablations, PgProfile, ProcArrayCounts};

/// Acquisitions of the two locks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Acquisitions {
    /// ProcArrayLock, shared.
    pub(super) shared: u64,
    /// ProcArrayLock, exclusive; conditional ones that succeeded included.
    pub(super) exclusive: u64,
    /// Conditional attempts at ProcArrayLock, exclusive, that failed.
    pub(super) conditional_failures: u64,
    /// XidGenLock, shared.
    pub(super) xid_gen_shared: u64,
    /// XidGenLock, exclusive.
    pub(super) xid_gen_exclusive: u64,
}

impl Acquisitions {
    const NONE: Self = Self::of(0, 0, 0);

    /// ProcArrayLock shared and exclusive, XidGenLock exclusive.
    pub(super) const fn of(shared: u64, exclusive: u64, xid_gen_exclusive: u64) -> Self {
        Self {
            shared,
            exclusive,
            conditional_failures: 0,
            xid_gen_shared: 0,
            xid_gen_exclusive,
        }
    }

    const fn failing(self) -> Self {
        Self {
            conditional_failures: 1,
            ..self
        }
    }

    /// With those of `times` operations that take `each`.
    const fn and(self, times: u64, each: Self) -> Self {
        Self {
            shared: self.shared + each.shared * times,
            exclusive: self.exclusive + each.exclusive * times,
            conditional_failures: self.conditional_failures + each.conditional_failures * times,
            xid_gen_shared: self.xid_gen_shared + each.xid_gen_shared * times,
            xid_gen_exclusive: self.xid_gen_exclusive + each.xid_gen_exclusive * times,
        }
    }
}

impl From<&ProcArrayCounts> for Acquisitions {
    fn from(counted: &ProcArrayCounts) -> Self {
        Self {
            shared: counted.proc_array.shared,
            exclusive: counted.proc_array.exclusive,
            conditional_failures: counted.proc_array.exclusive_conditional_failures,
            xid_gen_shared: counted.xid_gen.shared,
            xid_gen_exclusive: counted.xid_gen.exclusive,
        }
    }
}

/// A VACUUM of an empty table. That it takes ProcArrayLock 6 times shared and XidGenLock
/// 5 times shared is measured (15.18); how the six are split is our reading of vacuum.c.
pub(super) mod vacuum {
    pub(in crate::model) const SNAPSHOTS: u32 = 4;
    pub(in crate::model) const HORIZONS: u32 = 2;
    pub(in crate::model) const NEXT_XID_READS: u32 = 5;
}

/// The rules of one version, with its mechanisms switched on or off.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockRules {
    pub(super) profile: PgProfile,
    pub(super) ablations: Ablations,
}

impl LockRules {
    /// ProcArrayAdd or ProcArrayRemove.
    fn membership(self) -> Acquisitions {
        let nested = self.profile.version().dense_arrays && self.ablations.xid_gen_lock;
        Acquisitions::of(0, 1, u64::from(nested))
    }

    /// GetNewTransactionId. Where joining and leaving do not take XidGenLock, though they move
    /// entries, its store needs ProcArrayLock.
    fn new_xid(self) -> Acquisitions {
        let guarded = self.profile.version().dense_arrays && !self.ablations.xid_gen_lock;
        Acquisitions::of(u64::from(guarded), 0, 1)
    }

    fn monitor_row(self) -> Acquisitions {
        let per_row = self.profile.version().monitor_shared_per_row;
        Acquisitions::of(u64::from(per_row), 0, 0)
    }

    fn restored_xmin(self) -> Acquisitions {
        let exclusive = self.profile.version().dense_arrays;
        Acquisitions::of(u64::from(!exclusive), u64::from(exclusive), 0)
    }

    /// What the operations must have taken together.
    pub(super) fn expected(self, counts: &OperationCounts) -> Acquisitions {
        let shared = Acquisitions::of(1, 0, 0);
        let exclusive = Acquisitions::of(0, 1, 0);
        let next_xid_read = Acquisitions {
            xid_gen_shared: 1,
            ..Acquisitions::NONE
        };
        [
            (counts.snapshots_taking_the_lock(), shared),
            (counts.snapshots_reused_without_lock, Acquisitions::NONE),
            (counts.adds + counts.removes, self.membership()),
            (counts.new_xids, self.new_xid()),
            (counts.next_xid_reads, next_xid_read),
            (counts.ends_at_once, exclusive),
            (counts.group_leaders, exclusive.failing()),
            (counts.group_followers, Acquisitions::NONE.failing()),
            (counts.ends_queued, exclusive.failing()),
            (counts.subtransaction_aborts, exclusive),
            (counts.vacuum_flags_set, exclusive),
            (counts.vacuum_flags_cleared, exclusive),
            (counts.horizons, shared),
            (counts.monitor_rows, self.monitor_row()),
            (counts.restored_xmins, self.restored_xmin()),
        ]
        .into_iter()
        .fold(Acquisitions::NONE, |sum, (times, each)| {
            sum.and(times, each)
        })
    }

    /// Holds what the locks counted against the operations.
    ///
    /// # Errors
    /// [`Mismatch`] when they differ, or when groups do not add up.
    pub(super) fn check(
        self,
        counts: &OperationCounts,
        counted: &ProcArrayCounts,
    ) -> Result<(), Mismatch> {
        let (expected, counted) = (self.expected(counts), Acquisitions::from(counted));
        if expected != counted {
            return Err(Mismatch::Locks { expected, counted });
        }
        if counts.group_members != counts.group_leaders + counts.group_followers {
            return Err(Mismatch::Groups {
                members: counts.group_members,
                leaders: counts.group_leaders,
                followers: counts.group_followers,
            });
        }
        Ok(())
    }
}

/// The operations and the locks' counters do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    /// Acquisitions.
    #[error(
        "the locks' counters do not match the operations (expected {expected:?}, counted {counted:?}): a bug in procbench"
    )]
    Locks {
        expected: Acquisitions,
        counted: Acquisitions,
    },
    /// Members of groups.
    #[error(
        "groups do not add up ({members} members, {leaders} leaders, {followers} followers): a bug in procbench"
    )]
    Groups {
        members: u64,
        leaders: u64,
        followers: u64,
    },
}
