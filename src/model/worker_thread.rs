//! One role on its thread: what it has, and its way from the common start to what it hands back.

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender};

use super::backend::{Backend, Connection};
use super::block_threads::LockLoss;
use super::operation_counts::OperationCounts;
use crate::clock::thread_cpu_ns;
use crate::clock::{Clock, MonotonicClock};
use crate::config::ModelConfig;
use crate::factor::OfferedRate;
use crate::load::thread_loop::{ThreadOperation, drive};
use crate::load::{Cancel, Window, Worker};
use crate::procarray::ProcArray;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation, Phase, Recorder, Role, RoleTally, SeriesId, SeriesKey};

/// The connections of the in-process pool that nobody has, and where they are given back.
pub(super) type Pool = (Receiver<Connection>, Sender<Connection>);

/// What is done on one thread, at which rate by all threads that do the same, and how many these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) role: Role,
    pub(super) operation: Operation,
    pub(super) rate: OfferedRate,
    pub(super) threads: u32,
}

impl Work {
    /// On each of its threads.
    pub(super) fn on_each_thread(self) -> impl Iterator<Item = Self> {
        std::iter::repeat_n(self, self.threads as usize)
    }
}

/// What a role has, whatever it does.
pub(super) struct RoleContext<'a, L> {
    pub(super) array: &'a ProcArray<L>,
    pub(super) config: &'a ModelConfig,
    /// Its persistent connection.
    pub(super) connection: &'a mut Connection,
    pub(super) pool: Pool,
    /// Where it says that a forked child has died with a lock.
    pub(super) lock_loss: &'a LockLoss<Finished>,
    pub(super) worker: Worker,
    pub(super) stop: &'a Cancel,
    /// Very short operations are timed one in so many: closed loops of statements, and snapshots.
    pub(super) one_in: u32,
}

/// Does a role's part of a block on the calling thread.
pub(super) type RunRole<L> = fn(RoleContext<'_, L>) -> Finished;

/// What one worker thread hands back.
pub(super) struct Finished {
    pub(super) role: Role,
    pub(super) recorder: Recorder,
    pub(super) tally: RoleTally,
    pub(super) cpu_ns: u64,
    pub(super) counts: OperationCounts,
}

/// The worker's series of a part of `operation`, in service time.
pub(super) fn declare(worker: &mut Worker, operation: Operation, phase: Phase) -> SeriesId {
    let key = SeriesKey::service(worker.role(), operation, phase);
    worker.recorder().declare(key)
}

impl<L: SharedExclusiveLock> RoleContext<'_, L> {
    /// Does a short transaction on the persistent connection, as [`repeat`].
    pub(super) fn persistent(
        mut self,
        recorded_as: Option<Operation>,
        mut transaction: impl FnMut(&mut Backend<'_, L>, &ModelConfig),
    ) -> Finished {
        self.worker.time_one_in(self.one_in);
        let mut counts = OperationCounts::default();
        let Connection { slot, snapshot } = self.connection;
        let mut backend = Backend::new(self.array, *slot, snapshot, &mut counts);
        let finished = repeat(self.worker, self.stop, recorded_as, |_, _| {
            transaction(&mut backend, self.config);
            Ok(())
        });
        Finished { counts, ..finished }
    }
}

/// Does `transaction` until the block is over. It is told whether its phases are to be recorded; the whole
/// is recorded once more as `recorded_as`, in service time.
pub(super) fn repeat(
    mut worker: Worker,
    stop: &Cancel,
    recorded_as: Option<Operation>,
    transaction: impl FnMut(&mut Worker, bool) -> Result<(), ErrorClass>,
) -> Finished {
    let recorded_as = recorded_as.map(|operation| declare(&mut worker, operation, Phase::Total));
    let repeated = Repeated {
        transaction,
        recorded_as,
    };
    carry_out(worker, stop, repeated)
}

struct Repeated<F> {
    transaction: F,
    recorded_as: Option<SeriesId>,
}

impl<F: FnMut(&mut Worker, bool) -> Result<(), ErrorClass>> ThreadOperation for Repeated<F> {
    #[inline]
    fn operate(&mut self, worker: &mut Worker, measured: bool) -> Result<(), ErrorClass> {
        let Some(recorded_as) = self.recorded_as else {
            return (self.transaction)(worker, measured);
        };
        let began = MonotonicClock.now_ns();
        (self.transaction)(worker, measured)?;
        if measured {
            let service_ns = MonotonicClock.now_ns() - began;
            worker.recorder().record(recorded_as, service_ns);
        }
        Ok(())
    }
}

/// Waits for the block's start and does `operation` until the block is over.
pub(super) fn carry_out(
    mut worker: Worker,
    stop: &Cancel,
    mut operation: impl ThreadOperation,
) -> Finished {
    await_start(&worker.window(), stop);
    let _ = nix::sys::prctl::set_timerslack(1);
    let cpu_before = thread_cpu_ns();
    drive(&mut worker, stop, &mut operation);
    let cpu_ns = thread_cpu_ns() - cpu_before;
    let (role, recorder, tally) = worker.finish();
    Finished {
        role,
        recorder,
        tally,
        cpu_ns,
        counts: OperationCounts::default(),
    }
}

/// Sleeps to the common start, so that all workers begin together.
fn await_start(window: &Window, cancel: &Cancel) {
    while !cancel.is_cancelled() {
        let now = MonotonicClock.now_ns();
        if now >= window.start_ns {
            return;
        }
        std::thread::sleep(Duration::from_nanos(
            (window.start_ns - now).min(10_000_000),
        ));
    }
}
