//! The in-process pool: deadpool over the connections that all arms use, so that arms differ in what they do
//! with a connection and not in whose client it is.

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};

use super::connect::Target;
use super::crew::harness;
use super::frontend::Frontend;
use super::session::{ConnectError, StatementTexts};
use crate::record::ErrorClass;

/// The pool.
pub type Pool = managed::Pool<Opener>;

/// Opens the pool's connections.
#[derive(Debug)]
pub struct Opener(Target);

impl managed::Manager for Opener {
    type Type = Frontend;
    type Error = ConnectError;

    async fn create(&self) -> Result<Frontend, ConnectError> {
        Frontend::open(&self.0).await
    }

    /// Without a statement of its own, as pools do by default: a look at the socket.
    async fn recycle(&self, held: &mut Frontend, _: &Metrics) -> RecycleResult<ConnectError> {
        if held.is_closed() {
            return Err(RecycleError::message("closed by the server"));
        }
        Ok(())
    }
}

/// A pool filled beforehand: its own warm-up is not our subject.
pub(super) async fn open_pool(server: &Target, size: u32) -> Result<Pool, ConnectError> {
    let pool = Pool::builder(Opener(server.clone()))
        .max_size(size as usize)
        .build()
        .map_err(|e| harness(e.to_string()))?;
    let mut filled = Vec::new();
    for _ in 0..size {
        filled.push(pool.get().await.map_err(|e| match e {
            managed::PoolError::Backend(e) => e,
            e => harness(e.to_string()),
        })?);
    }
    Ok(pool)
}

/// A connection checked out of the pool. Given back, unless a statement was abandoned on it (the drain
/// deadline drops the operation): whoever checked it out next would wait for that statement.
pub(super) struct Lent {
    connection: Option<managed::Object<Opener>>,
    busy: bool,
}

impl Lent {
    /// Checks one out.
    pub(super) async fn from(pool: &Pool) -> Result<Self, ErrorClass> {
        let connection = pool.get().await.map_err(|e| match e {
            managed::PoolError::Backend(e) => e.class,
            _ => ErrorClass::new("pool"),
        })?;
        Ok(Lent {
            connection: Some(connection),
            busy: false,
        })
    }

    /// Runs one statement. A failed one has ended, too.
    pub(super) async fn run(&mut self, texts: &mut StatementTexts) -> Result<(), ErrorClass> {
        let Some(connection) = &mut self.connection else {
            return Err(ErrorClass::new("connection-lost"));
        };
        self.busy = true;
        let outcome = texts.run_on(connection).await;
        self.busy = false;
        outcome.map_err(|e| e.class())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.busy
            && let Some(connection) = self.connection.take()
        {
            // Out of the pool, which opens another; the server is done with it on its own.
            drop(managed::Object::take(connection));
        }
    }
}
