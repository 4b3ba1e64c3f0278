//! The shared memory: arrays, counters and locks, and how to make them.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossbeam::utils::CachePadded;

use super::ablations::Ablations;
use super::dense::SharedWord;
use super::freelist::FreeList;
use super::group_clear::GroupClear;
use super::locks::{
    CountedLock, LockCounts, LockExtremes, LockKind, SharedExclusiveLock, WakeCounts,
};
use super::mapping::{MappingKind, PageSize, Premapping};
use super::pgproc::{MAX_BACKENDS, NOT_A_MEMBER, PgProc, ProcNumber};
use super::profile::PgProfile;
use super::reuse_protocol::count_completion;
use super::shared_memory::{SharedBox, SharedMemory, SharedMemoryError};
use super::slot_order::SlotOrder;
use super::snapshot::Snapshot;
use super::view::{Layout, View};
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
    /// The lock-free reuse check, where no snapshot is ever reused.
    #[error(
        "+reuse-check needs snapshots that are reused: not in PostgreSQL 13, and not --without reuse"
    )]
    NothingToReuse,
    /// A lock that forked children cannot use.
    #[error(
        "--mapping forked needs a lock that works between processes: give --lock {}",
        LockKind::between_processes()
    )]
    LockOfOneProcess,
    /// The shared memory is not available.
    #[error(transparent)]
    Memory(#[from] SharedMemoryError),
}

/// PostgreSQL's ProcArray and what belongs to it, behind locks of type `L`.
///
/// Every backend in it is a [`ProcNumber`] which one thread at a time uses, in
/// the order `init_process`, `add`, any transactions, `remove`, `proc_kill`.
/// Other orders are mistakes of the caller: debug builds panic.
pub struct ProcArray<L> {
    pub(super) config: ProcArrayConfig,
    pub(super) proc_array_lock: SharedBox<CountedLock<L>>,
    pub(super) xid_gen_lock: SharedBox<CountedLock<L>>,
    memory: SharedMemory,
    layout: Layout,
    home: View,
    pub(super) free_procs: CachePadded<FreeList>,
    /// Whether snapshots are reused while no xid has completed.
    pub(super) reuses: bool,
    pub(super) group_clear: GroupClear,
}

