//! What the arms do: one operation each, timed by its phases.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::burner::{Burn, burn_once};
use super::connect::Target;
use super::failed_login::refused_login;
use super::frontend::Frontend;
use super::phase_stream::Socket;
use super::pool::{Lent, Pool};
use super::session::StatementTexts;
use crate::clock::{Clock, MonotonicClock};
use crate::config::Disconnect;
use crate::load::Worker;
use crate::record::{ErrorClass, Operation, Phase, Role, SeriesId, SeriesKey};

/// One worker's way of doing its operation.
#[derive(Debug)]
pub enum Means {
    /// On a persistent connection, which is opened anew after it broke.
    Persistent {
        /// Where to.
        target: Target,
        /// The connection; `None` after it broke and could not be reopened.
        session: Option<Frontend>,
    },
    /// Connect, run, disconnect.
    Reconnect {
        /// Where to.
        target: Target,
        /// When the disconnect is over.
        disconnect: Disconnect,
    },
    /// Check out, run, check in.
    Pooled(Pool),
    /// Connect, send nothing, half-close, wait for EOF.
    ForkOnly(Target),
    /// Connect as a role that does not exist, wait for the refusal and EOF.
    FailedLogin {
        /// Where to.
        target: Target,
        /// The database that is named.
        dbname: String,
    },
    /// A fork that uses CPU and exits, beside the server.
    Burn(Burn),
}

/// The recorded parts of a client's transaction.
#[derive(Debug, Clone, Copy)]
pub struct PhaseIds {
    socket: SeriesId,
    tls: SeriesId,
    startup: SeriesId,
    challenge: SeriesId,
    exchange: SeriesId,
    connect: SeriesId,
    query: SeriesId,
    disconnect: SeriesId,
    checkout: SeriesId,
    failed_login: SeriesId,
}

impl PhaseIds {
    /// Declares them with the worker.
    pub fn declare(worker: &mut Worker) -> Self {
        let mut id = |operation, phase| {
            worker
                .recorder()
                .declare(SeriesKey::service(Role::Client, operation, phase))
        };
        PhaseIds {
            socket: id(Operation::Connect, Phase::Socket),
            tls: id(Operation::Connect, Phase::Tls),
            startup: id(Operation::Connect, Phase::Startup),
            challenge: id(Operation::Connect, Phase::Challenge),
            exchange: id(Operation::Connect, Phase::Exchange),
            connect: id(Operation::Connect, Phase::Total),
            query: id(Operation::Query, Phase::Total),
            disconnect: id(Operation::Disconnect, Phase::Total),
            checkout: id(Operation::Checkout, Phase::Total),
            failed_login: id(Operation::FailedLogin, Phase::Total),
        }
    }
}

/// Phase durations of one operation, recorded only if all of it went well: the
/// phases' counts then equal the operations'.
#[derive(Debug, Default)]
pub struct Phases(Vec<(SeriesId, u64)>);

impl Phases {
    fn add(&mut self, id: Option<SeriesId>, ns: Option<u64>) {
        if let (Some(id), Some(ns)) = (id, ns) {
            self.0.push((id, ns));
        }
    }

