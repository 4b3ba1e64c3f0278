//! The arms in server mode: one file per arm, or per family of arms that differ in an address or a word.
//! What each does is its [`Operations`]; what is known about an arm beside what it does is in [`crate::arm`].

mod client;
mod cpu_burn;
mod failed_login;
mod fork_only;
mod persistent;
mod pool;
mod unpooled;

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use self::cpu_burn::CpuBurn;
use self::failed_login::FailedLogin;
use self::fork_only::ForkOnly;
use self::persistent::Persistent;
use self::pool::Pooled;
use self::unpooled::Unpooled;
use super::burner::Burn;
use super::frontend::FrontendError;
use super::target::Target;
use crate::arm::Arm;
use crate::config::Disconnect;
use crate::record::ErrorClass;

pub(super) use self::client::{Operations, Phases, Setup, StatementTexts};

/// Declares [`Client`]: the clients of every arm, told apart once, so that no operation is allocated.
macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One client of an arm, or one reader.
        pub(super) enum Client {
            $($(#[$doc])* $name($name),)*
        }

        impl Operations for Client {
            async fn before_block(&mut self, burn: Option<&Burn>) -> Result<(), FrontendError> {
                match self { $(Client::$name(client) => client.before_block(burn).await,)* }
            }

            async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
                match self { $(Client::$name(client) => client.operation(phases).await,)* }
            }

            fn cut_off(&mut self) {
                match self { $(Client::$name(client) => client.cut_off(),)* }
            }

            fn process_id(&self) -> Option<i32> {
                match self { $(Client::$name(client) => client.process_id(),)* }
            }

            async fn close(&mut self) {
                match self { $(Client::$name(client) => client.close().await,)* }
            }
        }
    };
}

clients! {
    /// `kept-open`, `pgbouncer-kept`, `vacuum`, `commit`, and readers.
    Persistent,
    /// `unpooled`, `premapped`, `premapped-few` and `pgbouncer`.
    Unpooled,
    /// `pool`.
    Pooled,
    /// `fork-only`.
    ForkOnly,
    /// `failed-login`.
    FailedLogin,
    /// `cpu-burn`.
    CpuBurn,
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
            Arm::ForkOnly => Client::ForkOnly(ForkOnly(target)),
            Arm::FailedLogin => Client::FailedLogin(FailedLogin::at(endpoint)?),
            Arm::CpuBurn => Client::CpuBurn(CpuBurn::default()),
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
