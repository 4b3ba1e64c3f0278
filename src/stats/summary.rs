//! A run in numbers: every contender's percentiles with intervals, the noise
//! floor, the contrasts, the primary outcome.

use std::collections::BTreeMap;

use super::contrast::{Contrast, ERROR_RATE, Estimate, contrasts, estimates};
use super::guards::{Guard, Severity, findings, quoted_series};
use super::percentile::{percentile_name, samples_above};
use super::rounds::Statistic;
use crate::arm::Arm;
use crate::load::plan::baseline;
use crate::record::{Block, Mode, Role, RoleTally, Run, SeriesHistogram, SeriesKey};

/// Percentiles that tables show, if the samples carry them.
pub const TABLE_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// One run in numbers.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The mode.
    pub mode: Mode,
    /// By number of standing connections, ascending.
    pub levels: Vec<LevelSummary>,
    /// The outcome that was declared beforehand; `None` if its arms did not run.
    pub primary: Option<Primary>,
}

/// Everything at one number of standing connections.
#[derive(Debug, Clone)]
pub struct LevelSummary {
    /// Standing connections.
    pub standing: u32,
    /// The contenders, in order of presentation, the A/A twin last.
    pub contenders: Vec<ContenderSummary>,
    /// The baseline minus its own A/A twin; its magnitude is the noise floor.
    pub noise: Vec<Contrast>,
    /// Each arm minus the baseline, and `unpooled` minus `fork-only`.
    pub effects: Vec<Effect>,
}

/// One contender at one number of standing connections.
#[derive(Debug, Clone)]
pub struct ContenderSummary {
    /// The arm.
    pub arm: Arm,
    /// Whether it is the A/A twin.
    pub twin: bool,
    /// Which series the percentiles are of.
    pub quoted: SeriesKey,
    /// Number of blocks.
    pub blocks: usize,
    /// Reader samples in the quoted series.
    pub samples: u64,
    /// Mean and percentiles of the quoted series.
    pub reader: Vec<(Statistic, Option<Estimate>)>,
    /// All series merged over the blocks.
    pub merged: BTreeMap<SeriesKey, SeriesHistogram>,
    /// Counts by role.
    pub tallies: BTreeMap<Role, RoleTally>,
    /// Client transactions per second that ended well.
    pub client_per_second: f64,
    /// Mean CPU by process group, in cores.
    pub cpu_cores: BTreeMap<String, f64>,
    /// Findings, struck ones first.
    pub guards: Vec<Guard>,
}

impl ContenderSummary {
    /// Label for tables and figures.
    pub fn label(&self) -> String {
        crate::record::arm_label(self.arm, self.twin)
    }

    /// The first striking finding.
    pub fn struck(&self) -> Option<&Guard> {
        self.guards
            .iter()
            .find(|g| g.severity() == Severity::Strike)
    }

    /// The estimate of one statistic of the quoted series.
    pub fn estimate(&self, statistic: Statistic) -> Option<Estimate> {
        self.reader
            .iter()
            .find(|r| r.0 == statistic)
            .and_then(|r| r.1)
    }
}

/// What a contrast lets one say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// First is higher: the swapping test fires and the noise floor is exceeded.
    Higher,
    /// First is lower.
    Lower,
    /// The test fires, but the difference is not above the run's noise floor.
    WithinNoiseFloor,
    /// The test does not fire.
    NoDifferenceShown,
    /// Fewer than six paired rounds.
    TooFewRounds,
    /// One side is struck out.
    StruckOut,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Higher => "higher",
            Verdict::Lower => "lower",
            Verdict::WithinNoiseFloor => "within the noise floor",
            Verdict::NoDifferenceShown => "no difference shown",
            Verdict::TooFewRounds => "too few rounds to say",
            Verdict::StruckOut => "struck out",
        }
    }
}

/// One contender minus another, at one number of standing connections.
#[derive(Debug, Clone)]
pub struct Effect {
    /// First contender.
    pub first: Arm,
    /// Second contender.
    pub second: Arm,
    /// Contrasts with their verdicts, one a statistic.
    pub contrasts: Vec<(Contrast, Verdict)>,
}

impl Effect {
    /// The contrast of one statistic.
    pub fn at(&self, statistic: Statistic) -> Option<&(Contrast, Verdict)> {
        self.contrasts.iter().find(|c| c.0.statistic == statistic)
    }
}

/// The primary outcome: quoted percentile of the readers' response time,
/// `unpooled` against `kept-open`, largest number of standing connections.
#[derive(Debug, Clone)]
pub struct Primary {
    /// Standing connections.
    pub standing: u32,
    /// The contrast.
    pub contrast: Contrast,
    /// What it lets one say.
    pub verdict: Verdict,
    /// Noise floor of the same statistic, in ns.
    pub noise_floor_ns: Option<f64>,
}

