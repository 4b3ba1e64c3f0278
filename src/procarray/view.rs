//! What PostgreSQL keeps in shared memory, where a mapping shows it.

use std::fmt;
use std::hint::black_box;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};

use super::ablations::Ablations;
use super::dense::{PG_CACHE_LINE_SIZE, SharedWord};
use super::mapping::{FAULT_AROUND, PageSize, Premapping};
use super::pgproc::{PGXACT_STATE, PGXACT_WORDS, PGXACTOFF, PgProc, SubxidStatus};
use super::profile::PgProfile;
use super::shared_memory::{Mapping, SharedArray, Span};
use super::transam::TransamVariables;
use super::xid::TransactionId;

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
    all_procs: Span,
    xids: Span,
    subxid_states: Span,
    status_flags: Span,
    pgxacts: Span,
    pgxactoffs: Span,
    proc_array_struct: Span,
    /// Bytes altogether.
    pub(super) len: usize,
}

impl Layout {
    pub(super) fn new(profile: PgProfile, ablations: Ablations, max_backends: u32) -> Self {
        let slots = max_backends as usize;
        let version = profile.version();
        let slots_if = |there: bool| if there { slots } else { 0 };
        let dense = slots_if(version.dense_arrays);
        let (after_procs, own_line) = match version.one_allocation {
            true => (1, 1),
            false => (PAGE, PG_CACHE_LINE_SIZE),
        };
        let mut end = size_of::<TransamVariables>();
        let mut place = |alignment: usize, len: usize, bytes_each: usize| {
            let offset = end.next_multiple_of(alignment);
            end = offset + len * bytes_each;
            Span { offset, len }
        };
        let all_procs = place(FAULT_AROUND, slots + OTHER_PROCS, version.stride);
        let xids = place(after_procs, dense, size_of::<AtomicU32>());
        let subxid_states = place(own_line, dense, size_of::<AtomicU16>());
        let status_flags = place(own_line, dense, 1);
        let pgxact_words = slots_if(!version.dense_arrays) * PGXACT_WORDS;
        let pgxacts = place(PG_CACHE_LINE_SIZE, pgxact_words, size_of::<AtomicU32>());
        let own_array = slots_if(ablations.own_pgxactoff_array);
        let pgxactoffs = place(PG_CACHE_LINE_SIZE, own_array, size_of::<AtomicU32>());
        place(PAGE, FAULT_AROUND, 1);
        let proc_array_struct = place(1, HEADER_WORDS + slots, size_of::<AtomicU32>());
        Self {
            profile,
            ablations,
            all_procs,
            xids,
            subxid_states,
            status_flags,
            pgxacts,
            pgxactoffs,
            proc_array_struct,
            len: end,
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
    /// `ProcGlobal->xids`; empty up to 13.
    pub(super) xids: SharedArray<AtomicU32>,
    /// `ProcGlobal->subxidStates`; empty up to 13.
    pub(super) subxid_states: SharedArray<AtomicU16>,
    /// `ProcGlobal->statusFlags`; empty up to 13.
    pub(super) status_flags: SharedArray<AtomicU8>,
    all_procs: SharedArray<AtomicU32>,
    stride_words: usize,
    /// Up to 13 (`ProcGlobal->allPgXact`).
    pgxacts: Option<SharedArray<AtomicU32>>,
    /// Where they are outside the PGPROCs.
    pgxactoffs: Option<SharedArray<AtomicU32>>,
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
        let dense = layout.profile.version().dense_arrays;
        let own_array = layout.ablations.own_pgxactoff_array;
        let stride_words = layout.profile.version().stride / size_of::<AtomicU32>();
        let transam = Span { offset: 0, len: 1 };
        let all_procs = Span {
            len: layout.all_procs.len * stride_words,
            ..layout.all_procs
        };
        Self {
            transam_variables: SharedArray::new(mapping, transam),
            proc_array_struct: SharedArray::new(mapping, layout.proc_array_struct),
            xids: SharedArray::new(mapping, layout.xids),
            subxid_states: SharedArray::new(mapping, layout.subxid_states),
            status_flags: SharedArray::new(mapping, layout.status_flags),
            all_procs: SharedArray::new(mapping, all_procs),
            stride_words,
            pgxacts: (!dense).then(|| SharedArray::new(mapping, layout.pgxacts)),
            pgxactoffs: own_array.then(|| SharedArray::new(mapping, layout.pgxactoffs)),
            renumbers: dense && layout.ablations.renumbering,
            dense,
        }
    }

    #[inline]
    pub(super) fn transam_variables(&self) -> &TransamVariables {
        &self.transam_variables[0]
    }

    /// One PGPROC (`ProcGlobal->allProcs`).
    #[inline]
    pub(super) fn proc(&self, number: u32) -> PgProc<'_> {
        let at = number as usize * self.stride_words;
        let words = &self.all_procs[at..at + self.stride_words];
        let pgxactoffs = self.pgxactoffs.as_ref();
        let pgxactoff = pgxactoffs.map(|array| &array[number as usize]);
        PgProc::new(number, words, self.pgxact_words(number), pgxactoff)
    }

