//! What is measured at each level: paced commits, commits in a closed loop, reads on the standby.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::arms::Fault;
use super::record::{Cell, Closed, Reads};
use super::session::{INSERT, INSERT_READ};
use crate::chapter7::level::Level;
use crate::chapter7::pair::{Pair, STANDBY, connect, superuser};
use crate::clock::{Clock, MonotonicClock};
use crate::record::SeriesHistogram;
use crate::server::{Frontend, FrontendError};

/// From one commit to the next: twice what a fault adds, so that none waits for the one before it.
const SPACING: Duration = Duration::from_millis(45);
/// The same where each waits for a late replay.
const SPACING_OF_APPLY: Duration = Duration::from_millis(115);
/// Between two looks at the connection.
const LOOK: Duration = Duration::from_millis(5);
/// Connections of the closed loop.
const CLIENTS: usize = 4;

/// So many commits of one connection, one by one.
///
/// # Errors
/// What a server says.
pub(super) async fn commits(
    pair: &Pair,
    fault: Fault,
    level: Level,
    count: u32,
) -> Result<Cell, FrontendError> {
    let mut client = connect(&pair.primary, level).await?;
    // The statement is prepared, and the backend has what it needs.
    client.execute(INSERT, Some("0")).await?;
    let mut watcher = superuser(&pair.primary).await?;
    let look = format!(
        "SELECT (SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = {}), \
         (SELECT sync_state FROM pg_catalog.pg_stat_replication WHERE application_name = '{STANDBY}')",
        client.process_id.unwrap_or_default()
    );
    let waits_for_replay = fault == Fault::Apply && fault.is_felt_at(level);
    let mut clock = interval(match waits_for_replay {
        true => SPACING_OF_APPLY,
        false => SPACING,
    });
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let committing = async {
        let mut service = SeriesHistogram::default();
        for number in 0..count {
            clock.tick().await;
            let begun_ns = MonotonicClock.now_ns();
            client.execute(INSERT, Some(&number.to_string())).await?;
            service.record(MonotonicClock.now_ns() - begun_ns);
        }
        Ok::<_, FrontendError>(service)
    };
    let mut cell = Cell {
        level,
        service: SeriesHistogram::default(),
        looks: 0,
        waiting: 0,
        not_synchronous: 0,
    };
    let watching = async {
        loop {
            let rows = watcher.rows(&look).await?;
            let row = rows.into_iter().next().unwrap_or_default();
            let is =
                |n: usize, wanted: &str| row.get(n).is_some_and(|v| v.as_deref() == Some(wanted));
            cell.looks += 1;
            cell.waiting += u32::from(is(0, "SyncRep"));
            cell.not_synchronous += u32::from(!is(1, "sync"));
            sleep(LOOK).await;
        }
    };
    let service = tokio::select! {
        done = committing => done?,
        failed = watching => return failed,
    };
    Ok(Cell { service, ..cell })
}

/// Commits as fast as some connections can.
///
/// # Errors
/// What a server says.
pub(super) async fn closed(
    pair: &Pair,
    level: Level,
    length: Duration,
) -> Result<Closed, FrontendError> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(&pair.primary, level).await?;
        client.execute(INSERT, Some("0")).await?;
        clients.push(client);
    }
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for client in clients {
        all.spawn(commit_until(client, begun + length));
    }
    let mut commits = 0;
    while let Some(done) = all.join_next().await {
        commits += done.map_err(FrontendError::here)??;
    }
    let elapsed = begun.elapsed();
    // What the standby is behind is not the next level's.
    let mut client = connect(&pair.primary, Level::RemoteApply).await?;
    client.execute(INSERT, Some("0")).await?;
    Ok(Closed {
        level,
        commits,
        elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
    })
}

async fn commit_until(mut client: Frontend, end: Instant) -> Result<u64, FrontendError> {
    let mut commits = 0;
    while Instant::now() < end {
        client.execute(INSERT, Some("0")).await?;
        commits += 1;
    }
    Ok(commits)
}

/// Inserts rows on the primary, and looks for each on the standby when it is acknowledged. Takes its numbers from
/// `next`.
///
/// # Errors
/// What a server says.
pub(super) async fn reads(
    pair: &Pair,
    level: Level,
    count: u32,
    next: &mut u64,
) -> Result<Reads, FrontendError> {
    let mut client = connect(&pair.primary, level).await?;
    let mut reader = connect(&pair.standby, level).await?;
    let mut reads = Reads {
        level,
        all: 0,
        stale: 0,
    };
    for _ in 0..count {
        *next += 1;
        let number = next.to_string();
        client.execute(INSERT_READ, Some(&number)).await?;
        let sql = format!("SELECT number FROM ladder_read WHERE number = {number}");
        let found = reader.rows(&sql).await?;
        reads.all += 1;
        reads.stale += u32::from(found.is_empty());
    }
    Ok(reads)
}
