//! The shared memory: arrays, counters and locks, and how to make them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use std::time::Duration;

use crossbeam::utils::CachePadded;
use serde::{Deserialize, Serialize};

use super::ablations::Ablations;
use super::dense::{DenseArray, SharedWord};
use super::freelist::FreeList;
use super::group_clear::GroupClear;
use super::locks::{CountedLock, LockCounts, LockExtremes, SharedExclusiveLock, WakeCounts};
use super::mapping::{MappingKind, PageSize};
use super::pgproc::{AllProcs, MAX_BACKENDS, ProcNumber};
use super::profile::PgProfile;
use super::snapshot::Snapshot;
use super::xid::{FullTransactionId, TransactionId};

/// What a [`ProcArray`] is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcArrayConfig {
    /// Slots for backends (`MaxBackends`), 1 to [`MAX_BACKENDS`].
    pub max_backends: u32,
    /// A known delay, spun inside the exclusive section of
    /// [`ProcArray::add`]: the positive control. A measurement that does not
    /// find it again measures something else. Zero (the default) costs one compare.
    pub inject_hold: Duration,
    /// The first transaction id to be given out.
    pub next_xid: FullTransactionId,
    /// Whether a cached snapshot that is still valid is reused without taking
    /// ProcArrayLock. No released PostgreSQL does.
    pub lock_free_reuse: bool,
    /// Whose ProcArray it is.
    pub profile: PgProfile,
    /// How connections see the shared memory.
    pub mapping: MappingKind,
    /// The shared memory's page size.
    pub page_size: PageSize,
    /// Which mechanisms are at work.
    pub ablations: Ablations,
}

impl Default for ProcArrayConfig {
    /// PostgreSQL 15 as it is, with its default `max_connections`.
    fn default() -> Self {
        Self {
            max_backends: 100,
            inject_hold: Duration::ZERO,
            next_xid: FullTransactionId::FIRST_NORMAL,
            lock_free_reuse: false,
            profile: PgProfile::default(),
            mapping: MappingKind::default(),
            page_size: PageSize::default(),
            ablations: Ablations::default(),
        }
    }
}

/// A [`ProcArrayConfig`] that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No slot at all, or more than PostgreSQL can have.
    #[error("{0} backends: choose 1 to {MAX_BACKENDS}")]
    MaxBackends(u32),
    /// The first transaction id is a special one.
    #[error("transaction id {0} is a special one: choose 3 or more")]
    NextXid(u64),
}

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
    /// Offset 56; under ProcArrayLock. Starts at 1: 0 marks a snapshot never taken.
    pub(super) xact_completion_count: AtomicU64,
    oldest_clog_xid: AtomicU64,
}

/// Words of `ProcArrayStruct` in front of `pgprocnos[]`, which begins at byte 36.
const HEADER_WORDS: usize = 9;
const NUM_PROCS: usize = 0;
const REPLICATION_SLOT_XMIN: usize = 7;
const REPLICATION_SLOT_CATALOG_XMIN: usize = 8;

/// PostgreSQL's ProcArray and what belongs to it, behind locks of type `L`.
///
/// Every backend in it is a [`ProcNumber`] which one thread at a time uses, in
/// the order `init_process`, `add`, any transactions, `remove`, `proc_kill`.
/// Other orders are mistakes of the caller: debug builds panic.
pub struct ProcArray<L> {
    pub(super) config: ProcArrayConfig,
    pub(super) proc_array_lock: CountedLock<L>,
    pub(super) xid_gen_lock: CountedLock<L>,
    pub(super) transam_variables: CachePadded<TransamVariables>,
    proc_array_struct: DenseArray<AtomicU32>,
    xids: DenseArray<AtomicU32>,
    subxid_states: DenseArray<AtomicU16>,
    status_flags: DenseArray<AtomicU8>,
    pub(super) all_procs: AllProcs,
    pub(super) free_procs: CachePadded<FreeList>,
    pub(super) group_clear: GroupClear,
}

/// How often the two locks were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcArrayCounts {
    /// ProcArrayLock.
    pub proc_array: LockCounts,
    /// XidGenLock. Its holds are not timed, as they lie within ProcArrayLock's.
    pub xid_gen: LockCounts,
    /// ProcArrayLock's wake-ups, where the lock counts them.
    pub proc_array_wakes: Option<WakeCounts>,
}

