//! What a contrast lets one say: shown, smaller than a declared bound, or neither.

use serde::Serialize;

use super::contrast::Contrast;
use super::statistic::Statistic;
use crate::names::counted;
use crate::record::RunHead;

/// Stated rate of false alarms of [`Contrast::p_value`] `<=` this.
pub const ERROR_RATE: f64 = 0.05;
/// Rounds behind a printed claim.
pub const ROUNDS_NEEDED: usize = 12;
/// Fresh starts behind a printed claim.
pub const STARTS_NEEDED: usize = 6;

/// What a contrast lets one say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Shown: the permutation test fires, the first is higher.
    Higher,
    /// Shown: the first is lower.
    Lower,
    /// Two one-sided tests: the difference is smaller than this, in the statistic's unit.
    SmallerThan(f64),
    /// Neither; [`Contrast::detectable`] says what would probably have been shown.
    CannotTell,
    /// Fewer rounds or fresh starts than these.
    TooFew {
        /// Rounds needed.
        rounds: usize,
        /// Starts needed.
        starts: usize,
    },
    /// One side is struck out.
    StruckOut,
}

impl Verdict {
    /// Whether it says anything about the two contenders.
    pub fn is_usable(self) -> bool {
        !matches!(self, Verdict::TooFew { .. } | Verdict::StruckOut)
    }

    /// Whether a difference is shown, either way.
    pub fn is_shown(self) -> bool {
        matches!(self, Verdict::Higher | Verdict::Lower)
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            Verdict::Higher => "higher".to_owned(),
            Verdict::Lower => "lower".to_owned(),
            // Only shares have a bound.
            Verdict::SmallerThan(share) => format!("smaller than {} pp", 100.0 * share),
            Verdict::CannotTell => "cannot tell".to_owned(),
            Verdict::TooFew { .. } => "too few rounds or starts".to_owned(),
            Verdict::StruckOut => "struck out".to_owned(),
        }
    }
}

/// By what a run's contrasts are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The slow share's bound that is declared with the experiment, as a share.
    pub smaller_than: Option<f64>,
    /// Fresh starts needed: one on a server that is not ours, which is never started anew.
    pub starts: usize,
    /// Whether a claim also needs a 95 % interval without zero: where there is one start only.
    pub needs_interval: bool,
}

impl Rule {
    /// Of a run whose experiment declares this bound.
    pub fn of(run: &RunHead, smaller_than: Option<f64>) -> Self {
        let is_url = run.config.server.as_ref().is_some_and(|s| s.is_url());
        Rule {
            smaller_than,
            starts: if is_url { 1 } else { STARTS_NEEDED },
            needs_interval: is_url,
        }
    }

    fn is_too_few(&self, rounds: usize, starts: usize) -> bool {
        rounds < ROUNDS_NEEDED || starts < self.starts
    }

    /// `in 8 rounds over 4 starts; a claim needs 12 over 6`, where it needs more.
    pub(super) fn shortage(&self, rounds: usize, starts: usize) -> Option<String> {
        self.is_too_few(rounds, starts).then(|| {
            let (rounds, starts) = (counted(rounds, "round"), counted(starts, "start"));
            let needed = format!("{ROUNDS_NEEDED} over {}", self.starts);
            format!("in {rounds} over {starts}; a claim needs {needed}")
        })
    }

    /// Judges a contrast. Reports a difference where there is none in at most [`ERROR_RATE`] of all cases, and
    /// one of the bound's size as smaller in as many.
    pub fn judge(&self, contrast: &Contrast, struck: bool) -> Verdict {
        if struck {
            return Verdict::StruckOut;
        }
        let few = self.is_too_few(contrast.rounds, contrast.starts);
        let shows = |p: f64| p <= ERROR_RATE && !(self.needs_interval && contrast.meets_zero());
        match contrast.p_value {
            Some(_) if few => self.too_few(),
            None => self.too_few(),
            Some(p) if shows(p) && contrast.difference.value_ns > 0.0 => Verdict::Higher,
            Some(p) if shows(p) => Verdict::Lower,
            Some(_) => match self.bound(contrast.statistic) {
                Some(bound) if contrast.is_within(bound) => Verdict::SmallerThan(bound),
                _ => Verdict::CannotTell,
            },
        }
    }

    fn bound(&self, statistic: Statistic) -> Option<f64> {
        self.smaller_than
            .filter(|_| statistic == Statistic::SlowShare)
    }

    fn too_few(&self) -> Verdict {
        Verdict::TooFew {
            rounds: ROUNDS_NEEDED,
            starts: self.starts,
        }
    }
}
