//! Crews: the readers, and the clients, each with their persistent connections;
//! what a crew does in a block.

use std::time::Duration;

use super::burner::Burn;
use super::connect::Target;
use super::frontend::Frontend;
use super::operations::Means;
use super::own_tables::statement_of;
use super::pool::{Pool, open_pool};
use super::provision::Endpoint;
use super::session::{ConnectError, Session, StatementTexts};
use super::task_loop;
use crate::arm::Arm;
use crate::clock::thread_cpu_ns;
use crate::config::Arrivals;
use crate::config::{Disconnect, Protocol, Statement};
use crate::factor::OfferedRate;
use crate::load::timer::PreciseTimer;
use crate::load::{Cancel, Schedule, Window, Worker};
use crate::procfs::TaskCpu;
use crate::record::{BlockRecord, CpuAccount, Operation, Role};
use crate::seed::derive_seed;

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
    /// What an operation of `cpu-burn` burns.
    pub burn: Option<Burn>,
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
        /// How it is sent.
        protocol: Protocol,
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
        /// How it is sent.
        protocol: Protocol,
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

/// How long the disconnects of a crew may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A failure of our own while connections are opened.
pub(super) fn harness(message: String) -> ConnectError {
    ConnectError {
        class: crate::record::ErrorClass::new("harness"),
        message,
    }
}

struct Worktool {
    means: Means,
    texts: StatementTexts,
}

/// The workers of one load thread, with their connections.
pub(super) struct Crew {
    role: Role,
    operation: Operation,
    statement: Statement,
    protocol: Protocol,
    disconnect: Disconnect,
    count: u32,
    server: Target,
    dbname: String,
    pgbouncer: Option<Target>,
    /// Persistent connections: the readers' own, or the clients' of `kept-open`.
    direct: Vec<Worktool>,
    through_pgbouncer: Vec<Worktool>,
    vacuuming: Vec<Worktool>,
    committing: Vec<Worktool>,
    pool: Option<Pool>,
    timer_lead_ns: u64,
}

