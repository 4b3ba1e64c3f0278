//! What happens to commits that wait while the standby is cut off.

use std::time::Duration;

use itertools::Itertools;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::arms::{Arm, Client};
use crate::chapter7::pair::set_and_reload;
use crate::server::{Frontend, FrontendError};

/// Between two times at which waits are cancelled.
const CANCEL_EVERY: Duration = Duration::from_millis(100);
/// From the cut to the end of sessions that are terminated.
const TERMINATED_AFTER: Duration = Duration::from_millis(300);

/// Waits for the arm's time, and does to the writers' waits what the arm does; `backends` are the server's processes of
/// the writers, by place.
///
/// # Errors
/// What the server says.
pub(super) async fn during_cut(
    arm: Arm,
    admin: &mut Frontend,
    backends: &[i32],
) -> Result<(), FrontendError> {
    match arm {
        Arm::Waiting => end_waits(arm, admin, backends).await,
        Arm::Emptied => {
            sleep(arm.cut() / 2).await;
            set_and_reload(admin, "synchronous_standby_names", "").await?;
            sleep(arm.cut() / 2).await;
            Ok(())
        }
        _ => {
            sleep(arm.cut()).await;
            Ok(())
        }
    }
}

async fn end_waits(arm: Arm, admin: &mut Frontend, backends: &[i32]) -> Result<(), FrontendError> {
    let groups = arm.groups();
    // Only those that wait for the standby: nobody else is disturbed.
    let call = |function: &str, client: Client| {
        let own = backends.iter().enumerate();
        let own = own.filter(|(place, _)| groups[place % groups.len()].client == client);
        let own = own.map(|(_, pid)| pid).join(", ");
        format!(
            "SELECT count(pg_catalog.{function}(pid)) FROM pg_catalog.pg_stat_activity WHERE pid IN ({own}) AND wait_event = 'SyncRep'"
        )
    };
    let cancel = call("pg_cancel_backend", Client::Cancelled);
    let terminate = call("pg_terminate_backend", Client::Terminated);
    let begun = Instant::now();
    let cancelling = async {
        let mut clock = interval(CANCEL_EVERY);
        // The first tick comes at once, when nobody has waited yet.
        clock.tick().await;
        let mut ends = Some(&terminate);
        loop {
            clock.tick().await;
            admin.query(&cancel).await?;
            if begun.elapsed() >= TERMINATED_AFTER
                && let Some(terminate) = ends.take()
            {
                admin.query(terminate).await?;
            }
        }
    };
    tokio::select! {
        failed = cancelling => failed,
        () = sleep_until(begun + arm.cut()) => Ok(()),
    }
}
