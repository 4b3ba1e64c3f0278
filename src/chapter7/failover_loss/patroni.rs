//! The same with Patroni: who is promoted, and when, is its decision. Two or three nodes and one etcd, anew for each trial.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::arms::{Client, Group, PatroniArm, WRITERS};
use super::leaders::Leaders;
use super::nodes::{NODES, Node, Nodes, here, position, sync_state};
use super::outcome::classify;
use super::record::{AtKill, PatroniTrial};
use super::rejoin::rejoin;
use super::session::{insert, make_tables, numbers};
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::level::Level;
use crate::chapter7::pair::{Flow, Stopped, at_level, receiver, set_and_reload, superuser, value};
use crate::config::Arrivals;
use crate::server::provision::Etcd;
use crate::server::{Frontend, FrontendError};

/// Inserts per second of each writer.
const RATE: f64 = 100.0;
/// The load alone.
const LEAD: Duration = Duration::from_millis(1_500);
/// From the cut to the end of the leader.
const CUT: Duration = Duration::from_secs(1);
/// For how long the last node has not received anything when the leader dies.
const FROZEN: Duration = Duration::from_secs(2);
/// After this time without a word the leader ends a standby's connection, where Patroni is to see that it is gone.
const SENDER_TIMEOUT: &str = "2s";
/// How long Patroni may take to store a position, or to let the leader go on alone.
const PATRONI_LIMIT: Duration = Duration::from_secs(30);
/// The load of a leader that is alone.
const ALONE: Duration = Duration::from_secs(2);
/// How long a new leader may take: the old one's key lives for 20 s.
const LEADER_LIMIT: Duration = Duration::from_secs(60);
/// How long a leader is waited for where none is to come.
const NO_LEADER: Duration = Duration::from_secs(30);
/// How long a program may take to say what it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// Who writes: `local` shows that the crash is one.
fn groups() -> [Group; 2] {
    [Level::Local, Level::On].map(|level| Group {
        level,
        client: Client::Patient,
    })
}

/// Kills the leader of a new cluster, and waits for another one.
///
/// # Errors
/// What a server says; that the cluster does not come to be.
pub(super) async fn measure(
    etcd: Etcd,
    arm: PatroniArm,
    seed: u64,
) -> Result<PatroniTrial, FrontendError> {
    let mut nodes = Nodes::start(etcd, arm).await?;
    let mut leaders = Leaders::of(&nodes.servers())?;
    let mut admin = superuser(&nodes.leader.server).await?;
    make_tables(&nodes.leader.server).await?;
    let version = nodes
        .leader
        .server
        .shell("patroni --version", ANSWER_LIMIT, &|| false);
    let version = version.map_err(here)?;
    let server_version = value(&mut admin, "SHOW server_version").await?;

    let groups = groups();
    let endpoints = groups.map(|g| at_level(&nodes.leader.server, g.level));
    let writers = 2 * WRITERS;
    let load = Load {
        writers,
        rate_per_second: RATE * f64::from(writers),
        arrivals: Arrivals::Even,
        sql: insert(arm.payload()),
        seed,
    };
    let load = RunningLoad::start(&endpoints, &load)?;
    sleep(LEAD).await;
    let is = sync_state(&nodes.leader.server, NODES[1]).await;
    let wanted = arm.sync_state();
    let mut void = (is.as_deref() != Some(wanted)).then(|| {
        let is = is.unwrap_or_else(|| "not streaming".to_owned());
        format!("{} was {is} before the kill, not {wanted}", NODES[1])
    });

    let Nodes {
        leader,
        others,
        etcd,
    } = &mut nodes;
    // It stands still until there is a new leader: what is in its socket is not to arrive.
    let mut stopped = None;
    if let (PatroniArm::Behind, Some(last)) = (arm, others.last()) {
        let pid = receiver(&last.server).await?;
        stopped = Some(Stopped::stop(&last.server, pid)?);
        sleep(FROZEN).await;
    } else if let Some(why) = cut(arm, leader, etcd, &mut admin).await? {
        void.get_or_insert(why);
    }
    let list = value(&mut admin, "SHOW synchronous_standby_names").await?;
    let at_leader = position(&leader.server, FLUSHED).await?;
    let mut kill_ns = 0;
    let killed = leader.server.kill(&mut || {
        leader.proxy.set_both(Flow::Cut);
        kill_ns = load.now_ns();
    });
    killed.map_err(here)?;
    let died = Instant::now();
    let inserts = load.stop()?;
    let mut received = Vec::new();
    for node in others.iter() {
        received.push(position(&node.server, RECEIVED).await?);
    }
    // Nobody changes either now, as long as there is no leader.
    let in_sync = arm.is_synchronous().then(|| etcd.synchronous_standbys());
    let at_kill = AtKill {
        leader: at_leader,
        standby: received.iter().copied().max().unwrap_or_default(),
        stored: etcd.stored_position().map_err(here)?,
        list: list.unwrap_or_default(),
        in_sync: in_sync.transpose().map_err(here)?,
    };

    let limit = if arm.promotes() {
        LEADER_LIMIT
    } else {
        NO_LEADER
    };
    let promoted = leaders.one_since(died, limit).await;
    drop(stopped);
    let mut leader_ns = promoted.map(|(_, after)| after);
    let (mut present, mut had, mut rejoined, mut on_one_node) = (Vec::new(), None, None, None);
    match promoted {
        Some((place, _)) => present = numbers(nodes.servers()[place]).await?,
        None if arm.promotes() => {
            let late = format!("no new leader after {} s", LEADER_LIMIT.as_secs());
            void.get_or_insert(late);
        }
        None => {
            let there = numbers(&nodes.others[0].server).await?;
            let found = classify(&inserts, &groups, &there, None);
            let mut on = found.outcomes.iter().filter(|o| o.level == Level::On);
            on_one_node = on.next().map(|o| o.lost);
        }
    }
    if arm.rejoins() && void.is_none() {
        let back = rejoin(&mut nodes, &mut leaders).await?;
        if promoted.is_none() {
            leader_ns = Some(back.at - died);
            present = numbers(nodes.servers()[back.leader]).await?;
        }
        (had, rejoined) = (Some(back.had), Some(back.rejoined));
    }
    let found = classify(&inserts, &groups, &present, had.as_deref());
    Ok(PatroniTrial {
        version,
        server_version: server_version.unwrap_or_default(),
        arm,
        void,
        kill_ns,
        behind_bytes: match received[..] {
            [ahead, behind] => Some(ahead.saturating_sub(behind)),
            _ => None,
        },
        promoted: promoted.map(|(place, _)| NODES[place].to_owned()),
        leader_ns: leader_ns.and_then(|ns| u64::try_from(ns.as_nanos()).ok()),
        outcomes: found.outcomes,
        foreign: found.foreign,
        twice: found.twice,
        at_kill: Some(at_kill),
        on_one_node,
        looks: Some(leaders.so_far()),
        rejoined,
    })
}

