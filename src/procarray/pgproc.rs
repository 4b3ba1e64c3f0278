//! PGPROC, a backend's slot in shared memory (storage/proc.h).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::dense::SharedWord;
use super::shared_memory::{Mapping, SharedArray};
use super::xid::TransactionId;

/// Most backends that a server can have (`MAX_BACKENDS`, 18 bits).
pub const MAX_BACKENDS: u32 = 0x3_FFFF;

/// Subtransaction ids that a PGPROC holds before it overflows.
pub const PGPROC_MAX_CACHED_SUBXIDS: usize = 64;

/// Words of a PGXACT (13): xid, xmin, and flags, overflow and count in 3 of the last 4 bytes.
pub(crate) const PGXACT_WORDS: usize = 3;
const PGXACT_STATE: usize = 2;

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
const PGXACTOFF: usize = 17;
const STATUS_FLAGS: usize = 27;
const LATEST_XID: usize = 31;
const SUBXID_STATUS: usize = 55;
const SUBXIDS: usize = 56;
const GROUP_MEMBER: usize = SUBXIDS + PGPROC_MAX_CACHED_SUBXIDS;
const GROUP_NEXT: usize = GROUP_MEMBER + 1;
const GROUP_MEMBER_XID: usize = GROUP_MEMBER + 2;

/// All PGPROCs (`ProcGlobal->allProcs`) as one mapping shows them, and up to 13 their PGXACTs
/// (`ProcGlobal->allPgXact`).
pub(crate) struct AllProcs {
    words: SharedArray<AtomicU32>,
    stride_words: usize,
    pgxacts: Option<SharedArray<AtomicU32>>,
    pgxactoffs: Option<SharedArray<AtomicU32>>,
}

impl AllProcs {
    /// `count` PGPROCs from byte `offset` of the mapping on, `stride` bytes apart, with
    /// PGXACTs and with `pgxactoff`s outside the PGPROCs if they have an offset.
    pub(crate) fn new(
        mapping: &Arc<Mapping>,
        stride: usize,
        (offset, count): (usize, usize),
        pgxacts: Option<usize>,
        pgxactoffs: Option<usize>,
    ) -> Self {
        let stride_words = stride / size_of::<AtomicU32>();
        let array = |offset, len| SharedArray::new(mapping, offset, len);
        Self {
            words: array(offset, count * stride_words),
            stride_words,
            pgxacts: pgxacts.map(|offset| array(offset, count * PGXACT_WORDS)),
            pgxactoffs: pgxactoffs.map(|offset| array(offset, count)),
        }
    }

    /// Marks all `count` as being in no array.
    pub(crate) fn initialise(&self, count: u32) {
        for number in 0..count {
            self.pgxactoff(number).set(NOT_A_MEMBER);
        }
    }

    #[inline]
    pub(crate) fn proc(&self, number: u32) -> PgProc<'_> {
        let at = number as usize * self.stride_words;
        let words = &self.words.words()[at..at + self.stride_words];
        PgProc {
            number,
            words,
            xid_and_xmin: match &self.pgxacts {
                None => &words[XID..=XMIN],
                Some(pgxacts) => &pgxacts.words()[number as usize * PGXACT_WORDS..][..2],
            },
            pgxactoff: match &self.pgxactoffs {
                None => &words[PGXACTOFF],
                Some(pgxactoffs) => &pgxactoffs.words()[number as usize],
            },
        }
    }

    /// Only the `pgxactoff`, wherever it is.
    #[inline]
    pub(crate) fn pgxactoff(&self, number: u32) -> &AtomicU32 {
        match &self.pgxactoffs {
            None => &self.words.words()[number as usize * self.stride_words + PGXACTOFF],
            Some(pgxactoffs) => &pgxactoffs.words()[number as usize],
        }
    }

    /// A slot's PGXACT: xid, xmin, and status flags with the subxid status above them. Empty
    /// from 14 on.
    #[inline]
    pub(crate) fn pgxact(&self, number: u32) -> (TransactionId, TransactionId, u8, SubxidStatus) {
        let Some(pgxacts) = &self.pgxacts else {
            return Default::default();
        };
        let words = &pgxacts.words()[number as usize * PGXACT_WORDS..][..PGXACT_WORDS];
        let state = words[PGXACT_STATE].get();
        (
            TransactionId(words[0].get()),
            TransactionId(words[1].get()),
            state as u8,
            SubxidStatus((state >> 8) as u16),
        )
    }

    /// Brings the PGXACT's copy of flags and subxid status up to date, by one who may store them.
    pub(crate) fn mirror_in_pgxact(&self, proc: PgProc<'_>) {
        if let Some(pgxacts) = &self.pgxacts {
            let at = proc.number as usize * PGXACT_WORDS + PGXACT_STATE;
            let status = u32::from(proc.subxid_status().0);
            pgxacts.words()[at].set(status << 8 | proc.status_flags().get());
        }
    }
}

/// One PGPROC.
#[derive(Clone, Copy)]
pub(crate) struct PgProc<'a> {
    number: u32,
    words: &'a [AtomicU32],
    xid_and_xmin: &'a [AtomicU32],
    pgxactoff: &'a AtomicU32,
}

impl<'a> PgProc<'a> {
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
    use crate::procarray::shared_memory::SharedMemory;
    use crate::procarray::{PageSize, PgProfile};

    #[test]
    fn slots_stand_a_postgres_stride_apart_and_do_not_overlap() {
        for &profile in PgProfile::ALL {
            let stride = profile.version().stride;
            let memory = SharedMemory::new(4 * stride, PageSize::Small).unwrap();
            let mapping = memory.map(true).unwrap();
            let all = AllProcs::new(&mapping, stride, (0, 3), None, None);
            let address = |n| std::ptr::from_ref(all.proc(n).xid()).addr();
            assert_eq!(address(1) - address(0), stride);
            assert_eq!(address(2) - address(1), stride);
            assert!((GROUP_MEMBER_XID + 1) * 4 <= stride);
        }
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
    }

    #[test]
    fn a_pgxact_is_12_bytes_and_holds_what_snapshots_read() {
        assert_eq!(PGXACT_WORDS * size_of::<AtomicU32>(), 12);
        let memory = SharedMemory::new(8192, PageSize::Small).unwrap();
        let mapping = memory.map(true).unwrap();
        let all = AllProcs::new(&mapping, 856, (0, 3), Some(4096), Some(5000));
        let proc = all.proc(2);
        proc.xid().set(7);
        proc.xmin().set(5);
        proc.status_flags().set(0x12);
        proc.set_subxid_status(SubxidStatus(3).with_overflow());
        all.mirror_in_pgxact(proc);
        let status = SubxidStatus(0x103);
        assert_eq!(
            all.pgxact(2),
            (TransactionId(7), TransactionId(5), 0x12, status)
        );
        assert_eq!(all.pgxact(1), Default::default());
        let address = std::ptr::from_ref(proc.xid()).addr();
        assert_eq!(std::ptr::from_ref(proc.xmin()).addr() - address, 4);
        all.pgxactoff(1).set(6);
        assert_eq!(all.proc(1).pgxactoff().get(), 6);
    }
}
