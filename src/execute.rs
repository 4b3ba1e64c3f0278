//! One execution: prepare, calibrate, plan, drive, assemble the run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arm::Arm;
use crate::arm::Mode;
use crate::clock::{Clock, ClockQuality, MonotonicClock};
use crate::config::{Config, GENTLE_CLIENT_RATE};
use crate::factor::ClientRate;
use crate::factor::Factors;
use crate::factor::OfferedRate;
use crate::load::driver::{Bench, Failure, drive};
use crate::load::keep_awake::KeepAwake;
use crate::load::plan::{Plan, PlanShape, Visit};
use crate::load::progress::Progress;
use crate::load::{Cancel, ClientRates};
use crate::record::{
    AbsentLevel, Block, Calibration, Provenance, Run, RunHead, RunStatus, SCHEMA_VERSION,
};

/// A finished execution: the run is valid even if it is partial.
#[derive(Debug)]
pub struct Executed {
    /// What was measured.
    pub run: Run,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// A short random name for a run, from the clock and the process id.
pub fn run_id() -> String {
    let mix = crate::seed::derive_seed(MonotonicClock.now_ns(), &[u64::from(std::process::id())]);
    format!("{:06x}", mix & 0xff_ffff)
}

/// Carries out `config` on `bench`. Never loses what was measured: a failure
/// ends up in the run's status.
pub fn execute(
    experiment: &str,
    config: &Config,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Executed {
    let started = MonotonicClock.now_ns();
    let mut run = Run {
        head: RunHead {
            schema_version: SCHEMA_VERSION,
            run_id: run_id(),
            experiment: experiment.to_owned(),
            mode: config.mode,
            status: RunStatus::Complete,
            started_at: jiff::Timestamp::now()
                .round(jiff::Unit::Second)
                .map_or_else(|_| String::new(), |t| t.to_string()),
            elapsed_ns: 0,
            config: config.clone(),
            client_rate_per_second: None,
            calibration: None,
            clock: ClockQuality::measure(),
            provenance: Provenance::collect(),
            absent_arms: Vec::new(),
            absent_levels: Vec::new(),
            remarks: Vec::new(),
        },
        blocks: Vec::new(),
    };
    let interrupted = match carry_out(&mut run, bench, cancel, progress) {
        Ok(interrupted) => interrupted,
        Err(failure) => {
            let failure = failure.or_interrupted(cancel);
            run.status = RunStatus::Partial {
                reason: failure.to_string(),
            };
            failure == Failure::Interrupted
        }
    };
    progress.finish();
    let (server, remarks) = bench.describe();
    run.provenance.server = server;
    run.remarks.extend(remarks);
    if let Some(block) = run.blocks.iter().find(|b| !conserved(b)) {
        run.status = RunStatus::Partial {
            reason: format!(
                "counts of block {} do not add up: a bug in procbench",
                block.index
            ),
        };
    }
    run.elapsed_ns = MonotonicClock.now_ns() - started;
    Executed { run, interrupted }
}

fn conserved(block: &Block) -> bool {
    block.tallies.values().all(|t| t.is_conserved())
}

fn carry_out(
    run: &mut Run,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Result<bool, Failure> {
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
    let arms: Vec<Arm> = config
        .arms
        .iter()
        .copied()
        .filter(|arm| !run.absent_arms.iter().any(|a| a.arm == *arm))
        .collect();
    if arms.is_empty() {
        return Err(Failure::Fatal("no arm is left to run".to_owned()));
    }
    let mut levels = levels_to_be_had(run, bench, progress)?;
    let rates = settle_rates(run, (&arms, &levels), bench, cancel, progress)?;
    levels.retain(|l| !run.absent_levels.iter().any(|a| a.factors == *l));
    if config.client_rates.is_empty() {
        run.client_rate_per_second = rates.base.per_second();
    }
    bench.set_client_rates(rates);
    let plan = Plan::new(&PlanShape {
        arms: &arms,
        levels: &levels,
        blocks: config.blocks,
        visits: config.visits,
        seed: config.seed,
    });
    progress.say(&format!(
        "procbench: {} {}: {} blocks of {} ms, clients at {}: about {} s",
        run.experiment,
        run.mode,
        plan.block_count(),
        config.block_ns() / 1_000_000,
        rates_in_words(&config, rates),
        estimate(&config).as_secs().max(1)
    ));
    let title = format!("{} {}", run.experiment, run.mode);
    let driven = drive(&plan, bench, cancel, progress, &title);
    run.blocks = driven.blocks;
    run.status = driven.status;
    run.absent_arms.extend(driven.lost);
    let mut missing: Vec<&str> = Vec::new();
    for absent in run.absent_levels.iter().filter(|l| l.wanted) {
        if !missing.contains(&absent.reason.as_str()) {
            missing.push(&absent.reason);
        }
    }
    if run.status == RunStatus::Complete && !missing.is_empty() {
        run.status = RunStatus::Partial {
            reason: format!("a level could not be had: {}", missing.join("; ")),
        };
    }
    if run.status == RunStatus::Complete
        && let Some(arm) = arm_without_success(&run.blocks)
    {
        run.status = RunStatus::Partial {
            reason: format!("arm {arm} has no success"),
        };
    }
    Ok(driven.interrupted)
}

/// The levels without those that cannot be had here, which are named once a reason.
fn levels_to_be_had(
    run: &mut Run,
    bench: &mut dyn Bench,
    progress: &Progress,
) -> Result<Vec<Factors>, Failure> {
    let mut levels = run.config.levels();
    run.absent_levels = bench.absent_levels(&levels);
    levels.retain(|l| !run.absent_levels.iter().any(|a| a.factors == *l));
    let mut said: Vec<&str> = Vec::new();
    for absent in &run.absent_levels {
        if said.contains(&absent.reason.as_str()) {
            continue;
        }
        said.push(&absent.reason);
        let same = |a: &&crate::record::AbsentLevel| a.reason == absent.reason;
        progress.say(&format!(
            "procbench: {} of {} levels are absent: {}",
            run.absent_levels.iter().filter(same).count(),
            run.absent_levels.len() + levels.len(),
            absent.reason
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

/// Time that a configuration takes, roughly: said before the first block.
pub fn estimate(config: &Config) -> Duration {
    // A fresh server: start, initdb, pools, placeholders, then some ms a connection.
    let (start_ms, connection_ms, block_ms) = match config.mode {
        Mode::Server => (2_500, 2, 80),
        Mode::Model => (20, 0, 30),
    };
    let start =
        |standing: u32| Duration::from_millis(start_ms + connection_ms * u64::from(standing));
    let levels = config.levels();
    let starts: Duration = levels.iter().map(|l| start(l.standing)).sum();
    let block = Duration::from_nanos(config.block_ns() + config.warmup_ns)
        + Duration::from_millis(block_ms);
    // Every arm, and the A/A twin.
    let blocks = (config.arms.len() + 1) * levels.len() * config.blocks as usize;
    let calibration = if needs_calibration(config) {
        let most = levels_to_calibrate(&levels).len() as u32;
        (start(config.largest_standing()) + calibration_time(config)) * most
    } else {
        Duration::ZERO
    };
    // What a connection costs, at each level: stretches of half a second, more where it costs little.
    let burning = config.mode == Mode::Server && config.arms.contains(&Arm::CpuBurn);
    let learning = if burning {
        Duration::from_secs(4) * levels.len() as u32
    } else {
        Duration::ZERO
    };
    starts * config.visits + block * blocks as u32 + calibration + learning
}

/// Time of the closed loops that find the clients' rate, roughly.
fn calibration_time(config: &Config) -> Duration {
    let arm_ms = match config.mode {
        Mode::Server => 750,
        Mode::Model => 200,
    };
    Duration::from_millis(arm_ms) * config.arms.len() as u32
}

/// Whether any rate is a share of what is sustained.
fn needs_calibration(config: &Config) -> bool {
    let mut rates = config.client_rates.clone();
    if rates.is_empty() {
        rates.push(config.client_rate);
    }
    rates.iter().any(|r| !matches!(r, ClientRate::Given(_)))
}

/// The levels with the largest number of standing connections; their rate does not matter.
fn levels_to_calibrate(levels: &[Factors]) -> Vec<Factors> {
    let standing = levels.iter().map(|l| l.standing).max();
    let mut kept: Vec<Factors> = Vec::new();
    for level in levels.iter().filter(|l| Some(l.standing) == standing) {
        let level = Factors {
            client_rate: None,
            ..level.clone()
        };
        if !kept.contains(&level) {
            kept.push(level);
        }
    }
    kept
}

/// `200/s`, or the rates of all levels: `25% (100/s), max`.
fn rates_in_words(config: &Config, rates: ClientRates) -> String {
    if config.client_rates.is_empty() {
        return rates.base.to_string();
    }
    let each = |rate: &ClientRate| match rate {
        ClientRate::Given(_) => rate.to_string(),
        _ => format!("{rate} ({})", rates.resolve(*rate)),
    };
    config
        .client_rates
        .iter()
        .map(each)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What the closed loops showed.
#[derive(Default)]
struct Sustained {
    /// What each arm sustains, per second, at the level where it sustains least.
    least: BTreeMap<Arm, f64>,
    /// Levels whose server did not start or did not last, with the reasons.
    lost: Vec<(Factors, String)>,
}

/// Runs every arm in a closed loop at every one of `levels`.
fn sustained(
    levels: &[Factors],
    arms: &[Arm],
    bench: &mut dyn Bench,
    cancel: &Cancel,
) -> Result<Sustained, Failure> {
    let mut found = Sustained::default();
    let least = &mut found.least;
    for level in levels {
        let mut outcome = bench.open_visit(&Visit {
            index: 0,
            factors: level.clone(),
            blocks: Vec::new(),
        });
        let arms = if outcome.is_ok() { arms } else { &[] };
        for &arm in arms {
            if cancel.is_cancelled() {
                outcome = Err(Failure::Interrupted);
                break;
            }
            match bench.sustained_per_second(arm) {
                Ok(rate) => {
                    let known = least.entry(arm).or_insert(rate);
                    *known = rate.min(*known);
                }
                // An arm that cannot be had shows up again, and is named, in the run.
                Err(Failure::ArmLost(_)) => {}
                Err(failure) => {
                    outcome = Err(failure);
                    break;
                }
            }
        }
        bench.close_visit();
        match outcome {
            Err(Failure::VisitLost(reason)) if !cancel.is_cancelled() => {
                found.lost.push((level.clone(), reason));
            }
            other => other?,
        }
    }
    Ok(found)
}

fn settle_rates(
    run: &mut Run,
    (arms, levels): (&[Arm], &[Factors]),
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<ClientRates, Failure> {
    let run = &mut run.head;
    let config = &run.config;
    let given = |base| ClientRates {
        base,
        least_sustained: None,
    };
    if !needs_calibration(config) {
        return Ok(given(match config.client_rate {
            ClientRate::Given(rate) => rate,
            _ => OfferedRate::Max,
        }));
    }
    if config.server.as_ref().is_some_and(|s| s.is_url()) {
        run.remarks.push(format!(
            "the server is not ours: clients at a gentle {GENTLE_CLIENT_RATE}/s, not calibrated"
        ));
        return Ok(given(OfferedRate::PerSecond(GENTLE_CLIENT_RATE)));
    }
    let candidates: Vec<Arm> = arms.iter().copied().filter(|a| *a != Arm::Quiet).collect();
    if candidates.is_empty() {
        return Ok(given(OfferedRate::PerSecond(GENTLE_CLIENT_RATE)));
    }
    let all_levels = levels;
    let levels = levels_to_calibrate(all_levels);
    let standing = levels.first().map_or(0, |l| l.standing);
    progress.say(&format!(
        "procbench: calibrating the clients' rate at {standing} standing connections, about {} s",
        levels.len() as u64 * calibration_time(config).as_millis() as u64 / 1_000 + 3
    ));
    let Sustained {
        least: sustained,
        lost,
    } = sustained(&levels, &candidates, bench, cancel)?;
    for (level, reason) in lost {
        progress.say(&format!(
            "procbench: a level is absent ({} standing{}): {reason}",
            level.standing,
            level
                .pg
                .as_ref()
                .map_or(String::new(), |pg| format!(", PostgreSQL {pg}"))
        ));
        let same = |other: &Factors| {
            let other = Factors {
                client_rate: None,
                ..other.clone()
            };
            other == level
        };
        let absent = all_levels.iter().filter(|l| same(l)).map(|l| AbsentLevel {
            factors: l.clone(),
            reason: reason.clone(),
            wanted: true,
        });
        run.absent_levels.extend(absent);
    }
    if sustained.is_empty()
        && let Some(absent) = run.absent_levels.last()
    {
        return Err(Failure::Fatal(absent.reason.clone()));
    }
    let weakest = sustained
        .iter()
        .filter(|(_, rate)| **rate > 0.0)
        .min_by(|a, b| a.1.total_cmp(b.1))
        .map(|(arm, rate)| (*arm, *rate));
    let Some((weakest, least)) = weakest else {
        return Err(Failure::Fatal(
            "calibration: no arm did a single transaction".to_owned(),
        ));
    };
    let mut rates = ClientRates {
        base: OfferedRate::Max,
        least_sustained: Some(least),
    };
    rates.base = rates.resolve(config.client_rate);
    progress.say(&format!(
        "procbench: {weakest} sustains {least:.0}/s, the least: clients run at {}",
        rates_in_words(config, rates)
    ));
    run.calibration = Some(Calibration {
        standing,
        sustained_per_second: sustained,
        weakest,
        client_rate_per_second: rates.base.per_second().unwrap_or(least),
    });
    Ok(rates)
}
