//! PGPROC, a backend's slot in shared memory (storage/proc.h).

use std::fmt;
use std::sync::atomic::AtomicU32;

use super::dense::SharedWord;
use super::xid::TransactionId;

/// Most backends that a server can have (`MAX_BACKENDS`, 18 bits).
pub const MAX_BACKENDS: u32 = 0x3_FFFF;

/// Subtransaction ids that a PGPROC holds before it overflows.
pub const PGPROC_MAX_CACHED_SUBXIDS: usize = 64;

/// Words of a PGXACT (13): xid, xmin, and flags, overflow and count in 3 of the last 4 bytes.
pub(crate) const PGXACT_WORDS: usize = 3;
pub(super) const PGXACT_STATE: usize = 2;

/// `pgxactoff` of a slot that is not in the ProcArray.
pub(crate) const NOT_A_MEMBER: u32 = u32::MAX;

/// A backend's slot number, its index in `allProcs`. Only
/// [`init_process`](super::ProcArray::init_process) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcNumber(pub(crate) u32);

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

// Word offsets in a PGPROC, in the order of PostgreSQL 15's declaration, here in every
// version: xid, xmin and pgxactoff stand together near the front, the subxids fill 256 bytes
// towards the end. A renumbering store therefore hits the line of the owner's xmin.
const XID: usize = 13;
const XMIN: usize = XID + 1;
const PID: usize = 16;
pub(super) const PGXACTOFF: usize = 17;
const STATUS_FLAGS: usize = 27;
const LATEST_XID: usize = 31;
const SUBXID_STATUS: usize = 55;
const SUBXIDS: usize = 56;
const GROUP_MEMBER: usize = SUBXIDS + PGPROC_MAX_CACHED_SUBXIDS;
const GROUP_NEXT: usize = GROUP_MEMBER + 1;
const GROUP_MEMBER_XID: usize = GROUP_MEMBER + 2;

/// One PGPROC.
#[derive(Clone, Copy)]
pub(crate) struct PgProc<'a> {
    number: u32,
    words: &'a [AtomicU32],
    xid_and_xmin: &'a [AtomicU32],
    pgxactoff: &'a AtomicU32,
}

impl<'a> PgProc<'a> {
    /// The one whose words these are, with its PGXACT if it has one, and its `pgxactoff` if that is
    /// outside.
    #[inline]
    pub(super) fn new(
        number: u32,
        words: &'a [AtomicU32],
        pgxact: Option<&'a [AtomicU32]>,
        pgxactoff: Option<&'a AtomicU32>,
    ) -> Self {
        Self {
            number,
            words,
            xid_and_xmin: pgxact.unwrap_or(&words[XID..=XMIN]),
            pgxactoff: pgxactoff.unwrap_or(&words[PGXACTOFF]),
        }
    }

    /// Its slot number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.number
    }

    /// Top-level xid, mirrored in the dense `xids`; up to 13 in the PGXACT. Changed by the
    /// owner, with a lock.
    #[inline]
    pub(crate) fn xid(self) -> &'a AtomicU32 {
        &self.xid_and_xmin[0]
    }

    /// Oldest xid that the owner's snapshots may need; up to 13 in the PGXACT. Set and cleared by
    /// the owner.
    #[inline]
    pub(crate) fn xmin(self) -> &'a AtomicU32 {
        &self.xid_and_xmin[1]
    }

    /// The backend's process id; 0 while the slot is free.
    #[inline]
    pub(crate) fn pid(self) -> &'a AtomicU32 {
        &self.words[PID]
    }

    /// Index in the dense arrays; changes under both locks, readable under either. Where nobody
    /// keeps it up to date it says only whether the slot is in the array.
    #[inline]
    pub(crate) fn pgxactoff(self) -> &'a AtomicU32 {
        self.pgxactoff
    }

    /// `statusFlags`, mirrored in the dense array.
    #[inline]
    pub(crate) fn status_flags(self) -> &'a AtomicU32 {
        &self.words[STATUS_FLAGS]
    }

    /// Newest xid of the transaction and its subtransactions, which in PostgreSQL the
    /// owner's transaction state knows (`TransactionIdLatest`).
    #[inline]
    pub(crate) fn latest_xid(self) -> &'a AtomicU32 {
        &self.words[LATEST_XID]
    }

    /// `subxidStatus`, mirrored in the dense array.
    #[inline]
    pub(crate) fn subxid_status(self) -> SubxidStatus {
        SubxidStatus(self.words[SUBXID_STATUS].get() as u16)
    }

    #[inline]
    pub(crate) fn set_subxid_status(self, status: SubxidStatus) {
        self.words[SUBXID_STATUS].set(u32::from(status.0));
    }

    /// The cached subtransaction ids; the first `subxid_status().count()` are valid.
    #[inline]
    pub(crate) fn subxids(self) -> &'a [AtomicU32] {
        &self.words[SUBXIDS..SUBXIDS + PGPROC_MAX_CACHED_SUBXIDS]
    }

    /// Of its last word that is used.
    #[cfg(test)]
    pub(crate) fn last_address(self) -> usize {
        std::ptr::from_ref(&self.words[SUBXID_STATUS]).addr()
    }

    /// Whether the owner waits for its xid to be cleared (`procArrayGroupMember`).
    #[inline]
    pub(crate) fn group_member(self) -> &'a AtomicU32 {
        &self.words[GROUP_MEMBER]
    }

    /// The slot behind this one in the list of those (`procArrayGroupNext`).
    #[inline]
    pub(crate) fn group_next(self) -> &'a AtomicU32 {
        &self.words[GROUP_NEXT]
    }

    /// Newest xid of the waiting transaction (`procArrayGroupMemberXid`).
    #[inline]
    pub(crate) fn group_member_xid(self) -> &'a AtomicU32 {
        &self.words[GROUP_MEMBER_XID]
    }

    #[inline]
    pub(crate) fn top_xid(self) -> TransactionId {
        TransactionId(self.xid().get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::PgProfile;

    #[test]
    fn words_are_in_order_and_fit_into_every_version() {
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
        for profile in PgProfile::ALL {
            assert!((GROUP_MEMBER_XID + 1) * 4 <= profile.version().stride);
        }
    }
}
