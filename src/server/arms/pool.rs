//! `pool`: transactions through an in-process pool. It is deadpool over the connections that all arms use, so
//! that arms differ in what they do with a connection and not in whose client it is.

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult};

use super::client::{Operations, Phases, StatementTexts};
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::frontend::{Frontend, FrontendError, now};
use crate::server::target::Target;

pub(in crate::server) type Pool = managed::Pool<Opener>;

/// Opens the pool's connections.
pub(in crate::server) struct Opener(Target);

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

/// A pool of so many connections to `target`.
///
/// # Errors
/// None that could be named beforehand.
pub(super) fn of(target: &Target, size: u32) -> Result<Pool, FrontendError> {
    let builder = Pool::builder(Opener(target.clone())).max_size(size as usize);
    builder.build().map_err(FrontendError::here)
}

/// Opens all its connections: its own warm-up is not our subject.
///
/// # Errors
/// When one is refused.
pub(super) async fn fill(pool: &Pool) -> Result<(), FrontendError> {
    let mut filled = Vec::new();
    for _ in 0..pool.status().max_size {
        filled.push(pool.get().await.map_err(|e| match e {
            PoolError::Backend(e) => e,
            e => FrontendError::here(e),
        })?);
    }
    Ok(())
}

/// A client of the pool.
pub(in crate::server) struct Pooled {
    pub(super) pool: Pool,
    pub(super) texts: StatementTexts,
}

impl Operations for Pooled {
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let began = now();
        let mut connection = self.pool.get().await.map_err(|e| match e {
            PoolError::Backend(e) => e.class(),
            _ => ErrorClass::new("pool"),
        })?;
        let checked_out = now();
        phases.add(Operation::Checkout, Phase::Total, checked_out - began);
        self.texts.run_on(&mut connection).await?;
        phases.add(Operation::Query, Phase::Total, now() - checked_out);
        Ok(())
    }

    /// Takes the connection on which a statement was abandoned (the drain deadline drops the operation) out of
    /// the pool, which opens another: whoever checked it out next would wait for that statement.
    fn cut_off(&mut self) {
        self.pool.retain(|connection, _| !connection.broken);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Protocol, Statement};
    use crate::server::testing::FakeServer;

    /// The pool's size after one operation on its only connection, bounded by `limit`.
    fn size_after_one(answers: bool, limit: Duration) -> (bool, usize) {
        let server = FakeServer::start(answers);
        let target = Target::new(&server.endpoint).unwrap();
        let pool = of(&target, 1).unwrap();
        let statement = Statement::Sql("SELECT 1".to_owned());
        let mut client = Pooled {
            pool: pool.clone(),
            texts: StatementTexts::new(&statement, Protocol::Simple, 0),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            fill(&pool).await.unwrap();
            assert_eq!(pool.status().size, 1);
            let mut phases = Phases::default();
            let operation = client.operation(&mut phases);
            let ended = tokio::time::timeout(limit, operation).await;
            if ended.is_err() {
                client.cut_off();
            }
            (matches!(ended, Ok(Ok(()))), pool.status().size)
        })
    }

    #[test]
    fn a_statement_cut_off_takes_its_connection_out_of_the_pool() {
        assert_eq!(size_after_one(false, Duration::from_millis(50)), (false, 0));
        assert_eq!(size_after_one(true, Duration::from_secs(60)), (true, 1));
    }
}
