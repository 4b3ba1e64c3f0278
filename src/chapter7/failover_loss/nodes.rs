//! Patroni's nodes of one trial, and what one asks them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::arms::PatroniArm;
use crate::causes::on_one_line;
use crate::chapter7::pair::{Proxy, superuser, until_ready, value};
use crate::server::FrontendError;
use crate::server::provision::{Etcd, PatroniNode, RunningServer, port_for_node};

/// Their names: the first becomes the leader, since the others begin when it is there.
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// How long a node may take to stream, and to be synchronous.
const STREAMING_LIMIT: Duration = Duration::from_secs(90);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// A node, and the port that the others are told.
pub(super) struct Node {
    pub(super) server: RunningServer,
    pub(super) proxy: Proxy,
}

/// All of them, and where they keep what they agree on.
pub(super) struct Nodes {
    pub(super) leader: Node,
    pub(super) others: Vec<Node>,
    pub(super) etcd: Etcd,
}

pub(super) fn here(error: impl std::error::Error) -> FrontendError {
    FrontendError::here(on_one_line(&error))
}

impl Node {
    fn start(etcd: &Etcd, name: &str, arm: PatroniArm) -> Result<Self, FrontendError> {
        let port = port_for_node().map_err(here)?;
        let (proxy, told_port) = Proxy::start_on_port(port)?;
        let node = PatroniNode {
            name,
            synchronous: arm.is_synchronous(),
            loop_wait: arm.loop_wait(),
            port,
            told_port,
        };
        let server = etcd.start_node(node).map_err(here)?;
        Ok(Node { server, proxy })
    }
}

impl Nodes {
    /// Starts them; the others stream then.
    ///
    /// # Errors
    /// What a server says; that the cluster does not come to be.
    pub(super) async fn start(etcd: Etcd, arm: PatroniArm) -> Result<Self, FrontendError> {
        let leader = Node::start(&etcd, NODES[0], arm)?;
        until_ready(&leader.server).await?;
        let mut nodes = Nodes {
            leader,
            others: Vec::new(),
            etcd,
        };
        for name in &NODES[1..=arm.standbys()] {
            let node = Node::start(&nodes.etcd, name, arm)?;
            until_it_streams(
                &nodes.leader.server,
                name,
                Some(arm.sync_state()),
                &node.server,
            )
            .await?;
            nodes.others.push(node);
        }
        Ok(nodes)
    }

    /// Their servers, in the order of their names.
    pub(super) fn servers(&self) -> Vec<&RunningServer> {
        let others = self.others.iter();
        let all = std::iter::once(&self.leader).chain(others);
        all.map(|node| &node.server).collect()
    }
}

/// What a node is to the leader; `None` where it does not stream, or nobody knows.
pub(super) async fn sync_state(leader: &RunningServer, name: &str) -> Option<String> {
    let sql = format!(
        "SELECT sync_state FROM pg_catalog.pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming'"
    );
    let mut session = superuser(leader).await.ok()?;
    value(&mut session, &sql).await.ok()?
}

/// Waits until a node streams, and is what is wanted to the leader, if anything is.
///
/// # Errors
/// The end of the node's log where it does not in time.
pub(super) async fn until_it_streams(
    leader: &RunningServer,
    name: &str,
    wanted: Option<&str>,
    node: &RunningServer,
) -> Result<(), FrontendError> {
    let deadline = Instant::now() + STREAMING_LIMIT;
    loop {
        let is = sync_state(leader, name).await;
        if is.is_some() && (wanted.is_none() || is.as_deref() == wanted) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let log = node.log_tail().replace('\n', " / ");
            return Err(FrontendError::Here(format!(
                "Patroni's node {name} does not stream, or is not {}: {log}",
                wanted.unwrap_or("a standby")
            )));
        }
        sleep(LOOK).await;
    }
}

/// A position of a server's WAL, by this function of PostgreSQL's, in bytes.
///
/// # Errors
/// What the server says.
pub(super) async fn position(server: &RunningServer, function: &str) -> Result<u64, FrontendError> {
    let mut session = superuser(server).await?;
    let sql = format!("SELECT (pg_catalog.{function}() - '0/0')::bigint");
    let bytes = value(&mut session, &sql).await?;
    Ok(bytes.and_then(|b| b.parse().ok()).unwrap_or_default())
}
