//! The workers of a load thread in one block: the clients of an arm, or the readers.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::arms::{Client, Phases};
use super::block_load::{BlockLoad, LoadError};
use crate::clock::{Clock, MonotonicClock, thread_cpu_ns};
use crate::load::timer::{PreciseTimer, TimerError};
use crate::load::{Cancel, Schedule, Worker};
use crate::procfs::TaskCpu;
use crate::record::{BlockRecord, CpuAccount, Operation, Role};
use crate::seed::derive_seed;

/// Pause after a failed closed-loop operation, so that a dead server is not
/// hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(5);

type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The workers of an arm, whichever it is.
pub(super) type AnyWorkers = Box<dyn RunBlock>;

/// What a load thread does with its workers.
pub(super) trait RunBlock {
    /// Carries out one block as `role`; timers are set `timer_lead_ns` early.
    ///
    /// # Errors
    /// A connection that is lost, or a failure of our own.
    fn run<'a>(
        &'a mut self,
        role: Role,
        load: &'a BlockLoad,
        timer_lead_ns: u64,
    ) -> LocalFuture<'a, Result<BlockRecord, LoadError>>;

    /// Disconnects.
    fn close(self: Box<Self>) -> LocalFuture<'static, ()>;
}

/// Workers that are made of these clients.
pub(super) fn workers<C: Client + 'static>(clients: Vec<C>) -> AnyWorkers {
    Box::new(clients)
}

impl<C: Client + 'static> RunBlock for Vec<C> {
    fn run<'a>(
        &'a mut self,
        role: Role,
        load: &'a BlockLoad,
        timer_lead_ns: u64,
    ) -> LocalFuture<'a, Result<BlockRecord, LoadError>> {
        Box::pin(async move {
            for client in self.iter_mut() {
                client.before_block(load).await?;
            }
            let operation = match role {
                Role::Reader => Operation::Statement,
                _ => Operation::Transaction,
            };
            let mut record = BlockRecord::default();
            let thread_before = TaskCpu::of_this_thread();
            let cpu_before = thread_cpu_ns();
            let count = self.len();
            let mut tasks = Vec::with_capacity(count);
            for (index, mut client) in self.drain(..).enumerate() {
                let seed = derive_seed(load.seed, &[index as u64]);
                let schedule = Schedule::new(load.rate, load.arrivals, count, seed);
                let mut worker = Worker::new(role, operation, schedule, load.window);
                let cancel = load.cancel.clone();
                tasks.push(tokio::task::spawn_local(async move {
                    let outcome = drive(&mut worker, &mut client, timer_lead_ns, &cancel).await;
                    (worker, client, outcome)
                }));
            }
            let mut failed = None;
            for task in tasks {
                match task.await {
                    Ok((worker, mut client, outcome)) => {
                        let (role, recorder, tally) = worker.finish();
                        record.merge_worker(role, &recorder, &tally, 0);
                        client.after_block();
                        self.push(client);
                        failed = failed.or(outcome.err().map(|e| e.to_string()));
                    }
                    Err(e) => failed = Some(e.to_string()),
                }
            }
            let used = thread_cpu_ns() - cpu_before;
            record.cpu_ns.insert(role, used);
            record.busiest_thread_ns = used;
            let thread = TaskCpu::of_this_thread().zip(thread_before);
            let account = CpuAccount {
                used_ns: used,
                ..thread.map_or_else(CpuAccount::default, |(now, then)| now.since(&then))
            };
            record.load_threads.insert(role, account);
            failed.map_or(Ok(record), |message| Err(LoadError::Harness(message)))
        })
    }

    fn close(self: Box<Self>) -> LocalFuture<'static, ()> {
        Box::pin(async move {
            for client in *self {
                client.close().await;
            }
        })
    }
}

/// Drives one worker until its block is over or `cancel` is set: a timerfd, the operation, the drain deadline.
/// Workers share a thread but never wait for each other.
///
/// # Errors
/// When the timer fails; nothing an operation does ends the loop.
async fn drive(
    worker: &mut Worker,
    client: &mut impl Client,
    timer_lead_ns: u64,
    cancel: &Cancel,
) -> Result<(), TimerError> {
    let clock = MonotonicClock;
    let mut timer = PreciseTimer::new(timer_lead_ns)?;
    let mut phases = Phases::default();
    let of_client = worker.role() == Role::Client;
    if of_client {
        Phases::declare(worker);
    }
    // The same deadline for every operation: one timer, set once.
    let left_ns = worker
        .window()
        .drain_until_ns
        .saturating_sub(clock.now_ns());
    let deadline = tokio::time::sleep(Duration::from_nanos(left_ns));
    tokio::pin!(deadline);
    loop {
        if cancel.is_cancelled() {
            return Ok(());
        }
        let now = clock.now_ns();
        let Some(due) = worker.next(now) else {
            return Ok(());
        };
        let mut slept = false;
        if let Some(at_ns) = due.at_ns
            && at_ns > now
        {
            slept = true;
            if !timer.wait_until(at_ns, cancel).await? {
                return Ok(());
            }
        }
        let begun = worker.begin(due, clock.now_ns(), slept);
        let ended = tokio::select! {
            biased;
            outcome = client.operation(&mut phases) => Some(outcome),
            () = &mut deadline => None,
        };
        match ended {
            None => {
                worker.cut_off(begun);
                phases.clear();
                client.cut_off();
            }
            Some(outcome) => {
                let (ended_ns, failed) = (clock.now_ns(), outcome.is_err());
                worker.end(begun, ended_ns, outcome);
                if begun.measured() && !failed && of_client {
                    phases.record(worker);
                }
                phases.clear();
                if failed && !worker.is_open_loop() {
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