/// How often the two locks were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
        if config.mapping == MappingKind::Forked && !L::WORKS_BETWEEN_PROCESSES {
            return Err(ConfigError::LockOfOneProcess);
        }
        let reuses = config.profile.version().dense_arrays && config.ablations.reuse;
        if config.lock_free_reuse && !reuses {
            return Err(ConfigError::NothingToReuse);
        }
        let layout = Layout::new(config.profile, config.ablations, max_backends);
        let memory = SharedMemory::new(layout.len, config.page_size)?;
        let home = View::new(&memory.map(true)?, &layout);
        let variables = home.transam_variables();
        variables.next_xid.store(config.next_xid.0, Relaxed);
        let latest_completed = config.next_xid.retreat();
        variables
            .latest_completed_xid
            .store(latest_completed.0, Relaxed);
        variables.xact_completion_count.store(1, Relaxed);
        for number in 0..max_backends {
            home.pgxactoff(number).set(NOT_A_MEMBER);
        }
        Ok(Self {
            proc_array_lock: SharedBox::new(CountedLock::new())?,
            xid_gen_lock: SharedBox::new(CountedLock::without_times())?,
            free_procs: CachePadded::new(FreeList::new(max_backends, config.profile)),
            memory,
            layout,
            home,
            reuses,
            group_clear: GroupClear::new(max_backends),
            config,
        })
    }

    /// The shared memory through a mapping of its own, no page of which is mapped yet: what a
    /// new connection has under [`MappingKind::Fresh`].
    ///
    /// # Errors
    /// When the kernel grants no mapping.
    pub fn fresh_view(&self) -> Result<View, SharedMemoryError> {
        Ok(View::new(&self.memory.map(false)?, &self.layout))
    }

    /// Maps the locks' pages in a forked child, so that no fault of theirs is counted as the array's:
    /// in PostgreSQL the two are neighbours in one page, here each has its counters behind it.
    pub(crate) fn make_locks_resident(&self) {
        self.proc_array_lock.make_resident();
        self.xid_gen_lock.make_resident();
    }

    /// Maps the PGPROCs' pages in a forked child, before it joins: `docker/premap.c` does it to PostgreSQL.
    pub(crate) fn premap(&self, how: Premapping) {
        self.home.premap(self.config.max_backends, how);
    }

    /// A small array of the same kind, and a free slot of it in front of one that stands, on which a
    /// forked child can go through the operations once: it has not even the pages of the code
    /// mapped, and they are none of the array's.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn rehearsal(&self) -> Result<(Self, ProcNumber), ConfigError> {
        let small = Self::new(ProcArrayConfig {
            max_backends: 2,
            inject_hold: Duration::ZERO,
            page_size: PageSize::Small,
            ..self.config.clone()
        })?;
        let standing = small.open_standing(1, 1, SlotOrder::Front);
        let slot = standing.and_then(|_| small.init_process());
        Ok((small, slot.ok_or(ConfigError::MaxBackends(2))?))
    }

    /// The shared memory through the process's own mapping, every page of which is mapped.
    #[inline]
    pub fn home(&self) -> &View {
        &self.home
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
        self.home.num_procs()
    }

    /// Transactions with an xid that have ended, plus 1, read without a lock
    /// (`xactCompletionCount`): a cached snapshot is valid as long as it stands still.
    #[cfg(test)]
    pub(crate) fn xact_completion_count(&self) -> u64 {
        let variables = self.home.transam_variables();
        variables.xact_completion_count.load(Relaxed)
    }

    /// The xmin that `proc` advertises, or `INVALID`.
    pub fn xmin(&self, proc: ProcNumber) -> TransactionId {
        TransactionId(self.home.proc(proc.0).xmin().get())
    }

    /// The xid of `proc`'s transaction, or `INVALID`.
    pub fn xid(&self, proc: ProcNumber) -> TransactionId {
        self.home.proc(proc.0).top_xid()
    }

    /// Where `proc` stands in `pgprocnos` and the dense arrays at this moment, read without a
    /// lock; none while it is not in the array.
    pub fn pgxactoff(&self, proc: ProcNumber) -> Option<usize> {
        let proc = self.home.proc(proc.0);
        let is_member = proc.pgxactoff().get() != NOT_A_MEMBER;
        is_member.then(|| self.home.offset_of(proc))
    }

    /// A snapshot never taken, with room for every backend: taking it allocates nothing.
    pub fn new_snapshot(&self) -> Snapshot {
        Snapshot::with_capacity(self.config.max_backends as usize)
    }

    /// One PGPROC, at home.
    #[inline]
    pub(super) fn proc(&self, slot: ProcNumber) -> PgProc<'_> {
        self.home.proc(slot.0)
    }

    /// Whether adding and removing hold XidGenLock inside ProcArrayLock.
    #[inline]
    pub(super) fn nests_xid_gen_lock(&self) -> bool {
        self.config.profile.version().dense_arrays && self.config.ablations.xid_gen_lock
    }

    /// `MaintainLatestCompletedXid`, and the counter that invalidates snapshots.
    /// The caller holds ProcArrayLock exclusively.
    pub(super) fn complete_xid(&self, latest_xid: TransactionId) {
        let variables = self.home.transam_variables();
        let latest = FullTransactionId(variables.latest_completed_xid.load(Relaxed));
        if latest.xid().precedes(latest_xid) {
            let completed = latest.relative(latest_xid);
            variables.latest_completed_xid.store(completed.0, Relaxed);
        }
        let counter = &variables.xact_completion_count;
        count_completion(counter, self.config.lock_free_reuse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};

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
        let nothing = LockKind::default().visit(Make(ProcArrayConfig {
            profile: PgProfile::V13,
            lock_free_reuse: true,
            ..ProcArrayConfig::default()
        }));
        assert!(nothing.unwrap().starts_with("+reuse-check needs snapshots"));
    }
}
