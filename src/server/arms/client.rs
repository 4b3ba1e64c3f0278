//! What every arm's client can do.

use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::{Disconnect, Protocol, Statement};
use crate::load::Worker;
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesKey};
use crate::server::block_load::{BlockLoad, LoadError};
use crate::server::frontend::FrontendError;
use crate::server::provision::Endpoint;
use crate::server::statements::StatementTexts;
use crate::server::target::Target;

/// One client of an arm, or one reader. It lives as long as the server it was made for.
pub(in crate::server) trait Client {
    /// Makes ready for a block, before any load.
    ///
    /// # Errors
    /// [`LoadError::Lost`] where a connection that must be open cannot be opened again.
    async fn before_block(&mut self, _block: &BlockLoad) -> Result<(), LoadError> {
        Ok(())
    }

    /// One operation; the durations of its phases go to `phases`.
    ///
    /// # Errors
    /// The class of the failure.
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass>;

    /// The operation was dropped in the middle: the block's time is over.
    fn cut_off(&mut self) {}

    /// Takes back what [`Client::before_block`] did, after the load.
    fn after_block(&mut self) {}

    /// Disconnects.
    async fn close(self)
    where
        Self: Sized,
    {
    }
}

/// What the workers of a load thread are made from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Readers or clients.
    pub role: Role,
    /// The server.
    pub server: Endpoint,
    /// PgBouncer, if its arms run.
    pub pgbouncer: Option<Endpoint>,
    /// Number of workers.
    pub count: u32,
    /// What they run.
    pub statement: Statement,
    /// How it is sent.
    pub protocol: Protocol,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// Arms that will be asked for; only their connections are opened.
    pub arms: Vec<Arm>,
    /// Connections in the in-process pool, and of PgBouncer to the server.
    pub pool_size: u32,
}

impl Setup {
    /// Where the transactions of `arm` go.
    ///
    /// # Errors
    /// An address that cannot be resolved, PgBouncer where there is none.
    pub(super) fn target(&self, arm: Arm) -> Result<Target, FrontendError> {
        let endpoint = match &self.pgbouncer {
            _ if !arm.needs_pgbouncer() => &self.server,
            Some(pgbouncer) => pgbouncer,
            None => return Err(FrontendError::Here("PgBouncer was not set up".to_owned())),
        };
        Target::new(endpoint)
    }

    /// One for each worker.
    pub(super) fn each<C>(&self, make: impl Fn(StatementTexts) -> C) -> Vec<C> {
        let workers = 0..u64::from(self.count);
        workers.map(|worker| make(self.texts(worker))).collect()
    }

    /// A worker's statements.
    pub(super) fn texts(&self, worker: u64) -> StatementTexts {
        StatementTexts::new(self.statement.clone(), self.protocol, worker)
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

fn key((operation, phase): (Operation, Phase)) -> SeriesKey {
    SeriesKey::service(Role::Client, operation, phase)
}

/// Phase durations of one operation, recorded only if all of it went well: the
/// phases' counts then equal the operations'.
#[derive(Debug, Default)]
pub(in crate::server) struct Phases(Vec<((Operation, Phase), u64)>);

impl Phases {
    /// Declares with the worker what may come, so that nothing is allocated under load.
    pub(in crate::server) fn declare(worker: &mut Worker) {
        for part in RECORDED {
            worker.recorder().declare(key(part));
        }
    }

    /// Notes one.
    pub(super) fn add(&mut self, operation: Operation, phase: Phase, ns: u64) {
        self.0.push(((operation, phase), ns));
    }

    /// Hands the durations to the worker.
    pub(in crate::server) fn record(&mut self, worker: &mut Worker) {
        for (part, ns) in self.0.drain(..) {
            let id = worker.recorder().declare(key(part));
            worker.recorder().record(id, ns);
        }
    }

    /// Forgets them.
    pub(in crate::server) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Now, in ns of CLOCK_MONOTONIC.
pub(super) fn now() -> u64 {
    MonotonicClock.now_ns()
}
