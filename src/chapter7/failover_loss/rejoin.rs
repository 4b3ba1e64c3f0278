//! The old leader's node is started again on its own cluster, and becomes one of the others'.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::leaders::Leaders;
use super::nodes::{NODES, Nodes, here, until_it_streams};
use super::record::Rejoined;
use super::session::{as_number, numbers};
use crate::chapter7::pair::{Flow, superuser, value};
use crate::server::FrontendError;
use crate::server::provision::RunningServer;

/// Opens the old leader's cluster alone, before Patroni does anything to it, and keeps the numbers of its rows. The lock
/// of its socket is of the process that was killed, whose number another one may have now.
const OPEN_ALONE: &str = "rm -f /sockets/.s.PGSQL.*; echo \"COPY loss (number) TO '/procbench/rows'\" | postgres --single -D \"$data\" postgres >/procbench/single";
/// How long a leader may take to be there.
const LEADER_LIMIT: Duration = Duration::from_secs(60);
/// How long the last rows may take to be everywhere, once all stream.
const EQUAL_LIMIT: Duration = Duration::from_secs(20);
/// How long a file may take to be read.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// What Patroni logs when it makes a node follow another history.
const REWIND: &str = "running pg_rewind";

/// How many rows a node has, and a hash of them all.
const ROWS: &str = "SELECT count(*) || ' ' || coalesce(sum(pg_catalog.hashtextextended(l::text, 0)), 0) FROM loss l";

/// What there is when the old leader is back.
pub(super) struct Back {
    /// The numbers of the rows that it had.
    pub(super) had: Vec<u64>,
    /// The place of the node that takes writes now.
    pub(super) leader: usize,
    /// When that was found.
    pub(super) at: Instant,
    pub(super) rejoined: Rejoined,
}

/// Starts the old leader's node, and waits until all nodes follow one leader and have the same rows, or do not in time.
///
/// # Errors
/// What a server says; that there is no leader, or that a node does not stream.
pub(super) async fn rejoin(
    nodes: &mut Nodes,
    leaders: &mut Leaders,
) -> Result<Back, FrontendError> {
    nodes.leader.proxy.set_both(Flow::Open);
    let begun = Instant::now();
    nodes.leader.server.start_again(OPEN_ALONE).map_err(here)?;
    let Some((leader, later)) = leaders.one_since(begun, LEADER_LIMIT).await else {
        let log = nodes.leader.server.log_tail().replace('\n', " / ");
        return Err(FrontendError::Here(format!(
            "there is no leader when {} is back: {log}",
            NODES[0]
        )));
    };
    let servers = nodes.servers();
    for (place, server) in servers
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != leader)
    {
        until_it_streams(servers[leader], NODES[place], None, server).await?;
    }
    let took = begun.elapsed();
    let rows = until_equal(&servers).await?;
    let had = servers[0].shell("cat /procbench/rows", ANSWER_LIMIT, &|| false);
    let had = had.map_err(here)?;
    let had: Vec<u64> = had.lines().map(as_number).collect::<Result<_, _>>()?;
    let log = servers[0].log();
    let log = String::from_utf8_lossy(&log);
    let rewound = log.lines().find(|line| line.contains(REWIND));
    Ok(Back {
        leader,
        at: begun + later,
        rejoined: Rejoined {
            before: had.len() as u64,
            after: numbers(servers[0]).await?.len() as u64,
            rewound: rewound.map(|line| line.trim().to_owned()),
            rows,
            back_ns: u64::try_from(took.as_nanos()).unwrap_or_default(),
        },
        had,
    })
}

/// What each node has, as soon as it is the same, or in the end. A node may be started once more after it streamed.
async fn until_equal(servers: &[&RunningServer]) -> Result<Vec<String>, FrontendError> {
    let deadline = Instant::now() + EQUAL_LIMIT;
    loop {
        let all = rows_of_each(servers).await;
        let is_late = Instant::now() >= deadline;
        match all {
            Ok(all) if is_late || all.iter().all(|rows| *rows == all[0]) => return Ok(all),
            Err(error) if is_late => return Err(error),
            _ => sleep(LOOK).await,
        }
    }
}

async fn rows_of_each(servers: &[&RunningServer]) -> Result<Vec<String>, FrontendError> {
    let mut all = Vec::new();
    for server in servers {
        let mut session = superuser(server).await?;
        all.push(value(&mut session, ROWS).await?.unwrap_or_default());
    }
    Ok(all)
}
