//! The registry of experiments: a named question with its arms, procedure and
//! figure, a prediction and what would refute it. One file per experiment.

mod accounting;
mod anatomy;
mod ceiling;
mod churn_tail;
mod commit_rate;
mod defaults;
mod locks;
mod membership_hold;
mod pool;
mod standing;

use crate::arm::Mode;
use crate::config::Config;
use crate::record::Run;
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
    /// Its configuration in one mode.
    pub config: fn(Mode, Scale) -> Config,
}

impl Experiment {
    /// Its sweeps; empty for other kinds.
    pub fn sweeps(&self) -> &'static [Sweep] {
        match self.answer {
            Answer::Sweeps(sweeps) => sweeps,
            Answer::Contrast | Answer::Counts | Answer::Costs | Answer::Phases => &[],
        }
    }
}

/// Puts a run into numbers, and holds them against the prediction of its experiment.
pub fn analyse(run: &Run) -> Analysis {
    let Ok(experiment) = find(&run.experiment) else {
        return crate::stats::analyse(run, Answer::Contrast);
    };
    let mut analysis = crate::stats::analyse(run, experiment.answer);
    analysis.is_declared = experiment.declared_percentile == run.config.quoted_percentile;
    analysis.finding = (experiment.assess)(&analysis);
    analysis
}

/// No such experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown experiment '{given}': choose from {}", names())]
pub struct UnknownExperiment {
    given: String,
}

/// Every experiment, in the order of the chapter.
pub fn registry() -> &'static [Experiment] {
    &REGISTRY
}

static REGISTRY: [Experiment; 9] = [
    churn_tail::EXPERIMENT,
    pool::EXPERIMENT,
    membership_hold::EXPERIMENT,
    standing::EXPERIMENT,
    commit_rate::EXPERIMENT,
    accounting::EXPERIMENT,
    anatomy::EXPERIMENT,
    ceiling::EXPERIMENT,
    locks::EXPERIMENT,
];

fn names() -> String {
    let names: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
    names.join(", ")
}

/// The experiments of the chapter at one scale, in its order.
pub fn chapter(scale: Scale) -> Vec<&'static Experiment> {
    REGISTRY
        .iter()
        .filter(|e| e.in_chapter.contains(&scale))
        .collect()
}

/// Finds an experiment by name.
///
/// # Errors
/// Names the ones there are.
pub fn find(name: &str) -> Result<&'static Experiment, UnknownExperiment> {
    REGISTRY
        .iter()
        .find(|e| e.name == name)
        .ok_or_else(|| UnknownExperiment {
            given: name.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_is_valid_in_every_mode_and_scale() {
        for experiment in registry() {
            assert!(find(experiment.name).is_ok());
            for &mode in experiment.modes {
                for scale in [Scale::Quick, Scale::Full] {
                    let config = (experiment.config)(mode, scale);
                    config.validate().unwrap();
                    assert_eq!(config.mode, mode);
                    assert!(config.blocks >= 8 && config.visits >= 3);
                    assert!(
                        !experiment
                            .sweeps()
                            .iter()
                            .any(|s| !config.arms.contains(&s.arm))
                    );
                }
            }
        }
        assert!(chapter(Scale::Quick).len() > 1 && chapter(Scale::Full).len() > 3);
        assert!(find("nope").unwrap_err().to_string().contains("churn-tail"));
    }
}