/// One connection for each of `statements`.
async fn persistent(
    target: &Target,
    statements: &[Statement],
    protocol: Protocol,
) -> Result<Vec<Worktool>, ConnectError> {
    let mut tools = Vec::new();
    for (worker, statement) in (0u64..).zip(statements) {
        let mut session = Frontend::open(target).await?;
        let mut texts = StatementTexts::new(statement.clone(), worker).sent_by(protocol);
        // The first statement of a session loads catalogues; not our subject.
        texts.run_on(&mut session).await.map_err(|e| ConnectError {
            message: format!("the query failed ({e}): {statement}"),
            class: e.class(),
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

/// What the clients of an arm with statements of its own run; nothing if it does not take part.
fn own_statements(arm: Arm, arms: &[Arm], count: u32) -> Vec<Statement> {
    let clients = if arms.contains(&arm) { count } else { 0 };
    (0..clients)
        .filter_map(|client| statement_of(arm, client))
        .collect()
}

impl Crew {
    /// Opens the persistent connections.
    pub(super) async fn assemble(spec: CrewSpec) -> Result<Self, ConnectError> {
        let resolve =
            |endpoint: &Endpoint| Target::new(endpoint).map_err(|e| harness(e.to_string()));
        let timer_lead_ns = PreciseTimer::measure_wake_delay()
            .await
            .map_err(|e| harness(e.to_string()))?;
        match spec {
            CrewSpec::Readers {
                server,
                count,
                statement,
                protocol,
            } => {
                let target = resolve(&server)?;
                let same = vec![statement.clone(); count as usize];
                let direct = persistent(&target, &same, protocol).await?;
                Ok(Crew {
                    role: Role::Reader,
                    operation: Operation::Statement,
                    statement,
                    protocol,
                    disconnect: Disconnect::Wait,
                    count,
                    server: target,
                    dbname: server.dbname,
                    pgbouncer: None,
                    direct,
                    through_pgbouncer: Vec::new(),
                    vacuuming: Vec::new(),
                    committing: Vec::new(),
                    pool: None,
                    timer_lead_ns,
                })
            }
            CrewSpec::Clients {
                server,
                pgbouncer,
                count,
                statement,
                protocol,
                disconnect,
                arms,
                pool_size,
            } => {
                let target = resolve(&server)?;
                let pgbouncer = pgbouncer.as_ref().map(resolve).transpose()?;
                if let Some(address) = &pgbouncer {
                    fill_pgbouncer(address, pool_size).await?;
                }
                let same = vec![statement.clone(); count as usize];
                let direct = if arms.contains(&Arm::KeptOpen) {
                    persistent(&target, &same, protocol).await?
                } else {
                    Vec::new()
                };
                let own = |arm| own_statements(arm, &arms, count);
                let vacuuming = persistent(&target, &own(Arm::Vacuum), Protocol::Simple).await?;
                let committing = persistent(&target, &own(Arm::Commit), Protocol::Simple).await?;
                let through_pgbouncer = match &pgbouncer {
                    Some(address) if arms.contains(&Arm::PgbouncerKept) => {
                        persistent(address, &same, protocol).await?
                    }
                    _ => Vec::new(),
                };
                let pool = if arms.contains(&Arm::Pool) {
                    Some(open_pool(&target, pool_size).await?)
                } else {
                    None
                };
                Ok(Crew {
                    role: Role::Client,
                    operation: Operation::Transaction,
                    statement,
                    protocol,
                    disconnect,
                    count,
                    server: target,
                    dbname: server.dbname,
                    pgbouncer,
                    direct,
                    through_pgbouncer,
                    vacuuming,
                    committing,
                    pool,
                    timer_lead_ns,
                })
            }
        }
    }

    /// Where the persistent connections of an arm are kept, if it has any.
    fn kept(&mut self, arm: Arm) -> Option<&mut Vec<Worktool>> {
        match (self.role, arm) {
            (Role::Reader, _) | (Role::Client, Arm::KeptOpen) => Some(&mut self.direct),
            (Role::Client, Arm::PgbouncerKept) => Some(&mut self.through_pgbouncer),
            (Role::Client, Arm::Vacuum) => Some(&mut self.vacuuming),
            (Role::Client, Arm::Commit) => Some(&mut self.committing),
            _ => None,
        }
    }

    /// The tools for this block; persistent ones are taken out and must be put back.
    async fn tools(&mut self, order: &BlockOrder) -> Result<Vec<Worktool>, CrewError> {
        let arm = order.arm;
        if let Some(keep) = self.kept(arm) {
            for tool in keep.iter_mut() {
                if let Means::Persistent { target, session } = &mut tool.means
                    && session.as_mut().is_none_or(Frontend::is_closed)
                {
                    let opened = Frontend::open(target).await;
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
                    Arm::FailedLogin => Means::FailedLogin {
                        target: self.server.clone(),
                        dbname: self.dbname.clone(),
                    },
                    Arm::CpuBurn => {
                        let burn = order.burn.clone();
                        Means::Burn(burn.ok_or_else(|| absent("the cpu-burn helper"))?)
                    }
                    Arm::Quiet | Arm::KeptOpen | Arm::PgbouncerKept | Arm::Vacuum | Arm::Commit => {
                        return Err(CrewError::Harness(format!("{arm} has no means of its own")));
                    }
                };
                let texts = StatementTexts::new(self.statement.clone(), u64::from(worker))
                    .sent_by(self.protocol);
                Ok(Worktool { means, texts })
            })
            .collect()
    }

    /// Carries out one block.
    pub(super) async fn run(&mut self, order: &BlockOrder) -> Result<BlockRecord, CrewError> {
        let mut record = BlockRecord::default();
        if self.role == Role::Client && order.arm == Arm::Quiet {
            return Ok(record);
        }
        let tools = self.tools(order).await?;
        let thread_before = TaskCpu::of_this_thread();
        let cpu_before = thread_cpu_ns();
        let workers = tools.len();
        let mut tasks = Vec::with_capacity(workers);
        for (index, mut tool) in tools.into_iter().enumerate() {
            let seed = derive_seed(order.seed, &[index as u64]);
            let schedule = Schedule::new(order.rate, order.arrivals, workers, seed);
            let mut worker = Worker::new(self.role, self.operation, schedule, order.window);
            let cancel = order.cancel.clone();
            let lead = self.timer_lead_ns;
            tasks.push(tokio::task::spawn_local(async move {
                let outcome =
                    task_loop::drive(&mut worker, &mut tool.means, &mut tool.texts, lead, &cancel)
                        .await;
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
        let thread = TaskCpu::of_this_thread().zip(thread_before);
        let account = CpuAccount {
            used_ns: used,
            ..thread.map_or_else(CpuAccount::default, |(now, then)| now.since(&then))
        };
        record.load_threads.insert(self.role, account);
        if let Some(keep) = self.kept(order.arm) {
            *keep = back;
        }
        failed.map_or(Ok(record), |message| Err(CrewError::Harness(message)))
    }

    /// Disconnects.
    pub(super) async fn close(self) {
        let tools = self
            .direct
            .into_iter()
            .chain(self.through_pgbouncer)
            .chain(self.vacuuming)
            .chain(self.committing);
        let closing = async {
            for tool in tools {
                if let Means::Persistent {
                    session: Some(session),
                    ..
                } = tool.means
                {
                    // Already closed, or closed by the system: the end is the same.
                    let _ = session.terminate(Disconnect::Wait).await;
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
