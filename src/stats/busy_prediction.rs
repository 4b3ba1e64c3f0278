//! What holds and their rate predict for running statements, held against what the run saw.
//!
//! The holds of a group of levels (equal but for standing connections and the clients' rate) are measured at
//! two numbers of standing connections, the fewest and the most. Between them a hold grows in a line, because
//! `ProcArrayAdd` and `ProcArrayRemove` (procarray.c) do the same for each connection behind the slot. Every
//! other level is predicted from these two: it does not go into its own prediction.

use serde::Serialize;

use super::bootstrap::Estimate;
use super::busy_seen::{HOLDS, Seen, snapshots};
use super::busy_share::{HoldRange, Line};
use super::level::LevelSummary;
use super::lock_wait::{Holds, Looks, Traffic};
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{Run, RunHead, SeriesHistogram, SeriesKey};

/// What `unpooled` is held against, the closest first: the same faults outside the lock; a fork and an exit; no
/// connections that come.
pub(super) const WITHOUT_LOCK: [Arm; 4] =
    [Arm::Premapped, Arm::ForkOnly, Arm::KeptOpen, Arm::Quiet];

/// One prediction beside what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Compared {
    /// Both ends of what is predicted.
    pub predicted: HoldRange,
    /// What the run saw; `None` where it was not measured.
    pub observed: Option<Estimate>,
}

impl Compared {
    fn exactly(predicted: f64, observed: Option<Estimate>) -> Self {
        let (low, high) = (predicted, predicted);
        let predicted = HoldRange { low, high };
        Compared {
            predicted,
            observed,
        }
    }

    /// Observed minus the nearer end of the prediction; 0 within it.
    pub fn error(&self) -> Option<f64> {
        let HoldRange { low, high } = self.predicted;
        let observed = self.observed?.value_ns;
        Some(observed - observed.clamp(low, high))
    }

    /// Whether prediction and interval meet.
    pub fn meets(&self) -> Option<bool> {
        let seen = self.observed?;
        Some(seen.low_ns <= self.predicted.high && seen.high_ns >= self.predicted.low)
    }
}

/// What is predicted for one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BusyPrediction {
    /// The level.
    pub factors: Factors,
    /// Standing connections at which the holds behind it were measured.
    pub from: [u32; 2],
    /// Whether its own holds are among them.
    pub is_fitted: bool,
    /// Connections per second that came.
    pub per_second: f64,
    /// Both exclusive holds of a connection together, in ns.
    pub hold_ns: Compared,
    /// Share of the shared acquisitions that find the lock busy, 0 to 1.
    pub busy: Compared,
    /// How many did.
    pub busy_acquisitions: Option<u64>,
    /// Mean wait of these, in ns.
    pub wait_ns: Compared,
    /// What the share of slow statements (service time) is held against; `None` where no such arm ran.
    pub against: Option<Arm>,
    /// Their threshold, in ns.
    pub slow_over_ns: Option<u64>,
    /// By how much `unpooled` raises that share over the other arm, 0 to 1. The ends are snapshots of one
    /// statement at once, and as far apart as the statement is long.
    pub slow_share: Option<Compared>,
}

/// A merged series of an arm's blocks, or of its twin's where only those were looked into.
pub(super) fn series(level: &LevelSummary, arm: Arm, key: SeriesKey) -> Option<&SeriesHistogram> {
    let of = |twin| level.contender(arm, twin)?.merged.get(&key);
    of(false).or_else(|| of(true))
}

/// Both holds of a connection as this run measured them.
pub(super) fn holds_of(level: &LevelSummary) -> Option<[Holds; 2]> {
    let [add, remove] = HOLDS.map(|key| Holds::of(series(level, Arm::Unpooled, key)?));
    Some([add?, remove?])
}

/// Holds at two numbers of standing connections.
struct Fit {
    /// What its levels have in common.
    rest: Factors,
    standing: [u32; 2],
    /// Of both holds at both places.
    measured: [[Holds; 2]; 2],
}

