//! The client: does transactions in the way its arm says.

use crossbeam::channel::{Receiver, Sender};

use super::backend::Backend;
use super::block_threads::LockLoss;
use super::connection::{self, Course, Forking, Loss};
use super::lock_times::{LockTimes, Stopwatch};
use super::operation_counts::OperationCounts;
use super::worker_thread::Finished;
use crate::clock::burn_cpu;
use crate::clock::{Clock, MonotonicClock};
use crate::config::ModelConfig;
use crate::load::Worker;
use crate::load::thread_loop::ThreadOperation;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{MappingKind, ProcArray, Snapshot};
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesId, SeriesKey};

/// PostgreSQL's `ERRCODE_TOO_MANY_CONNECTIONS`.
pub(super) fn too_many_connections() -> ErrorClass {
    ErrorClass::new("sqlstate-53300")
}

/// What a client does, and how it gets at a backend.
pub(super) enum Means<'a> {
    /// Its own, kept open.
    KeptOpen(&'a mut Backend),
    /// A new one each time; the snapshot's memory is kept between them.
    Unpooled(Option<Snapshot>),
    /// One from the pool.
    Pool(Receiver<Backend>, Sender<Backend>),
    /// None: only the fork's CPU.
    ForkOnly,
    /// None: the CPU of a whole connection.
    CpuBurn,
    /// A new one each time that gets no further than authentication.
    FailedLogin(Option<Snapshot>),
    /// VACUUMs of an empty table on its own backend.
    Vacuum(&'a mut Backend),
    /// Small writes on its own backend.
    Commit(&'a mut Backend),
}

/// A client.
pub(super) struct ClientRole<'a, L> {
    array: &'a ProcArray<L>,
    means: Means<'a>,
    config: &'a ModelConfig,
    /// What was done.
    pub(super) counts: OperationCounts,
    add: LockTimes,
    remove: LockTimes,
    connect: SeriesId,
    query: SeriesId,
    disconnect: SeriesId,
    checkout: SeriesId,
    failed_login: SeriesId,
    vacuum: SeriesId,
    commit: SeriesId,
    /// Where connections are forked children.
    forking: Option<Forking<L>>,
    lock_loss: &'a LockLoss<Finished>,
}

impl<'a, L: SharedExclusiveLock> ClientRole<'a, L> {
    /// A client that does its transactions by `means`.
    pub(super) fn new(
        array: &'a ProcArray<L>,
        means: Means<'a>,
        config: &'a ModelConfig,
        worker: &mut Worker,
        lock_loss: &'a LockLoss<Finished>,
    ) -> Self {
        let forks = array.config().mapping == MappingKind::Forked;
        // Without memory for them no child can be heard: every connection then is an error.
        let forking = if forks { Forking::new(array) } else { None };
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
            failed_login: id(Operation::FailedLogin),
            vacuum: id(Operation::Vacuum),
            commit: id(Operation::Commit),
            forking,
            lock_loss,
        }
    }

    /// Forks, takes a slot and joins the array (postinit.c `InitPostgres`).
    fn connect(
        &mut self,
        worker: &mut Worker,
        measured: bool,
        memory: Snapshot,
    ) -> Result<Backend, (ErrorClass, Snapshot)> {
        burn_cpu(self.config.fork_cpu_ns);
        let mut watch = Stopwatch::default();
        let backend = Backend::join(self.array, memory, &mut watch, &mut self.counts)?;
        if measured {
            self.add.record(worker, &watch);
        }
        Ok(backend)
    }

    /// Leaves the array and gives the slot back (ipc.c `proc_exit`).
    fn disconnect(&mut self, worker: &mut Worker, measured: bool, backend: Backend) -> Snapshot {
        let mut watch = Stopwatch::default();
        let memory = backend.leave(self.array, &mut watch, &mut self.counts);
        if measured {
            self.remove.record(worker, &watch);
        }
        memory
    }

    /// Connect, statement, disconnect, as a backend goes through them.
    fn reconnect(
        &mut self,
        worker: &mut Worker,
        measured: bool,
        memory: Snapshot,
    ) -> Result<Snapshot, (ErrorClass, Snapshot)> {
        let clock = MonotonicClock;
        let began = clock.now_ns();
        if self.array.config().mapping == MappingKind::Forked {
            let course = Course {
                session_cpu_ns: self.config.session_cpu_ns,
                at_login: self.array.config().profile.snapshots_per_connect(),
                statement: Some(self.config.snapshots_per_statement),
            };
            return self.fork(worker, measured, memory, course);
        }
        let mut backend = self.connect(worker, measured, memory)?;
        burn_cpu(self.config.session_cpu_ns);
        let at_login = self.array.config().profile.snapshots_per_connect();
        backend.statement(self.array, at_login, &mut self.counts);
        let connected = clock.now_ns();
        let snapshots = self.config.snapshots_per_statement;
        backend.statement(self.array, snapshots, &mut self.counts);
        let queried = clock.now_ns();
        let memory = self.disconnect(worker, measured, backend);
        if measured {
            let ended = clock.now_ns();
            let recorder = worker.recorder();
            recorder.record(self.connect, connected - began);
            recorder.record(self.query, queried - connected);
            recorder.record(self.disconnect, ended - queried);
        }
        Ok(memory)
    }

    /// A login of a role that does not exist: joins the array, looks for it, leaves.
    fn fail_to_log_in(
        &mut self,
        worker: &mut Worker,
        measured: bool,
        memory: Snapshot,
    ) -> Result<Snapshot, (ErrorClass, Snapshot)> {
        if self.array.config().mapping == MappingKind::Forked {
            let course = Course {
                session_cpu_ns: 0,
                at_login: self.array.config().profile.snapshots_per_failed_login(),
                statement: None,
            };
            return self.fork(worker, measured, memory, course);
        }
        let mut backend = self.connect(worker, measured, memory)?;
        let snapshots = self.array.config().profile.snapshots_per_failed_login();
        backend.statement(self.array, snapshots, &mut self.counts);
        Ok(self.disconnect(worker, measured, backend))
    }

    /// The same in a forked child. Its fork costs what it costs: none is burnt on top.
    fn fork(
        &mut self,
        worker: &mut Worker,
        measured: bool,
        memory: Snapshot,
        course: Course,
    ) -> Result<Snapshot, (ErrorClass, Snapshot)> {
        let began = MonotonicClock.now_ns();
        let Some(forking) = &mut self.forking else {
            return Err((ErrorClass::new("no-mapping"), memory));
        };
        let (session, memory, outcome) = connection::in_child(self.array, memory, course, forking);
        self.counts += session.counts;
        match outcome {
            Ok(()) => {}
            Err(Loss::Connection(class)) => return Err((class, memory)),
            Err(Loss::ProcArrayLock(failure)) => {
                self.lock_loss.report(format!(
                    "{failure} where it may have held ProcArrayLock, which nobody can get any more (a PostgreSQL server would restart)"
                ));
                return Err((ErrorClass::new("child"), memory));
            }
        }
        if measured {
            let ended = MonotonicClock.now_ns();
            self.add
                .record_until(worker, &session.add, session.added_ns);
            self.remove
                .record_until(worker, &session.remove, session.removed_ns);
            if course.statement.is_some() {
                let recorder = worker.recorder();
                recorder.record(self.connect, session.connected_ns - began);
                recorder.record(self.query, session.queried_ns - session.connected_ns);
                // Until the parent knows that the child is gone.
                recorder.record(self.disconnect, ended - session.queried_ns);
            }
        }
        Ok(memory)
    }

    /// The memory of a snapshot, which goes from one new backend to the next.
    fn memory(&self, kept: Option<Snapshot>) -> Snapshot {
        kept.unwrap_or_else(|| self.array.new_snapshot())
    }
}

