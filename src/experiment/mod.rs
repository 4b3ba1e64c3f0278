//! The registry of experiments: a named question with its arms, procedure and
//! figure, a prediction and what would refute it. One file an experiment.

mod accounting;
mod anatomy;
mod ceiling;
mod churn_tail;
mod commit_rate;
mod locks;
mod membership_hold;
mod pool;
mod standing;
mod sweep_config;

use crate::arm::Mode;
use crate::config::Config;
use crate::record::Run;
use crate::stats::{Analysis, Sweep};

/// How long an experiment may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Minutes, quoted to p99.
    Quick,
    /// For print.
    Full,
}

/// What kind of answer an experiment gives, hence what is printed and drawn.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Arms against each other: the effect of churn on running statements.
    Contrast,
    /// Quantities along a factor; the first one's holds the primary outcome.
    Sweeps(&'static [Sweep]),
    /// Counts for each operation.
    Counts,
    /// What a client's transaction costs in each arm.
    Costs,
    /// The parts of a connection's time.
    Phases,
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
    /// Holds a run against the prediction, in one line; empty if it cannot say.
    pub assess: fn(&Run, &Analysis) -> String,
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

/// Whether a run is read as arms against each other: every run that is not of an
/// experiment of another kind.
pub fn is_contrast(run: &Run) -> bool {
    find(&run.experiment).map_or(true, |e| matches!(e.answer, Answer::Contrast))
}

/// Whether a run is read as what a client's transaction costs.
pub fn has_costs(run: &Run) -> bool {
    find(&run.experiment).is_ok_and(|e| matches!(e.answer, Answer::Costs))
}

/// Whether a run is read as the parts of a connection's time.
pub fn has_phases(run: &Run) -> bool {
    find(&run.experiment).is_ok_and(|e| matches!(e.answer, Answer::Phases))
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
