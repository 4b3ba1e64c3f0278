//! PGPROC, a backend's slot in shared memory (storage/proc.h).

use std::fmt;
use std::sync::atomic::AtomicU32;

use super::dense::{DenseArray, SharedWord};
use super::xid::TransactionId;

/// Most backends that a server can have (`MAX_BACKENDS`, 18 bits).
pub const MAX_BACKENDS: u32 = 0x3_FFFF;

/// Subtransaction ids that a PGPROC holds before it overflows.
pub const PGPROC_MAX_CACHED_SUBXIDS: usize = 64;

/// Distance in bytes from one PGPROC to the next: its size in PostgreSQL 14 to 16 on x86-64.
const PGPROC_STRIDE: usize = 880;
const STRIDE_WORDS: usize = PGPROC_STRIDE / size_of::<AtomicU32>();

/// `pgxactoff` of a slot that is not in the ProcArray.
pub(crate) const NOT_A_MEMBER: u32 = u32::MAX;

/// A backend's slot number, its index in `allProcs`. Only
/// [`init_process`](super::ProcArray::init_process) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcNumber(pub(crate) u32);

impl ProcNumber {
    /// As an index, from 0 to `max_backends - 1`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ProcNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `XidCacheStatus`: how many subxids are cached (low byte), and whether some
/// did not fit (bit 8). Two bytes in the dense array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SubxidStatus(pub(crate) u16);

impl SubxidStatus {
    const OVERFLOWED: u16 = 1 << 8;

    pub(crate) const fn count(self) -> usize {
        (self.0 & 0xFF) as usize
    }

    pub(crate) const fn overflowed(self) -> bool {
        self.0 & Self::OVERFLOWED != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn one_more(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) const fn one_less(self) -> Self {
        Self(self.0 - 1)
    }

    pub(crate) const fn with_overflow(self) -> Self {
        Self(self.0 | Self::OVERFLOWED)
    }
}

/// `statusFlags` bits (storage/proc.h).
pub(crate) mod status_flags {
    /// Running a lazy VACUUM: no snapshot needs to see its xid.
    pub(crate) const PROC_IN_VACUUM: u8 = 0x02;
    /// CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY without expressions.
    pub(crate) const PROC_IN_SAFE_IC: u8 = 0x04;
    /// An autovacuum against wraparound.
    pub(crate) const PROC_VACUUM_FOR_WRAPAROUND: u8 = 0x08;
    /// Logical decoding outside a transaction.
    pub(crate) const PROC_IN_LOGICAL_DECODING: u8 = 0x10;
    /// What a parallel worker takes over from its leader (14 and later).
    pub(crate) const PROC_XMIN_FLAGS: u8 = PROC_IN_VACUUM | PROC_IN_SAFE_IC;
    /// What the end of a transaction clears.
    pub(crate) const PROC_VACUUM_STATE_MASK: u8 =
        PROC_IN_VACUUM | PROC_IN_SAFE_IC | PROC_VACUUM_FOR_WRAPAROUND;
}

// Word offsets in a PGPROC, in the order of PostgreSQL 15's declaration: xid, xmin and
// pgxactoff stand together near the front, the subxids fill 256 bytes towards
// the end. A renumbering store therefore hits the line of the owner's xmin.
const XID: usize = 13;
const XMIN: usize = 14;
const PID: usize = 16;
const PGXACTOFF: usize = 17;
const STATUS_FLAGS: usize = 27;
const LATEST_XID: usize = 31;
const SUBXID_STATUS: usize = 55;
const SUBXIDS: usize = 56;
const GROUP_MEMBER: usize = SUBXIDS + PGPROC_MAX_CACHED_SUBXIDS;
const GROUP_NEXT: usize = GROUP_MEMBER + 1;
const GROUP_MEMBER_XID: usize = GROUP_MEMBER + 2;

/// All PGPROCs (`ProcGlobal->allProcs`), zeroed and not in the array.
///
/// One flat run of words with a fixed stride, so that another stride or another
/// mapping of the memory changes this file only.
pub(crate) struct AllProcs {
    words: DenseArray<AtomicU32>,
}

impl AllProcs {
    pub(crate) fn new(procs: u32) -> Self {
        let all = Self {
            words: DenseArray::new(procs as usize * STRIDE_WORDS),
        };
        for number in 0..procs {
            all.proc(number).pgxactoff().set(NOT_A_MEMBER);
        }
        all
    }

