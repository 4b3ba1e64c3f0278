//! `vacuum` and `commit`: a statement of the arm's own, on persistent connections, against tables of ours.
//!
//! Each client has a table of its own, since two VACUUMs of one table would wait for each other
//! (ShareUpdateExclusiveLock), and two updates of one row, too.

use super::client::Setup;
use super::persistent::Persistent;
use crate::arm::Arm;
use crate::config::{Protocol, Statement};
use crate::server::frontend::FrontendError;
use crate::server::statements::StatementTexts;

/// Opens a connection per client, makes its table, and runs the statement once.
///
/// # Errors
/// When a connection is refused, or a statement fails.
pub(super) async fn prepare(setup: &Setup, arm: Arm) -> Result<Vec<Persistent>, FrontendError> {
    let target = setup.target(arm)?;
    let mut clients = Vec::new();
    for client in 0..setup.count {
        let table = format!("procbench_{arm}_{client}");
        let statement = match arm {
            Arm::Vacuum => format!("VACUUM {table}"),
            _ => format!("INSERT INTO {table} VALUES (1)"),
        };
        let mut connection = target.connect().await?;
        for made in [
            format!("DROP TABLE IF EXISTS {table}"),
            format!("CREATE TABLE {table} (n int)"),
        ] {
            let outcome = connection.query(&made).await;
            outcome.map_err(|e| FrontendError::Here(format!("{made}: {e}")))?;
        }
        let texts = StatementTexts::new(
            Statement::Sql(statement),
            Protocol::Simple,
            u64::from(client),
        );
        clients.push(Persistent::begin(target.clone(), connection, texts).await?);
    }
    Ok(clients)
}
