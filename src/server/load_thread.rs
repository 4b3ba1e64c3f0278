//! Load threads: some for the readers, one for the clients, each with its own
//! single-threaded event loop on which its workers run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self as sync_mpsc, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::arms::{Setup, all_clients};
use super::block_load::{BlockLoad, LoadError};
use super::event_loop::event_loop;
use super::frontend::FrontendError;
use super::workers::AnyWorkers;
use crate::arm::Arm;
use crate::load::Cancel;
use crate::load::timer::PreciseTimer;
use crate::record::{BlockRecord, Role};

/// How long operations under way may take to end by themselves after a stop request.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long the disconnects of a thread may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How often a wait looks for a stop request.
const LOOK_FOR_STOP: Duration = Duration::from_millis(50);
/// What a wait ends with when the user does not want it any more.
const INTERRUPTED: &str = "interrupted";

/// The arm whose clients do what the readers do.
pub const READERS: Arm = Arm::KeptOpen;

type Answer = Result<BlockRecord, LoadError>;

/// A thread that carries out blocks with its workers.
#[derive(Debug)]
pub struct LoadThread {
    blocks: Option<mpsc::UnboundedSender<(BlockLoad, sync_mpsc::Sender<Answer>)>>,
    thread: Option<JoinHandle<()>>,
    /// Drops what the thread is waiting for: a server may never answer.
    abandon: Arc<Notify>,
}

/// A thread's workers, with their connections: of every arm, or the readers, which do the same in every arm.
struct ThreadWorkers {
    role: Role,
    by_arm: BTreeMap<Arm, AnyWorkers>,
    timer_lead_ns: u64,
}

impl ThreadWorkers {
    async fn connect(setup: &Setup) -> Result<Self, FrontendError> {
        let lead = PreciseTimer::measure_wake_delay().await;
        Ok(ThreadWorkers {
            role: setup.role,
            timer_lead_ns: lead.map_err(|e| FrontendError::Here(e.to_string()))?,
            by_arm: all_clients(setup).await?,
        })
    }

    async fn run(&mut self, load: &BlockLoad) -> Answer {
        let arm = if self.role == Role::Reader {
            READERS
        } else {
            load.arm
        };
        match self.by_arm.get_mut(&arm) {
            Some(workers) => workers.run(self.role, load, self.timer_lead_ns).await,
            None => Ok(BlockRecord::default()),
        }
    }

    async fn close(self) {
        let closing = async {
            for workers in self.by_arm.into_values() {
                workers.close().await;
            }
        };
        // A hung server never closes; the sockets go with the runtime.
        let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
    }
}

impl LoadThread {
    /// Starts the thread and opens its persistent connections.
    ///
    /// # Errors
    /// When a connection is refused, or `cancel` is set before all are open.
    pub fn start(name: &str, setup: Setup, cancel: &Cancel) -> Result<Self, FrontendError> {
        let here = |message: String| FrontendError::Here(message);
        let (blocks, mut inbox) =
            mpsc::unbounded_channel::<(BlockLoad, sync_mpsc::Sender<Answer>)>();
        let (opened, answer) = sync_mpsc::channel();
        let abandon = Arc::new(Notify::new());
        let abandoned = Arc::clone(&abandon);
        let runtime = event_loop()?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Let timers fire on time; the default slack is 50 us.
                let _ = nix::sys::prctl::set_timerslack(1);
                LocalSet::new().block_on(&runtime, async move {
                    let connected = tokio::select! {
                        connected = ThreadWorkers::connect(&setup) => connected,
                        () = abandoned.notified() => Err(here(INTERRUPTED.to_owned())),
                    };
                    let mut workers = match connected {
                        Ok(workers) => workers,
                        Err(e) => {
                            let _ = opened.send(Err(e));
                            return;
                        }
                    };
                    let _ = opened.send(Ok(()));
                    while let Some((load, reply)) = inbox.recv().await {
                        // Workers that are abandoned here end with the event loop.
                        let outcome = tokio::select! {
                            outcome = workers.run(&load) => outcome,
                            () = abandoned.notified() => {
                                Err(LoadError::Harness(INTERRUPTED.to_owned()))
                            }
                        };
                        let _ = reply.send(outcome);
                    }
                    workers.close().await;
                });
            })?;
        let load = LoadThread {
            blocks: Some(blocks),
            thread: Some(thread),
            abandon,
        };
        // Bounded by the server; by the user where it does not answer.
        let answered = load.wait(&answer, None, cancel);
        answered.unwrap_or_else(|_| Err(here("the load thread died".to_owned())))?;
        Ok(load)
    }

    /// Waits for an answer of this thread, until `deadline` if there is one. A stop request leaves
    /// the operations under way some time to end; then they are abandoned.
    ///
    /// # Errors
    /// When the deadline has passed, or the thread has died.
    pub fn wait<T>(
        &self,
        answer: &Receiver<T>,
        deadline: Option<Instant>,
        cancel: &Cancel,
    ) -> Result<T, RecvTimeoutError> {
        let mut cancelled_at: Option<Instant> = None;
        loop {
            match answer.recv_timeout(LOOK_FOR_STOP) {
                Err(RecvTimeoutError::Timeout) => {}
                answered => return answered,
            }
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return Err(RecvTimeoutError::Timeout);
            }
            if cancel.is_cancelled()
                && cancelled_at.get_or_insert_with(Instant::now).elapsed() >= STOP_GRACE
            {
                self.abandon.notify_one();
            }
        }
    }

    /// Hands over a block; the answer comes through the channel.
    pub fn begin(&self, load: BlockLoad) -> Receiver<Answer> {
        let (reply, answer) = sync_mpsc::channel();
        if let Some(blocks) = &self.blocks {
            // A dead thread shows as a closed answer channel.
            let _ = blocks.send((load, reply));
        }
        answer
    }
}

impl Drop for LoadThread {
    fn drop(&mut self) {
        self.blocks = None;
        // Whatever it still waits for: nobody wants it any more.
        self.abandon.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