/// The memory, and how it went.
fn either(
    outcome: Result<Snapshot, (ErrorClass, Snapshot)>,
) -> (Option<Snapshot>, Result<(), ErrorClass>) {
    match outcome {
        Ok(memory) => (Some(memory), Ok(())),
        Err((class, memory)) => (Some(memory), Err(class)),
    }
}

impl<L: SharedExclusiveLock> ThreadOperation for ClientRole<'_, L> {
    fn operate(&mut self, worker: &mut Worker, measured: bool) -> Result<(), ErrorClass> {
        let snapshots = self.config.snapshots_per_statement;
        let background = &self.config.background;
        let now = || MonotonicClock.now_ns();
        let (of_its_own, began) = match &mut self.means {
            Means::KeptOpen(backend) => {
                backend.statement(self.array, snapshots, &mut self.counts);
                return Ok(());
            }
            Means::Pool(free, give_back) => {
                let began = now();
                let mut backend = free.recv().map_err(|_| ErrorClass::new("pool"))?;
                let checked_out = now();
                backend.statement(self.array, snapshots, &mut self.counts);
                give_back
                    .send(backend)
                    .map_err(|_| ErrorClass::new("pool"))?;
                if measured {
                    worker.recorder().record(self.checkout, checked_out - began);
                }
                return Ok(());
            }
            Means::ForkOnly => {
                burn_cpu(self.config.fork_cpu_ns);
                return Ok(());
            }
            Means::CpuBurn => {
                burn_cpu(self.config.fork_cpu_ns + self.config.session_cpu_ns);
                return Ok(());
            }
            Means::Unpooled(kept) => {
                let kept = kept.take();
                let memory = self.memory(kept);
                let (memory, outcome) = either(self.reconnect(worker, measured, memory));
                self.means = Means::Unpooled(memory);
                return outcome;
            }
            Means::FailedLogin(kept) => {
                let began = now();
                let kept = kept.take();
                let memory = self.memory(kept);
                let (memory, outcome) = either(self.fail_to_log_in(worker, measured, memory));
                self.means = Means::FailedLogin(memory);
                outcome?;
                (self.failed_login, began)
            }
            Means::Vacuum(backend) => {
                let began = now();
                backend.vacuum(self.array, &mut self.counts);
                (self.vacuum, began)
            }
            Means::Commit(backend) => {
                let began = now();
                let subtransactions = background.into();
                backend.commit(self.array, snapshots, subtransactions, &mut self.counts);
                (self.commit, began)
            }
        };
        if measured {
            worker.recorder().record(of_its_own, now() - began);
        }
        Ok(())
    }
}