    /// Touches the PGPROCs of so many slots, which maps their pages in a process that has none of them.
    /// Changes nothing.
    pub(super) fn premap(&self, slots: u32, how: Premapping) {
        let procs = &self.all_procs[..slots as usize * self.stride_words];
        let words = how.step() / size_of::<AtomicU32>();
        // The last, too: a mapping begins on a page, not on 64 kB.
        for word in procs.iter().step_by(words).chain(procs.last()) {
            // A zero that the compiler knows would be no store.
            match how {
                Premapping::WriteEachPage => word.fetch_or(black_box(0), Relaxed),
                Premapping::ReadPer64Kb => black_box(word.load(Relaxed)),
            };
        }
    }

    /// Only the `pgxactoff`, wherever it is.
    #[inline]
    pub(super) fn pgxactoff(&self, number: u32) -> &AtomicU32 {
        match &self.pgxactoffs {
            None => &self.all_procs[number as usize * self.stride_words + PGXACTOFF],
            Some(pgxactoffs) => &pgxactoffs[number as usize],
        }
    }

    #[inline]
    fn pgxact_words(&self, number: u32) -> Option<&[AtomicU32]> {
        let at = number as usize * PGXACT_WORDS;
        let pgxacts = self.pgxacts.as_ref()?;
        Some(&pgxacts[at..at + PGXACT_WORDS])
    }

    /// A slot's PGXACT: xid, xmin, and status flags with the subxid status above them. Empty
    /// from 14 on.
    #[inline]
    pub(super) fn pgxact(&self, number: u32) -> (TransactionId, TransactionId, u8, SubxidStatus) {
        let Some(words) = self.pgxact_words(number) else {
            return Default::default();
        };
        let state = words[PGXACT_STATE].get();
        (
            TransactionId(words[0].get()),
            TransactionId(words[1].get()),
            state as u8,
            SubxidStatus((state >> 8) as u16),
        )
    }

    /// Brings the PGXACT's copy of flags and subxid status up to date, by one who may store them.
    pub(super) fn mirror_in_pgxact(&self, proc: PgProc<'_>) {
        if let Some(words) = self.pgxact_words(proc.number()) {
            let status = u32::from(proc.subxid_status().0);
            words[PGXACT_STATE].set(status << 8 | proc.status_flags().get());
        }
    }

    #[inline]
    fn header(&self, word: usize) -> &AtomicU32 {
        &self.proc_array_struct[word]
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
        &self.proc_array_struct[HEADER_WORDS..]
    }

    /// What snapshots and horizons read of a member: its xid, then its status flags. `index` is its
    /// place in the array.
    #[inline]
    pub(super) fn xid_and_flags(&self, index: usize, proc: PgProc<'_>) -> (TransactionId, u8) {
        if self.dense {
            let xid = TransactionId(self.xids[index].get());
            (xid, self.status_flags[index].get())
        } else {
            let (xid, _, flags, _) = self.pgxact(proc.number());
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
            self.xids[self.offset_of(proc)].set(xid.0);
        }
    }

