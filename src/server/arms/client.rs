//! What clients are made from, the statements they run, and what they record, whatever their arm.

use std::fmt::Write;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::arm::Arm;
use crate::config::{Protocol, ServerConfig, Statement};
use crate::load::Worker;
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesKey};
use crate::server::burner::Burn;
use crate::server::cores::Cores;
use crate::server::frontend::{Frontend, FrontendError};
use crate::server::provision::Endpoint;

/// Rows of `pgbench_accounts` at scale 1.
const ACCOUNTS: u32 = 100_000;

/// pgbench's select-only script, prepared.
const SELECT_BY_KEY: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";

/// What a client of an arm does, or a reader: each arm's file says it for its own. A client lives as long as the
/// server it was made for.
pub(in crate::server) trait Operations {
    /// Makes ready for a block, before any load; `burn` is what an operation of `cpu-burn` burns in it.
    ///
    /// # Errors
    /// When a connection that must be open cannot be opened again.
    async fn before_block(&mut self, _burn: Option<&Burn>) -> Result<(), FrontendError> {
        Ok(())
    }

    /// One operation; the durations of its phases go to `phases`.
    ///
    /// # Errors
    /// The class of the failure.
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass>;

    /// The operation was dropped in the middle: the block's time is over.
    fn cut_off(&mut self) {}

    /// The server's process of a connection that stays open.
    fn process_id(&self) -> Option<i32> {
        None
    }

    /// Disconnects what stays open.
    async fn close(&mut self) {}
}

/// What the workers of a load thread are made from.
pub struct Setup {
    /// Readers or clients.
    pub role: Role,
    /// The server.
    pub server: Endpoint,
    /// PgBouncer, if its arms run.
    pub pgbouncer: Option<Endpoint>,
    /// Number of workers.
    pub count: u32,
    /// What they run, how it is sent, and when a disconnect is over.
    pub load: ServerConfig,
    /// Arms that will be asked for; only their connections are opened.
    pub arms: Vec<Arm>,
    /// Connections in the in-process pool, and of PgBouncer to the server.
    pub pool_size: u32,
    /// Readers only: the cores for them and their backends, if they have some of their own.
    pub cores: Option<Arc<Cores>>,
}

/// The texts of a worker's statements, and how they are sent.
pub struct StatementTexts {
    /// What is run.
    pub(super) statement: Statement,
    protocol: Protocol,
    rng: Pcg64,
    /// Where the next text or parameter is written.
    scratch: String,
}

impl StatementTexts {
    /// Texts of `statement`, keys drawn from `seed`.
    pub fn new(statement: &Statement, protocol: Protocol, seed: u32) -> Self {
        StatementTexts {
            statement: statement.clone(),
            protocol,
            rng: Pcg64::seed_from_u64(u64::from(seed)),
            scratch: String::with_capacity(80),
        }
    }

    /// Runs the next statement.
    ///
    /// # Errors
    /// What the server or the socket says.
    pub async fn run_on(&mut self, connection: &mut Frontend) -> Result<(), FrontendError> {
        // With the simple protocol, what varies is the whole text.
        let (sql, parameter) = match &self.statement {
            Statement::Sql(sql) => (sql.as_str(), None),
            Statement::SelectOnly => {
                let aid = self.rng.random_range(1..=ACCOUNTS);
                self.scratch.clear();
                // Writing to a string cannot fail.
                let _ = match self.protocol {
                    Protocol::Simple => write!(
                        self.scratch,
                        "SELECT abalance FROM pgbench_accounts WHERE aid = {aid};"
                    ),
                    Protocol::Prepared => write!(self.scratch, "{aid}"),
                };
                (SELECT_BY_KEY, Some(self.scratch.as_str()))
            }
        };
        match self.protocol {
            Protocol::Simple => connection.query(parameter.unwrap_or(sql)).await,
            Protocol::Prepared => connection.execute(sql, parameter).await,
        }
    }
}

/// The parts of a client's transaction that are recorded, where an arm has them.
const RECORDED: [(Operation, Phase); 10] = [
    (Operation::Connect, Phase::Socket),
    (Operation::Connect, Phase::Tls),
    (Operation::Connect, Phase::Startup),
    (Operation::Connect, Phase::Challenge),
    (Operation::Connect, Phase::Exchange),
    (Operation::Connect, Phase::Total),
    (Operation::Query, Phase::Total),
    (Operation::Disconnect, Phase::Total),
    (Operation::Checkout, Phase::Total),
    (Operation::FailedLogin, Phase::Total),
];

/// Phase durations of one operation, recorded only if all of it went well: the
/// phases' counts then equal the operations'.
#[derive(Debug, Default)]
pub(in crate::server) struct Phases(Vec<(SeriesKey, u64)>);

impl Phases {
    /// Declares with the worker what may come, so that nothing is allocated under load.
    pub(in crate::server) fn declare(worker: &mut Worker) {
        for (operation, phase) in RECORDED {
            let key = SeriesKey::service(Role::Client, operation, phase);
            worker.recorder().declare(key);
        }
    }

    /// Notes one.
    pub(super) fn add(&mut self, operation: Operation, phase: Phase, ns: u64) {
        let key = SeriesKey::service(Role::Client, operation, phase);
        self.0.push((key, ns));
    }

    /// Hands the durations to the worker.
    pub(in crate::server) fn record(&mut self, worker: &mut Worker) {
        for (key, ns) in self.0.drain(..) {
            let id = worker.recorder().declare(key);
            worker.recorder().record(id, ns);
        }
    }

    /// Forgets them.
    pub(in crate::server) fn clear(&mut self) {
        self.0.clear();
    }
}
