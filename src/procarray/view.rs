//! What PostgreSQL keeps in shared memory, where a mapping shows it.

use std::fmt;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};

use super::ablations::Ablations;
use super::dense::{PG_CACHE_LINE_SIZE, SharedWord};
use super::mapping::PageSize;
use super::pgproc::{AllProcs, PGXACT_WORDS, PgProc, SubxidStatus};
use super::profile::PgProfile;
use super::shared_memory::{Mapping, SharedArray};
use super::transam::TransamVariables;
use super::xid::TransactionId;

/// What a read fault maps at most, around the page that was read (Linux, `fault_around_bytes`).
const FAULT_AROUND: usize = 64 << 10;

/// Where an array begins on a page of its own, so that faults can be foretold.
const PAGE: usize = PageSize::Small.bytes();

/// PGPROCs behind those of clients: autovacuum, background workers, walsenders, auxiliary
/// processes and prepared transactions. About as many as 18 has by default; never in use
/// here. They fill more than [`FAULT_AROUND`], so that reading the arrays behind maps no PGPROC.
const OTHER_PROCS: usize = 80;

/// Words of `ProcArrayStruct` in front of `pgprocnos[]`, which begins at byte 36.
const HEADER_WORDS: usize = 9;
const NUM_PROCS: usize = 0;
const REPLICATION_SLOT_XMIN: usize = 7;
const REPLICATION_SLOT_CATALOG_XMIN: usize = 8;

/// Where everything is, in bytes from the beginning of the shared memory.
///
/// In PostgreSQL's order: transaction counters; after a gap (PostgreSQL's buffers, among others)
/// PGPROCs, the arrays that belong to them, and after another gap ProcArrayStruct: reading the
/// one maps no page of the other. Up to 17 every array starts at [`PG_CACHE_LINE_SIZE`]; in 18 PGPROCs, xids, subxidStates and statusFlags are one
/// allocation without padding (proc.c `InitProcGlobal`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    profile: PgProfile,
    ablations: Ablations,
    slots: usize,
    all_procs: usize,
    xids: usize,
    subxid_states: usize,
    status_flags: usize,
    pgxacts: usize,
    pgxactoffs: usize,
    proc_array_struct: usize,
    /// Bytes altogether.
    pub(super) len: usize,
}

impl Layout {
    pub(super) fn new(profile: PgProfile, ablations: Ablations, max_backends: u32) -> Self {
        let slots = max_backends as usize;
        let slots_if = |there: bool| if there { slots } else { 0 };
        let align = |offset: usize| offset.next_multiple_of(PG_CACHE_LINE_SIZE);
        let own_line = |offset| {
            if profile.version().one_allocation {
                offset
            } else {
                align(offset)
            }
        };
        let all_procs = size_of::<TransamVariables>().next_multiple_of(FAULT_AROUND);
        let end_of_procs = all_procs + (slots + OTHER_PROCS) * profile.version().stride;
        let dense = slots_if(profile.version().dense_arrays);
        let xids = if profile.version().one_allocation {
            end_of_procs
        } else {
            end_of_procs.next_multiple_of(PAGE)
        };
        let subxid_states = own_line(xids + dense * size_of::<AtomicU32>());
        let status_flags = own_line(subxid_states + dense * size_of::<AtomicU16>());
        let pgxacts = align(status_flags + dense);
        let pgxact_words = slots_if(!profile.version().dense_arrays) * PGXACT_WORDS;
        let pgxactoffs = align(pgxacts + pgxact_words * size_of::<AtomicU32>());
        let own_array = slots_if(ablations.own_pgxactoff_array);
        let end_of_arrays = pgxactoffs + own_array * size_of::<AtomicU32>();
        let proc_array_struct = end_of_arrays.next_multiple_of(PAGE) + FAULT_AROUND;
        Self {
            profile,
            ablations,
            slots,
            all_procs,
            xids,
            subxid_states,
            status_flags,
            pgxacts,
            pgxactoffs,
            proc_array_struct,
            len: proc_array_struct + (HEADER_WORDS + slots) * size_of::<AtomicU32>(),
        }
    }
}