    /// Hands the durations to the worker.
    pub fn record(&mut self, worker: &mut Worker) {
        for (id, ns) in self.0.drain(..) {
            worker.recorder().record(id, ns);
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn now() -> u64 {
    MonotonicClock.now_ns()
}

impl Means {
    /// Does one operation; its phase durations go to `phases`.
    ///
    /// # Errors
    /// The class of the failure.
    pub async fn perform(
        &mut self,
        texts: &mut StatementTexts,
        ids: Option<&PhaseIds>,
        phases: &mut Phases,
    ) -> Result<(), ErrorClass> {
        match self {
            Means::Persistent { target, session } => {
                let began = now();
                let Some(open) = session else {
                    *session = Frontend::open(target).await.ok();
                    return Err(ErrorClass::new("connection-lost"));
                };
                let outcome = texts.run_on(open).await.map_err(|e| e.class());
                phases.add(ids.map(|i| i.query), Some(now() - began));
                if outcome.is_err() && open.is_closed() {
                    // Inside the failed operation, so that the next one is clean.
                    *session = Frontend::open(target).await.ok();
                }
                outcome
            }
            Means::Reconnect { target, disconnect } => {
                reconnect(target, *disconnect, texts, ids, phases).await
            }
            Means::Pooled(pool) => {
                let began = now();
                let mut lent = Lent::from(pool).await?;
                let checked_out = now();
                phases.add(ids.map(|i| i.checkout), Some(checked_out - began));
                lent.run(texts).await?;
                phases.add(ids.map(|i| i.query), Some(now() - checked_out));
                Ok(())
            }
            Means::ForkOnly(target) => fork_only(target, ids, phases).await,
            Means::FailedLogin { target, dbname } => {
                let began = now();
                let mut socket = target.open_socket().await?;
                let socket_open = now();
                refused_login(&mut socket, dbname).await?;
                phases.add(ids.map(|i| i.socket), Some(socket_open - began));
                phases.add(ids.map(|i| i.failed_login), Some(now() - socket_open));
                Ok(())
            }
            Means::Burn(burn) => burn_once(burn).await,
        }
    }
}

async fn reconnect(
    target: &Target,
    disconnect: Disconnect,
    texts: &mut StatementTexts,
    ids: Option<&PhaseIds>,
    phases: &mut Phases,
) -> Result<(), ErrorClass> {
    let began = now();
    let socket = target.open_socket().await?;
    let socket_open = now();
    let socket = target.encrypt(socket).await?;
    let tls_ns = target.is_encrypted().then(|| now() - socket_open);
    let mut frontend = Frontend::new(socket);
    let startup = frontend.start_up(target.login()).await;
    let startup = startup.map_err(|e| e.class())?;
    let connected = now();
    let outcome = texts.run_on(&mut frontend).await;
    let query_ended = now();
    // Also after a failed statement: the server is told, and waited for.
    let disconnect_ns = frontend.terminate(disconnect).await;
    outcome.map_err(|e| e.class())?;
    let disconnect_ns = disconnect_ns.map_err(|e| e.class())?;
    phases.add(ids.map(|i| i.socket), Some(socket_open - began));
    phases.add(ids.map(|i| i.tls), tls_ns);
    phases.add(ids.map(|i| i.startup), Some(startup.total_ns));
    if let Some(asked) = startup.asked {
        phases.add(ids.map(|i| i.challenge), Some(asked.challenge_ns));
        phases.add(ids.map(|i| i.exchange), Some(asked.exchange_ns));
    }
    phases.add(ids.map(|i| i.connect), Some(connected - began));
    phases.add(ids.map(|i| i.query), Some(query_ended - connected));
    phases.add(ids.map(|i| i.disconnect), Some(disconnect_ns));
    Ok(())
}

async fn fork_only(
    target: &Target,
    ids: Option<&PhaseIds>,
    phases: &mut Phases,
) -> Result<(), ErrorClass> {
    let began = now();
    let mut socket: Socket = target.open_socket().await?;
    let socket_open = now();
    let io = |e: std::io::Error| super::connect::classify_io(&e);
    socket.shutdown().await.map_err(io)?;
    let mut scratch = [0u8; 64];
    while socket.read(&mut scratch).await.map_err(io)? > 0 {}
    phases.add(ids.map(|i| i.socket), Some(socket_open - began));
    phases.add(ids.map(|i| i.disconnect), Some(now() - socket_open));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Statement;
    use crate::server::fake_server::FakeServer;
    use crate::server::pool::open_pool;

    /// The pool's size after one operation on its only connection, bounded by `limit`.
    fn size_after_one(answers: bool, limit: Duration) -> (bool, usize) {
        let server = FakeServer::start(answers);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let pool = open_pool(&Target::new(&server.endpoint).unwrap(), 1)
                .await
                .unwrap();
            assert_eq!(pool.status().size, 1);
            let mut texts = StatementTexts::new(Statement::Sql("SELECT 1".to_owned()), 0);
            let mut phases = Phases::default();
            let mut means = Means::Pooled(pool.clone());
            let operation = means.perform(&mut texts, None, &mut phases);
            let ended = tokio::time::timeout(limit, operation).await;
            (matches!(ended, Ok(Ok(()))), pool.status().size)
        })
    }

    #[test]
    fn a_statement_cut_off_takes_its_connection_out_of_the_pool() {
        assert_eq!(size_after_one(false, Duration::from_millis(50)), (false, 0));
        assert_eq!(size_after_one(true, Duration::from_secs(60)), (true, 1));
    }
}