/// What a leader has on its disk.
const FLUSHED: &str = "pg_current_wal_flush_lsn";
/// What a standby has received.
const RECEIVED: &str = "pg_last_wal_receive_lsn";

/// Cuts replication as the arm does, and waits until the leader is to die. Says why nothing can be concluded, if so.
async fn cut(
    arm: PatroniArm,
    leader: &Node,
    etcd: &Etcd,
    admin: &mut Frontend,
) -> Result<Option<String>, FrontendError> {
    let stored = || etcd.stored_position().map_err(here);
    match arm {
        PatroniArm::StalePosition => {
            let first = stored()?;
            let later = || Ok(stored()? != first);
            let is_stored = until(later).await?;
            let last = stored()?;
            leader.proxy.set_both(Flow::Cut);
            sleep(PatroniArm::STALE).await;
            Ok(match (is_stored, stored()? == last) {
                (false, _) => Some("no position was stored".to_owned()),
                (true, false) => Some("another position was stored before the kill".to_owned()),
                (true, true) => None,
            })
        }
        PatroniArm::NotStrict => {
            set_and_reload(admin, "wal_sender_timeout", SENDER_TIMEOUT).await?;
            leader.proxy.set_both(Flow::Cut);
            let is_alone = until(|| Ok(etcd.synchronous_standbys().map_err(here)?.is_empty()));
            let is_alone = is_alone.await?;
            sleep(ALONE).await;
            Ok((!is_alone).then(|| "the standby was in /sync to the end".to_owned()))
        }
        PatroniArm::Off | PatroniArm::On | PatroniArm::Behind => {
            leader.proxy.set_both(Flow::Cut);
            sleep(CUT).await;
            Ok(None)
        }
    }
}

/// Waits until it is so; whether it was in time.
async fn until(
    mut is_so: impl FnMut() -> Result<bool, FrontendError>,
) -> Result<bool, FrontendError> {
    let deadline = Instant::now() + PATRONI_LIMIT;
    while !is_so()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
    Ok(true)
}
