//! What makes an experiment.

use super::defaults::{Lengths, base};
use crate::arm::Mode;
use crate::config::{Config, different_setting};
use crate::factor::ClientRate;
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

    /// Whether `config` is what was declared, at either scale: every setting, except where the server comes from and
    /// what a run finds out by itself.
    pub(crate) fn is_declared(&self, config: &Config) -> bool {
        // The chapter's model offers the rate that was calibrated on its server ...
        let calibrates = !matches!(
            self.config(Mode::Server, Scale::Full).client_rate,
            ClientRate::Given(_)
        );
        let may = |path: &str| match path {
            "server.server" => true,
            "client_rate" => config.mode == Mode::Model && calibrates,
            // ... and burns the CPU that was measured there.
            "model.fork_cpu_ns" | "model.session_cpu_ns" | "model.cpu_cost_source" => true,
            _ => false,
        };
        config.quoted_percentile == self.declared_percentile
            && [Scale::Quick, Scale::Full].iter().any(|&scale| {
                let declared = self.config(config.mode, scale).settings();
                different_setting(&config.settings(), &declared, may).is_none()
            })
    }

    /// Its sweeps; empty for other kinds.
    pub fn sweeps(&self) -> &'static [Sweep] {
        match self.answer {
            Answer::Sweeps(sweeps) => sweeps,
            Answer::Contrast | Answer::Counts | Answer::Costs | Answer::Phases => &[],
        }
    }
}
