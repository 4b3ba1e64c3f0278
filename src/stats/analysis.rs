//! A run in numbers: every contender's percentiles with intervals, the noise
//! floor, the contrasts, the primary outcome.

use super::contrast::Contrast;
use super::level::{LevelSummary, summarize_level};
use super::rounds::Statistic;
use super::verdict::Verdict;
use crate::arm::Arm;
use crate::factor::{Factor, Factors, varying};
use crate::record::percentile_name;
use crate::record::{Run, RunHead};

/// Percentiles that tables show, if the samples carry them.
pub const TABLE_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// One run in numbers.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// What the run file says beside its blocks.
    pub run: RunHead,
    /// In the order of [`Run::levels`].
    pub levels: Vec<LevelSummary>,
    /// The factors beside standing connections that tell its levels apart.
    pub varying: Vec<Factor>,
    /// The outcome that was declared beforehand; `None` if its arms did not run.
    pub primary: Option<Primary>,
}

/// The primary outcome: quoted percentile of the readers' response time,
/// `unpooled` against `kept-open`, largest number of standing connections (the
/// first level that was asked for there).
#[derive(Debug, Clone)]
pub struct Primary {
    /// The level.
    pub factors: Factors,
    /// The contrast.
    pub contrast: Contrast,
    /// What it lets one say.
    pub verdict: Verdict,
    /// Noise floor of the same statistic, in ns.
    pub noise_floor_ns: Option<f64>,
}

/// Puts a run into numbers. The same run always gives the same summary: the
/// resampling is seeded by the run's own seed.
pub fn analyse(run: &Run) -> Analysis {
    let levels: Vec<LevelSummary> = run
        .levels()
        .iter()
        .map(|level| summarize_level(run, level))
        .collect();
    let statistic = Statistic::Percentile(run.config.quoted_percentile);
    let primary = primary_level(&levels).and_then(|level| {
        let (contrast, verdict) = level.effect(Arm::Unpooled, Arm::KeptOpen)?.at(statistic)?;
        Some(Primary {
            factors: level.factors.clone(),
            contrast: *contrast,
            verdict: *verdict,
            noise_floor_ns: level.noise_floor_ns(statistic),
        })
    });
    Analysis {
        run: run.head.clone(),
        varying: varying(levels.iter().map(|l| &l.factors)),
        levels,
        primary,
    }
}

fn primary_level(levels: &[LevelSummary]) -> Option<&LevelSummary> {
    let largest = levels.iter().map(|l| l.factors.standing).max()?;
    levels.iter().find(|l| l.factors.standing == largest)
}

impl Analysis {
    /// Where the primary outcome is read: the first level with the largest
    /// number of standing connections.
    pub fn primary_level(&self) -> Option<&LevelSummary> {
        primary_level(&self.levels)
    }

    /// The first level that agrees with `key` in all that both name.
    pub fn level(&self, key: &Factors) -> Option<&LevelSummary> {
        self.levels.iter().find(|l| l.factors.agrees_with(key))
    }
}

/// The statistics that a run is summed up by.
pub(super) fn statistics(run: &Run) -> Vec<Statistic> {
    let mut percentiles = TABLE_PERCENTILES.to_vec();
    if !percentiles.contains(&run.config.quoted_percentile) {
        percentiles.push(run.config.quoted_percentile);
        percentiles.sort_by(f64::total_cmp);
    }
    std::iter::once(Statistic::Mean)
        .chain(percentiles.into_iter().map(Statistic::Percentile))
        .collect()
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
    use crate::stats::judge;
    use crate::testing::sample_run;

    #[test]
    fn a_threefold_slower_arm_is_the_primary_outcome() {
        let summary = analyse(&sample_run(8));
        assert_eq!(summary.levels.len(), 2);
        let primary = summary.primary.unwrap();
        assert_eq!(
            (primary.factors.standing, primary.verdict),
            (10, Verdict::Higher)
        );
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
        let summary = analyse(&sample_run(8));
        let contrast = summary.primary.unwrap().contrast;
        assert_eq!(
            judge(&contrast, Some(1e9), false),
            Verdict::WithinNoiseFloor
        );
        assert_eq!(judge(&contrast, None, true), Verdict::StruckOut);
        let few = analyse(&sample_run(4)).primary.unwrap();
        assert_eq!(few.verdict, Verdict::TooFewRounds);
    }

    #[test]
    fn an_empty_run_has_an_empty_summary() {
        let mut run = sample_run(2);
        run.blocks.clear();
        let summary = analyse(&run);
        assert!(summary.levels.is_empty() && summary.primary.is_none());
    }
}
