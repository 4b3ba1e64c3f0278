//! A run in numbers: everything that is estimated from it, once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::across::{Interaction, Pooled, interactions, pooled};
use super::anatomy;
use super::anatomy::Anatomy;
use super::busy_prediction::{BusyPrediction, predictions};
use super::by_lock::{Conclusion, conclusions};
use super::by_lock::{LockLevel, lock_levels};
use super::contender::ContenderSummary;
use super::contrast::Contrast;
use super::dose::{Dose, doses};
use super::finding::Finding;
use super::level::{Found, LevelSummary, primary_level, summarize_level};
use super::lock_part::{LockPart, lock_parts};
use super::lock_waits::{LockWaits, lock_waits};
use super::pooling::Pooling;
use super::statistic::Statistic;
use super::sweep::Answer;
use super::swept::{Swept, swept};
use super::verdict::{Rule, Verdict};
use crate::arm::Arm;
use crate::factor::{Factor, Factors, varying};
use crate::parallel::each;
use crate::record::{ClockKind, Run, RunFileError, RunHead, write_json};

/// Version of the layout of `analysis.json`.
pub const ANALYSIS_SCHEMA_VERSION: u32 = 2;
/// Name of the analysis beside its run file.
const FILE_NAME: &str = "analysis.json";

/// One run in numbers. Written to `analysis.json`, never read back: it is computed anew from the run.
#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    /// Layout version, [`ANALYSIS_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What the run file says beside its blocks.
    pub run: RunHead,
    /// What the run was asked for.
    pub answer: Answer,
    /// Whether the primary outcome is the one that its experiment declared beforehand.
    pub is_declared: bool,
    /// Number of blocks.
    pub blocks: usize,
    /// Number of server (or array) starts.
    pub starts: usize,
    /// By standing connections, then in the order in which they were asked for.
    pub levels: Vec<LevelSummary>,
    /// The factors beside standing connections that tell its levels apart.
    pub varying: Vec<Factor>,
    /// The outcome that was declared beforehand; `None` if its arms did not run.
    pub primary: Option<Primary>,
    /// What the declared pairs differ by at the primary level, less the same at each level beside it.
    pub interactions: Vec<Interaction>,
    /// The declared pairs over the cells with page faults under the lock, and over the others.
    pub pooled: Vec<Pooled>,
    /// The experiment's sweeps.
    pub sweeps: Vec<Swept>,
    /// What connections are made of, level by level, where the run was asked for it.
    pub anatomies: Vec<Anatomy>,
    /// Every lock under churn; empty where the lock does not vary.
    pub locks: Vec<LockLevel>,
    /// What is concluded from churn, lock by lock; empty where the lock does not vary.
    pub conclusions: Vec<Conclusion>,
    /// Whether to pool, for a run against somebody's own server.
    pub pooling: Option<Pooling>,
    /// What holds and rate predict of the lock, level by level; empty where no holds were measured.
    pub busy: Vec<BusyPrediction>,
    /// The lock's part against its dose, level by level; empty where neither standing connections nor rate vary.
    pub doses: Vec<Dose>,
    /// How long readers wait for the lock under churn, level by level; empty where nobody counted.
    pub waits: Vec<LockWaits>,
    /// The lock's part by cause and by trace, level by level; empty where no statements were traced.
    pub lock_parts: Vec<LockPart>,
    /// The experiment's prediction held against the run; `None` for free runs.
    pub finding: Option<Finding>,
}

/// What the primary outcome lets one say about churn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Running statements were slower under churn.
    Slower,
    /// They were slower than beside kept connections, but not than beside no client transactions.
    NotSlowerThanQuiet,
    /// They were faster.
    Faster,
    /// The effect is smaller than the declared bound.
    Small,
    /// Neither an effect nor its absence was shown.
    CannotTell,
    /// Nothing can be said.
    NoConclusion,
}

