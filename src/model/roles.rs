//! What the roles do in the modelled ProcArray.

use crossbeam::channel::{Receiver, Sender};

use crate::config::ModelConfig;
use crate::load::clock::burn_cpu;
use crate::load::thread_loop::ThreadOperation;
use crate::load::{Clock, MonotonicClock, Worker};
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{
    LockName, LockProbe, NoProbe, ProcArray, ProcNumber, Snapshot, SnapshotSource,
};
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesId, SeriesKey};

/// One backend: its slot and its cached snapshot.
#[derive(Debug)]
pub struct Backend {
    /// The slot.
    pub slot: ProcNumber,
    /// Survives statements, as PostgreSQL's static snapshots do.
    pub snapshot: Snapshot,
}

/// How often each operation was done, to be held against the locks' counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// GetSnapshotData that found its snapshot still valid, under ProcArrayLock.
    pub snapshots_reused: u64,
    /// The same without the lock.
    pub snapshots_reused_without_lock: u64,
    /// GetSnapshotData that scanned the array.
    pub snapshots_scanned: u64,
    /// ProcArrayAdd.
    pub adds: u64,
    /// ProcArrayRemove.
    pub removes: u64,
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

    #[inline]
    fn count_snapshot(&mut self, source: SnapshotSource) {
        *match source {
            SnapshotSource::Reused => &mut self.snapshots_reused,
            SnapshotSource::ReusedWithoutLock => &mut self.snapshots_reused_without_lock,
            SnapshotSource::Scanned => &mut self.snapshots_scanned,
        } += 1;
    }
}

impl std::ops::AddAssign for OperationCounts {
    fn add_assign(&mut self, other: Self) {
        self.snapshots_reused += other.snapshots_reused;
        self.snapshots_reused_without_lock += other.snapshots_reused_without_lock;
        self.snapshots_scanned += other.snapshots_scanned;
        self.adds += other.adds;
        self.removes += other.removes;
    }
}

/// Times ProcArrayLock: wait and hold. Its two inner clock reads make the hold
/// longer by about one read.
#[derive(Debug, Default)]
struct Stopwatch {
    requested_ns: u64,
    acquired_ns: u64,
    releasing_ns: u64,
}

impl LockProbe for Stopwatch {
    fn requesting(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.requested_ns = MonotonicClock.now_ns();
        }
    }
    fn acquired(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.acquired_ns = MonotonicClock.now_ns();
        }
    }
    fn releasing(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.releasing_ns = MonotonicClock.now_ns();
        }
    }
}

/// Where wait, hold and total of one lock-taking operation go.
#[derive(Debug, Clone, Copy)]
struct LockTimes {
    wait: SeriesId,
    hold: SeriesId,
    total: SeriesId,
}

impl LockTimes {
    fn declare(worker: &mut Worker, role: Role, operation: Operation) -> Self {
        let mut id = |phase| {
            worker
                .recorder()
                .declare(SeriesKey::service(role, operation, phase))
        };
        LockTimes {
            wait: id(Phase::Wait),
            hold: id(Phase::Hold),
            total: id(Phase::Total),
        }
    }

    fn record(self, worker: &mut Worker, watch: &Stopwatch) {
        let ended = MonotonicClock.now_ns();
        let recorder = worker.recorder();
        recorder.record(self.wait, watch.acquired_ns - watch.requested_ns);
        recorder.record(self.hold, watch.releasing_ns - watch.acquired_ns);
        recorder.record(self.total, ended - watch.requested_ns);
    }
}

/// A statement: its snapshots, then xmin cleared without a lock.
fn statement<L: SharedExclusiveLock>(
    array: &ProcArray<L>,
    backend: &mut Backend,
    snapshots: u32,
    counts: &mut OperationCounts,
) {
    for _ in 0..snapshots {
        let source = array.get_snapshot_data(backend.slot, &mut backend.snapshot, &mut NoProbe);
        counts.count_snapshot(source);
    }
    array.snapshot_reset_xmin(backend.slot);
}

/// A foreground reader: statements on one persistent backend. Wait and hold are
/// timed in a further, unquoted snapshot after one statement in `look_one_in`,
/// half-way to the next one: the lock as a newcomer finds it.
pub struct ReaderRole<'a, L> {
    /// The array.
    pub array: &'a ProcArray<L>,
    /// Its backend.
    pub backend: &'a mut Backend,
    /// Snapshots a statement.
    pub snapshots: u32,
    /// What was done.
    pub counts: OperationCounts,
    look_one_in: u32,
    until_look: u32,
    times: LockTimes,
}

impl<'a, L: SharedExclusiveLock> ReaderRole<'a, L> {
    /// A reader that looks inside one statement in `look_one_in`.
    pub fn new(
        array: &'a ProcArray<L>,
        backend: &'a mut Backend,
        snapshots: u32,
        look_one_in: u32,
        worker: &mut Worker,
    ) -> Self {
        ReaderRole {
            array,
            backend,
            snapshots,
            counts: OperationCounts::default(),
            look_one_in: look_one_in.max(1),
            until_look: 0,
            times: LockTimes::declare(worker, Role::Reader, Operation::Snapshot),
        }
    }
}

