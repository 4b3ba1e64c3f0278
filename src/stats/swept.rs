//! A quantity along a numeric factor: one line for each combination of the
//! other factors, with bootstrap intervals and the slope of each line.

use serde::Serialize;

use super::contrast::{Estimate, interval, resamplings, weighted_sums};
use super::guard::{Guard, reasons};
use super::level::LevelSummary;
use super::rounds::Rounds;
use super::statistic::Statistic;
use super::sweep::{Quantity, Sweep};
use super::unit::Unit;
use crate::factor::Factors;
use crate::record::{Block, Run, SeriesHistogram};
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
    /// A line for each combination of the other factors.
    pub lines: Vec<SweepLine>,
}

impl Swept {
    /// The line at these factors, as far as they are named.
    pub fn line(&self, rest: &Factors) -> Option<&SweepLine> {
        self.lines.iter().find(|l| l.rest.agrees_with(rest))
    }

    /// Its slope, where there is one and no point of it is struck out.
    pub fn slope(&self, rest: &Factors) -> Option<Estimate> {
        let line = self.line(rest)?;
        line.slope.filter(|_| !line.is_struck())
    }
}

impl SweepLine {
    /// Whether any of its points is struck out.
    pub fn is_struck(&self) -> bool {
        self.points.iter().any(|p| p.struck.is_some())
    }
}

/// The blocks of one level, as far as the quantity is concerned.
enum Measured {
    Times(Rounds, Statistic),
    Ratios(Vec<(u64, u64)>),
}

impl Measured {
    fn new(quantity: Quantity, blocks: &[&Block]) -> Self {
        match quantity {
            Quantity::Time(key, statistic) => {
                let series: Vec<&SeriesHistogram> =
                    blocks.iter().filter_map(|b| b.series.get(&key)).collect();
                Measured::Times(Rounds::new(&series), statistic)
            }
            Quantity::Cpu(group) => {
                let pairs = blocks
                    .iter()
                    .filter_map(|b| Some((b.cpu.groups.get(&group)?.used_ns, b.cpu.over_ns)));
                Measured::Ratios(pairs.collect())
            }
            Quantity::Ratio { of, over, .. } => {
                let sum = |block: &Block, names: &[&str]| -> Option<u64> {
                    names.iter().map(|n| block.counters.get(*n)).sum()
                };
                let pairs = blocks
                    .iter()
                    .filter_map(|b| Some((sum(b, of)?, sum(b, over)?)));
                Measured::Ratios(pairs.collect())
            }
        }
    }

    fn block_count(&self) -> usize {
        match self {
            Measured::Times(rounds, _) => rounds.block_count(),
            Measured::Ratios(pairs) => pairs.len(),
        }
    }

    fn samples(&self) -> u64 {
        match self {
            Measured::Times(rounds, _) => rounds.sample_count(),
            Measured::Ratios(pairs) => pairs.iter().map(|p| p.1).sum(),
        }
    }

    /// Whether there is enough of it to give a value.
    fn carries(&self) -> bool {
        match self {
            Measured::Times(_, statistic) => statistic.is_carried_by(self.samples()),
            Measured::Ratios(_) => self.samples() > 0,
        }
    }

    fn value(&self, weights: &[u32]) -> Option<f64> {
        match self {
            Measured::Times(rounds, statistic) => {
                rounds.statistics(weights, &[*statistic]).pop().flatten()
            }
            Measured::Ratios(pairs) => {
                let (of, over) = weighted_sums(pairs, weights);
                (over > 0.0).then(|| of / over)
            }
        }
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
    let place = |rest: &Factors| {
        asked_for
            .iter()
            .position(|l| sweep.along.rest(l).agrees_with(rest))
            .unwrap_or(usize::MAX)
    };
    rests.sort_by_key(place);
    Swept {
        lines: rests
            .into_iter()
            .filter_map(|rest| line(run, levels, &sweep, rest))
            .collect(),
        unit: sweep.quantity.unit(),
        sweep,
    }
}

fn line(run: &Run, levels: &[LevelSummary], sweep: &Sweep, rest: Factors) -> Option<SweepLine> {
    let mut found: Vec<(SweepPoint, Vec<f64>)> = Vec::new();
    for (i, level) in levels.iter().enumerate() {
        if sweep.along.rest(&level.factors) != rest {
            continue;
        }
        let (Some(at), Some(contender)) = (
            sweep.along.at(&level.factors),
            level.contender(sweep.arm, false),
        ) else {
            continue;
        };
        let mut blocks = run.blocks_of(sweep.arm, false, &level.factors);
        blocks.extend(run.blocks_of(sweep.arm, true, &level.factors));
        let measured = Measured::new(sweep.quantity, &blocks);
        if !measured.carries() {
            continue;
        }
        let n = measured.block_count();
        let Some(value) = measured.value(&vec![1; n]) else {
            continue;
        };
        // Levels are resampled independently of each other.
        let seed = derive_seed(run.config.seed, &[0x5357_4545, i as u64]);
        let values: Vec<f64> = resamplings(n, seed)
            .map(|weights| measured.value(&weights).unwrap_or(value))
            .collect();
        let (struck, cautions) = reasons(&contender.guards, |g| concerns(g, sweep.quantity));
        let point = SweepPoint {
            at,
            estimate: interval(value, values.clone()),
            samples: measured.samples(),
            struck,
            cautions,
        };
        found.push((point, values));
    }
    found.sort_by(|a, b| a.0.at.total_cmp(&b.0.at));
    let (points, resampled): (Vec<SweepPoint>, Vec<Vec<f64>>) = found.into_iter().unzip();
    (!points.is_empty()).then(|| SweepLine {
        slope: slope_with_interval(&points, &resampled),
        rest,
        points,
    })
}

/// Counts do not suffer from what makes the readers' times useless.
fn concerns(guard: &Guard, quantity: Quantity) -> bool {
    let about_times = matches!(
        guard,
        Guard::DebugBuild | Guard::CoarseClock { .. } | Guard::FewSamples { .. }
    );
    matches!(quantity, Quantity::Time(..)) || !about_times
}

fn slope_with_interval(points: &[SweepPoint], resampled: &[Vec<f64>]) -> Option<Estimate> {
    let at: Vec<f64> = points.iter().map(|p| p.at).collect();
    let values: Vec<f64> = points.iter().map(|p| p.estimate.value_ns).collect();
    let observed = slope(&at, &values)?;
    let resamples = resampled.iter().map(|r| r.len()).min().unwrap_or(0);
    let slopes: Vec<f64> = (0..resamples)
        .filter_map(|i| {
            let values: Vec<f64> = resampled.iter().map(|r| r[i]).collect();
            slope(&at, &values)
        })
        .collect();
    Some(interval(observed, slopes))
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
    use crate::arm::Arm;
    use crate::record::{CpuGroup, SeriesKey};
    use crate::stats::Along;
    use crate::stats::{Answer, analyse};
    use crate::testing::{sample_run, sample_run_with_cpu};

    const SWEEP: Sweep = Sweep {
        stem: "sweep",
        title: "",
        look_at: "",
        quantity_words: "",
        arm: Arm::KeptOpen,
        quantity: Quantity::Time(SeriesKey::READER_SERVICE, Statistic::Mean),
        along: Along::Standing,
        panels: &[],
        logarithmic: false,
    };

    fn lines(run: &Run, sweep: Sweep) -> Vec<SweepLine> {
        swept(run, &analyse(run, Answer::Contrast).levels, sweep).lines
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
            arm: Arm::Unpooled,
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
