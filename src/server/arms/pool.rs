//! `pool`: transactions through an in-process pool. It is deadpool over the connections that all arms use, so
//! that arms differ in what they do with a connection and not in whose client it is.

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult};

use super::client::{Client, Phases, Setup, now};
use crate::arm::Arm;
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::frontend::{Frontend, FrontendError};
use crate::server::statements::StatementTexts;
use crate::server::target::Target;

type Pool = managed::Pool<Opener>;

/// Opens the pool's connections.
#[derive(Debug)]
struct Opener(Target);

impl managed::Manager for Opener {
    type Type = Frontend;
    type Error = FrontendError;

    async fn create(&self) -> Result<Frontend, FrontendError> {
        self.0.connect().await
    }

    /// Without a statement of its own, as pools do by default: a look at the socket.
    async fn recycle(&self, held: &mut Frontend, _: &Metrics) -> RecycleResult<FrontendError> {
        if held.is_closed() {
            return Err(RecycleError::message("closed by the server"));
        }
        Ok(())
    }
}

/// A client of the pool.
pub(super) struct Pooled {
    pool: Pool,
    texts: StatementTexts,
}

/// Clients of one pool, which is filled beforehand: its own warm-up is not our subject.
///
/// # Errors
/// When a connection is refused.
pub(super) async fn prepare(setup: &Setup, arm: Arm) -> Result<Vec<Pooled>, FrontendError> {
    let here = |message: String| FrontendError::Here(message);
    let pool = Pool::builder(Opener(setup.target(arm)?))
        .max_size(setup.pool_size as usize)
        .build()
        .map_err(|e| here(e.to_string()))?;
    let mut filled = Vec::new();
    for _ in 0..setup.pool_size {
        filled.push(pool.get().await.map_err(|e| match e {
            PoolError::Backend(e) => e,
            e => here(e.to_string()),
        })?);
    }
    Ok(setup.each(|texts| Pooled {
        pool: pool.clone(),
        texts,
    }))
}

/// A connection checked out of the pool. Given back, unless a statement was abandoned on it (the drain
/// deadline drops the operation): whoever checked it out next would wait for that statement.
struct CheckedOut {
    connection: Option<managed::Object<Opener>>,
    busy: bool,
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        if self.busy
            && let Some(connection) = self.connection.take()
        {
            // Out of the pool, which opens another; the server is done with it on its own.
            drop(managed::Object::take(connection));
        }
    }
}

impl Client for Pooled {
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let began = now();
        let connection = self.pool.get().await.map_err(|e| match e {
            PoolError::Backend(e) => e.class(),
            _ => ErrorClass::new("pool"),
        })?;
        let checked_out = now();
        phases.add(Operation::Checkout, Phase::Total, checked_out - began);
        let mut held = CheckedOut {
            connection: Some(connection),
            busy: true,
        };
        if let Some(connection) = &mut held.connection {
            let outcome = self.texts.run_on(connection).await;
            // A failed one has ended, too.
            held.busy = false;
            outcome?;
        }
        phases.add(Operation::Query, Phase::Total, now() - checked_out);
        Ok(())
    }

    async fn close(self) {
        self.pool.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Disconnect, Protocol, Statement};
    use crate::record::Role;
    use crate::server::testing::FakeServer;

    /// The pool's size after one operation on its only connection, bounded by `limit`.
    fn size_after_one(answers: bool, limit: Duration) -> (bool, usize) {
        let server = FakeServer::start(answers);
        let setup = Setup {
            role: Role::Client,
            server: server.endpoint.clone(),
            pgbouncer: None,
            count: 1,
            statement: Statement::Sql("SELECT 1".to_owned()),
            protocol: Protocol::Simple,
            disconnect: Disconnect::Wait,
            arms: vec![Arm::Pool],
            pool_size: 1,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut client = prepare(&setup, Arm::Pool).await.unwrap().remove(0);
            let pool = client.pool.clone();
            assert_eq!(pool.status().size, 1);
            let mut phases = Phases::default();
            let operation = client.operation(&mut phases);
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
