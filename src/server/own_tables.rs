//! The tables of the `vacuum` and `commit` arms, made at the start of a visit on servers of ours.

use super::connect::Target;
use super::provision::{Endpoint, RunningServer};
use super::session::{ConnectError, Session};
use crate::arm::Arm;
use crate::config::Statement;

/// What one client of an arm runs: each has a table of its own, since two VACUUMs of one table would wait for
/// each other (ShareUpdateExclusiveLock) and two updates of one row, too. `None` for arms without a statement of
/// their own.
pub fn statement_of(arm: Arm, client: u32) -> Option<Statement> {
    match arm {
        Arm::Vacuum => Some(format!("VACUUM procbench_vacuum_{client}")),
        Arm::Commit => Some(format!("INSERT INTO procbench_commit_{client} VALUES (1)")),
        _ => None,
    }
    .map(Statement::Sql)
}

/// Makes the tables that the arms need, for so many clients, owned by the role that uses them. Nothing is done
/// where no arm needs one.
///
/// # Errors
/// When a statement fails.
pub fn create(server: &RunningServer, arms: &[Arm], clients: u32) -> Result<(), ConnectError> {
    let of = |arm, name: &'static str| {
        let takes_part = arms.contains(&arm);
        (0..clients).filter(move |_| takes_part).map(move |client| {
            format!("DROP TABLE IF EXISTS {name}_{client}; CREATE TABLE {name}_{client} (n int)")
        })
    };
    let statements: Vec<String> = of(Arm::Vacuum, "procbench_vacuum")
        .chain(of(Arm::Commit, "procbench_commit"))
        .collect();
    if statements.is_empty() {
        return Ok(());
    }
    run(server.endpoint(), &statements)
}

fn run(endpoint: &Endpoint, statements: &[String]) -> Result<(), ConnectError> {
    let harness = |e: String| super::crew::harness(e);
    let target = Target::new(endpoint).map_err(|e| harness(e.to_string()))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| harness(e.to_string()))?
        .block_on(async {
            let session = Session::open(&target).await?;
            for statement in statements {
                let ran = session.run(statement).await;
                ran.map_err(|class| ConnectError {
                    message: format!("{statement}: {}", class.0),
                    class,
                })?;
            }
            session.close().await;
            Ok(())
        })
}
