//! One execution: prepare, calibrate, plan, drive, assemble the run.

mod estimate;
mod frame;
mod left_out;
mod rates;
mod session;
mod slow_over;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use estimate::estimate;
pub use frame::run_id;
use frame::{begin, finish};
use left_out::leave_out;
use rates::{rates_in_words, settle_rates};
pub(crate) use session::Session;
use slow_over::SlowOver;

use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::Config;
use crate::factor::Factors;
use crate::load::Cancel;
use crate::load::driver::{Bench, Failure, drive};
use crate::load::keep_awake::KeepAwake;
use crate::load::plan::{Plan, PlannedStart};
use crate::load::progress::Progress;
use crate::record::{Block, Run, RunStatus};

/// Carries out `config` on `bench`. Keeps what was measured: the run is valid even if it is partial, and
/// its status says why.
pub fn execute(
    experiment: &str,
    config: &Config,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Run {
    let began_ns = MonotonicClock.now_ns();
    let mut run = begin(experiment, config);
    if let Err(failure) = carry_out(&mut run, bench, cancel, progress) {
        let reason = failure.or_interrupted(cancel).to_string();
        run.status = RunStatus::Partial { reason };
    }
    progress.finish();
    finish(&mut run, bench, began_ns);
    run
}

fn carry_out(
    run: &mut Run,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let config = run.config.clone();
    let awake = KeepAwake::start(config.keep_awake, config.mode)
        .map_err(|e| Failure::Fatal(e.to_string()))?;
    run.provenance.keep_awake = awake.describe();
    run.absent_arms = bench.prepare()?;
    for absent in &run.absent_arms {
        progress.say(&format!(
            "procbench: arm {} is absent: {}",
            absent.arm, absent.reason
        ));
    }
    let mut arms = config.arms.clone();
    arms.retain(|arm| !run.absent_arms.iter().any(|a| a.arm == *arm));
    let mut levels = levels_to_be_had(run, bench, progress)?;
    let left_out = leave_out(&mut run.head, (&mut arms, &levels), bench, progress);
    if arms.is_empty() {
        return Err(Failure::Fatal("no arm is left to run".to_owned()));
    }
    let rates = settle_rates(&mut run.head, (&arms, &levels), bench, cancel, progress)?;
    levels.retain(|l| !run.absent_levels.iter().any(|a| a.factors == *l));
    if config.factors.client_rate.is_empty() {
        run.client_rate_per_second = rates.base.per_second();
    }
    bench.set_client_rates(rates);
    let plan = Plan::new(&config, &arms, &levels).without(&left_out);
    let title = match (&run.experiment, run.mode) {
        (experiment, mode) if experiment == mode.name() => mode.to_string(),
        (experiment, mode) => format!("{experiment} {mode}"),
    };
    progress.say(&format!(
        "procbench: {title}: {} blocks of {} ms, clients at {}: about {} s",
        plan.block_count(),
        config.block_ns() / 1_000_000,
        rates_in_words(&config, rates),
        estimate(&config).as_secs().max(1)
    ));
    let mut slow_over = SlowOver::of(&config);
    let mut before_blocks = |bench: &mut dyn Bench, start: &PlannedStart, progress: &Progress| {
        slow_over.settle((&config, &arms), bench, start, (cancel, progress))?;
        bench.set_slow_over(slow_over.threshold_ns);
        Ok(())
    };
    let driven = drive(&plan, (bench, &mut before_blocks), cancel, progress, &title);
    slow_over.enter(&mut run.head);
    run.blocks = driven.blocks;
    run.status = driven.status;
    run.absent_arms.extend(driven.lost);
    if run.status == RunStatus::Complete
        && let Some(reason) = what_is_missing(run)
    {
        run.status = RunStatus::Partial { reason };
    }
    Ok(())
}

/// Why a run is partial although every planned block ran; `None` if it is complete.
fn what_is_missing(run: &Run) -> Option<String> {
    let wanted = run.absent_levels.iter().filter(|l| l.wanted);
    let reasons: BTreeSet<&str> = wanted.map(|l| l.reason.as_str()).collect();
    if !reasons.is_empty() {
        let reasons: Vec<&str> = reasons.into_iter().collect();
        return Some(format!("a level was not available: {}", reasons.join("; ")));
    }
    if let Some(arm) = arm_without_success(&run.blocks) {
        return Some(format!("arm {arm} has no success"));
    }
    let absent = run.absent_arms.iter().filter(|_| run.config.arms_by_name);
    let absent: Vec<String> = absent
        .map(|a| {
            format!(
                "arm {}, named by --arms or the experiment, is absent: {}",
                a.arm, a.reason
            )
        })
        .collect();
    (!absent.is_empty()).then(|| absent.join("; "))
}

/// The levels that are available here. The others are named, one line per reason.
fn levels_to_be_had(
    run: &mut Run,
    bench: &mut dyn Bench,
    progress: &Progress,
) -> Result<Vec<Factors>, Failure> {
    let mut levels = run.config.levels();
    let all = levels.len();
    run.absent_levels = bench.absent_levels(&levels);
    levels.retain(|l| !run.absent_levels.iter().any(|a| a.factors == *l));
    let mut by_reason: BTreeMap<&str, u32> = BTreeMap::new();
    for absent in &run.absent_levels {
        *by_reason.entry(&absent.reason).or_default() += 1;
    }
    for (reason, count) in by_reason {
        progress.say(&format!(
            "procbench: {count} of {all} levels are absent: {reason}"
        ));
    }
    match run.absent_levels.first() {
        Some(absent) if levels.is_empty() => Err(Failure::Fatal(absent.reason.clone())),
        _ => Ok(levels),
    }
}

/// An arm whose clients never succeeded: an error, not a slow arm.
fn arm_without_success(blocks: &[Block]) -> Option<Arm> {
    let mut by_arm: BTreeMap<Arm, (u64, u64)> = BTreeMap::new();
    for block in blocks {
        if let Some(tally) = block.tallies.get(&crate::record::Role::Client) {
            let sums = by_arm.entry(block.arm).or_default();
            sums.0 += tally.scheduled;
            sums.1 += tally.succeeded();
        }
    }
    by_arm
        .into_iter()
        .find(|(_, (scheduled, succeeded))| *scheduled > 0 && *succeeded == 0)
        .map(|(arm, _)| arm)
}
