//! Load threads: one for the readers, one for the clients, each with its own
//! single-threaded event loop and its persistent connections.

use std::sync::Arc;
use std::sync::mpsc::{self as sync_mpsc, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use tokio_postgres::NoTls;

use super::connect::Target;
use super::operations::Means;
use super::provision::Endpoint;
use super::session::{ConnectError, Session, StatementTexts};
use super::task_loop;
use crate::arm::Arm;
use crate::config::{Disconnect, Statement};
use crate::load::clock::thread_cpu_ns;
use crate::load::{Arrivals, Cancel, OfferedRate, Schedule, Window, Worker, derive_seed};
use crate::record::{BlockRecord, Operation, Role};

/// What a crew is to do in one block.
#[derive(Debug, Clone)]
pub struct BlockOrder {
    /// The arm (readers do the same in every arm).
    pub arm: Arm,
    /// The block's window.
    pub window: Window,
    /// Total rate over the crew.
    pub rate: OfferedRate,
    /// Spacing of arrivals.
    pub arrivals: Arrivals,
    /// Seed of this crew in this block.
    pub seed: u64,
    /// Stop request.
    pub cancel: Cancel,
}

/// Who works in a crew, and against what.
#[derive(Debug, Clone)]
pub enum CrewSpec {
    /// Foreground readers on persistent connections.
    Readers {
        /// The server.
        server: Endpoint,
        /// How many.
        count: u32,
        /// What they run.
        statement: Statement,
    },
    /// Clients, in whatever way the arm says.
    Clients {
        /// The server.
        server: Endpoint,
        /// PgBouncer, if its arms run.
        pgbouncer: Option<Endpoint>,
        /// How many.
        count: u32,
        /// What they run.
        statement: Statement,
        /// When a disconnect is over.
        disconnect: Disconnect,
        /// Arms that will be asked for; only their connections are opened.
        arms: Vec<Arm>,
        /// Connections in the in-process pool.
        pool_size: u32,
    },
}

/// A crew could not do its block.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CrewError {
    /// A persistent connection is gone and cannot be opened again.
    #[error("cannot reconnect: {0}")]
    Lost(String),
    /// The harness itself failed.
    #[error("{0}")]
    Harness(String),
}

/// How long operations under way may take to end by themselves after a stop request.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// How long the disconnects of a crew may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How often a wait looks for a stop request.
const LOOK_FOR_STOP: Duration = Duration::from_millis(50);

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

/// What a wait ends with when the user does not want it any more.
const INTERRUPTED: &str = "interrupted";

fn harness(message: String) -> ConnectError {
    ConnectError {
        class: crate::record::ErrorClass::new("harness"),
        message,
    }
}

struct Worktool {
    means: Means,
    texts: StatementTexts,
}

struct Crew {
    role: Role,
    operation: Operation,
    statement: Statement,
    disconnect: Disconnect,
    count: u32,
    server: Target,
    pgbouncer: Option<Target>,
    /// Persistent connections: the readers' own, or the clients' by arm.
    direct: Vec<Worktool>,
    through_pgbouncer: Vec<Worktool>,
    pool: Option<Pool>,
}

async fn persistent(
    target: &Target,
    count: u32,
    statement: &Statement,
) -> Result<Vec<Worktool>, ConnectError> {
    let mut tools = Vec::new();
    for worker in 0..count {
        let session = Session::open(target).await?;
        let mut texts = StatementTexts::new(statement.clone(), u64::from(worker));
        // The first statement of a session loads catalogues; not our subject.
        session
            .run(&texts.next_text())
            .await
            .map_err(|class| ConnectError {
                message: format!("the query failed ({class:?}): {statement}"),
                class,
            })?;
        tools.push(Worktool {
            means: Means::Persistent {
                target: target.clone(),
                session: Some(session),
            },
            texts,
        });
    }
    Ok(tools)
}

impl Crew {
    async fn assemble(spec: CrewSpec) -> Result<Self, ConnectError> {
        let resolve =
            |endpoint: &Endpoint| Target::new(endpoint).map_err(|e| harness(e.to_string()));
        match spec {
            CrewSpec::Readers {
                server,
                count,
                statement,
            } => {
                let target = resolve(&server)?;
                let direct = persistent(&target, count, &statement).await?;
                Ok(Crew {
                    role: Role::Reader,
                    operation: Operation::Statement,
                    statement,
                    disconnect: Disconnect::Wait,
                    count,
                    server: target,
                    pgbouncer: None,
                    direct,
                    through_pgbouncer: Vec::new(),
                    pool: None,
                })
            }
            CrewSpec::Clients {
                server,
                pgbouncer,
                count,
                statement,
                disconnect,
                arms,
                pool_size,
            } => {
                let target = resolve(&server)?;
                let pgbouncer = pgbouncer.as_ref().map(resolve).transpose()?;
                if let Some(address) = &pgbouncer {
                    fill_pgbouncer(address, pool_size).await?;
                }
                let direct = if arms.contains(&Arm::KeptOpen) {
                    persistent(&target, count, &statement).await?
                } else {
                    Vec::new()
                };
                let through_pgbouncer = match &pgbouncer {
                    Some(address) if arms.contains(&Arm::PgbouncerKept) => {
                        persistent(address, count, &statement).await?
                    }
                    _ => Vec::new(),
                };
                let pool = if arms.contains(&Arm::Pool) {
                    Some(open_pool(&server, pool_size).await?)
                } else {
                    None
                };
                Ok(Crew {
                    role: Role::Client,
                    operation: Operation::Transaction,
                    statement,
                    disconnect,
                    count,
                    server: target,
                    pgbouncer,
                    direct,
                    through_pgbouncer,
                    pool,
                })
            }
        }
    }

