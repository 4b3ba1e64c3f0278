//! The same with Patroni: who is promoted, and when, is its decision. Two or three nodes and one etcd, anew for each trial.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::arms::{Client, Group, PatroniArm, WRITERS};
use super::outcome::classify;
use super::record::PatroniTrial;
use super::session::{INSERT, make_tables, numbers};
use crate::causes::on_one_line;
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::level::Level;
use crate::chapter7::pair::{
    Flow, Proxy, Stopped, at_level, receiver, superuser, until_ready, value,
};
use crate::config::Arrivals;
use crate::console::tell;
use crate::server::FrontendError;
use crate::server::provision::{Etcd, PatroniNode, RunningServer, port_for_node};

/// The nodes: the first becomes the leader, since the others begin when it is there.
const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// Inserts per second of each writer.
const RATE: f64 = 100.0;
/// The load alone.
const LEAD: Duration = Duration::from_millis(1_500);
/// From the cut to the end of the leader.
const CUT: Duration = Duration::from_secs(1);
/// For how long the last node has not received anything when the leader dies.
const FROZEN: Duration = Duration::from_secs(2);
/// How long the second node may take to stream, and to be synchronous.
const BOOT_LIMIT: Duration = Duration::from_secs(90);
/// How long a new leader may take: the old one's key lives for 20 s.
const LEADER_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(200);
/// How long a program may take to say what it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A node, and the port that the other one is told.
struct Node {
    server: RunningServer,
    proxy: Proxy,
}

fn here(error: impl std::error::Error) -> FrontendError {
    FrontendError::here(on_one_line(&error))
}

impl Node {
    fn start(etcd: &Etcd, name: &str, synchronous: bool) -> Result<Self, FrontendError> {
        let port = port_for_node().map_err(here)?;
        let (proxy, told_port) = Proxy::start_on_port(port)?;
        let node = PatroniNode {
            name,
            synchronous,
            port,
            told_port,
        };
        let server = etcd.start_node(node).map_err(here)?;
        Ok(Node { server, proxy })
    }
}

/// Who writes: `local` shows that the crash is one.
fn groups() -> [Group; 2] {
    [Level::Local, Level::On].map(|level| Group {
        level,
        client: Client::Patient,
    })
}

/// What a node is to the leader; `None` where nobody knows.
async fn sync_state(leader: &RunningServer, name: &str) -> Option<String> {
    let sql = format!(
        "SELECT sync_state FROM pg_catalog.pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming'"
    );
    let mut session = superuser(leader).await.ok()?;
    value(&mut session, &sql).await.ok()?
}

/// What a standby has received, in bytes.
async fn received(standby: &RunningServer) -> Result<u64, FrontendError> {
    let mut session = superuser(standby).await?;
    let sql = "SELECT (pg_catalog.pg_last_wal_receive_lsn() - '0/0')::bigint";
    let bytes = value(&mut session, sql).await?;
    Ok(bytes.and_then(|b| b.parse().ok()).unwrap_or_default())
}

/// Whether it takes writes.
async fn is_leader(server: &RunningServer) -> bool {
    let asked = async {
        let mut session = superuser(server).await?;
        value(&mut session, "SELECT pg_catalog.pg_is_in_recovery()").await
    };
    // One that restarts answers later.
    asked.await.is_ok_and(|is| is.as_deref() == Some("f"))
}

