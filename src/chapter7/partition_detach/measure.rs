//! One arm after the other on one server.

use std::slice::from_ref;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::archive::archive;
use super::arms::{Aim, Arm, Obstacle, Removal};
use super::record::{LockSample, PartitionDetach, STEP_NS, Trial};
use super::sampler::Relations;
use super::session::{connect, make_tables, number};
use super::tables::{self, LOCK_TIMEOUT_MS, OLD, PARENT, PAUSE_MS};
use crate::causes::on_one_line;
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::order::Order;
use crate::config::{Arrivals, ServerChoice};
use crate::console::{detail, tell};
use crate::experiment::Scale;
use crate::factor::{PgSource, Transport};
use crate::load::Cancel;
use crate::seed::derive_seed;
use crate::server::provision::{RunningServer, ServerSpec, provision};
use crate::server::{Frontend, FrontendError, Target, event_loop, stop_requested};

/// The version where none is asked for.
const USUAL_MAJOR: u32 = 17;
/// DETACH CONCURRENTLY is there from this one on.
const CONCURRENTLY_SINCE: u32 = 14;

/// The load alone, before the obstacle and after everything.
const ALONE: Duration = Duration::from_millis(800);
/// From the obstacle to the removal.
const LEAD: Duration = Duration::from_millis(300);
/// A removal that takes longer than its obstacle and this is cancelled.
const LATEST: Duration = Duration::from_secs(5);
/// An autovacuum that does not come within this does not come.
const AUTOVACUUM_LATEST: Duration = Duration::from_secs(15);
/// "lock_not_available": what lock_timeout ends with.
const LOCK_NOT_AVAILABLE: &str = "sqlstate-55P03";
/// A response time that a user would feel, in ns.
const FELT_NS: u64 = 100_000_000;

/// How much is measured: rounds, and rows in the old partition.
fn size(scale: Scale) -> (u32, u32) {
    match scale {
        Scale::Quick => (1, 64_000),
        Scale::Full => (3, 64_000),
    }
}

/// Roughly how long all of it takes.
pub fn planned(order: &Order) -> Duration {
    let (rounds, _) = size(order.scale);
    let round: Duration = Arm::all().into_iter().map(Arm::planned).sum();
    rounds * round + Duration::from_secs(12)
}

/// Measures all arms, then the way to an archive.
pub fn measure(order: &Order) -> (PartitionDetach, Result<(), String>) {
    let (rounds, old_rows) = size(order.scale);
    let mut run = PartitionDetach {
        writers: 4,
        rate_per_second: 400.0,
        old_rows,
        ..PartitionDetach::default()
    };
    let done = measure_into(&mut run, rounds, order);
    (run, done)
}

fn measure_into(run: &mut PartitionDetach, rounds: u32, order: &Order) -> Result<(), String> {
    // Local binaries are those that are installed.
    let is_local = order.server == ServerChoice::Local;
    let usual = (!is_local).then_some(PgSource::Major(USUAL_MAJOR));
    let spec = ServerSpec {
        source: order.source.clone().or(usual),
        max_connections: 40,
        transport: Transport::Unix,
        ..ServerSpec::default()
    };
    let server = provision(&order.server, &spec, &tell).map_err(|e| on_one_line(&e))?;
    tell(&format!("procbench: {}", server.chosen_because()));
    run.server_version = server.server_version().to_owned();
    let runtime = event_loop().map_err(|e| on_one_line(&e))?;
    let has_concurrently = server.pg_major() >= Some(CONCURRENTLY_SINCE);
    let mut arms = Arm::all();
    if !has_concurrently {
        for arm in arms.extract_if(.., |arm| arm.is_concurrent()) {
            let why = "DETACH CONCURRENTLY is there from PostgreSQL 14 on";
            run.absent.insert(arm.label(), why.to_owned());
        }
    }
    let mut rng = Pcg64::seed_from_u64(order.seed);
    for round in 0..rounds {
        arms.shuffle(&mut rng);
        for arm in &arms {
            detail(&format!("procbench: round {}: {}", round + 1, arm.label()));
            let seed = derive_seed(order.seed, &[run.trials.len() as u64]);
            let trial = Case {
                server: &server,
                arm: *arm,
                round,
                load: Load {
                    writers: run.writers,
                    rate_per_second: run.rate_per_second,
                    arrivals: Arrivals::Poisson,
                    sql: tables::insert(arm.aim),
                    seed,
                },
                old_rows: run.old_rows,
            };
            let trial = runtime.block_on(interruptible(&order.cancel, trial.measure()))?;
            run.trials.push(trial);
        }
    }
    let load = Load {
        writers: run.writers,
        rate_per_second: run.rate_per_second,
        arrivals: Arrivals::Poisson,
        sql: tables::insert(Aim::Newest),
        seed: derive_seed(order.seed, &[run.trials.len() as u64]),
    };
    let cancel = &order.cancel;
    let archived = archive(&server, &load, run.old_rows, has_concurrently, cancel);
    run.archive = Some(runtime.block_on(interruptible(cancel, archived))?);
    server.stop().map_err(|e| on_one_line(&e))
}

