//! The transaction counters (access/transam.h).
#![expect(unsafe_code, reason = "says that the counters may be in shared memory")]

use std::sync::atomic::AtomicU64;

use super::shared_memory::InSharedMemory;

/// `TransamVariables` (`ShmemVariableCache` before 17): 72 bytes, with the fields used here
/// at PostgreSQL's offsets. So `nextXid`, which XidGenLock protects, is on the same 64-byte
/// line as the two that every snapshot reads under ProcArrayLock.
#[repr(C)]
pub(super) struct TransamVariables {
    oid_counters: AtomicU64,
    /// Offset 8; advanced under XidGenLock.
    pub(super) next_xid: AtomicU64,
    wraparound_limits: [AtomicU64; 4],
    /// Offset 48; under ProcArrayLock.
    pub(super) latest_completed_xid: AtomicU64,
    /// Offset 56; under ProcArrayLock. Starts at 1: 0 marks a snapshot never taken. 13 has no
    /// such counter; it counts there, too, and nothing reads it.
    pub(super) xact_completion_count: AtomicU64,
    oldest_clog_xid: AtomicU64,
}

// SAFETY: atomics only.
unsafe impl InSharedMemory for TransamVariables {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn they_stand_where_postgres_has_them() {
        assert_eq!(offset_of!(TransamVariables, next_xid), 8);
        assert_eq!(offset_of!(TransamVariables, latest_completed_xid), 48);
        assert_eq!(offset_of!(TransamVariables, xact_completion_count), 56);
        assert_eq!(size_of::<TransamVariables>(), 72);
    }
}