impl Fit {
    /// From the levels of one group; `None` where fewer than two numbers of standing connections were looked into.
    fn of(rest: Factors, levels: &[&LevelSummary]) -> Option<Self> {
        let measured = levels
            .iter()
            .filter_map(|l| Some((l.factors.standing, holds_of(l)?)));
        let mut measured: Vec<_> = measured.collect();
        measured.sort_by_key(|m| m.0);
        let first = measured.first()?.clone();
        let last = measured.pop()?;
        (first.0 < last.0).then_some(Fit {
            rest,
            standing: [first.0, last.0],
            measured: [first.1, last.1],
        })
    }

    /// Both holds at so many standing connections. `slope` is what one of them adds here over what it adds in the fit.
    fn at(&self, standing: u32, slope: f64) -> [Holds; 2] {
        let [fewest, most] = self.standing;
        let nearest = usize::from(standing.abs_diff(fewest) > standing.abs_diff(most));
        [0, 1].map(|kind| {
            let [low, high] = [0, 1].map(|end| self.measured[end][kind].mean_ns());
            let each = (high - low) / f64::from(most - fewest);
            let line = Line {
                at_none: low - each * f64::from(fewest),
                each: each * slope,
            };
            self.measured[nearest][kind].stretched_to(line.at(standing.into()).max(1.0))
        })
    }
}

/// The level without what a prediction carries over.
fn rest(level: &Factors) -> Factors {
    let mut rest = level.clone();
    rest.standing = 0;
    rest.client_rate = None;
    rest
}

/// The fit for a level, and its slope there: that of its own group, or of another version that renumbers PGPROCs
/// as this one does, in proportion to their size (a fault for each page of them).
fn fit_for<'a>(fits: &'a [Fit], level: &Factors) -> Option<(&'a Fit, f64)> {
    let own = rest(level);
    if let Some(fit) = fits.iter().find(|f| f.rest == own) {
        return Some((fit, 1.0));
    }
    let here = own.profile().ok()?.version();
    let without_version = |of: &Factors| Factors {
        pg: None,
        lock: None,
        ..of.clone()
    };
    fits.iter().find_map(|fit| {
        let there = fit.rest.profile().ok()?.version();
        let is_like = here.dense_arrays && there.dense_arrays;
        (is_like && without_version(&fit.rest) == without_version(&own))
            .then_some((fit, here.stride as f64 / there.stride as f64))
    })
}

/// Predictions for every level of a run that has `unpooled`, where holds were measured at two numbers of standing
/// connections; else none.
pub(super) fn predictions(run: &Run, levels: &[LevelSummary]) -> Vec<BusyPrediction> {
    let mut groups: Vec<Factors> = levels.iter().map(|l| rest(&l.factors)).collect();
    groups.sort();
    groups.dedup();
    let fit = |group: Factors| {
        let of_group = levels.iter().filter(|l| rest(&l.factors) == group);
        Fit::of(group.clone(), &of_group.collect::<Vec<_>>())
    };
    let fits: Vec<Fit> = groups.into_iter().filter_map(fit).collect();
    let predict = |level: &LevelSummary| {
        let (fit, slope) = fit_for(&fits, &level.factors)?;
        predict(run, level, fit, slope)
    };
    levels.iter().filter_map(predict).collect()
}

/// The threshold of slow statements: the run's own, else the p99 of the arm that keeps its connections, or of `quiet`.
fn slow_over_ns(run: &RunHead, level: &LevelSummary) -> Option<u64> {
    if run.slow_over_ns.is_some() {
        return run.slow_over_ns;
    }
    let calm = [Arm::KeptOpen, Arm::Quiet].into_iter();
    let of = |arm| series(level, arm, SeriesKey::READER_SERVICE)?.percentile_ns(99.0);
    calm.filter_map(of).next()
}