/// Does `work` unless the user asks to stop.
async fn interruptible<T>(
    cancel: &Cancel,
    work: impl Future<Output = Result<T, FrontendError>>,
) -> Result<T, String> {
    let done = tokio::select! {
        done = work => done.map_err(|e| on_one_line(&e)),
        () = stop_requested(cancel) => Err(String::new()),
    };
    // A program that was running is stopped, too, and fails for that reason.
    done.map_err(|why| match cancel.is_cancelled() {
        true => "interrupted".to_owned(),
        false => why,
    })
}

/// Waits until the old partition is vacuumed.
///
/// # Errors
/// When that does not begin in time.
async fn await_autovacuum(watcher: &mut Frontend) -> Result<(), FrontendError> {
    let begins = async {
        while number(watcher, &tables::is_vacuumed()).await? == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let late = |_| Err(FrontendError::here("no autovacuum came"));
    tokio::time::timeout(AUTOVACUUM_LATEST, begins)
        .await
        .unwrap_or_else(late)
}

/// One arm, once.
struct Case<'a> {
    server: &'a RunningServer,
    arm: Arm,
    round: u32,
    load: Load,
    old_rows: u32,
}

/// What became of a removal.
#[derive(Default)]
struct Removed {
    tries: u32,
    error: Option<String>,
}

