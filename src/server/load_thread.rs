//! Load threads: some for the readers, one for the clients, each with its own
//! single-threaded event loop on which its workers run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self as sync_mpsc, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

use super::arms::{Client, Operations, Phases, Setup, all_clients};
use super::burner::Burn;
use super::cores::Cores;
use super::frontend::FrontendError;
use super::target::event_loop;
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock, thread_cpu_ns};
use crate::config::Arrivals;
use crate::console::tell;
use crate::factor::OfferedRate;
use crate::load::timer::{PreciseTimer, TimerError};
use crate::load::{Cancel, Schedule, Window, Worker};
use crate::procfs::TaskCpu;
use crate::record::{BlockRecord, CpuAccount, Operation, Role};
use crate::seed::derive_seed;

/// How long operations under way may take to end by themselves after a stop request.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long the disconnects of a thread may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How often a wait looks for a stop request.
const LOOK_FOR_STOP: Duration = Duration::from_millis(50);
/// What a wait ends with when the user does not want it any more.
const INTERRUPTED: &str = "interrupted";

/// A wait for connections that takes longer is announced.
const ANNOUNCED_AFTER_NS: u64 = 1_000_000_000;

/// Statements of one reader that are kept without allocating meanwhile.
const KEPT_AT_ONCE: usize = 1 << 16;

/// Pause after a failed closed-loop operation, so that a dead server is not
/// hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(5);

/// The arm whose clients do what the readers do.
pub const READERS: Arm = Arm::KeptOpen;

/// One block's load, of the readers or of the clients.
#[derive(Clone)]
pub struct BlockLoad {
    /// The arm (readers do the same in every arm).
    pub arm: Arm,
    /// The block's window.
    pub window: Window,
    /// Total rate over the thread's workers.
    pub rate: OfferedRate,
    /// Spacing of arrivals.
    pub arrivals: Arrivals,
    /// Seed of this thread in this block.
    pub seed: u64,
    /// What an operation of `cpu-burn` burns.
    pub burn: Option<Burn>,
    /// Whether begin and end of each of the readers' statements are kept.
    pub keep_statements: bool,
    /// Stop request.
    pub cancel: Cancel,
}

/// A thread could not do its block.
pub enum LoadError {
    /// A persistent connection is gone and cannot be opened again.
    Lost(String),
    /// A reader was not on its own cores.
    Misplaced(String),
    /// The harness itself failed.
    Harness(String),
}

type Answer = Result<BlockRecord, LoadError>;

/// A thread that carries out blocks with its workers.
pub struct LoadThread {
    blocks: Option<mpsc::UnboundedSender<(BlockLoad, sync_mpsc::Sender<Answer>)>>,
    thread: Option<JoinHandle<()>>,
    /// Drops what the thread is waiting for: a server may never answer.
    abandon: Arc<Notify>,
}

/// A thread's workers, with their connections: of every arm, or the readers, which do the same in every arm.
struct ThreadWorkers {
    role: Role,
    by_arm: BTreeMap<Arm, Vec<Client>>,
    timer_lead_ns: u64,
    /// The readers' own cores.
    cores: Option<Arc<Cores>>,
}

fn backends<'c>(clients: impl Iterator<Item = &'c Client>) -> Vec<i32> {
    clients.filter_map(Client::process_id).collect()
}

impl ThreadWorkers {
    async fn connect(setup: &Setup) -> Result<Self, FrontendError> {
        if let Some(cores) = &setup.cores {
            cores.take_this_thread().map_err(FrontendError::Here)?;
        }
        let lead = PreciseTimer::measure_wake_delay().await;
        let by_arm = all_clients(setup).await?;
        if let Some(cores) = &setup.cores {
            let backends = backends(by_arm.values().flatten());
            cores
                .take_backends(&backends)
                .map_err(FrontendError::Here)?;
        }
        Ok(ThreadWorkers {
            role: setup.role,
            timer_lead_ns: lead.map_err(FrontendError::here)?,
            by_arm,
            cores: setup.cores.clone(),
        })
    }