/// The shared memory as one mapping shows it.
///
/// Every view of an array shows the same words. What it costs to touch them differs: the
/// first touch of a page through a mapping that does not have it is a page fault.
pub struct View {
    transam_variables: SharedArray<TransamVariables>,
    proc_array_struct: SharedArray<AtomicU32>,
    xids: SharedArray<AtomicU32>,
    subxid_states: SharedArray<AtomicU16>,
    status_flags: SharedArray<AtomicU8>,
    all_procs: AllProcs,
    renumbers: bool,
    pub(super) dense: bool,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    pub(super) fn new(mapping: &Arc<Mapping>, layout: &Layout) -> Self {
        let Layout { profile, slots, .. } = *layout;
        let dense = profile.version().dense_arrays;
        let dense_slots = if dense { slots } else { 0 };
        Self {
            transam_variables: SharedArray::new(mapping, 0, 1),
            proc_array_struct: SharedArray::new(
                mapping,
                layout.proc_array_struct,
                HEADER_WORDS + slots,
            ),
            xids: SharedArray::new(mapping, layout.xids, dense_slots),
            subxid_states: SharedArray::new(mapping, layout.subxid_states, dense_slots),
            status_flags: SharedArray::new(mapping, layout.status_flags, dense_slots),
            all_procs: AllProcs::new(
                mapping,
                profile.version().stride,
                (layout.all_procs, slots),
                (!dense).then_some(layout.pgxacts),
                layout
                    .ablations
                    .own_pgxactoff_array
                    .then_some(layout.pgxactoffs),
            ),
            renumbers: dense && layout.ablations.renumbering,
            dense,
        }
    }

    #[inline]
    pub(super) fn transam_variables(&self) -> &TransamVariables {
        &self.transam_variables.words()[0]
    }

    #[inline]
    pub(super) fn all_procs(&self) -> &AllProcs {
        &self.all_procs
    }