impl std::ops::Sub for ProcArrayCounts {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            proc_array: self.proc_array - earlier.proc_array,
            xid_gen: self.xid_gen - earlier.xid_gen,
            proc_array_wakes: self
                .proc_array_wakes
                .zip(earlier.proc_array_wakes)
                .map(|(later, earlier)| later - earlier),
        }
    }
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// An empty array (`CreateSharedProcArray`, `InitProcGlobal`).
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration is out of PostgreSQL's range.
    pub fn new(config: ProcArrayConfig) -> Result<Self, ConfigError> {
        let max_backends = config.max_backends;
        if max_backends == 0 || max_backends > MAX_BACKENDS {
            return Err(ConfigError::MaxBackends(max_backends));
        }
        if !config.next_xid.is_normal() {
            return Err(ConfigError::NextXid(config.next_xid.0));
        }
        let slots = max_backends as usize;
        Ok(Self {
            proc_array_lock: CountedLock::new(),
            xid_gen_lock: CountedLock::without_times(),
            transam_variables: CachePadded::new(TransamVariables {
                oid_counters: AtomicU64::new(0),
                next_xid: AtomicU64::new(config.next_xid.0),
                wraparound_limits: Default::default(),
                latest_completed_xid: AtomicU64::new(config.next_xid.retreat().0),
                xact_completion_count: AtomicU64::new(1),
                oldest_clog_xid: AtomicU64::new(0),
            }),
            proc_array_struct: DenseArray::new(HEADER_WORDS + slots),
            xids: DenseArray::new(slots),
            subxid_states: DenseArray::new(slots),
            status_flags: DenseArray::new(slots),
            all_procs: AllProcs::new(max_backends),
            free_procs: CachePadded::new(FreeList::new(max_backends)),
            group_clear: GroupClear::new(max_backends),
            config,
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &ProcArrayConfig {
        &self.config
    }

    /// Acquisitions of both locks so far, by all threads.
    pub fn lock_counts(&self) -> ProcArrayCounts {
        ProcArrayCounts {
            proc_array: self.proc_array_lock.counts(),
            xid_gen: self.xid_gen_lock.counts(),
            proc_array_wakes: self.proc_array_lock.wake_counts(),
        }
    }

    /// The worst that happened at ProcArrayLock since this was last called.
    pub fn take_proc_array_lock_extremes(&self) -> LockExtremes {
        self.proc_array_lock.take_extremes()
    }

    /// Backends in the array at this moment, read without a lock.
    pub fn num_procs(&self) -> usize {
        self.header(NUM_PROCS).get() as usize
    }

    /// Transactions with an xid that have ended, plus 1, read without a lock
    /// (`xactCompletionCount`): a cached snapshot is valid as long as it stands still.
    pub fn xact_completion_count(&self) -> u64 {
        self.transam_variables.xact_completion_count.load(Relaxed)
    }

    /// The xmin that `proc` advertises, or `INVALID`.
    pub fn xmin(&self, proc: ProcNumber) -> TransactionId {
        TransactionId(self.all_procs.proc(proc.0).xmin().get())
    }

    /// The xid of `proc`'s transaction, or `INVALID`.
    pub fn xid(&self, proc: ProcNumber) -> TransactionId {
        self.all_procs.proc(proc.0).top_xid()
    }

    /// Where `proc` stands in the dense arrays at this moment (`pgxactoff`), read
    /// without a lock; none while it is not in the array.
    pub fn pgxactoff(&self, proc: ProcNumber) -> Option<usize> {
        let offset = self.all_procs.proc(proc.0).pgxactoff().get();
        (offset != super::pgproc::NOT_A_MEMBER).then_some(offset as usize)
    }

    /// A snapshot never taken, with room for every backend: taking it allocates nothing.
    pub fn new_snapshot(&self) -> Snapshot {
        Snapshot::with_capacity(self.config.max_backends as usize)
    }

    #[inline]
    fn header(&self, word: usize) -> &AtomicU32 {
        &self.proc_array_struct.words()[word]
    }

    pub(super) fn set_num_procs(&self, num_procs: usize) {
        self.header(NUM_PROCS).set(num_procs as u32);
    }

    /// `procArray->pgprocnos`: slot numbers in ascending order, `num_procs` of them valid.
    #[inline]
    pub(super) fn pgprocnos(&self) -> &[AtomicU32] {
        &self.proc_array_struct.words()[HEADER_WORDS..]
    }

    /// `ProcGlobal->xids`.
    #[inline]
    pub(super) fn xids(&self) -> &[AtomicU32] {
        self.xids.words()
    }

    /// `ProcGlobal->subxidStates`.
    #[inline]
    pub(super) fn subxid_states(&self) -> &[AtomicU16] {
        self.subxid_states.words()
    }

    /// `ProcGlobal->statusFlags`.
    #[inline]
    pub(super) fn status_flags(&self) -> &[AtomicU8] {
        self.status_flags.words()
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

    /// `MaintainLatestCompletedXid`, and the counter that invalidates snapshots.
    /// The caller holds ProcArrayLock exclusively.
    pub(super) fn complete_xid(&self, latest_xid: TransactionId) {
        let variables = &self.transam_variables;
        let latest = FullTransactionId(variables.latest_completed_xid.load(Relaxed));
        if latest.xid().precedes(latest_xid) {
            let completed = latest.relative(latest_xid);
            variables.latest_completed_xid.store(completed.0, Relaxed);
        }
        let count = variables.xact_completion_count.load(Relaxed);
        variables.xact_completion_count.store(count + 1, Relaxed);
        self.order_completion_before_horizons();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use std::mem::offset_of;

    #[test]
    fn transam_variables_stand_where_postgres_has_them() {
        assert_eq!(offset_of!(TransamVariables, next_xid), 8);
        assert_eq!(offset_of!(TransamVariables, latest_completed_xid), 48);
        assert_eq!(offset_of!(TransamVariables, xact_completion_count), 56);
        assert_eq!(size_of::<TransamVariables>(), 72);
    }

    struct Make(ProcArrayConfig);
    impl LockVisitor for Make {
        type Output = Option<String>;
        fn visit<L: SharedExclusiveLock>(self) -> Option<String> {
            ProcArray::<L>::new(self.0).err().map(|e| e.to_string())
        }
    }

    #[test]
    fn impossible_configurations_are_refused_in_one_line() {
        let refused = |max_backends, next_xid| {
            LockKind::default().visit(Make(ProcArrayConfig {
                max_backends,
                next_xid: FullTransactionId(next_xid),
                ..ProcArrayConfig::default()
            }))
        };
        assert_eq!(refused(1, 3), None);
        assert_eq!(refused(0, 3).unwrap(), "0 backends: choose 1 to 262143");
        assert!(refused(MAX_BACKENDS + 1, 3).is_some());
        assert!(refused(10, 1 << 32).unwrap().contains("special"));
    }
}
