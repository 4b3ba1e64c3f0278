//! The table of arms: which clients each has in server mode.

use std::collections::BTreeMap;

use super::client::Setup;
use super::{cpu_burn, failed_login, fork_only, own_table, persistent, pool, unpooled};
use crate::arm::Arm;
use crate::config::Disconnect;
use crate::server::frontend::FrontendError;
use crate::server::target::Target;
use crate::server::workers::{AnyWorkers, workers};

/// Makes the clients of one arm; `quiet` has none.
async fn clients(setup: &Setup, arm: Arm) -> Result<Option<AnyWorkers>, FrontendError> {
    Ok(Some(match arm {
        Arm::Quiet => return Ok(None),
        Arm::KeptOpen | Arm::PgbouncerKept => workers(persistent::prepare(setup, arm).await?),
        Arm::Unpooled | Arm::Pgbouncer => workers(unpooled::prepare(setup, arm).await?),
        Arm::Pool => workers(pool::prepare(setup, arm).await?),
        Arm::ForkOnly => workers(fork_only::prepare(setup, arm).await?),
        Arm::FailedLogin => workers(failed_login::prepare(setup, arm).await?),
        Arm::Vacuum | Arm::Commit => workers(own_table::prepare(setup, arm).await?),
        Arm::CpuBurn => workers(cpu_burn::prepare(setup)),
    }))
}

/// The clients of every arm that takes part, with their persistent connections open.
///
/// # Errors
/// When a connection is refused, or a statement fails.
pub(in crate::server) async fn all_clients(
    setup: &Setup,
) -> Result<BTreeMap<Arm, AnyWorkers>, FrontendError> {
    if let Some(address) = &setup.pgbouncer {
        fill_pgbouncer(&Target::new(address)?, setup.pool_size).await?;
    }
    let mut all = BTreeMap::new();
    for &arm in &setup.arms {
        if let Some(clients) = clients(setup, arm).await? {
            all.insert(arm, clients);
        }
    }
    Ok(all)
}

/// Makes PgBouncer open all its server connections, so that none is opened
/// while a block is measured.
async fn fill_pgbouncer(address: &Target, pool_size: u32) -> Result<(), FrontendError> {
    let tasks: Vec<_> = (0..pool_size)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut connection = address.connect().await?;
                // Long enough that every client needs a server connection of its own.
                connection.query("SELECT pg_sleep(0.2)").await?;
                connection.terminate(Disconnect::Wait).await
            })
        })
        .collect();
    for task in tasks {
        let ended = task.await;
        ended.map_err(|e| FrontendError::Here(e.to_string()))??;
    }
    Ok(())
}
