//! A quantity along a numeric factor: one line for each arm and each combination of the
//! other factors, with bootstrap intervals and the slope of each line.

use serde::Serialize;

use super::bootstrap::Unit;
use super::bootstrap::{Bootstrap, Estimate, Taken, interval, ratio};
use super::guard::{Guard, reasons};
use super::level::LevelSummary;
use super::rounds::Rounds;
use super::sweep::{Quantity, Sweep};
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{Block, Role, Run};
use crate::seed::derive_seed;

/// The quantity at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Where on the factor.
    pub at: f64,
    /// The value with its 95 % interval over blocks: ns, or a bare ratio.
    pub estimate: Estimate,
    /// Samples of the series, or the sum below the line.
    pub samples: u64,
    /// Why it is not to be quoted, if so.
    pub struck: Option<String>,
    /// Reasons to read it with care.
    pub cautions: Vec<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepLine {
    /// Whose blocks.
    pub arm: Arm,
    /// The other factors' values.
    pub rest: Factors,
    /// The points, by the factor.
    pub points: Vec<SweepPoint>,
    /// Least-squares slope in the quantity's unit for each one more of the
    /// factor, with its 95 % interval; `None` with fewer than two points.
    pub slope: Option<Estimate>,
}

/// A sweep with its lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Swept {
    /// The question.
    #[serde(flatten)]
    pub sweep: Sweep,
    /// Unit of the values; slopes are in it for each one more of the factor.
    pub unit: Unit,
    /// A line for each arm and each combination of the other factors.
    pub lines: Vec<SweepLine>,
}

impl Swept {
    /// An arm's line at these factors, as far as they are named.
    pub fn line(&self, arm: Arm, rest: &Factors) -> Option<&SweepLine> {
        let mut lines = self.lines.iter();
        lines.find(|l| l.arm == arm && l.rest.agrees_with(rest))
    }

    /// Its slope, where there is one and no point of it is struck out.
    pub fn slope(&self, arm: Arm, rest: &Factors) -> Option<Estimate> {
        let line = self.line(arm, rest)?;
        line.slope.filter(|_| !line.is_struck())
    }
}

impl SweepLine {
    /// Whether any of its points is struck out.
    pub fn is_struck(&self) -> bool {
        self.points.iter().any(|p| p.struck.is_some())
    }
}

/// The value of the blocks that are taken.
type OfTaken = Box<dyn Fn(&[Taken]) -> Option<f64>>;

/// What the blocks of one level say of a quantity.
struct Measured {
    blocks: usize,
    /// Samples of the series, or the sum below the line.
    samples: u64,
    value: OfTaken,
}

impl Measured {
    /// `None` where too few samples carry it.
    fn new(quantity: Quantity, blocks: &[&Block]) -> Option<Self> {
        let sum = |block: &Block, names: &[&str]| -> Option<u64> {
            names.iter().map(|n| block.counters.get(*n)).sum()
        };
        let pairs: Vec<(u64, u64)> = match quantity {
            Quantity::Time(key, statistic) => {
                let rounds = Rounds::of(blocks, key, None);
                let samples = rounds.sample_count();
                return statistic.is_carried_by(samples).then(|| Measured {
                    blocks: rounds.block_count(),
                    samples,
                    value: Box::new(move |taken| rounds.statistic(taken, statistic)),
                });
            }
            Quantity::Cpu(group) => blocks
                .iter()
                .filter_map(|b| Some((b.cpu.groups.get(&group)?.used_ns, b.cpu.over_ns)))
                .collect(),
            Quantity::Ratio { of, over, .. } => blocks
                .iter()
                .filter_map(|b| Some((sum(b, of)?, sum(b, over)?)))
                .collect(),
        };
        Some(Measured {
            blocks: pairs.len(),
            samples: pairs.iter().map(|p| p.1).sum(),
            value: Box::new(move |taken| ratio(&pairs, taken, 1.0)),
        })
    }
}

/// The lines of one sweep, in the order of the run's levels. Levels without the
/// arm, without the factor or with too few samples have no point.
pub(super) fn swept(run: &Run, levels: &[LevelSummary], sweep: Sweep) -> Swept {
    let mut rests: Vec<Factors> = Vec::new();
    for level in levels {
        let rest = sweep.along.rest(&level.factors);
        if !rests.contains(&rest) {
            rests.push(rest);
        }
    }
    // Standing connections sort the levels; lines go by the order asked for.
    let asked_for = run.config.levels();
    rests.sort_by_key(|rest| {
        let mut levels = asked_for.iter();
        let place = levels.position(|l| sweep.along.rest(l).agrees_with(rest));
        place.unwrap_or(usize::MAX)
    });
    let arms = sweep.arms.iter();
    let lines = arms.flat_map(|arm| rests.iter().map(move |rest| (*arm, rest)));
    Swept {
        lines: lines
            .filter_map(|(arm, rest)| line(run, levels, &sweep, arm, rest))
            .collect(),
        unit: sweep.quantity.unit(),
        sweep,
    }
}

