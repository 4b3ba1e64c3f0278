//! `churn-tail`: what churn does to the response time of running queries.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::ClientRate;
use crate::procarray::{PageSize, SlotOrder};
use crate::stats::{Analysis, Answer, Finding, Statement, Statistic};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "churn-tail",
    question: "What does connection churn do to the response time of queries that are already running, against each control?",
    prediction: "Reconnecting for each transaction raises the readers' p99 against kept-open connections doing the same transactions. Most of the rise is CPU, which fork-only shows too; what unpooled adds to fork-only grows with the number of standing connections (PostgreSQL 14 and later, slots in front, 4 kB pages).",
    refuted_by: "No rise of p99 from kept-open to unpooled at the largest number of standing connections; or unpooled no higher than fork-only there.",
    primary_outcome: "p99 response time of running statements, unpooled against kept-open, at the largest number of standing connections (first version, slot order and page size of the list: front, 4 kB).",
    declared_percentile: 99.0,
    assess,
    answer: Answer::Contrast,
    limits: &[
        "Not how much of an effect is ProcArrayLock: no lock wait was traced here. `unpooled` minus `fork-only` still holds authentication, catalogue loading and page faults outside the lock.",
        "Not that percentiles' differences add up: they are contrasts between arms, never parts of a whole.",
    ],
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Quick, Scale::Full],
    configure,
};

/// The prediction is about the server.
fn assess(analysis: &Analysis) -> Option<Finding> {
    if analysis.run.mode != Mode::Server {
        return None;
    }
    let level = analysis.primary_level()?;
    let against = |second| {
        let claim = format!(
            "with {} standing connections, p99 is higher under unpooled than under {second}",
            level.factors.standing
        );
        let effect = level.effect(Arm::Unpooled, second);
        let found = effect.and_then(|e| e.at(Statistic::Percentile(99.0)));
        Statement::higher(claim, found.copied())
    };
    Some(Finding::of(vec![
        against(Arm::KeptOpen),
        against(Arm::ForkOnly),
    ]))
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let mode = config.mode;
    config.arms = Arm::all_in(mode);
    config.factors.standing = vec![0, 2000];
    if scale == Scale::Quick {
        // The way through the connection, with its first control.
        config.arms.retain(|arm| *arm <= Arm::ForkOnly);
        config.factors.standing = vec![0, 500];
    }
    config.readers = 2;
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.pool_size = 4;
    config.quoted_percentile = 99.0;
    if (scale, mode) == (Scale::Full, Mode::Server) {
        config.factors.slot_order.push(SlotOrder::Behind);
        config.factors.page_size = PageSize::ALL.to_vec();
        config.page_size_if_granted = true;
    }
    match (scale, mode) {
        (Scale::Quick, Mode::Server) => Lengths(9, 3, 500, 100),
        (Scale::Quick, Mode::Model) => Lengths(9, 3, 270, 50),
        (Scale::Full, Mode::Server) => Lengths(8, 3, 350, 100),
        (Scale::Full, Mode::Model) => Lengths(9, 3, 400, 50),
    }
}
