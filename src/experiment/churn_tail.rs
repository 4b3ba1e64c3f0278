//! `churn-tail`: what churn does to running queries, and how much of it is the lock.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, Isolate};
use crate::procarray::MappingKind;
use crate::stats::{Analysis, Answer, Cells, Finding, Statement, Statistic};

/// Differences of the slow share below one percentage point count as none.
pub(super) const BOUND: f64 = 0.01;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "churn-tail",
    short: "what churn does to running queries, and the lock's part",
    question: "What does connection churn do to queries that are already running, and how much of it is ProcArrayLock?",
    prediction: "Reconnecting for each transaction makes more of the running statements slow than keeping connections open does. A part of the rise is the lock: with standing connections, slots in front, 4 kB pages and PostgreSQL 14 or later, unpooled is above premapped, which pays the same page faults outside the lock. Behind the standing connections, with 2 MB pages and on 13 there is nothing to fault in, and the two differ by less than one percentage point.",
    refuted_by: "At the largest number of standing connections: unpooled no higher than kept-open (smaller than one percentage point, or lower); or unpooled no higher than premapped; or a difference beyond one percentage point in the placebo cells.",
    primary_outcome: "Share of running statements slower than the threshold, which is fixed before the measured blocks: unpooled minus kept-open at the first level with the largest number of standing connections. Second: the lock's part, unpooled minus premapped. Beside them the mean of min(T, ten thresholds), which adds up.",
    declared_percentile: 99.0,
    smaller_than: Some(BOUND),
    assess,
    answer: Answer::Contrast,
    limits: &[
        "Not that the lock is the only cause: `unpooled` minus `premapped` is the part of the faults under it; what else a connection does under the lock, and what it costs the CPU, is in both.",
        "Not parts of a percentile: p50 to p99 describe; only shares and capped means add up.",
        "Not other versions of PostgreSQL than those named above: `procbench run lock-part` has them.",
        "Not what another threshold would show: the slow share is about one, the p99 of calm blocks beforehand.",
    ],
    what_to_do: "Keep connections open or pool them; do not reconnect per transaction, least of all beside many standing connections.",
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Quick, Scale::Full],
    configure,
};

/// The prediction is about the server.
pub(super) fn assess(analysis: &Analysis) -> Option<Finding> {
    if analysis.run.mode != Mode::Server {
        return None;
    }
    let level = analysis.primary_level()?;
    let standing = level.factors.standing;
    let against = |second| {
        let claim = format!(
            "with {standing} standing connections more statements are slow under unpooled than under {second}"
        );
        Statement::higher(
            claim,
            level.found(Arm::Unpooled, second, Statistic::SlowShare),
        )
    };
    let mut parts = vec![against(Arm::KeptOpen)];
    let lock = against(Arm::Premapped);
    parts.push(match Cells::of(&level.factors) {
        Some(Cells::WithFaults) => lock,
        _ => Statement {
            outcome: None,
            ..lock.because("no page faults under the lock are expected here")
        },
    });
    let over = |kind| {
        let mut pooled = analysis.pooled.iter();
        let found = pooled
            .find(|p| (p.cells, p.first, p.second) == (kind, Arm::Unpooled, Arm::Premapped))?;
        let mut contrasts = found.contrasts.iter();
        let contrast = contrasts.find(|c| c.0.statistic == Statistic::SlowShare)?;
        Some((found, *contrast))
    };
    if let Some((pooled, found)) = over(Cells::Placebo) {
        let (levels, lack) = (pooled.levels, pooled.lack.join(", "));
        let claim = format!(
            "over {levels} placebo cells ({lack}) unpooled and premapped differ by less than 1 pp"
        );
        parts.push(Statement::smaller(claim, Some(found), BOUND));
    }
    if let Some((pooled, (contrast, verdict))) = over(Cells::WithFaults) {
        let claim = format!(
            "the lock's part over {} cells with faults under it ({})",
            pooled.levels,
            verdict.words()
        );
        parts.push(Statement::told(claim).with("", contrast.difference, contrast.unit));
    }
    Some(Finding::of(parts))
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let mode = config.mode;
    config.arms = Arm::all_in(mode);
    config.factors.standing = vec![2000];
    config.factors.isolate = match (scale, mode) {
        (_, Mode::Model) => Vec::new(),
        (Scale::Quick, Mode::Server) => vec![Isolate::On],
        (Scale::Full, Mode::Server) => vec![Isolate::On, Isolate::Off],
    };
    // Where a machine does not let cores be divided, the rest is measured.
    config.page_size_if_granted = mode == Mode::Server;
    if scale == Scale::Quick {
        // Both declared outcomes and the bare fork.
        let asked = [
            Arm::Quiet,
            Arm::KeptOpen,
            Arm::Unpooled,
            Arm::ForkOnly,
            Arm::Premapped,
        ];
        config.arms.retain(|arm| asked.contains(arm));
    }
    // Two would share the readers' one core, of two.
    config.readers = if mode == Mode::Server { 1 } else { 2 };
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.pool_size = 4;
    config.quoted_percentile = 99.0;
    if mode == Mode::Model {
        // As backends do: ProcArrayAdd faults in pages while it holds the lock.
        config.factors.mapping = vec![MappingKind::Forked];
    }
    match (scale, mode) {
        (Scale::Quick, Mode::Server) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 300,
            warmup_ms: 80,
        },
        (Scale::Quick, Mode::Model) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 200,
            warmup_ms: 40,
        },
        (Scale::Full, Mode::Server) => Lengths {
            blocks: 24,
            starts: 8,
            block_ms: 500,
            warmup_ms: 100,
        },
        (Scale::Full, Mode::Model) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 300,
            warmup_ms: 50,
        },
    }
}
