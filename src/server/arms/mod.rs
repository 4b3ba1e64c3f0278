//! The arms in server mode: one file per arm, or per family of arms that differ in an address or a word.
//! [`Client`] names each arm's; what is known about an arm beside what it does is in [`crate::arm`].

mod client;
mod cpu_burn;
mod failed_login;
mod fork_only;
mod persistent;
mod pool;
mod unpooled;

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use self::persistent::Persistent;
use self::pool::Pooled;
use self::unpooled::Unpooled;
use super::burner::Burn;
use super::frontend::FrontendError;
use super::target::Target;
use crate::arm::Arm;
use crate::config::Disconnect;
use crate::record::ErrorClass;

pub(super) use self::client::{Phases, Setup, StatementTexts};

/// One client of an arm, or one reader. It lives as long as the server it was made for.
pub(super) enum Client {
    /// `kept-open`, `pgbouncer-kept`, `vacuum`, `commit`, and readers.
    Persistent(Persistent),
    /// `unpooled`, `premapped`, `premapped-few` and `pgbouncer`.
    Unpooled(Unpooled),
    /// `pool`.
    Pooled(Pooled),
    /// `fork-only`, to this address.
    ForkOnly(Target),
    /// `failed-login`, to this address as a role that does not exist.
    FailedLogin(Target),
    /// `cpu-burn`: asks the helper.
    CpuBurn,
}

impl Client {
    /// Makes ready for a block, before any load.
    ///
    /// # Errors
    /// When a connection that must be open cannot be opened again.
    pub(super) async fn before_block(&mut self) -> Result<(), FrontendError> {
        match self {
            Client::Persistent(client) => client.reopen_if_closed().await,
            _ => Ok(()),
        }
    }

    /// The server's process of a connection that stays open.
    pub(super) fn process_id(&self) -> Option<i32> {
        match self {
            Client::Persistent(client) => client.process_id(),
            _ => None,
        }
    }

    /// One operation; the durations of its phases go to `phases`. One of `cpu-burn` is to be `burn`.
    ///
    /// # Errors
    /// The class of the failure.
    pub(super) async fn operation(
        &mut self,
        burn: Option<&Burn>,
        phases: &mut Phases,
    ) -> Result<(), ErrorClass> {
        match self {
            Client::Persistent(client) => client.operation(phases).await,
            Client::Unpooled(client) => client.operation(phases).await,
            Client::Pooled(client) => client.operation(phases).await,
            Client::ForkOnly(target) => fork_only::operation(target, phases).await,
            Client::FailedLogin(target) => failed_login::operation(target, phases).await,
            Client::CpuBurn => cpu_burn::operation(burn, phases).await,
        }
    }

    /// The operation was dropped in the middle: the block's time is over.
    pub(super) fn cut_off(&mut self) {
        match self {
            Client::Persistent(client) => client.cut_off(),
            Client::Pooled(client) => client.cut_off(),
            _ => {}
        }
    }

    /// Disconnects.
    pub(super) async fn close(self) {
        if let Client::Persistent(client) = self {
            client.close().await;
        }
    }
}

/// The clients of every arm that takes part, with their persistent connections open; `quiet` has none.
///
/// # Errors
/// When a connection is refused, or a statement fails.
pub(super) async fn all_clients(
    setup: &Setup,
) -> Result<BTreeMap<Arm, Vec<Client>>, FrontendError> {
    if let Some(address) = &setup.pgbouncer {
        fill_pgbouncer(&Target::new(address)?, setup.pool_size).await?;
    }
    let mut all = BTreeMap::new();
    for &arm in setup.arms.iter().filter(|&&arm| arm != Arm::Quiet) {
        all.insert(arm, clients(setup, arm).await?);
    }
    Ok(all)
}

async fn clients(setup: &Setup, arm: Arm) -> Result<Vec<Client>, FrontendError> {
    let endpoint = match &setup.pgbouncer {
        _ if !arm.needs_pgbouncer() => &setup.server,
        Some(pgbouncer) => pgbouncer,
        None => return Err(FrontendError::here("PgBouncer was not set up")),
    };
    let target = Target::new(endpoint)?;
    let pool = pool::of(&target, setup.pool_size)?;
    if arm == Arm::Pool {
        pool::fill(&pool).await?;
    }
    let mut clients = Vec::new();
    for worker in 0..setup.count {
        let target = target.clone();
        let texts = StatementTexts::new(&setup.load.query, setup.load.protocol, worker);
        clients.push(match arm {
            Arm::Quiet => break,
            Arm::Vacuum | Arm::Commit => {
                let (tables, texts) = persistent::own_table(arm, worker);
                Client::Persistent(Persistent::open(target, &tables, texts).await?)
            }
            Arm::KeptOpen | Arm::PgbouncerKept => {
                Client::Persistent(Persistent::open(target, &[], texts).await?)
            }
            // What their connections' backends do before they join is said to the server, for the whole block.
            Arm::Unpooled | Arm::Premapped | Arm::PremappedFew | Arm::Pgbouncer => {
                Client::Unpooled(Unpooled {
                    target,
                    disconnect: setup.load.disconnect,
                    texts,
                })
            }
            Arm::Pool => Client::Pooled(Pooled {
                pool: pool.clone(),
                texts,
            }),
            Arm::ForkOnly => Client::ForkOnly(target),
            Arm::FailedLogin => Client::FailedLogin(failed_login::target(endpoint)?),
            Arm::CpuBurn => Client::CpuBurn,
        });
    }
    Ok(clients)
}

/// Makes PgBouncer open all its server connections, so that none is opened
/// while a block is measured.
async fn fill_pgbouncer(address: &Target, pool_size: u32) -> Result<(), FrontendError> {
    let mut filling = JoinSet::new();
    for _ in 0..pool_size {
        let address = address.clone();
        filling.spawn(async move {
            let mut connection = address.connect().await?;
            // Long enough that every client needs a server connection of its own.
            let first = connection.query("SELECT pg_sleep(0.2)");
            address
                .in_time("the answer to a first statement", first)
                .await?;
            connection.terminate(Disconnect::Wait).await
        });
    }
    while let Some(ended) = filling.join_next().await {
        ended.map_err(FrontendError::here)??;
    }
    Ok(())
}