/// Kills the leader of a new cluster, and waits for another one.
///
/// # Errors
/// What a server says; that the cluster does not come to be.
pub(super) async fn measure(arm: PatroniArm, seed: u64) -> Result<PatroniTrial, FrontendError> {
    let etcd = Etcd::start(&tell).map_err(here)?;
    let synchronous = arm == PatroniArm::On;
    let mut leader = Node::start(&etcd, NODES[0], synchronous)?;
    let mut admin = until_ready(&leader.server).await?;
    let names = match arm {
        PatroniArm::Behind => &NODES[1..],
        _ => &NODES[1..2],
    };
    let mut others = Vec::new();
    let wanted = if synchronous { "sync" } else { "async" };
    for &name in names {
        let node = Node::start(&etcd, name, synchronous)?;
        until_it_is(wanted, (&leader.server, name), &node.server).await?;
        others.push(node);
    }
    make_tables(&leader.server).await?;
    let version = leader
        .server
        .shell("patroni --version", ANSWER_LIMIT, &|| false);
    let version = version.map_err(here)?;
    let server_version = value(&mut admin, "SHOW server_version").await?;

    let groups = groups();
    let endpoints = groups.map(|g| at_level(&leader.server, g.level));
    let writers = 2 * WRITERS;
    let load = Load {
        writers,
        rate_per_second: RATE * f64::from(writers),
        arrivals: Arrivals::Even,
        sql: INSERT.to_owned(),
        seed,
    };
    let load = RunningLoad::start(&endpoints, &load)?;
    sleep(LEAD).await;
    let is = sync_state(&leader.server, NODES[1]).await;
    let mut void = (is.as_deref() != Some(wanted)).then(|| {
        let is = is.unwrap_or_else(|| "not streaming".to_owned());
        format!("{} was {is} before the kill, not {wanted}", NODES[1])
    });
    // It stands still until there is a new leader: what is in its socket is not to arrive.
    let mut stopped = None;
    if let (PatroniArm::Behind, Some(last)) = (arm, others.last()) {
        let pid = receiver(&last.server).await?;
        stopped = Some(Stopped::stop(&last.server, pid)?);
        sleep(FROZEN).await;
    } else {
        leader.proxy.set_both(Flow::Cut);
        sleep(CUT).await;
    }
    let Node { server, proxy } = &mut leader;
    let mut kill_ns = 0;
    let killed = server.kill(&mut || {
        proxy.set_both(Flow::Cut);
        kill_ns = load.now_ns();
    });
    killed.map_err(here)?;
    let died = Instant::now();
    let inserts = load.stop()?;
    let behind_bytes = match &others[..] {
        [ahead, behind] => {
            let has = received(&behind.server).await?;
            Some(received(&ahead.server).await?.saturating_sub(has))
        }
        _ => None,
    };
    let mut promoted = None;
    while promoted.is_none() && died.elapsed() < LEADER_LIMIT {
        sleep(LOOK).await;
        for (node, name) in others.iter().zip(names) {
            if is_leader(&node.server).await {
                promoted = Some((node, *name, died.elapsed()));
            }
        }
    }
    drop(stopped);
    let (mut leader_ns, mut present) = (None, Vec::new());
    match promoted {
        Some((node, _, elapsed)) => {
            leader_ns = u64::try_from(elapsed.as_nanos()).ok();
            present = numbers(&node.server).await?;
        }
        None => {
            let late = format!("no new leader after {} s", LEADER_LIMIT.as_secs());
            void.get_or_insert(late);
        }
    }
    let found = classify(&inserts, &groups, &present, None);
    Ok(PatroniTrial {
        version,
        server_version: server_version.unwrap_or_default(),
        arm,
        void,
        kill_ns,
        behind_bytes,
        promoted: promoted.map(|(_, name, _)| name.to_owned()),
        leader_ns,
        outcomes: found.outcomes,
        foreign: found.foreign,
        twice: found.twice,
    })
}

/// Waits until a node streams and is `sync` or `async`.
async fn until_it_is(
    wanted: &str,
    (leader, name): (&RunningServer, &str),
    node: &RunningServer,
) -> Result<(), FrontendError> {
    let deadline = Instant::now() + BOOT_LIMIT;
    while sync_state(leader, name).await.as_deref() != Some(wanted) {
        if Instant::now() >= deadline {
            let log = node.log_tail().replace('\n', " / ");
            return Err(FrontendError::Here(format!(
                "Patroni's node {name} is not streaming and {wanted}: {log}"
            )));
        }
        sleep(LOOK).await;
    }
    Ok(())
}