    async fn run(&mut self, load: &BlockLoad) -> Answer {
        let (role, lead_ns) = (self.role, self.timer_lead_ns);
        let (arm, operation) = match role {
            Role::Reader => (READERS, Operation::Statement),
            _ => (load.arm, Operation::Transaction),
        };
        let Some(clients) = self.by_arm.get_mut(&arm) else {
            return Ok(BlockRecord::default());
        };
        for client in clients.iter_mut() {
            let ready = client.before_block(load.burn.as_ref()).await;
            ready.map_err(|e| LoadError::Lost(e.to_string()))?;
        }
        if let Some(cores) = &self.cores {
            let taken = cores.take_backends(&backends(clients.iter()));
            taken.map_err(LoadError::Misplaced)?;
        }
        let mut record = BlockRecord::default();
        let thread_before = TaskCpu::of_this_thread();
        let cpu_before = thread_cpu_ns();
        let count = clients.len();
        let mut tasks = Vec::with_capacity(count);
        for (index, mut client) in clients.drain(..).enumerate() {
            let seed = derive_seed(load.seed, &[index as u64]);
            let schedule = Schedule::new(load.rate, load.arrivals, count, seed);
            let mut worker = Worker::new(role, operation, schedule, load.window);
            let load = load.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let keep = load.keep_statements && role == Role::Reader;
                let mut statements = Vec::with_capacity(if keep { KEPT_AT_ONCE } else { 0 });
                let kept = keep.then_some(&mut statements);
                let outcome = drive(&mut worker, &mut client, lead_ns, &load, kept).await;
                (worker, client, outcome, statements)
            }));
        }
        let mut failed = None;
        for task in tasks {
            match task.await {
                Ok((worker, client, outcome, statements)) => {
                    if !statements.is_empty() {
                        record.statements.push(statements);
                    }
                    let (role, recorder, tally) = worker.finish();
                    record.merge_worker(role, &recorder, &tally, 0);
                    clients.push(client);
                    failed = failed.or(outcome.err().map(|e| e.to_string()));
                }
                Err(e) => failed = Some(e.to_string()),
            }
        }
        let used_ns = thread_cpu_ns() - cpu_before;
        record.cpu_ns.insert(role, used_ns);
        record.busiest_thread_ns = used_ns;
        let thread = TaskCpu::of_this_thread().zip(thread_before);
        let account = CpuAccount {
            used_ns,
            ..thread.map_or_else(CpuAccount::default, |(now, then)| now.since(&then))
        };
        record.load_threads.insert(role, account);
        if let Some(cores) = &self.cores {
            let kept = cores.check_reader(&backends(clients.iter()));
            kept.map_err(LoadError::Misplaced)?;
        }
        failed.map_or(Ok(record), |message| Err(LoadError::Harness(message)))
    }

    async fn close(self) {
        let closing = async {
            for mut client in self.by_arm.into_values().flatten() {
                client.close().await;
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
    pub fn start(setup: Setup, cancel: &Cancel) -> Result<Self, FrontendError> {
        let (blocks, mut inbox) =
            mpsc::unbounded_channel::<(BlockLoad, sync_mpsc::Sender<Answer>)>();
        let (opened, answer) = sync_mpsc::channel();
        let abandon = Arc::new(Notify::new());
        let abandoned = Arc::clone(&abandon);
        let runtime = event_loop()?;
        // One of ours is there.
        let waits_long = setup.server.connect_timeout.is_some();
        let who = setup.role;
        let thread = std::thread::Builder::new()
            .name(format!("{}s", setup.role))
            .spawn(move || {
                // Let timers fire on time; the default slack is 50 us.
                let _ = nix::sys::prctl::set_timerslack(1);
                LocalSet::new().block_on(&runtime, async move {
                    let connected = tokio::select! {
                        connected = ThreadWorkers::connect(&setup) => connected,
                        () = abandoned.notified() => Err(FrontendError::here(INTERRUPTED)),
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
        // Bounded by the limit on each connection; by the user where there is none.
        let mut answered = Err(RecvTimeoutError::Timeout);
        if waits_long {
            let notice_ns = MonotonicClock.now_ns() + ANNOUNCED_AFTER_NS;
            answered = load.wait_so(&answer, notice_ns, cancel, Duration::ZERO);
            if let Err(RecvTimeoutError::Timeout) = answered {
                tell(&format!(
                    "procbench: waiting for the connections of the {who}s (--connect-timeout; Ctrl-C ends it)"
                ));
            }
        }
        if let Err(RecvTimeoutError::Timeout) = answered {
            answered = load.wait_so(&answer, u64::MAX, cancel, Duration::ZERO);
        }
        answered.unwrap_or_else(|_| Err(FrontendError::here("the load thread died")))?;
        Ok(load)
    }

    /// Waits for an answer of this thread, until `deadline_ns` (CLOCK_MONOTONIC). A stop request leaves
    /// the operations under way some time to end; then they are abandoned.
    ///
    /// # Errors
    /// When the deadline has passed, or the thread has died.
    pub fn wait<T>(
        &self,
        answer: &Receiver<T>,
        deadline_ns: u64,
        cancel: &Cancel,
    ) -> Result<T, RecvTimeoutError> {
        self.wait_so(answer, deadline_ns, cancel, STOP_GRACE)
    }

    /// The same, with so much time after a stop request.
    fn wait_so<T>(
        &self,
        answer: &Receiver<T>,
        deadline_ns: u64,
        cancel: &Cancel,
        grace: Duration,
    ) -> Result<T, RecvTimeoutError> {
        let mut cancelled_at: Option<Instant> = None;
        loop {
            match answer.recv_timeout(LOOK_FOR_STOP) {
                Err(RecvTimeoutError::Timeout) => {}
                answered => return answered,
            }
            if MonotonicClock.now_ns() >= deadline_ns {
                return Err(RecvTimeoutError::Timeout);
            }
            if cancel.is_cancelled()
                && cancelled_at.get_or_insert_with(Instant::now).elapsed() >= grace
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

/// Drives one worker until its block is over or a stop is requested: a timerfd, the operation, the drain deadline.
/// Workers share a thread but never wait for each other.
///
/// # Errors
/// When the timer fails; nothing an operation does ends the loop.
async fn drive(
    worker: &mut Worker,
    client: &mut Client,
    timer_lead_ns: u64,
    load: &BlockLoad,
    mut kept: Option<&mut Vec<(u64, u64)>>,
) -> Result<(), TimerError> {
    let clock = MonotonicClock;
    let mut timer = PreciseTimer::new(timer_lead_ns)?;
    let mut phases = Phases::default();
    let of_client = worker.role() == Role::Client;
    if of_client {
        Phases::declare(worker);
    }
    // The same deadline for every operation: one timer, set once.
    let left_ns = load.window.drain_until_ns.saturating_sub(clock.now_ns());
    let deadline = tokio::time::sleep(Duration::from_nanos(left_ns));
    tokio::pin!(deadline);
    loop {
        phases.clear();
        if load.cancel.is_cancelled() {
            return Ok(());
        }
        let now = clock.now_ns();
        let Some(due) = worker.next(now) else {
            return Ok(());
        };
        let ahead = due.at_ns.filter(|&at_ns| at_ns > now);
        if let Some(at_ns) = ahead
            && !timer.wait_until(at_ns, &load.cancel).await?
        {
            return Ok(());
        }
        let begun_ns = clock.now_ns();
        let begun = worker.begin(due, begun_ns, ahead.is_some());
        let ended = tokio::select! {
            biased;
            outcome = client.operation(&mut phases) => Some(outcome),
            () = &mut deadline => None,
        };
        match ended {
            None => {
                worker.cut_off(begun);
                client.cut_off();
            }
            Some(outcome) => {
                let (ended_ns, failed) = (clock.now_ns(), outcome.is_err());
                worker.end(begun, ended_ns, outcome);
                if let Some(kept) = &mut kept {
                    kept.push((begun_ns, ended_ns));
                }
                if begun.measured() && !failed && of_client {
                    phases.record(worker);
                }
                if failed && !worker.is_open_loop() {
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