impl Case<'_> {
    async fn measure(&self) -> Result<Trial, FrontendError> {
        let arm = self.arm;
        let mut session = connect(self.server).await?;
        make_tables(&mut session, self.old_rows).await?;
        let relations = Relations::find(&mut session)
            .await
            .map_err(FrontendError::Here)?;
        let admin = self.server.admin_endpoint();
        let admin = admin.ok_or_else(|| FrontendError::here("no superuser"))?;
        let mut watcher = Target::new(admin)?.connect().await?;
        let mut reader = connect(self.server).await?;
        let pid = session.process_id.unwrap_or_default();

        if arm.obstacle == Obstacle::Autovacuum {
            session.query(&tables::invite_autovacuum()).await?;
            for statement in tables::AUTOVACUUM {
                watcher.query(statement).await?;
            }
        }

        let load = RunningLoad::start(from_ref(self.server.endpoint()), &self.load)?;
        tokio::time::sleep(ALONE).await;
        let read = match arm.obstacle {
            Obstacle::None | Obstacle::Autovacuum => None,
            Obstacle::OnParent => Some(tables::READ_PARENT),
            Obstacle::OnPartition => Some(tables::READ_OLD),
        };
        let mut stands_from = None;
        if let Some(read) = read {
            reader.query("BEGIN").await?;
            reader.query(read).await?;
            stands_from = Some(load.now_ns());
        }
        if arm.obstacle == Obstacle::Autovacuum {
            await_autovacuum(&mut watcher).await?;
            stands_from = Some(load.now_ns());
        }
        tokio::time::sleep(LEAD).await;
        if arm.obstacle == Obstacle::Autovacuum {
            let goes_on = number(&mut watcher, &tables::is_vacuumed()).await? > 0;
            stands_from = stands_from.filter(|_| goes_on);
        }

        let began_ns = load.now_ns();
        let watched = Cancel::default();
        let length = Duration::from_millis(arm.obstacle_ms);
        let removal = async {
            let removed = self.remove(&mut session, length).await;
            let ended_ns = load.now_ns();
            (removed, ended_ns)
        };
        let obstacle = async {
            tokio::time::sleep(length).await;
            if read.is_some() {
                reader.query("COMMIT").await?;
            }
            Ok::<_, FrontendError>(load.now_ns())
        };
        let under_way = async {
            let both = tokio::join!(removal, obstacle);
            watched.cancel();
            both
        };
        let watching = relations.watch(&mut watcher, pid, &watched, || load.now_ns());
        let (((removed, mut ended_ns), obstacle_until), samples) =
            tokio::join!(under_way, watching);
        let (removed, mut obstacle_until) = (removed?, obstacle_until?);
        let samples: Vec<LockSample> = samples.map_err(FrontendError::Here)?;
        if arm.removal == Removal::None {
            ended_ns = obstacle_until;
        }
        if arm.obstacle == Obstacle::Autovacuum {
            // It is in the way until the removal gets through.
            obstacle_until = ended_ns;
        }
        let mut seen_pending = false;
        let mut finalize_ns = None;
        let can_pend = self.server.pg_major() >= Some(CONCURRENTLY_SINCE);
        if can_pend && number(&mut session, tables::IS_PENDING).await? > 0 {
            seen_pending = true;
            let began_ns = load.now_ns();
            session.query(&tables::finalize()).await?;
            finalize_ns = Some(load.now_ns() - began_ns);
        }
        tokio::time::sleep(ALONE).await;
        let inserts = load.stop()?;
        if arm.obstacle == Obstacle::Autovacuum {
            for statement in tables::NO_AUTOVACUUM {
                watcher.query(statement).await?;
            }
        }

        let left_pending = can_pend && number(&mut session, tables::IS_PENDING).await? > 0;
        let mut rows = number(&mut session, &tables::count_of(PARENT)).await?;
        let exists = format!(
            "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = '{OLD}' AND NOT relispartition"
        );
        if number(&mut session, &exists).await? > 0 {
            rows += number(&mut session, &tables::count_of(OLD)).await?;
        }
        let response = inserts.response_times(began_ns, ended_ns);
        Ok(Trial {
            arm,
            round: self.round,
            obstacle_ns: stands_from.map(|from| (from, obstacle_until)),
            removal_ns: (began_ns, ended_ns),
            tries: removed.tries,
            removal_error: removed.error,
            finalize_ns,
            seen_pending,
            left_pending,
            acknowledged: inserts.count(),
            failed: inserts.failures(),
            not_begun: inserts.not_begun,
            rows,
            worst_gap_ns: inserts.worst_gap_ns(began_ns, ended_ns),
            over_100_ms: response
                .buckets()
                .iter()
                .filter(|b| b.0 > FELT_NS)
                .map(|b| b.1)
                .sum(),
            response,
            completions: inserts.completions(STEP_NS),
            samples,
        })
    }

    /// Removes the old partition in the arm's way.
    async fn remove(
        &self,
        session: &mut Frontend,
        obstacle: Duration,
    ) -> Result<Removed, FrontendError> {
        let mut removed = Removed::default();
        let Some(command) = tables::removal(self.arm.removal) else {
            return Ok(removed);
        };
        let again = self.arm.removal == Removal::DropAgain;
        if again || self.arm.removal == Removal::CutOff {
            session
                .query(&format!("SET lock_timeout = {LOCK_TIMEOUT_MS}"))
                .await?;
        } else {
            // What would hang for ever is ended, and said.
            let latest = (obstacle + LATEST).as_millis();
            session
                .query(&format!("SET statement_timeout = {latest}"))
                .await?;
        }
        loop {
            removed.tries += 1;
            let ended = session.query(&command).await;
            removed.error = match &ended {
                Ok(()) => None,
                Err(e @ FrontendError::Server(_)) => Some(e.class().0),
                Err(_) => return ended.map(|()| removed),
            };
            let given_up = removed.error.as_deref() == Some(LOCK_NOT_AVAILABLE);
            if !(again && given_up) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
        session.query("RESET lock_timeout").await?;
        session.query("RESET statement_timeout").await?;
        Ok(removed)
    }
}