impl LevelSummary {
    /// Noise floor of one statistic, in ns: 95 % of resampled A/A differences
    /// are no larger.
    pub fn noise_floor_ns(&self, statistic: Statistic) -> Option<f64> {
        self.noise
            .iter()
            .find(|c| c.statistic == statistic)
            .map(|c| c.magnitude_95_ns)
    }

    /// One contender.
    pub fn contender(&self, arm: Arm, twin: bool) -> Option<&ContenderSummary> {
        self.contenders
            .iter()
            .find(|c| c.arm == arm && c.twin == twin)
    }

    /// The effect of one arm against another.
    pub fn effect(&self, first: Arm, second: Arm) -> Option<&Effect> {
        self.effects
            .iter()
            .find(|e| e.first == first && e.second == second)
    }
}

/// Judges a contrast against the test and the noise floor. Reports a
/// difference where there is none in at most [`ERROR_RATE`] of all cases.
pub fn judge(contrast: &Contrast, noise_floor_ns: Option<f64>, struck: bool) -> Verdict {
    if struck {
        return Verdict::StruckOut;
    }
    match contrast.p_value {
        None => Verdict::TooFewRounds,
        Some(p) if p > ERROR_RATE => Verdict::NoDifferenceShown,
        Some(_) => {
            let d = contrast.difference.value_ns;
            if noise_floor_ns.is_some_and(|floor| d.abs() <= floor) {
                Verdict::WithinNoiseFloor
            } else if d > 0.0 {
                Verdict::Higher
            } else {
                Verdict::Lower
            }
        }
    }
}

/// Puts a run into numbers. The same run always gives the same summary: the
/// resampling is seeded by the run's own seed.
pub fn summarize(run: &Run) -> RunSummary {
    let levels: Vec<LevelSummary> = run
        .standing_levels()
        .into_iter()
        .map(|standing| summarize_level(run, standing))
        .collect();
    let statistic = Statistic::Percentile(run.config.quoted_percentile);
    let primary = levels.last().and_then(|level| {
        let (contrast, verdict) = level.effect(Arm::Unpooled, Arm::KeptOpen)?.at(statistic)?;
        Some(Primary {
            standing: level.standing,
            contrast: *contrast,
            verdict: *verdict,
            noise_floor_ns: level.noise_floor_ns(statistic),
        })
    });
    RunSummary {
        mode: run.mode,
        levels,
        primary,
    }
}

fn statistics(run: &Run) -> Vec<Statistic> {
    let mut percentiles = TABLE_PERCENTILES.to_vec();
    if !percentiles.contains(&run.config.quoted_percentile) {
        percentiles.push(run.config.quoted_percentile);
        percentiles.sort_by(f64::total_cmp);
    }
    std::iter::once(Statistic::Mean)
        .chain(percentiles.into_iter().map(Statistic::Percentile))
        .collect()
}

fn summarize_level(run: &Run, standing: u32) -> LevelSummary {
    let contenders: Vec<ContenderSummary> = run
        .contenders()
        .into_iter()
        .map(|(arm, twin)| (arm, twin, run.blocks_of(arm, twin, standing)))
        .filter(|(_, _, blocks)| !blocks.is_empty())
        .map(|(arm, twin, blocks)| summarize_contender(run, arm, twin, &blocks))
        .collect();
    let mut level = LevelSummary {
        standing,
        contenders,
        noise: Vec::new(),
        effects: Vec::new(),
    };
    let Some(base) = baseline(&run.config.arms) else {
        return level;
    };
    level.noise = paired_contrasts(run, standing, (base, false), (base, true));
    let mut pairs: Vec<(Arm, Arm)> = run
        .config
        .arms
        .iter()
        .filter(|&&arm| arm != base)
        .map(|&arm| (arm, base))
        .collect();
    pairs.push((Arm::Unpooled, Arm::ForkOnly));
    for (first, second) in pairs {
        let struck = [first, second].iter().any(|&arm| {
            level
                .contender(arm, false)
                .is_some_and(|c| c.struck().is_some())
        });
        let contrasts: Vec<(Contrast, Verdict)> =
            paired_contrasts(run, standing, (first, false), (second, false))
                .into_iter()
                .map(|c| (c, judge(&c, level.noise_floor_ns(c.statistic), struck)))
                .collect();
        if !contrasts.is_empty() {
            level.effects.push(Effect {
                first,
                second,
                contrasts,
            });
        }
    }
    level
}

/// Contrasts of the rounds that both contenders have, leaving out percentiles
/// that the smaller side cannot carry.
pub fn paired_contrasts(
    run: &Run,
    standing: u32,
    first: (Arm, bool),
    second: (Arm, bool),
) -> Vec<Contrast> {
    let blocks = |(arm, twin)| run.blocks_of(arm, twin, standing);
    let (first, second) = (blocks(first), blocks(second));
    let mut sides: (Vec<&SeriesHistogram>, Vec<&SeriesHistogram>) = Default::default();
    for a in &first {
        if let Some(b) = second.iter().find(|b| b.round == a.round)
            && let (Some(x), Some(y)) = (
                a.series.get(&quoted_series(&[a])),
                b.series.get(&quoted_series(&[b])),
            )
        {
            sides.0.push(x);
            sides.1.push(y);
        }
    }
    let samples = |side: &[&SeriesHistogram]| side.iter().map(|h| h.len()).sum::<u64>();
    let least = samples(&sides.0).min(samples(&sides.1));
    let carried: Vec<Statistic> = statistics(run)
        .into_iter()
        .filter(|s| match s {
            Statistic::Mean => true,
            Statistic::Percentile(p) => samples_above(*p, least) >= 10,
        })
        .collect();
    contrasts(&sides.0, &sides.1, &carried, run.config.seed)
}

