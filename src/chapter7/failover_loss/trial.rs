//! One primary that dies, and what the next one has.

use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;
use tokio::time::sleep;

use super::arms::{Arm, WRITERS};
use super::cluster::Cluster;
use super::outcome::classify;
use super::page_cache::{SLOW_SYNC, Unflushed};
use super::record::{PageCache, Trial};
use super::session::{PAYLOAD, insert, numbers};
use super::waiting::during_cut;
use crate::chapter7::inserts::{Inserts, Load, RunningLoad};
use crate::chapter7::pair::{STANDBY, at_level, superuser, value};
use crate::clock::{Clock, MonotonicClock};
use crate::config::Arrivals;
use crate::experiment::Scale;
use crate::server::provision::RunningServer;
use crate::server::{Frontend, FrontendError};

/// The load goes on for so much longer at most: what dies is not always at the same place of its own cycles.
const RANDOM_MS: u64 = 400;
/// How long a promotion may take, in seconds.
const PROMOTION_LIMIT: u64 = 20;

/// One arm, once.
pub(super) struct Case {
    pub arm: Arm,
    pub round: u32,
    pub scale: Scale,
    pub seed: u64,
}

/// What is known when the primary is dead.
struct Died {
    inserts: Inserts,
    cut_ns: Option<u64>,
    kill_ns: u64,
    void: Option<String>,
    page_cache: Option<(PageCache, String)>,
}

impl Case {
    /// From the kept clusters to rows that are counted.
    ///
    /// # Errors
    /// What a server says.
    pub(super) async fn measure(
        &self,
        cluster: &mut Cluster,
        rng: &mut Pcg64,
    ) -> Result<Trial, FrontendError> {
        let arm = self.arm;
        let admin = cluster.go_back(arm).await?;
        let mut died = self.until_death(cluster, admin, rng).await?;
        let begun_ns = MonotonicClock.now_ns();
        let mut received = None;
        if arm.is_in_place() {
            cluster.start_primary().await?;
        } else {
            if arm.kills_standby() {
                let script = died.page_cache.as_ref().map_or("", |(_, script)| script);
                cluster.crash_standby(script).await?;
            }
            let (is_promoted, had) = promote(promoted(cluster, arm)).await?;
            received = had;
            if !is_promoted {
                let late = format!("not promoted after {PROMOTION_LIMIT} s");
                died.void.get_or_insert(late);
            }
        }
        let back_ns = MonotonicClock.now_ns() - begun_ns;
        let present = match arm.is_in_place() {
            true => numbers(&cluster.pair.primary).await?,
            false => numbers(promoted(cluster, arm)).await?,
        };
        let (mut on_old, mut missing_bytes) = (None, None);
        if arm.opens_old() {
            cluster.start_primary().await?;
            on_old = Some(numbers(&cluster.pair.primary).await?);
            missing_bytes = behind(&cluster.pair.primary, received).await?;
        }
        cluster.clear()?;
        let found = classify(&died.inserts, &arm.groups(), &present, on_old.as_deref());
        Ok(Trial {
            arm,
            round: self.round,
            void: died.void,
            cut_ns: died.cut_ns,
            kill_ns: died.kill_ns,
            back_ns,
            outcomes: found.outcomes,
            foreign: found.foreign,
            twice: found.twice,
            missing_bytes,
            page_cache: died.page_cache.map(|(lost, _)| lost),
        })
    }

    /// The load, and the end of the primary.
    async fn until_death(
        &self,
        cluster: &mut Cluster,
        mut admin: Frontend,
        rng: &mut Pcg64,
    ) -> Result<Died, FrontendError> {
        let arm = self.arm;
        let groups = arm.groups();
        let writers = WRITERS * u32::try_from(groups.len()).unwrap_or_default();
        let load = Load {
            writers,
            rate_per_second: arm.rate_per_writer() * f64::from(writers),
            // Else a loss could be told from its prediction only as well as arrivals can.
            arrivals: Arrivals::Even,
            sql: insert(PAYLOAD),
            seed: self.seed,
        };
        if arm == Arm::PageCache
            && let Some(page) = cluster.pair.standby.sync_delay()
        {
            page.set(SLOW_SYNC)?;
        }
        let endpoints = groups
            .iter()
            .map(|g| at_level(&cluster.pair.primary, g.level));
        let endpoints: Vec<_> = endpoints.collect();
        let load = RunningLoad::start(&endpoints, &load)?;
        let random = Duration::from_millis(rng.random_range(0..RANDOM_MS));
        sleep(arm.lead(self.scale) + random).await;
        let mut void = not_as_it_should_be(arm, &mut admin).await?;
        let (cut_ns, page_cache) = {
            let unflushed = match arm {
                Arm::PageCache => Unflushed::stop(&cluster.pair.standby).await?,
                _ => None,
            };
            if arm == Arm::PageCache && unflushed.is_none() {
                let found = "the standby's receiver was not found between writing and flushing";
                void.get_or_insert(found.to_owned());
            }
            let cut_ns = (!arm.cut().is_zero() || unflushed.is_some()).then(|| {
                cluster.cut();
                load.now_ns()
            });
            during_cut(arm, &mut admin, &load.backends).await?;
            match unflushed {
                Some(unflushed) => (cut_ns, Some(unflushed.take_away().await?)),
                None => (cut_ns, None),
            }
        };
        let mut kill_ns = 0;
        cluster.kill_primary(&mut || kill_ns = load.now_ns())?;
        Ok(Died {
            inserts: load.stop()?,
            cut_ns,
            kill_ns,
            void,
            page_cache,
        })
    }
}

fn promoted(cluster: &Cluster, arm: Arm) -> &RunningServer {
    match arm.has_second() {
        true => &cluster.second.server,
        false => &cluster.pair.standby,
    }
}

/// Why nothing can be concluded, right before the network is cut.
async fn not_as_it_should_be(
    arm: Arm,
    admin: &mut Frontend,
) -> Result<Option<String>, FrontendError> {
    if !arm.has_standby() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT state || ' and ' || sync_state FROM pg_catalog.pg_stat_replication WHERE application_name = '{STANDBY}'"
    );
    let is = value(admin, &sql).await?;
    let is = is.unwrap_or_else(|| "not connected".to_owned());
    let wanted = match arm.list() {
        Some(_) => "streaming and sync",
        None => "streaming and async",
    };
    Ok((is != wanted).then(|| format!("the standby was {is} before the kill, not {wanted}")))
}

/// Whether it was promoted in time, and what it had received before, in bytes.
async fn promote(standby: &RunningServer) -> Result<(bool, Option<u64>), FrontendError> {
    let mut session = superuser(standby).await?;
    let sql = "SELECT (pg_catalog.pg_last_wal_receive_lsn() - '0/0')::bigint";
    let received = value(&mut session, sql).await?;
    let received = received.and_then(|bytes| bytes.parse().ok());
    let sql = format!("SELECT pg_catalog.pg_promote(true, {PROMOTION_LIMIT})");
    let done = value(&mut session, &sql).await?;
    Ok((done.as_deref() == Some("t"), received))
}

/// How much further than what was received a primary is.
async fn behind(
    primary: &RunningServer,
    received: Option<u64>,
) -> Result<Option<u64>, FrontendError> {
    let mut session = superuser(primary).await?;
    let sql = "SELECT (pg_catalog.pg_current_wal_flush_lsn() - '0/0')::bigint";
    let has: Option<u64> = value(&mut session, sql).await?.and_then(|b| b.parse().ok());
    Ok(has
        .zip(received)
        .map(|(has, received)| has.saturating_sub(received)))
}