fn predict(run: &Run, level: &LevelSummary, fit: &Fit, slope: f64) -> Option<BusyPrediction> {
    let unpooled = level.contender(Arm::Unpooled, false)?;
    let traffic = Traffic {
        per_second: unpooled.client_per_second,
        holds: fit.at(level.factors.standing, slope),
    };
    let seen = Seen::of(run, level);
    let begun_per_second = seen.statements_per_second();
    let busy_per_second = traffic.busy_per_second(run.config.readers, begun_per_second);
    let shared_per_second = seen.shared_per_second(traffic.per_second);
    let slow_over_ns = slow_over_ns(run, level);
    let against = WITHOUT_LOCK
        .into_iter()
        .find(|&arm| series(level, arm, SeriesKey::READER_SERVICE).is_some());
    let slow_share = || {
        let (threshold, arm) = (slow_over_ns?, against?);
        let base = series(level, arm, SeriesKey::READER_SERVICE)?;
        let at = |gap_ns| {
            let looks = Looks {
                snapshots: snapshots(run),
                gap_ns,
                begun_per_second,
            };
            traffic.slow_share(base, threshold, looks)
        };
        Some(Compared {
            predicted: HoldRange {
                low: at(0.0),
                high: at(base.percentile_ns(50.0)? as f64),
            },
            observed: seen.slow_excess(arm, threshold),
        })
    };
    let mean = |holds: &[Holds; 2]| holds.iter().map(Holds::mean_ns).sum::<f64>();
    let is_fitted = slope == 1.0
        && rest(&level.factors) == fit.rest
        && fit.standing.contains(&level.factors.standing);
    Some(BusyPrediction {
        factors: level.factors.clone(),
        from: fit.standing,
        is_fitted,
        per_second: traffic.per_second,
        hold_ns: Compared::exactly(mean(&traffic.holds), seen.hold_ns()),
        busy: Compared::exactly(busy_per_second / shared_per_second.max(1.0), seen.busy()),
        busy_acquisitions: seen.busy_acquisitions(),
        wait_ns: Compared::exactly(traffic.mean_wait_ns(begun_per_second), seen.wait_ns()),
        against,
        slow_over_ns,
        slow_share: slow_share(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::busy_seen::{FOUND_BUSY, SHARED, WAIT};
    use crate::stats::{Answer, analyse};
    use crate::testing::sample_run;

    const ADD_EACH: u64 = 200;

    fn series_of(values: impl IntoIterator<Item = u64>) -> SeriesHistogram {
        let mut series = SeriesHistogram::default();
        values.into_iter().for_each(|ns| series.record(ns));
        series
    }

    /// A run at these numbers of standing connections whose `ProcArrayAdd` holds the lock for 10 us and 200 ns per
    /// connection, 100 times per second (50 in half a second), and whose counts say that 3 % found it busy.
    fn run(standing: &[u32]) -> Run {
        let mut run = sample_run(8);
        let levels = run.levels();
        run.blocks.retain(|b| b.factors == levels[0]);
        let blocks = std::mem::take(&mut run.blocks);
        for n in standing {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.standing = *n;
                if block.arm == Arm::Unpooled {
                    let add = 10_000 + ADD_EACH * u64::from(*n);
                    block.series.insert(HOLDS[0], series_of([add; 50]));
                    block.series.insert(HOLDS[1], series_of([5_000; 50]));
                    let waits = (0..1_000).map(|i| if i < 30 { 150_000 } else { 40 });
                    block.series.insert(WAIT, series_of(waits));
                    block.counters.insert(SHARED.to_owned(), 2_000);
                    block.counters.insert(FOUND_BUSY.to_owned(), 60);
                }
                run.blocks.push(block);
            }
        }
        run
    }

    /// What is predicted for these holds in ns: the reader begins 1,000 statements per second of two snapshots, and 100
    /// connections come per second, of six.
    fn busy(holds: [f64; 2]) -> f64 {
        let of_reader = holds.map(|h| 1.0 - (-1_000.0 * h / 1e9).exp());
        let of_newcomers = 100.0 * holds.iter().sum::<f64>() / 1e9;
        100.0 * (of_reader.iter().sum::<f64>() + of_newcomers) / (2.0 * 1_000.0 + 6.0 * 100.0)
    }

    fn predicted(run: &Run) -> Vec<BusyPrediction> {
        analyse(run, Answer::Contrast, None).busy
    }

    #[test]
    fn a_level_between_is_predicted_from_its_neighbours_alone() {
        let mut run = run(&[0, 1_000, 2_000]);
        // What was measured there must not matter.
        for block in run
            .blocks
            .iter_mut()
            .filter(|b| b.factors.standing == 1_000)
        {
            if let Some(series) = block.series.get_mut(&HOLDS[0]) {
                *series = series_of([7; 50]);
            }
        }
        let all = predicted(&run);
        let fitted: Vec<bool> = all.iter().map(|p| p.is_fitted).collect();
        assert_eq!(fitted, [true, false, true]);
        let between = &all[1];
        assert_eq!(between.from, [0, 2_000]);
        let hold = 10_000.0 + 1_000.0 * ADD_EACH as f64 + 5_000.0;
        assert!((between.hold_ns.predicted.low / hold - 1.0).abs() < 2e-3);
        assert!((between.hold_ns.observed.unwrap().value_ns - 5_007.0).abs() < 10.0);
        let share = busy([hold - 5_000.0, 5_000.0]);
        assert!((between.busy.predicted.low / share - 1.0).abs() < 2e-3);
    }

    #[test]
    fn what_was_seen_is_the_share_that_found_it_busy_and_its_longest_waits() {
        let all = predicted(&run(&[0, 2_000]));
        let seen = &all[1];
        assert_eq!(seen.busy.observed.unwrap().value_ns, 0.03);
        assert_eq!(seen.busy_acquisitions, Some(8 * 60));
        let wait = seen.wait_ns.observed.unwrap();
        assert!((wait.value_ns / 150_000.0 - 1.0).abs() < 2e-3, "{wait:?}");
        // 1.5 %: half of what was seen.
        let error = seen.busy.error().unwrap();
        let expected = 0.03 - busy([410_000.0, 5_000.0]);
        assert!((error - expected).abs() < 2e-4, "{error} {expected}");
        assert_eq!(seen.busy.meets(), Some(false));
    }

    #[test]
    fn the_share_of_slow_statements_grows_by_waits_over_the_rest_to_the_threshold() {
        let all = predicted(&run(&[0, 2_000]));
        let [none, many] = &all[..] else {
            panic!("{all:?}")
        };
        // The readers of `kept-open` need 1 to 1.5 us, 1 % of them more than 1.494: everybody who waits is slow.
        assert_eq!(
            (many.against, many.slow_over_ns),
            (Some(Arm::KeptOpen), Some(1_494))
        );
        let share = many.slow_share.unwrap().predicted;
        // Of 1,000 statements per second those that are the first in one of 100 holds of 410 us or of 5 us.
        let wait = (2.0 - (-0.41f64).exp() - (-0.005f64).exp()) * 100.0 / 1_000.0;
        assert!(
            share.low > 0.98 * wait * 0.99 && share.low < wait,
            "{share:?} {wait}"
        );
        assert!(share.high > share.low && share.high < 1.02 * share.low);
        // Readers of `unpooled` are three times slower here.
        let observed = many.slow_share.unwrap().observed.unwrap();
        assert!((observed.value_ns - 0.99).abs() < 0.01, "{observed:?}");
        assert!(none.busy.predicted.low < many.busy.predicted.low / 10.0);
    }

    #[test]
    fn another_version_that_renumbers_is_predicted_by_its_stride_and_13_is_not() {
        let mut run = run(&[0, 2_000]);
        let blocks = std::mem::take(&mut run.blocks);
        for pg in ["15", "18", "13"] {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.pg = Some(pg.parse().unwrap());
                if pg != "15" {
                    for key in HOLDS {
                        block.series.remove(&key);
                    }
                }
                run.blocks.push(block);
            }
        }
        let all = predicted(&run);
        let at = |pg: &str| {
            let pg = Some(pg.parse().unwrap());
            all.iter()
                .find(|p| p.factors.pg == pg && p.factors.standing == 2_000)
        };
        let [of_15, of_18] = [at("15"), at("18")].map(|p| p.unwrap().hold_ns.predicted.low);
        // 880 and 832 bytes; 15 us do not grow.
        let expected = 15_000.0 + (of_15 - 15_000.0) * 832.0 / 880.0;
        assert!((of_18 / expected - 1.0).abs() < 2e-3, "{of_18} {expected}");
        assert!(!at("18").unwrap().is_fitted && at("13").is_none());
    }

    #[test]
    fn one_number_of_standing_connections_predicts_nothing() {
        assert_eq!(predicted(&run(&[500])), []);
        assert_eq!(predicted(&sample_run(8)), []);
    }
}
