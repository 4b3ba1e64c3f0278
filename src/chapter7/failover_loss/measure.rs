//! One trial after the other with the same clusters.

use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use tokio::time::timeout;

use super::arms::{Arm, PatroniArm};
use super::assess::assess;
use super::cluster::Cluster;
use super::patroni;
use super::record::{FailoverLoss, PatroniTrial};
use super::trial::Case;
use crate::causes::on_one_line;
use crate::chapter7::order::Order;
use crate::console::{detail, tell};
use crate::experiment::Scale;
use crate::seed::derive_seed;
use crate::server::provision::Etcd;
use crate::server::{event_loop, stop_requested};

/// How long a trial may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a trial with Patroni may take.
const PATRONI_LIMIT: Duration = Duration::from_secs(300);
/// How long one takes, roughly: the dead leader's key lives for 20 s.
const PATRONI_EACH: Duration = Duration::from_secs(50);
/// Three servers are made, and stopped.
const AROUND: Duration = Duration::from_secs(12);

/// How often every arm is tried.
fn rounds(scale: Scale) -> u32 {
    match scale {
        Scale::Quick => 1,
        Scale::Full => 3,
    }
}

/// Roughly how long all of it takes.
pub fn planned(order: &Order) -> Duration {
    let scale = order.scale;
    let arms = Arm::of_scale(scale).into_iter();
    let round: Duration = arms.map(|arm| arm.planned(scale)).sum();
    let patroni = if order.with_patroni {
        PATRONI_EACH * PatroniArm::ALL.len() as u32
    } else {
        Duration::ZERO
    };
    rounds(scale) * round + patroni + AROUND
}

/// Measures every arm.
pub fn measure(order: &Order) -> (FailoverLoss, Result<(), String>) {
    let mut run = FailoverLoss::default();
    let done = measure_into(&mut run, order);
    (run, done)
}

fn measure_into(run: &mut FailoverLoss, order: &Order) -> Result<(), String> {
    let mut cluster = Cluster::start(order)?;
    run.server_version = cluster.pair.primary.server_version().to_owned();
    run.file_system = cluster.pair.file_system.clone();
    let runtime = event_loop().map_err(|e| on_one_line(&e))?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = all(run, &mut cluster, order) => done,
            () = stop_requested(&order.cancel) => Err("interrupted".to_owned()),
        }
    });
    let stopped = cluster.stop();
    done.and(stopped)?;
    match order.with_patroni {
        true => runtime.block_on(async {
            tokio::select! {
                done = with_patroni(run, order) => done,
                () = stop_requested(&order.cancel) => Err("interrupted".to_owned()),
            }
        }),
        false => Ok(()),
    }
}

async fn with_patroni(run: &mut FailoverLoss, order: &Order) -> Result<(), String> {
    for &arm in PatroniArm::ALL {
        detail(&format!("procbench: Patroni: {arm}"));
        let place = (run.trials.len() + run.patroni.len()) as u64;
        let trial = patroni_trial(arm, derive_seed(order.seed, &[place])).await?;
        run.patroni.push(trial);
    }
    Ok(())
}

async fn patroni_trial(arm: PatroniArm, seed: u64) -> Result<PatroniTrial, String> {
    let failed = |e: &dyn std::error::Error| format!("Patroni: {}", on_one_line(e));
    // The image may have to be made first, which is no part of the trial.
    let etcd = Etcd::start(&tell).map_err(|e| failed(&e))?;
    let trial = timeout(PATRONI_LIMIT, patroni::measure(etcd, arm, seed)).await;
    let trial = trial.map_err(|_| "Patroni: no end in time".to_owned())?;
    trial.map_err(|e| failed(&e))
}

/// Measures one arm with Patroni alone, for tests.
///
/// # Errors
/// Why it cannot be measured.
pub fn measure_patroni(arm: PatroniArm, seed: u64) -> Result<FailoverLoss, String> {
    let runtime = event_loop().map_err(|e| on_one_line(&e))?;
    Ok(FailoverLoss {
        patroni: vec![runtime.block_on(patroni_trial(arm, seed))?],
        ..FailoverLoss::default()
    })
}

async fn all(run: &mut FailoverLoss, cluster: &mut Cluster, order: &Order) -> Result<(), String> {
    let prepared = timeout(LIMIT, cluster.prepare()).await;
    let prepared = prepared.map_err(|_| "the clusters are not ready in time".to_owned())?;
    (run.checksums, run.defaults) = prepared.map_err(|e| on_one_line(&e))?;
    let mut rng = Pcg64::seed_from_u64(order.seed);
    for round in 0..rounds(order.scale) {
        let mut arms = Arm::of_scale(order.scale);
        arms.shuffle(&mut rng);
        for arm in arms {
            detail(&format!("procbench: round {}: {arm}", round + 1));
            let case = Case {
                arm,
                round,
                scale: order.scale,
                seed: derive_seed(order.seed, &[run.trials.len() as u64]),
            };
            let trial = timeout(LIMIT, case.measure(cluster, &mut rng)).await;
            let late = |_| format!("{arm}: no end after {} s", LIMIT.as_secs());
            let trial = trial.map_err(late)?;
            let trial = trial.map_err(|e| format!("{arm}: {}", on_one_line(&e)))?;
            run.trials.push(trial);
            if let Some(broken) = assess(run).violation() {
                let kept = cluster.keep()?;
                let kept = kept.display();
                return Err(format!("{broken} (all clusters are kept in {kept})"));
            }
        }
    }
    Ok(())
}