fn line(
    run: &Run,
    levels: &[LevelSummary],
    sweep: &Sweep,
    arm: Arm,
    rest: &Factors,
) -> Option<SweepLine> {
    let on_line = |level: &LevelSummary| sweep.along.rest(&level.factors) == *rest;
    let mut found: Vec<(SweepPoint, Vec<f64>)> = (0..)
        .zip(levels)
        .filter(|(_, level)| on_line(level))
        .filter_map(|(place, level)| point(run, place, level, arm, sweep))
        .collect();
    found.sort_by(|a, b| a.0.at.total_cmp(&b.0.at));
    let (points, resampled): (Vec<SweepPoint>, Vec<Vec<f64>>) = found.into_iter().unzip();
    (!points.is_empty()).then(|| SweepLine {
        slope: slope_with_interval(&points, &resampled),
        arm,
        rest: rest.clone(),
        points,
    })
}

/// The point of the level at `place`, and the resampled values.
fn point(
    run: &Run,
    place: u64,
    level: &LevelSummary,
    arm: Arm,
    sweep: &Sweep,
) -> Option<(SweepPoint, Vec<f64>)> {
    let at = sweep.along.at(&level.factors)?;
    let contender = level.contender(arm, false)?;
    let mut blocks = run.blocks_of(arm, false, &level.factors);
    blocks.extend(run.blocks_of(arm, true, &level.factors));
    let measured = Measured::new(sweep.quantity, &blocks)?;
    // Levels are resampled independently of each other.
    let seed = derive_seed(run.config.seed, &[0x5357_4545, place]);
    let (value, resampled) = Bootstrap::new(measured.blocks, seed).values(measured.value)?;
    let (struck, cautions) = reasons(&contender.guards, |g| concerns(g, sweep.quantity));
    let point = SweepPoint {
        at,
        estimate: interval(value, resampled.clone()),
        samples: measured.samples,
        struck,
        cautions,
    };
    Some((point, resampled))
}

/// Counts do not suffer from what makes the readers' times useless, nor do the clients' times from a late reader.
fn concerns(guard: &Guard, quantity: Quantity) -> bool {
    match (guard, quantity) {
        (Guard::DebugBuild | Guard::CoarseClock { .. } | Guard::FewSamples { .. }, _) => {
            matches!(quantity, Quantity::Time(..))
        }
        (Guard::AchievedRate { role, .. } | Guard::Errors { role, .. }, Quantity::Time(key, _)) => {
            *role == Role::Client || *role == key.role
        }
        _ => true,
    }
}

fn slope_with_interval(points: &[SweepPoint], resampled: &[Vec<f64>]) -> Option<Estimate> {
    let at: Vec<f64> = points.iter().map(|p| p.at).collect();
    let values: Vec<f64> = points.iter().map(|p| p.estimate.value_ns).collect();
    let resamples = resampled.iter().map(Vec::len).min().unwrap_or(0);
    let resampled_slope = |i: usize| {
        let values: Vec<f64> = resampled.iter().map(|r| r[i]).collect();
        slope(&at, &values)
    };
    let slopes = (0..resamples).filter_map(resampled_slope).collect();
    Some(interval(slope(&at, &values)?, slopes))
}