impl<L: SharedExclusiveLock> ThreadOperation for ReaderRole<'_, L> {
    #[inline]
    fn operate(&mut self, _worker: &mut Worker, _measured: bool) -> Result<(), ErrorClass> {
        statement(self.array, self.backend, self.snapshots, &mut self.counts);
        Ok(())
    }

    fn wants_look(&mut self) -> bool {
        let now = self.until_look == 0;
        self.until_look = if now {
            self.look_one_in
        } else {
            self.until_look
        } - 1;
        now
    }

    fn look(&mut self, worker: &mut Worker, measured: bool) {
        let mut watch = Stopwatch::default();
        let source =
            self.array
                .get_snapshot_data(self.backend.slot, &mut self.backend.snapshot, &mut watch);
        self.counts.count_snapshot(source);
        // Without the lock there is no wait and no hold.
        if measured && source != SnapshotSource::ReusedWithoutLock {
            self.times.record(worker, &watch);
        }
        self.array.snapshot_reset_xmin(self.backend.slot);
    }
}

/// How a client gets at a backend.
pub enum Means<'a> {
    /// Its own, kept open.
    KeptOpen(&'a mut Backend),
    /// A new one each time; the snapshot's memory is kept between them.
    Unpooled(Option<Snapshot>),
    /// One from the pool.
    Pool(Receiver<Backend>, Sender<Backend>),
    /// None: only the fork's CPU.
    ForkOnly,
}

/// A client.
pub struct ClientRole<'a, L> {
    array: &'a ProcArray<L>,
    means: Means<'a>,
    config: &'a ModelConfig,
    /// What was done.
    pub counts: OperationCounts,
    add: LockTimes,
    remove: LockTimes,
    connect: SeriesId,
    query: SeriesId,
    disconnect: SeriesId,
    checkout: SeriesId,
}

impl<'a, L: SharedExclusiveLock> ClientRole<'a, L> {
    /// A client that does its transactions by `means`.
    pub fn new(
        array: &'a ProcArray<L>,
        means: Means<'a>,
        config: &'a ModelConfig,
        worker: &mut Worker,
    ) -> Self {
        let add = LockTimes::declare(worker, Role::Client, Operation::ProcArrayAdd);
        let remove = LockTimes::declare(worker, Role::Client, Operation::ProcArrayRemove);
        let mut id = |operation| {
            let key = SeriesKey::service(Role::Client, operation, Phase::Total);
            worker.recorder().declare(key)
        };
        ClientRole {
            array,
            means,
            config,
            counts: OperationCounts::default(),
            add,
            remove,
            connect: id(Operation::Connect),
            query: id(Operation::Query),
            disconnect: id(Operation::Disconnect),
            checkout: id(Operation::Checkout),
        }
    }

    /// Connect, statement, disconnect, as a backend goes through them
    /// (postinit.c `InitPostgres`, ipc.c `proc_exit`; PostgreSQL 15).
    fn reconnect(
        &mut self,
        worker: &mut Worker,
        measured: bool,
        snapshot: Snapshot,
    ) -> Result<Snapshot, (ErrorClass, Snapshot)> {
        let clock = MonotonicClock;
        let began = clock.now_ns();
        burn_cpu(self.config.fork_cpu_ns);
        let Some(slot) = self.array.init_process() else {
            return Err((ErrorClass::new("sqlstate-53300"), snapshot));
        };
        let mut backend = Backend { slot, snapshot };
        // A new process has built no snapshot yet.
        backend.snapshot.invalidate();
        let mut watch = Stopwatch::default();
        self.array.add(slot, &mut watch);
        if measured {
            self.add.record(worker, &watch);
        }
        burn_cpu(self.config.session_cpu_ns);
        statement(
            self.array,
            &mut backend,
            self.config.connect_snapshots(),
            &mut self.counts,
        );
        let connected = clock.now_ns();
        statement(
            self.array,
            &mut backend,
            self.config.snapshots_per_statement,
            &mut self.counts,
        );
        let queried = clock.now_ns();
        self.array.remove(slot, None, &mut watch);
        if measured {
            self.remove.record(worker, &watch);
        }
        self.array.proc_kill(slot);
        self.counts.adds += 1;
        self.counts.removes += 1;
        if measured {
            let ended = clock.now_ns();
            let recorder = worker.recorder();
            recorder.record(self.connect, connected - began);
            recorder.record(self.query, queried - connected);
            recorder.record(self.disconnect, ended - queried);
        }
        Ok(backend.snapshot)
    }
}

impl<L: SharedExclusiveLock> ThreadOperation for ClientRole<'_, L> {
    fn operate(&mut self, worker: &mut Worker, measured: bool) -> Result<(), ErrorClass> {
        let snapshots = self.config.snapshots_per_statement;
        match &mut self.means {
            Means::KeptOpen(backend) => {
                statement(self.array, backend, snapshots, &mut self.counts);
                Ok(())
            }
            Means::Pool(free, give_back) => {
                let began = MonotonicClock.now_ns();
                let mut backend = free.recv().map_err(|_| ErrorClass::new("pool"))?;
                let checked_out = MonotonicClock.now_ns();
                statement(self.array, &mut backend, snapshots, &mut self.counts);
                give_back
                    .send(backend)
                    .map_err(|_| ErrorClass::new("pool"))?;
                if measured {
                    worker.recorder().record(self.checkout, checked_out - began);
                }
                Ok(())
            }
            Means::ForkOnly => {
                burn_cpu(self.config.fork_cpu_ns);
                Ok(())
            }
            Means::Unpooled(cached) => {
                let snapshot = cached.take().unwrap_or_else(|| self.array.new_snapshot());
                let (snapshot, outcome) = match self.reconnect(worker, measured, snapshot) {
                    Ok(snapshot) => (snapshot, Ok(())),
                    Err((class, snapshot)) => (snapshot, Err(class)),
                };
                self.means = Means::Unpooled(Some(snapshot));
                outcome
            }
        }
    }
}