    /// The tools for this arm; persistent ones are taken out and must be put back.
    async fn tools(&mut self, arm: Arm) -> Result<Vec<Worktool>, CrewError> {
        let keep = match (self.role, arm) {
            (Role::Reader, _) | (Role::Client, Arm::KeptOpen) => Some(&mut self.direct),
            (Role::Client, Arm::PgbouncerKept) => Some(&mut self.through_pgbouncer),
            _ => None,
        };
        if let Some(keep) = keep {
            for tool in keep.iter_mut() {
                if let Means::Persistent { target, session } = &mut tool.means
                    && session.as_ref().is_none_or(Session::is_closed)
                {
                    let opened = Session::open(target).await;
                    *session = Some(opened.map_err(|e| CrewError::Lost(e.message))?);
                }
            }
            return Ok(std::mem::take(keep));
        }
        let absent = |what: &str| CrewError::Harness(format!("{what} was not set up"));
        let reconnect = |target: &Target| Means::Reconnect {
            target: target.clone(),
            disconnect: self.disconnect,
        };
        (0..self.count)
            .map(|worker| {
                let means = match arm {
                    Arm::Unpooled => reconnect(&self.server),
                    Arm::Pgbouncer => {
                        reconnect(self.pgbouncer.as_ref().ok_or_else(|| absent("PgBouncer"))?)
                    }
                    Arm::ForkOnly => Means::ForkOnly(self.server.clone()),
                    Arm::Pool => {
                        Means::Pooled(self.pool.clone().ok_or_else(|| absent("the pool"))?)
                    }
                    Arm::Quiet | Arm::KeptOpen | Arm::PgbouncerKept => {
                        return Err(CrewError::Harness(format!("{arm} has no means of its own")));
                    }
                };
                let texts = StatementTexts::new(self.statement.clone(), u64::from(worker));
                Ok(Worktool { means, texts })
            })
            .collect()
    }

    async fn run(&mut self, order: &BlockOrder) -> Result<BlockRecord, CrewError> {
        let mut record = BlockRecord::default();
        if self.role == Role::Client && order.arm == Arm::Quiet {
            return Ok(record);
        }
        let tools = self.tools(order.arm).await?;
        let cpu_before = thread_cpu_ns();
        let workers = tools.len();
        let mut tasks = Vec::with_capacity(workers);
        for (index, mut tool) in tools.into_iter().enumerate() {
            let seed = derive_seed(order.seed, &[index as u64]);
            let schedule = Schedule::new(order.rate, order.arrivals, workers, seed);
            let mut worker = Worker::new(self.role, self.operation, schedule, order.window);
            let cancel = order.cancel.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let outcome =
                    task_loop::drive(&mut worker, &mut tool.means, &mut tool.texts, &cancel).await;
                (worker, tool, outcome)
            }));
        }
        let mut back = Vec::with_capacity(workers);
        let mut failed = None;
        for task in tasks {
            match task.await {
                Ok((worker, tool, outcome)) => {
                    let (role, recorder, tally) = worker.finish();
                    record.merge_worker(role, &recorder, &tally, 0);
                    back.push(tool);
                    failed = failed.or(outcome.err().map(|e| e.to_string()));
                }
                Err(e) => failed = Some(e.to_string()),
            }
        }
        let used = thread_cpu_ns() - cpu_before;
        record.cpu_ns.insert(self.role, used);
        record.busiest_thread_ns = used;
        match (self.role, order.arm) {
            (Role::Reader, _) | (Role::Client, Arm::KeptOpen) => self.direct = back,
            (Role::Client, Arm::PgbouncerKept) => self.through_pgbouncer = back,
            _ => {}
        }
        failed.map_or(Ok(record), |message| Err(CrewError::Harness(message)))
    }

    async fn close(self) {
        let tools = self.direct.into_iter().chain(self.through_pgbouncer);
        let closing = async {
            for tool in tools {
                if let Means::Persistent {
                    session: Some(session),
                    ..
                } = tool.means
                {
                    session.close().await;
                }
            }
        };
        // A hung server never closes; the sockets go with the runtime.
        let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
        if let Some(pool) = self.pool {
            pool.close();
        }
    }
}

/// Makes PgBouncer open all its server connections, so that none is opened
/// while a block is measured.
async fn fill_pgbouncer(address: &Target, pool_size: u32) -> Result<(), ConnectError> {
    let tasks: Vec<_> = (0..pool_size)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                let session = Session::open(&address).await?;
                // Long enough that every client needs a server connection of its own.
                let ran = session.run("SELECT pg_sleep(0.2)").await;
                session.close().await;
                ran.map_err(|class| ConnectError {
                    message: class.0.clone(),
                    class,
                })
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|e| harness(e.to_string()))??;
    }
    Ok(())
}

/// An in-process pool, filled beforehand: its own warm-up is not our subject.
async fn open_pool(server: &Endpoint, size: u32) -> Result<Pool, ConnectError> {
    let manager = Manager::from_config(
        server.to_config(),
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = Pool::builder(manager)
        .max_size(size as usize)
        .build()
        .map_err(|e| harness(e.to_string()))?;
    let mut filled = Vec::new();
    for _ in 0..size {
        filled.push(pool.get().await.map_err(|e| harness(e.to_string()))?);
    }
    Ok(pool)
}
