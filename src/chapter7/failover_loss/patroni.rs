//! The same with Patroni: who is promoted, and when, is its decision. Two nodes and one etcd, anew for each trial.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::arms::{Client, Group, WRITERS};
use super::outcome::classify;
use super::record::PatroniTrial;
use super::session::{INSERT, make_tables, numbers};
use crate::causes::on_one_line;
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::level::Level;
use crate::chapter7::pair::{Flow, Proxy, at_level, superuser, until_ready, value};
use crate::config::Arrivals;
use crate::console::tell;
use crate::server::FrontendError;
use crate::server::provision::{Etcd, PatroniNode, RunningServer, port_for_node};

/// The nodes: the first becomes the leader, since the second begins when it is there.
const NODES: [&str; 2] = ["n1", "n2"];
/// Inserts per second of each writer.
const RATE: f64 = 100.0;
/// The load alone.
const LEAD: Duration = Duration::from_millis(1_500);
/// From the cut to the end of the leader.
const CUT: Duration = Duration::from_secs(1);
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

/// What the second node is to the first one; `None` where nobody knows.
async fn sync_state(leader: &RunningServer) -> Option<String> {
    let sql = format!(
        "SELECT sync_state FROM pg_catalog.pg_stat_replication WHERE application_name = '{}' AND state = 'streaming'",
        NODES[1]
    );
    let mut session = superuser(leader).await.ok()?;
    value(&mut session, &sql).await.ok()?
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

/// Kills the leader of a new cluster 1 s after its replication was cut, and waits for another one.
///
/// # Errors
/// What a server says; that the cluster does not come to be.
pub(super) async fn measure(synchronous: bool, seed: u64) -> Result<PatroniTrial, FrontendError> {
    let etcd = Etcd::start(&tell).map_err(here)?;
    let mut leader = Node::start(&etcd, NODES[0], synchronous)?;
    let mut admin = until_ready(&leader.server).await?;
    let other = Node::start(&etcd, NODES[1], synchronous)?;
    let wanted = if synchronous { "sync" } else { "async" };
    let deadline = Instant::now() + BOOT_LIMIT;
    while sync_state(&leader.server).await.as_deref() != Some(wanted) {
        if Instant::now() >= deadline {
            let log = other.server.log_tail().replace('\n', " / ");
            return Err(FrontendError::Here(format!(
                "Patroni's second node is not streaming and {wanted}: {log}"
            )));
        }
        sleep(LOOK).await;
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
    let is = sync_state(&leader.server).await;
    let mut void = (is.as_deref() != Some(wanted)).then(|| {
        let is = is.unwrap_or_else(|| "not streaming".to_owned());
        format!("the second node was {is} before the kill, not {wanted}")
    });
    for node in [&leader, &other] {
        node.proxy.set_both(Flow::Cut);
    }
    let cut_ns = load.now_ns();
    sleep(CUT).await;
    let mut kill_ns = 0;
    let killed = leader.server.kill(&mut || kill_ns = load.now_ns());
    killed.map_err(here)?;
    let died = Instant::now();
    let inserts = load.stop()?;
    let mut leader_ns = None;
    while leader_ns.is_none() && died.elapsed() < LEADER_LIMIT {
        sleep(LOOK).await;
        if is_leader(&other.server).await {
            leader_ns = u64::try_from(died.elapsed().as_nanos()).ok();
        }
    }
    if leader_ns.is_none() {
        let late = format!("no new leader after {} s", LEADER_LIMIT.as_secs());
        void.get_or_insert(late);
    }
    let present = numbers(&other.server).await?;
    let found = classify(&inserts, &groups, &present, None);
    Ok(PatroniTrial {
        version,
        server_version: server_version.unwrap_or_default(),
        synchronous,
        void,
        cut_ns,
        kill_ns,
        leader_ns,
        outcomes: found.outcomes,
        foreign: found.foreign,
        twice: found.twice,
    })
}
