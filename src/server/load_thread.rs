//! Load threads: some for the readers, one for the clients, each with its own
//! single-threaded event loop on which its crew works.

use std::sync::Arc;
use std::sync::mpsc::{self as sync_mpsc, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::crew::{BlockOrder, Crew, CrewError, CrewSpec, harness};
use super::session::ConnectError;
use crate::load::Cancel;
use crate::record::BlockRecord;

/// How long operations under way may take to end by themselves after a stop request.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How often a wait looks for a stop request.
const LOOK_FOR_STOP: Duration = Duration::from_millis(50);
/// What a wait ends with when the user does not want it any more.
const INTERRUPTED: &str = "interrupted";

type Reply = sync_mpsc::Sender<Result<BlockRecord, CrewError>>;

/// A thread that carries out blocks for its crew.
#[derive(Debug)]
pub struct LoadThread {
    orders: Option<mpsc::UnboundedSender<(BlockOrder, Reply)>>,
    thread: Option<JoinHandle<()>>,
    /// Drops what the thread is waiting for: a server may never answer.
    abandon: Arc<Notify>,
}

impl LoadThread {
    /// Starts the thread and opens its persistent connections.
    ///
    /// # Errors
    /// When a connection is refused, or `cancel` is set before all are open.
    pub fn start(name: &str, spec: CrewSpec, cancel: &Cancel) -> Result<Self, ConnectError> {
        let (orders, mut inbox) = mpsc::unbounded_channel::<(BlockOrder, Reply)>();
        let (opened, answer) = sync_mpsc::channel();
        let abandon = Arc::new(Notify::new());
        let abandoned = Arc::clone(&abandon);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Let timers fire on time; the default slack is 50 us.
                let _ = nix::sys::prctl::set_timerslack(1);
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(e) => {
                        let _ = opened.send(Err(harness(e.to_string())));
                        return;
                    }
                };
                LocalSet::new().block_on(&runtime, async move {
                    let assembled = tokio::select! {
                        assembled = Crew::assemble(spec) => assembled,
                        () = abandoned.notified() => Err(harness(INTERRUPTED.to_owned())),
                    };
                    let mut crew = match assembled {
                        Ok(crew) => {
                            let _ = opened.send(Ok(()));
                            crew
                        }
                        Err(e) => {
                            let _ = opened.send(Err(e));
                            return;
                        }
                    };
                    while let Some((order, reply)) = inbox.recv().await {
                        // Workers that are abandoned here end with the event loop.
                        let outcome = tokio::select! {
                            outcome = crew.run(&order) => outcome,
                            () = abandoned.notified() => {
                                Err(CrewError::Harness(INTERRUPTED.to_owned()))
                            }
                        };
                        let _ = reply.send(outcome);
                    }
                    crew.close().await;
                });
            })
            .map_err(|e| harness(e.to_string()))?;
        let mut load = LoadThread {
            orders: Some(orders),
            thread: Some(thread),
            abandon,
        };
        // Bounded by the server; by the user where it does not answer.
        match load.wait(&answer, None, cancel) {
            Ok(Ok(())) => Ok(load),
            Ok(Err(e)) => {
                load.join();
                Err(e)
            }
            Err(_) => Err(harness("the load thread died".to_owned())),
        }
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
    pub fn begin(&self, order: BlockOrder) -> Receiver<Result<BlockRecord, CrewError>> {
        let (reply, answer) = sync_mpsc::channel();
        if let Some(orders) = &self.orders {
            // A dead thread shows as a closed answer channel.
            let _ = orders.send((order, reply));
        }
        answer
    }

    fn join(&mut self) {
        self.orders = None;
        // Whatever it still waits for: nobody wants it any more.
        self.abandon.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for LoadThread {
    fn drop(&mut self) {
        self.join();
    }
}
