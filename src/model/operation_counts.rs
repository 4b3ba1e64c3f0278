//! What the roles did, to be held against what the locks counted.

use crate::procarray::{SnapshotSource, TransactionEnd};

macro_rules! operation_counts {
    ($($(#[$doc:meta])* $count:ident),+ $(,)?) => {
        /// How often each operation was done, by how it went where its locks depend on that.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct OperationCounts {
            $($(#[$doc])* pub $count: u64,)+
            /// Most xids cleared by one leader.
            pub largest_group: u64,
            /// Most page faults inside the hold of one ProcArrayAdd.
            pub largest_add_faults: u64,
        }

        impl std::ops::AddAssign for OperationCounts {
            fn add_assign(&mut self, other: Self) {
                $(self.$count += other.$count;)+
                self.largest_group = self.largest_group.max(other.largest_group);
                self.largest_add_faults = self.largest_add_faults.max(other.largest_add_faults);
            }
        }
    };
}

operation_counts! {
    /// GetSnapshotData that found its snapshot still valid, under ProcArrayLock.
    snapshots_reused,
    /// The same without the lock.
    snapshots_reused_without_lock,
    /// GetSnapshotData that scanned the array.
    snapshots_scanned,
    /// ProcArrayAdd.
    adds,
    /// ProcArrayRemove.
    removes,
    /// Minor page faults inside the holds of ProcArrayAdd.
    add_faults,
    /// Minor page faults inside the holds of ProcArrayRemove.
    remove_faults,
    /// GetNewTransactionId, for transactions and subtransactions.
    new_xids,
    /// ReadNextTransactionId.
    next_xid_reads,
    /// ProcArrayEndTransaction whose conditional acquisition succeeded.
    ends_at_once,
    /// That led a group.
    group_leaders,
    /// That followed a leader.
    group_followers,
    /// Xids cleared by leaders, their own included.
    group_members,
    /// That queued for the lock, without group clear.
    ends_queued,
    /// XidCacheRemoveRunningXids.
    subtransaction_aborts,
    /// A VACUUM's flag set.
    vacuum_flags_set,
    /// A VACUUM's flag cleared under the lock.
    vacuum_flags_cleared,
    /// ComputeXidHorizons.
    horizons,
    /// Rows of `pg_stat_activity`.
    monitor_rows,
    /// ProcArrayInstallRestoredXmin.
    restored_xmins,
}

impl OperationCounts {
    /// GetSnapshotData, however it went.
    pub fn snapshots(&self) -> u64 {
        self.snapshots_taking_the_lock() + self.snapshots_reused_without_lock
    }

    /// Those that took ProcArrayLock shared, once each.
    pub fn snapshots_taking_the_lock(&self) -> u64 {
        self.snapshots_reused + self.snapshots_scanned
    }

    /// Transactions with an xid that ended, however they did.
    pub fn ends_with_xid(&self) -> u64 {
        self.ends_at_once + self.group_leaders + self.group_followers + self.ends_queued
    }

    #[inline]
    pub(super) fn count_snapshot(&mut self, source: SnapshotSource) {
        *match source {
            SnapshotSource::Reused => &mut self.snapshots_reused,
            SnapshotSource::ReusedWithoutLock => &mut self.snapshots_reused_without_lock,
            SnapshotSource::Scanned => &mut self.snapshots_scanned,
        } += 1;
    }

    pub(super) fn count_end(&mut self, end: TransactionEnd) {
        *match end {
            TransactionEnd::WithoutXid { cleared_flags } => {
                self.vacuum_flags_cleared += u64::from(cleared_flags);
                return;
            }
            TransactionEnd::AtOnce(_) => &mut self.ends_at_once,
            TransactionEnd::GroupLeader { members, .. } => {
                let members = u64::from(members);
                self.group_members += members;
                self.largest_group = self.largest_group.max(members);
                &mut self.group_leaders
            }
            TransactionEnd::GroupFollower(_) => &mut self.group_followers,
            TransactionEnd::Queued(_) => &mut self.ends_queued,
        } += 1;
    }
}