/// Least squares; `None` unless `at` has two different values.
fn slope(at: &[f64], values: &[f64]) -> Option<f64> {
    let n = at.len() as f64;
    let (mean_at, mean) = (at.iter().sum::<f64>() / n, values.iter().sum::<f64>() / n);
    let spread: f64 = at.iter().map(|x| (x - mean_at).powi(2)).sum();
    let both: f64 = at
        .iter()
        .zip(values)
        .map(|(x, y)| (x - mean_at) * (y - mean))
        .sum();
    (spread > 0.0).then(|| both / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CpuGroup, SeriesKey};
    use crate::stats::Along;
    use crate::stats::{Answer, Statistic, analyse};
    use crate::testing::{sample_run, sample_run_with_cpu};

    const SWEEP: Sweep = Sweep {
        stem: "sweep",
        title: "",
        look_at: "",
        quantity_words: "",
        arms: &[Arm::KeptOpen],
        quantity: Quantity::Time(SeriesKey::READER_SERVICE, Statistic::Mean),
        along: Along::Standing,
        panels: &[],
        logarithmic: false,
    };

    fn lines(run: &Run, sweep: Sweep) -> Vec<SweepLine> {
        swept(run, &analyse(run, Answer::Contrast, None).levels, sweep).lines
    }

    #[test]
    fn equal_levels_lie_on_a_flat_line_and_blocks_of_the_twin_count() {
        let run = sample_run(8);
        let found = lines(&run, SWEEP);
        assert_eq!(found.len(), 1);
        let line = &found[0];
        assert_eq!(
            line.points.iter().map(|p| p.at).collect::<Vec<_>>(),
            [0.0, 10.0]
        );
        assert_eq!(line.points[0].samples, 2 * 8 * 500);
        let slope = line.slope.unwrap();
        assert!(slope.value_ns.abs() < 1e-9 && slope.high_ns - slope.low_ns < 1e-9);
    }

    #[test]
    fn a_late_reader_strikes_its_own_times_and_late_clients_strike_all_times() {
        let late = |role| Guard::AchievedRate { role, share: 0.9 };
        let time = |role| {
            let key = SeriesKey {
                role,
                ..SeriesKey::READER_SERVICE
            };
            Quantity::Time(key, Statistic::Mean)
        };
        for (of, quoted, strikes) in [
            (Role::Reader, Role::Reader, true),
            (Role::Reader, Role::Client, false),
            (Role::Client, Role::Reader, true),
            (Role::Client, Role::Client, true),
        ] {
            assert_eq!(concerns(&late(of), time(quoted)), strikes, "{of} {quoted}");
        }
    }

    #[test]
    fn a_ratio_weighs_blocks_by_what_is_below_the_line() {
        let mut run = sample_run(8);
        for block in &mut run.blocks {
            let n = u64::from(block.round) + 1;
            let scanned = if block.factors.standing == 0 { 0 } else { n };
            block.counters.insert("operations.snapshot".into(), 4 * n);
            block
                .counters
                .insert("operations.snapshot-scanned".into(), scanned);
        }
        let sweep = Sweep {
            quantity: Quantity::Ratio {
                of: &["operations.snapshot-scanned"],
                over: &["operations.snapshot"],
                share: true,
            },
            ..SWEEP
        };
        let found = lines(&run, sweep);
        let values: Vec<f64> = found[0]
            .points
            .iter()
            .map(|p| p.estimate.value_ns)
            .collect();
        assert_eq!(values, [0.0, 0.25]);
        assert!((found[0].slope.unwrap().value_ns - 0.025).abs() < 1e-12);
        // A counter that no block has gives no line, not a zero.
        let absent = Sweep {
            quantity: Quantity::Ratio {
                of: &["faults.procarray-add"],
                over: &["operations.procarray-add"],
                share: false,
            },
            ..SWEEP
        };
        assert!(lines(&run, absent).is_empty());
    }

    #[test]
    fn a_process_groups_cpu_is_its_share_of_one_core_along_the_clients_rate() {
        let mut run = sample_run_with_cpu();
        for block in &mut run.blocks {
            let rate = if block.factors.standing == 0 {
                "25%"
            } else {
                "50%"
            };
            block.factors.standing = 0;
            block.factors.client_rate = Some(rate.parse().unwrap());
        }
        let group = CpuGroup::Backends;
        let sweep = Sweep {
            arms: &[Arm::Unpooled],
            quantity: Quantity::Cpu(group),
            along: Along::ClientRate,
            ..SWEEP
        };
        let found = lines(&run, sweep);
        let points = &found[0].points;
        assert_eq!(
            points.iter().map(|p| p.at).collect::<Vec<_>>(),
            [25.0, 50.0]
        );
        let level = run.levels()[0].clone();
        let blocks = run.blocks_of(Arm::Unpooled, false, &level);
        let sums = blocks.iter().fold((0, 0), |(used, over), b| {
            (used + b.cpu.groups[&group].used_ns, over + b.cpu.over_ns)
        });
        assert_eq!(points[0].estimate.value_ns, sums.0 as f64 / sums.1 as f64);
    }

    #[test]
    fn every_arm_is_a_line_and_one_that_did_not_run_is_none() {
        let sweep = Sweep {
            arms: &[Arm::Unpooled, Arm::Premapped, Arm::KeptOpen],
            ..SWEEP
        };
        let found = lines(&sample_run(8), sweep);
        let arms: Vec<Arm> = found.iter().map(|l| l.arm).collect();
        assert_eq!(arms, [Arm::Unpooled, Arm::KeptOpen]);
    }

    #[test]
    fn every_combination_of_the_other_factors_is_a_line() {
        let mut run = sample_run(8);
        for block in &mut run.blocks {
            let pg = if block.round % 2 == 0 { "13" } else { "15" };
            block.factors.pg = Some(pg.parse().unwrap());
            block.factors.commit_rate = Some("100".parse().unwrap());
        }
        assert_eq!(lines(&run, SWEEP).len(), 2);
        let along = Sweep {
            along: Along::CommitRate,
            ..SWEEP
        };
        let found = lines(&run, along);
        // Standing connections and versions tell lines apart; one point has no slope.
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].points[0].at, 100.0);
        assert!(found.iter().all(|l| l.slope.is_none()));
    }
}