    #[inline]
    pub(crate) fn proc(&self, number: u32) -> PgProc<'_> {
        let at = number as usize * STRIDE_WORDS;
        PgProc(&self.words.words()[at..at + STRIDE_WORDS])
    }
}

/// One PGPROC.
#[derive(Clone, Copy)]
pub(crate) struct PgProc<'a>(&'a [AtomicU32]);

impl<'a> PgProc<'a> {
    /// Top-level xid, mirrored in the dense `xids`; changed by the owner, with a lock.
    #[inline]
    pub(crate) fn xid(self) -> &'a AtomicU32 {
        &self.0[XID]
    }

    /// Oldest xid that the owner's snapshots may need; set and cleared by the owner.
    #[inline]
    pub(crate) fn xmin(self) -> &'a AtomicU32 {
        &self.0[XMIN]
    }

    /// The backend's process id; 0 while the slot is free.
    #[inline]
    pub(crate) fn pid(self) -> &'a AtomicU32 {
        &self.0[PID]
    }

    /// Index in the dense arrays; changes under both locks, readable under either.
    #[inline]
    pub(crate) fn pgxactoff(self) -> &'a AtomicU32 {
        &self.0[PGXACTOFF]
    }

    /// `statusFlags`, mirrored in the dense array.
    #[inline]
    pub(crate) fn status_flags(self) -> &'a AtomicU32 {
        &self.0[STATUS_FLAGS]
    }

    /// Newest xid of the transaction and its subtransactions, which in PostgreSQL the
    /// owner's transaction state knows (`TransactionIdLatest`).
    #[inline]
    pub(crate) fn latest_xid(self) -> &'a AtomicU32 {
        &self.0[LATEST_XID]
    }

    /// `subxidStatus`, mirrored in the dense array.
    #[inline]
    pub(crate) fn subxid_status(self) -> SubxidStatus {
        SubxidStatus(self.0[SUBXID_STATUS].get() as u16)
    }

    #[inline]
    pub(crate) fn set_subxid_status(self, status: SubxidStatus) {
        self.0[SUBXID_STATUS].set(u32::from(status.0));
    }

    /// The cached subtransaction ids; the first `subxid_status().count()` are valid.
    #[inline]
    pub(crate) fn subxids(self) -> &'a [AtomicU32] {
        &self.0[SUBXIDS..SUBXIDS + PGPROC_MAX_CACHED_SUBXIDS]
    }

    /// Whether the owner waits for its xid to be cleared (`procArrayGroupMember`).
    #[inline]
    pub(crate) fn group_member(self) -> &'a AtomicU32 {
        &self.0[GROUP_MEMBER]
    }

    /// The slot behind this one in the list of those (`procArrayGroupNext`).
    #[inline]
    pub(crate) fn group_next(self) -> &'a AtomicU32 {
        &self.0[GROUP_NEXT]
    }

    /// Newest xid of the waiting transaction (`procArrayGroupMemberXid`).
    #[inline]
    pub(crate) fn group_member_xid(self) -> &'a AtomicU32 {
        &self.0[GROUP_MEMBER_XID]
    }

    #[inline]
    pub(crate) fn top_xid(self) -> TransactionId {
        TransactionId(self.xid().get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stand_a_postgres_stride_apart_and_do_not_overlap() {
        let all = AllProcs::new(3);
        let address = |n| std::ptr::from_ref(all.proc(n).xid()).addr();
        assert_eq!(address(1) - address(0), PGPROC_STRIDE);
        assert_eq!(address(2) - address(1), PGPROC_STRIDE);
        let words = [
            XID,
            XMIN,
            PID,
            PGXACTOFF,
            STATUS_FLAGS,
            LATEST_XID,
            SUBXID_STATUS,
        ];
        assert!(words.is_sorted_by(|a, b| a < b));
        const { assert!(SUBXID_STATUS < SUBXIDS) };
        const { assert!(GROUP_MEMBER_XID < STRIDE_WORDS) };
    }
}
