//! What makes an experiment.

use super::defaults::{Lengths, base};
use crate::arm::Mode;
use crate::config::Config;
use crate::stats::{Analysis, Answer, Finding, Sweep};

/// How long an experiment may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Minutes, quoted to p99.
    Quick,
    /// For print.
    Full,
}

/// A canned experiment.
#[derive(Debug)]
pub struct Experiment {
    /// Name on the command line.
    pub name: &'static str,
    /// The question, in one sentence.
    pub question: &'static str,
    /// What is expected, written down before any run.
    pub prediction: &'static str,
    /// What result would refute the expectation.
    pub refuted_by: &'static str,
    /// The one outcome that is declared beforehand.
    pub primary_outcome: &'static str,
    /// Percentile of the primary outcome.
    pub declared_percentile: f64,
    /// Holds a run's numbers against the prediction; `None` where it is not about such runs.
    pub assess: fn(&Analysis) -> Option<Finding>,
    /// What kind of answer it gives.
    pub answer: Answer,
    /// What may not be concluded from it, one sentence each.
    pub limits: &'static [&'static str],
    /// The modes it runs in.
    pub modes: &'static [Mode],
    /// At which scales it is part of the chapter.
    pub in_chapter: &'static [Scale],
    /// What it has else than the others in its configuration, and how much it measures.
    pub configure: fn(&mut Config, Scale) -> Lengths,
}

impl Experiment {
    /// Its configuration in one mode.
    pub fn config(&self, mode: Mode, scale: Scale) -> Config {
        let mut config = base(mode);
        let lengths = (self.configure)(&mut config, scale);
        lengths.set(&mut config);
        config
    }

    /// Its sweeps; empty for other kinds.
    pub fn sweeps(&self) -> &'static [Sweep] {
        match self.answer {
            Answer::Sweeps(sweeps) => sweeps,
            Answer::Contrast | Answer::Counts | Answer::Costs | Answer::Phases => &[],
        }
    }
}
