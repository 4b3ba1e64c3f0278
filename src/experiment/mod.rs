//! The registry of experiments: a named question with its arms, procedure and
//! figure, a prediction and what would refute it. One file an experiment.

mod churn_tail;
mod locks;

pub(crate) use churn_tail::default_server;

use crate::config::Config;
use crate::record::{Mode, Run};
use crate::stats::RunSummary;

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
    /// Holds a run against the prediction, in one line; empty if it cannot say.
    pub assess: fn(&Run, &RunSummary) -> String,
    /// The modes it runs in.
    pub modes: &'static [Mode],
    /// Its configuration in one mode.
    pub config: fn(Mode, Scale) -> Config,
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

static REGISTRY: [Experiment; 2] = [churn_tail::EXPERIMENT, locks::EXPERIMENT];

fn names() -> String {
    let names: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
    names.join(", ")
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
                }
            }
        }
        assert!(find("nope").unwrap_err().to_string().contains("churn-tail"));
    }
}