impl Claim {
    fn of(verdict: Verdict, against_quiet: Found) -> Self {
        match verdict {
            Verdict::Higher if against_quiet.is_some_and(|q| q.1 != Verdict::Higher) => {
                Claim::NotSlowerThanQuiet
            }
            Verdict::Higher => Claim::Slower,
            Verdict::Lower => Claim::Faster,
            Verdict::SmallerThan(_) => Claim::Small,
            Verdict::CannotTell => Claim::CannotTell,
            Verdict::TooFew { .. } | Verdict::StruckOut => Claim::NoConclusion,
        }
    }
}

/// The primary outcome: the slow share (in runs without a threshold the quoted percentile), `unpooled` against
/// `kept-open`, largest number of standing connections (the first level that was asked for there).
#[derive(Debug, Clone, Serialize)]
pub struct Primary {
    /// The level.
    pub factors: Factors,
    /// The contrast.
    pub contrast: Contrast,
    /// What it lets one say.
    pub verdict: Verdict,
    /// The same statistic of `unpooled` against `quiet`, if that ran.
    pub against_quiet: Found,
    /// The lock's part: the same of `unpooled` against `premapped`, if that ran.
    pub lock_part: Found,
    /// What the first and that against `quiet` let one say.
    pub claim: Claim,
}

impl Primary {
    fn of(level: &LevelSummary, statistic: Statistic) -> Option<Self> {
        let (contrast, verdict) = level.found(Arm::Unpooled, Arm::KeptOpen, statistic)?;
        let against_quiet = level.found(Arm::Unpooled, Arm::Quiet, statistic);
        Some(Primary {
            factors: level.factors.clone(),
            contrast,
            verdict,
            against_quiet,
            lock_part: level.found(Arm::Unpooled, Arm::Premapped, statistic),
            claim: Claim::of(verdict, against_quiet),
        })
    }

    /// The declared outcome's name, such as `p99`.
    pub fn name(&self) -> String {
        self.contrast.statistic.to_string()
    }
}

/// Each level by itself, on all cores.
fn summarize_levels(run: &Run, rule: Rule) -> Vec<LevelSummary> {
    each(&run.levels(), |level| summarize_level(run, level, rule))
}

/// Puts a run into numbers. The same run always gives the same numbers: the
/// resampling is seeded by the run's own seed. The prediction is not held against them here.
/// `smaller_than` is the slow share's bound that the experiment declares.
pub fn analyse(run: &Run, answer: Answer, smaller_than: Option<f64>) -> Analysis {
    let rule = Rule::of(run, smaller_than);
    let levels = summarize_levels(run, rule);
    let primary_level = primary_level(&run.config, &levels);
    let (mut sweeps, mut anatomies, mut pooling) = Default::default();
    match answer {
        Answer::Sweeps(asked) => sweeps = asked.iter().map(|s| swept(run, &levels, *s)).collect(),
        Answer::Phases => anatomies = anatomy::anatomies(run, &levels),
        Answer::Contrast => pooling = Pooling::of(run, primary_level),
        Answer::Counts | Answer::Costs => {}
    }
    let starts: BTreeSet<u32> = run.blocks.iter().map(|b| b.start).collect();
    Analysis {
        schema_version: ANALYSIS_SCHEMA_VERSION,
        run: run.head.clone(),
        answer,
        is_declared: false,
        blocks: run.blocks.len(),
        starts: starts.len(),
        varying: varying(levels.iter().map(|l| &l.factors)),
        primary: primary_level.and_then(|level| Primary::of(level, run.quoted_statistic())),
        interactions: interactions(run, &levels, rule),
        pooled: pooled(run, &levels, rule),
        sweeps,
        anatomies,
        locks: lock_levels(run, &levels),
        conclusions: conclusions(run, &levels, rule),
        pooling,
        busy: predictions(run, &levels),
        doses: doses(run, &levels),
        waits: lock_waits(run, &levels),
        lock_parts: lock_parts(run, &levels),
        levels,
        finding: None,
    }
}