fn summarize_contender(run: &Run, arm: Arm, twin: bool, blocks: &[&Block]) -> ContenderSummary {
    let quoted = quoted_series(blocks);
    let series: Vec<&SeriesHistogram> = blocks
        .iter()
        .filter_map(|b| b.series.get(&quoted))
        .collect();
    let samples = series.iter().map(|h| h.len()).sum();
    let wanted = statistics(run);
    let reader = wanted
        .iter()
        .copied()
        .zip(estimates(&series, &wanted, run.config.seed))
        .map(|(statistic, estimate)| match statistic {
            Statistic::Percentile(p) if samples_above(p, samples) < 10 => (statistic, None),
            _ => (statistic, estimate),
        })
        .collect();
    let mut merged: BTreeMap<SeriesKey, SeriesHistogram> = BTreeMap::new();
    let mut tallies: BTreeMap<Role, RoleTally> = BTreeMap::new();
    let mut cpu: BTreeMap<String, f64> = BTreeMap::new();
    let (mut cpu_over, mut measured) = (0u64, 0u64);
    for block in blocks {
        for (key, histogram) in &block.series {
            merged.entry(*key).or_default().merge(histogram);
        }
        for (role, tally) in &block.tallies {
            tallies.entry(*role).or_default().merge(tally);
        }
        for (group, used) in &block.cpu.used_ns {
            *cpu.entry(group.clone()).or_default() += *used as f64;
        }
        cpu_over += block.cpu.over_ns;
        measured += block.measured_ns;
    }
    cpu.values_mut()
        .for_each(|used| *used /= cpu_over.max(1) as f64);
    let done = tallies.get(&Role::Client).map_or(0, RoleTally::succeeded);
    ContenderSummary {
        arm,
        twin,
        quoted,
        blocks: blocks.len(),
        samples,
        reader,
        merged,
        client_per_second: done as f64 * 1e9 / measured.max(1) as f64,
        tallies,
        cpu_cores: cpu,
        guards: findings(run, blocks),
    }
}

impl Primary {
    /// The declared outcome's name, such as `p99`.
    pub fn name(&self) -> String {
        match self.contrast.statistic {
            Statistic::Mean => "mean".to_owned(),
            Statistic::Percentile(p) => percentile_name(p),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn a_threefold_slower_arm_is_the_primary_outcome() {
        let summary = summarize(&sample_run(8));
        assert_eq!(summary.levels.len(), 2);
        let primary = summary.primary.unwrap();
        assert_eq!((primary.standing, primary.verdict), (10, Verdict::Higher));
        assert_eq!(primary.noise_floor_ns, Some(0.0));
        let d = primary.contrast.difference;
        assert!((d.value_ns - 2.0 * 1494.0).abs() < 10.0, "{d:?}");
        assert_eq!((d.low_ns, d.high_ns), (d.value_ns, d.value_ns));
        let level = &summary.levels[0];
        assert_eq!(level.contenders.len(), 4);
        let quiet = level.effect(Arm::Quiet, Arm::KeptOpen).unwrap();
        assert!(
            quiet
                .contrasts
                .iter()
                .all(|(_, v)| *v == Verdict::NoDifferenceShown)
        );
        // 500 samples x 8 blocks do not carry p99.9.
        assert!(quiet.at(Statistic::Percentile(99.9)).is_none());
        assert!(
            level.contenders[0]
                .estimate(Statistic::Percentile(99.9))
                .is_none()
        );
        assert!(
            level.contenders[0]
                .estimate(Statistic::Percentile(99.0))
                .is_some()
        );
    }

    #[test]
    fn the_noise_floor_and_the_guards_hold_a_verdict_back() {
        let summary = summarize(&sample_run(8));
        let contrast = summary.primary.unwrap().contrast;
        assert_eq!(
            judge(&contrast, Some(1e9), false),
            Verdict::WithinNoiseFloor
        );
        assert_eq!(judge(&contrast, None, true), Verdict::StruckOut);
        let few = summarize(&sample_run(4)).primary.unwrap();
        assert_eq!(few.verdict, Verdict::TooFewRounds);
    }

    #[test]
    fn an_empty_run_has_an_empty_summary() {
        let mut run = sample_run(2);
        run.blocks.clear();
        let summary = summarize(&run);
        assert!(summary.levels.is_empty() && summary.primary.is_none());
    }
}
