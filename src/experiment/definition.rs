//! What makes an experiment.

use super::defaults::{Lengths, base};
use crate::arm::Mode;
use crate::config::{Config, different_setting};
use crate::factor::{ClientRate, OfferedRate};
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
    /// What it is about, in at most sixty characters.
    pub short: &'static str,
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
    /// Bound of the slow share's differences, as a share: what is smaller is said to be (two one-sided tests).
    pub smaller_than: Option<f64>,
    /// Holds a run's numbers against the prediction; `None` where it is not about such runs.
    pub assess: fn(&Analysis) -> Option<Finding>,
    /// What kind of answer it gives.
    pub answer: Answer,
    /// What may not be concluded from it, one sentence each.
    pub limits: &'static [&'static str],
    /// What follows from its measurements for whoever runs a server, in one sentence.
    pub what_to_do: &'static str,
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

    /// Whether `config` is what was declared, at either scale, in every setting but those that [`may
    /// differ`](Self::may_differ).
    pub(crate) fn is_declared(&self, config: &Config) -> bool {
        let may = |path: &str| self.may_differ(config.mode, path);
        let settings = config.settings();
        let same =
            |declared: &Config| different_setting(&settings, &declared.settings(), may).is_none();
        let is = |scale| {
            let mut declared = self.config(config.mode, scale);
            if same(&declared) {
                return true;
            }
            if config.mode == Mode::Model && self.modes.contains(&Mode::Server) {
                lay_beside(&mut declared, &self.config(Mode::Server, scale));
            }
            same(&declared)
        };
        config.quoted_percentile == self.declared_percentile
            && (is(Scale::Quick) || is(Scale::Full))
    }

    /// Whether a setting is found out by a run itself, or does not change what is measured.
    fn may_differ(&self, mode: Mode, path: &str) -> bool {
        match path {
            // Docker or local: where the server comes from.
            "server.server" => true,
            // The chapter's model burns the CPU that was measured on its server ...
            "model.fork_cpu_ns" | "model.session_cpu_ns" | "model.cpu_cost_source" => true,
            // ... and offers the rate that was calibrated there.
            "client_rate" if mode == Mode::Model && self.modes.contains(&Mode::Server) => {
                let of_server = self.config(Mode::Server, Scale::Full).client_rate;
                !matches!(of_server, ClientRate::Given(_))
            }
            _ => false,
        }
    }

    /// Its sweeps; empty for other kinds.
    pub fn sweeps(&self) -> &'static [Sweep] {
        match self.answer {
            Answer::Sweeps(sweeps) => sweeps,
            Answer::Contrast | Answer::Counts | Answer::Costs | Answer::Phases => &[],
        }
    }
}

/// Lays a model that has a rate of its own beside a server: it takes the server's rate, and blocks that have as many
/// connections at that rate as they had at its own.
pub(crate) fn lay_beside(model: &mut Config, server: &Config) {
    let (ClientRate::Given(own), ClientRate::Given(of_server)) =
        (model.client_rate, server.client_rate)
    else {
        return;
    };
    model.client_rate = server.client_rate;
    if let (OfferedRate::PerSecond(own), OfferedRate::PerSecond(of_server)) = (own, of_server) {
        model.duration_ns = (model.duration_ns as f64 * own / of_server) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::config::ServerChoice;
    use crate::experiment::{find, registry};
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_must_be_the_declared_one_or_may_differ_for_a_reason() {
        let mut seen = BTreeSet::new();
        for experiment in registry() {
            for &mode in experiment.modes {
                for scale in [Scale::Quick, Scale::Full] {
                    let declared = experiment.config(mode, scale).settings();
                    for path in declared.keys() {
                        let mut other = declared.clone();
                        other.insert(path.clone(), "something else".to_owned());
                        let may = |path: &str| experiment.may_differ(mode, path);
                        match different_setting(&declared, &other, may) {
                            Some((found, _, _)) => assert_eq!(&found, path),
                            None => drop(seen.insert(path.clone())),
                        }
                    }
                }
            }
        }
        // Whoever adds a setting decides here whether a declared run may differ in it.
        let may = [
            "client_rate",
            "model.cpu_cost_source",
            "model.fork_cpu_ns",
            "model.session_cpu_ns",
            "server.server",
        ];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), may);
    }

    /// At the server's rate, blocks of the model's own length had less than one connection each.
    #[test]
    fn a_model_beside_a_server_has_its_rate_and_as_many_connections_as_alone() {
        let holds = find("membership-hold").unwrap();
        for scale in [Scale::Quick, Scale::Full] {
            let [server, alone] = [Mode::Server, Mode::Model].map(|m| holds.config(m, scale));
            let mut beside = alone.clone();
            lay_beside(&mut beside, &server);
            assert_eq!(beside.client_rate, server.client_rate);
            let connections = |c: &Config| match c.client_rate {
                ClientRate::Given(OfferedRate::PerSecond(rate)) => rate * c.duration_ns as f64,
                other => panic!("{other}"),
            };
            assert_eq!(connections(&beside), connections(&alone));
            assert!(holds.is_declared(&alone) && holds.is_declared(&beside));
        }
    }

    #[test]
    fn a_run_of_something_else_is_not_the_declared_one() {
        let churn_tail = find("churn-tail").unwrap();
        let declared = |mode, change: fn(&mut Config)| {
            let mut config = churn_tail.config(mode, Scale::Full);
            change(&mut config);
            churn_tail.is_declared(&config)
        };
        for scale in [Scale::Quick, Scale::Full] {
            let config = churn_tail.config(Mode::Server, scale);
            assert!(churn_tail.is_declared(&config), "{scale:?}");
        }
        let at_70 = |c: &mut Config| {
            c.client_rate = ClientRate::Given(OfferedRate::PerSecond(70.0));
        };
        assert!(declared(Mode::Model, at_70));
        assert!(!declared(Mode::Server, at_70));
        assert!(declared(Mode::Server, |c| {
            c.server.as_mut().unwrap().server = ServerChoice::Local;
        }));
        let changes: [fn(&mut Config); 5] = [
            |c| c.arms.retain(|a| *a != Arm::CpuBurn),
            |c| c.factors.standing = vec![0],
            |c| c.blocks -= 1,
            |c| c.quoted_percentile = 90.0,
            |c| c.slow_over_ns = Some(200_000),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(!declared(Mode::Server, change), "change {number}");
        }
    }
}