    /// Stores how many subxids are cached, and the copy of it that snapshots read.
    #[inline]
    pub(super) fn set_subxid_status(&self, proc: PgProc<'_>, status: SubxidStatus) {
        proc.set_subxid_status(status);
        if self.dense {
            self.subxid_states[self.offset_of(proc)].set(status.0);
        } else {
            self.mirror_in_pgxact(proc);
        }
    }

    /// Stores status flags, and the copy of them that snapshots read.
    #[inline]
    pub(super) fn set_status_flags(&self, proc: PgProc<'_>, flags: u8) {
        proc.status_flags().set(u32::from(flags));
        if self.dense {
            self.status_flags[self.offset_of(proc)].set(flags);
        } else {
            self.mirror_in_pgxact(proc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::shared_memory::SharedMemory;

    #[test]
    fn arrays_stand_where_each_version_has_them() {
        for &profile in PgProfile::ALL {
            let layout = Layout::new(profile, Ablations::default(), 1000);
            let procs_end =
                layout.all_procs.offset + (1000 + OTHER_PROCS) * profile.version().stride;
            assert_eq!(layout.all_procs.offset % PG_CACHE_LINE_SIZE, 0);
            assert_eq!(layout.proc_array_struct.offset % PG_CACHE_LINE_SIZE, 0);
            let arrays = [layout.xids, layout.subxid_states, layout.status_flags];
            let arrays = arrays.map(|array| array.offset);
            if profile.version().one_allocation {
                assert_eq!(arrays, [procs_end, procs_end + 4000, procs_end + 6000]);
            } else {
                assert!(arrays.iter().all(|at| at % PG_CACHE_LINE_SIZE == 0));
            }
            assert!(OTHER_PROCS * profile.version().stride > FAULT_AROUND);
            assert!(layout.proc_array_struct.offset >= layout.pgxactoffs.offset + FAULT_AROUND);
            let own = Ablations {
                own_pgxactoff_array: true,
                ..Ablations::default()
            };
            let with_own = Layout::new(profile, own, 1000);
            assert!(with_own.proc_array_struct.offset >= with_own.pgxactoffs.offset + 4000);
        }
        // As measured on 18 with an even number of PGPROCs.
        let layout = Layout::new(PgProfile::V18, Ablations::default(), 920);
        assert_eq!(layout.xids.offset % PG_CACHE_LINE_SIZE, 0);
    }

    fn view(profile: PgProfile, ablations: Ablations) -> View {
        let layout = Layout::new(profile, ablations, 3);
        let memory = SharedMemory::new(layout.len, PageSize::Small).unwrap();
        View::new(&memory.map(true).unwrap(), &layout)
    }

    fn address<T>(word: &T) -> usize {
        std::ptr::from_ref(word).addr()
    }

    #[test]
    fn slots_stand_a_postgres_stride_apart() {
        for &profile in PgProfile::ALL {
            let stride = profile.version().stride;
            let view = view(profile, Ablations::default());
            let pid = |number| address(view.proc(number).pid());
            assert_eq!(pid(1) - pid(0), stride);
            assert_eq!(pid(2) - pid(1), stride);
        }
    }

    #[test]
    fn a_pgxact_is_12_bytes_and_holds_what_snapshots_read() {
        assert_eq!(PGXACT_WORDS * size_of::<AtomicU32>(), 12);
        let own_array = Ablations {
            own_pgxactoff_array: true,
            ..Ablations::default()
        };
        let view = view(PgProfile::V13, own_array);
        let proc = view.proc(2);
        proc.xid().set(7);
        proc.xmin().set(5);
        proc.status_flags().set(0x12);
        proc.set_subxid_status(SubxidStatus(3).with_overflow());
        view.mirror_in_pgxact(proc);
        let status = SubxidStatus(0x103);
        let pgxact = (TransactionId(7), TransactionId(5), 0x12, status);
        assert_eq!(view.pgxact(2), pgxact);
        assert_eq!(view.pgxact(1), Default::default());
        assert_eq!(address(proc.xmin()) - address(proc.xid()), 4);
        view.pgxactoff(1).set(6);
        assert_eq!(view.proc(1).pgxactoff().get(), 6);
    }
}
