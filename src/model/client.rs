//! A client: the transactions of its arm, one after the other, on a thread of its own.

use crossbeam::channel::{Receiver, Sender};

use super::backend::Backend;
use super::block_threads::LockLoss;
use super::operation_counts::OperationCounts;
use super::worker_thread::{Finished, carry_out};
use crate::clock::{Clock, MonotonicClock};
use crate::config::ModelConfig;
use crate::load::thread_loop::ThreadOperation;
use crate::load::{Cancel, Worker};
use crate::procarray::ProcArray;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesId, SeriesKey};

/// The connections of the in-process pool that nobody has, and where they are given back.
pub(super) type Pool = (Receiver<Backend>, Sender<Backend>);

/// What a client has, whatever its arm.
pub(super) struct Client<'a, L> {
    pub(super) array: &'a ProcArray<L>,
    /// Its persistent connection.
    pub(super) backend: &'a mut Backend,
    pub(super) pool: Pool,
    pub(super) config: &'a ModelConfig,
    /// Where it says that a forked child has died with a lock.
    pub(super) lock_loss: &'a LockLoss<Finished>,
    /// In closed loops of short transactions one in so many is timed.
    pub(super) short_one_in: u32,
    /// What was done.
    pub(super) counts: OperationCounts,
}

/// What the clients of one arm do: see `arms`.
pub(super) trait ClientArm<L: SharedExclusiveLock>: Sized {
    /// Whether a transaction is so short that closed loops time a sample of them.
    const IS_SHORT: bool = false;

    /// The operation under whose name a transaction is recorded once more, in service time.
    const RECORDED_AS: Option<Operation> = None;

    /// Before the block's start.
    fn new(client: &Client<'_, L>, worker: &mut Worker) -> Self;

    /// One transaction; `measured` says whether its phases are to be recorded.
    ///
    /// # Errors
    /// The class of the failure.
    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        worker: &mut Worker,
        measured: bool,
    ) -> Result<(), ErrorClass>;
}

/// The clients' series of `operation`, in service time.
pub(super) fn declare(worker: &mut Worker, operation: Operation) -> SeriesId {
    let key = SeriesKey::service(Role::Client, operation, Phase::Total);
    worker.recorder().declare(key)
}

/// Does the transactions of arm `A` until the block is over.
pub(super) fn run<L: SharedExclusiveLock, A: ClientArm<L>>(
    mut worker: Worker,
    cancel: &Cancel,
    client: Client<'_, L>,
) -> Finished {
    if A::IS_SHORT {
        worker.time_one_in(client.short_one_in);
    }
    let operation = ClientOperation {
        arm: A::new(&client, &mut worker),
        recorded_as: A::RECORDED_AS.map(|operation| declare(&mut worker, operation)),
        client,
    };
    carry_out(worker, cancel, operation, |o| o.client.counts)
}

struct ClientOperation<'a, L, A> {
    client: Client<'a, L>,
    arm: A,
    recorded_as: Option<SeriesId>,
}

impl<L: SharedExclusiveLock, A: ClientArm<L>> ThreadOperation for ClientOperation<'_, L, A> {
    fn operate(&mut self, worker: &mut Worker, measured: bool) -> Result<(), ErrorClass> {
        let Some(recorded_as) = self.recorded_as else {
            return self.arm.transaction(&mut self.client, worker, measured);
        };
        let began = MonotonicClock.now_ns();
        self.arm.transaction(&mut self.client, worker, measured)?;
        if measured {
            let service_ns = MonotonicClock.now_ns() - began;
            worker.recorder().record(recorded_as, service_ns);
        }
        Ok(())
    }
}
