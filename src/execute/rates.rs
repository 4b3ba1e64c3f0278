//! The clients' rate: as given, or from what the arms sustain in a closed loop.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arm::{Arm, Mode};
use crate::config::{Config, GENTLE_CLIENT_RATE};
use crate::factor::{ClientRate, Factors, OfferedRate};
use crate::load::driver::{Bench, Failure};
use crate::load::plan::PlannedStart;
use crate::load::progress::Progress;
use crate::load::{Cancel, ClientRates};
use crate::record::{AbsentLevel, Calibration, RunHead};

/// Rough time of the closed loops that find the clients' rate.
pub(super) fn calibration_time(config: &Config) -> Duration {
    let arm_ms = match config.mode {
        Mode::Server => 750,
        Mode::Model => 200,
    };
    Duration::from_millis(arm_ms) * config.arms.len() as u32
}

/// Whether any rate is a share of what is sustained.
pub(super) fn needs_calibration(config: &Config) -> bool {
    let mut rates = config.factors.client_rate.clone();
    if rates.is_empty() {
        rates.push(config.client_rate);
    }
    rates.iter().any(|r| !matches!(r, ClientRate::Given(_)))
}

/// The start that others depart from, or those with the largest number of standing connections.
pub(super) fn levels_to_calibrate(config: &Config, levels: &[Factors]) -> Vec<Factors> {
    if config.has_departures() {
        return levels.iter().take(1).map(Factors::of_the_start).collect();
    }
    let standing = levels.iter().map(|l| l.standing).max();
    let mut kept: Vec<Factors> = Vec::new();
    for level in levels.iter().filter(|l| Some(l.standing) == standing) {
        let level = level.of_the_start();
        if !kept.contains(&level) {
            kept.push(level);
        }
    }
    kept
}

/// `200/s`, or the rates of all levels: `25% (100/s), max`.
pub(super) fn rates_in_words(config: &Config, rates: ClientRates) -> String {
    if config.factors.client_rate.is_empty() {
        return rates.base.to_string();
    }
    let each = |rate: &ClientRate| match rate {
        ClientRate::Given(_) => rate.to_string(),
        _ => format!("{rate} ({})", rates.resolve(*rate)),
    };
    config
        .factors
        .client_rate
        .iter()
        .map(each)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Results of the closed loops.
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
        let mut measure = || {
            bench.open_start(&PlannedStart {
                index: 0,
                factors: level.clone(),
                blocks: Vec::new(),
            })?;
            for &arm in arms {
                if cancel.is_cancelled() {
                    return Err(Failure::Interrupted);
                }
                match bench.sustained_per_second(arm) {
                    Ok(rate) => {
                        let known = least.entry(arm).or_insert(rate);
                        *known = rate.min(*known);
                    }
                    // An arm that is not available shows up again, and is named, in the run.
                    Err(Failure::ArmLost(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
            Ok(())
        };
        let outcome = measure();
        bench.close_start();
        match outcome {
            Err(Failure::StartLost(reason)) if !cancel.is_cancelled() => {
                found.lost.push((level.clone(), reason));
            }
            other => other?,
        }
    }
    Ok(found)
}

/// Finds the rates of a run; what is learnt on the way goes into its head.
///
/// # Errors
/// When no arm did a transaction, or the user stopped it.
pub(super) fn settle_rates(
    run: &mut RunHead,
    (arms, levels): (&[Arm], &[Factors]),
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<ClientRates, Failure> {
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
    let levels = levels_to_calibrate(config, all_levels);
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
            match &level.pg {
                Some(pg) => format!(", PostgreSQL {pg}"),
                None => String::new(),
            }
        ));
        let same = |other: &Factors| other.of_the_start() == level;
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
            "calibration: no arm completed a transaction".to_owned(),
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