impl Analysis {
    /// With what the prediction came to. Where fewer rounds or starts are behind any of it than a claim needs, it was
    /// only seen; contrasts are held to their own number already.
    #[must_use]
    pub fn with_finding(mut self, finding: Option<Finding>) -> Self {
        let arms: Vec<_> = self.contenders().filter(|(_, c)| !c.twin).collect();
        let rounds = arms.iter().map(|(_, c)| c.blocks).min().unwrap_or(0);
        let starts = arms.iter().map(|(_, c)| c.starts).min().unwrap_or(0);
        let shortage = Rule::of(&self.run, None).shortage(rounds, starts);
        self.finding = match shortage.filter(|_| !self.is_contrast()) {
            Some(size) => finding.map(|f| f.only_seen(&size)),
            None => finding,
        };
        self
    }

    /// Where the primary outcome is read: the level that the others depart from, or the first with the largest
    /// number of standing connections.
    pub fn primary_level(&self) -> Option<&LevelSummary> {
        primary_level(&self.run.config, &self.levels)
    }

    /// The first level that agrees with `key` in all that both name.
    pub fn level(&self, key: &Factors) -> Option<&LevelSummary> {
        self.levels.iter().find(|l| l.factors.agrees_with(key))
    }

    /// The `unpooled` blocks of a lock's level.
    pub fn churn_under(&self, lock: &LockLevel) -> Option<&ContenderSummary> {
        self.level(&lock.factors)?.contender(Arm::Unpooled, false)
    }

    /// Every contender with its level.
    pub fn contenders(&self) -> impl Iterator<Item = (&LevelSummary, &ContenderSummary)> {
        let levels = self.levels.iter();
        levels.flat_map(|l| l.contenders.iter().map(move |c| (l, c)))
    }

    /// The levels alone.
    pub fn level_factors(&self) -> Vec<Factors> {
        self.levels.iter().map(|l| l.factors.clone()).collect()
    }

    /// The clock of the quoted times.
    pub fn clock(&self) -> ClockKind {
        let first = self.contenders().next();
        first.map_or(ClockKind::Response, |(_, c)| c.quoted.clock)
    }

    /// Whether it is read as arms against each other.
    pub fn is_contrast(&self) -> bool {
        self.answer == Answer::Contrast
    }

    /// Writes it to `dir/analysis.json`; returns the path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, RunFileError> {
        write_json(dir, FILE_NAME, serde_json::to_vec_pretty(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn every_key_is_described() {
        let written =
            serde_json::to_value(analyse(&sample_run(12), Answer::Contrast, None)).unwrap();
        let description = include_str!("../../docs/analysis-schema.md");
        for key in written.as_object().unwrap().keys() {
            assert!(description.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn a_threefold_slower_arm_is_the_primary_outcome() {
        let summary = analyse(&sample_run(12), Answer::Contrast, None);
        assert_eq!(summary.levels.len(), 2);
        let primary = summary.primary.unwrap();
        assert_eq!(
            (primary.factors.standing, primary.verdict),
            (10, Verdict::Higher)
        );
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
                .all(|(_, v)| *v == Verdict::CannotTell)
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
    fn few_rounds_and_few_starts_hold_a_verdict_back() {
        let few = Verdict::TooFew {
            rounds: 12,
            starts: 6,
        };
        let verdict = |run: &Run| {
            analyse(run, Answer::Contrast, None)
                .primary
                .unwrap()
                .verdict
        };
        assert_eq!(verdict(&sample_run(12)), Verdict::Higher);
        assert_eq!(verdict(&sample_run(11)), few);
        let mut run = sample_run(12);
        for block in &mut run.blocks {
            block.start %= 5;
        }
        assert_eq!(verdict(&run), few);
        run.provenance.debug_build = true;
        assert_eq!(verdict(&run), Verdict::StruckOut);
    }

    #[test]
    fn a_missing_twin_takes_no_verdict_away() {
        let mut run = sample_run(12);
        run.blocks.retain(|b| !b.twin);
        let analysis = analyse(&run, Answer::Contrast, None);
        assert_eq!(analysis.primary.unwrap().verdict, Verdict::Higher);
        assert!(analysis.levels.iter().all(|l| l.noise.is_empty()));
    }

    #[test]
    fn an_empty_run_has_an_empty_summary() {
        let mut run = sample_run(2);
        run.blocks.clear();
        let summary = analyse(&run, Answer::Contrast, None);
        assert!(summary.levels.is_empty() && summary.primary.is_none());
    }
}