    #[inline]
    pub(super) fn proc(&self, number: u32) -> PgProc<'_> {
        self.all_procs.proc(number)
    }

    #[inline]
    fn header(&self, word: usize) -> &AtomicU32 {
        &self.proc_array_struct.words()[word]
    }

    #[inline]
    pub(super) fn num_procs(&self) -> usize {
        self.header(NUM_PROCS).get() as usize
    }

    pub(super) fn set_num_procs(&self, num_procs: usize) {
        self.header(NUM_PROCS).set(num_procs as u32);
    }

    #[cfg(test)]
    pub(super) fn num_procs_address(&self) -> usize {
        std::ptr::from_ref(self.header(NUM_PROCS)).addr()
    }

    #[cfg(test)]
    pub(super) fn renumbers(&self) -> bool {
        self.renumbers
    }

    /// `procArray->pgprocnos`: slot numbers in ascending order, `num_procs` of them valid.
    #[inline]
    pub(super) fn pgprocnos(&self) -> &[AtomicU32] {
        &self.proc_array_struct.words()[HEADER_WORDS..]
    }

    /// `ProcGlobal->xids`; empty up to 13.
    #[inline]
    pub(super) fn xids(&self) -> &[AtomicU32] {
        self.xids.words()
    }

    /// `ProcGlobal->subxidStates`; empty up to 13.
    #[inline]
    pub(super) fn subxid_states(&self) -> &[AtomicU16] {
        self.subxid_states.words()
    }

    /// `ProcGlobal->statusFlags`; empty up to 13.
    #[inline]
    pub(super) fn status_flags(&self) -> &[AtomicU8] {
        self.status_flags.words()
    }

    /// What snapshots and horizons read of a member: its xid, then its status flags. `index` is its
    /// place in the array.
    #[inline]
    pub(super) fn xid_and_flags(&self, index: usize, proc: PgProc<'_>) -> (TransactionId, u8) {
        if self.dense {
            let xid = TransactionId(self.xids()[index].get());
            (xid, self.status_flags()[index].get())
        } else {
            let (xid, _, flags, _) = self.all_procs.pgxact(proc.number());
            (xid, flags)
        }
    }

    /// The two xmins of replication slots, which every rebuilt snapshot reads.
    /// The model has no slots: both are invalid.
    #[inline]
    pub(super) fn replication_slot_xmins(&self) -> (TransactionId, TransactionId) {
        (
            TransactionId(self.header(REPLICATION_SLOT_XMIN).get()),
            TransactionId(self.header(REPLICATION_SLOT_CATALOG_XMIN).get()),
        )
    }

    /// Dense index of a member (14 and later): its `pgxactoff`, or, where nobody keeps that up
    /// to date, found in `pgprocnos` by binary search. Under either lock.
    #[inline]
    pub(super) fn offset_of(&self, proc: PgProc<'_>) -> usize {
        if self.renumbers {
            proc.pgxactoff().get() as usize
        } else {
            self.pgprocnos()[..self.num_procs()]
                .partition_point(|number| number.get() < proc.number())
        }
    }

    /// Stores an xid into the PGPROC and its dense mirror; up to 13 into the PGXACT, the only
    /// place. Under XidGenLock or ProcArrayLock.
    #[inline]
    pub(super) fn set_xid(&self, proc: PgProc<'_>, xid: TransactionId) {
        proc.xid().set(xid.0);
        if self.dense {
            self.xids()[self.offset_of(proc)].set(xid.0);
        }
    }

    /// Stores how many subxids are cached, and the copy of it that snapshots read.
    #[inline]
    pub(super) fn set_subxid_status(&self, proc: PgProc<'_>, status: SubxidStatus) {
        proc.set_subxid_status(status);
        if self.dense {
            self.subxid_states()[self.offset_of(proc)].set(status.0);
        } else {
            self.all_procs.mirror_in_pgxact(proc);
        }
    }

    /// Stores status flags, and the copy of them that snapshots read.
    #[inline]
    pub(super) fn set_status_flags(&self, proc: PgProc<'_>, flags: u8) {
        proc.status_flags().set(u32::from(flags));
        if self.dense {
            self.status_flags()[self.offset_of(proc)].set(flags);
        } else {
            self.all_procs.mirror_in_pgxact(proc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_stand_where_each_version_has_them() {
        for &profile in PgProfile::ALL {
            let layout = Layout::new(profile, Ablations::default(), 1000);
            let procs_end = layout.all_procs + (1000 + OTHER_PROCS) * profile.version().stride;
            assert_eq!(layout.all_procs % PG_CACHE_LINE_SIZE, 0);
            assert_eq!(layout.proc_array_struct % PG_CACHE_LINE_SIZE, 0);
            let arrays = [layout.xids, layout.subxid_states, layout.status_flags];
            if profile.version().one_allocation {
                assert_eq!(arrays, [procs_end, procs_end + 4000, procs_end + 6000]);
            } else {
                assert!(arrays.iter().all(|at| at % PG_CACHE_LINE_SIZE == 0));
            }
            assert!(OTHER_PROCS * profile.version().stride > FAULT_AROUND);
            assert!(layout.proc_array_struct >= layout.pgxactoffs + FAULT_AROUND);
            let own = Ablations {
                own_pgxactoff_array: true,
                ..Ablations::default()
            };
            let with_own = Layout::new(profile, own, 1000);
            assert!(with_own.proc_array_struct >= with_own.pgxactoffs + 4000);
        }
        // As measured on 18 with an even number of PGPROCs.
        let layout = Layout::new(PgProfile::V18, Ablations::default(), 920);
        assert_eq!(layout.xids % PG_CACHE_LINE_SIZE, 0);
    }
}
