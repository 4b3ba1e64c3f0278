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
    /// What the operations must have taken together.
    pub(super) fn expected(self, counts: &OperationCounts) -> Acquisitions {
        let version = self.profile.version();
        let dense = u64::from(version.dense_arrays);
        // ProcArrayAdd and ProcArrayRemove hold XidGenLock, too. Where they do not, though they move entries,
        // GetNewTransactionId's store needs ProcArrayLock.
        let nested = dense * u64::from(self.ablations.xid_gen_lock);
        let memberships = counts.adds + counts.removes;
        let busy = counts.group_leaders + counts.ends_queued;
        Acquisitions {
            shared: counts.snapshots_taking_the_lock()
                + counts.new_xids * (dense - nested)
                + counts.horizons
                + counts.monitor_rows * u64::from(version.monitor_shared_per_row)
                + counts.restored_xmins * (1 - dense),
            exclusive: memberships
                + counts.ends_at_once
                + busy
                + counts.subtransaction_aborts
                + counts.vacuum_flags_set
                + counts.vacuum_flags_cleared
                + counts.restored_xmins * dense,
            conditional_failures: busy + counts.group_followers,
            xid_gen_shared: counts.next_xid_reads,
            xid_gen_exclusive: counts.new_xids + memberships * nested,
        }
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
