//! `locks`: does a conclusion survive the choice of lock?

use super::churn_tail::default_model;
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::Arrivals;
use crate::config::KeepAwakeChoice;
use crate::config::{Config, ModelConfig};
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::procarray::SlotOrder;
use crate::procarray::locks::{LockChoice, LockKind};
use crate::record::Run;
use crate::stats::{Analysis, Verdict, conclusions};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "locks",
    question: "Does what churn does to running statements depend on the lock that stands for ProcArrayLock? (The model with every lock and with PostgreSQL's own behind a lock-free reuse check; ProcArrayAdd holds 400 us longer, which stands for the page faults of PostgreSQL 15 with 2,000 standing connections, 449 us measured.)",
    prediction: "Under every lock unpooled raises the readers' p99 over kept-open, in response and in service time: whoever comes during the long hold waits for its end, whatever the queue. The locks differ in who pays: where readers pass a queued writer, writers wait longer; where they queue behind it, readers do. With the reuse check nobody's snapshot needs the lock (churn ends no transaction with an xid), and the rise is gone but for CPU.",
    refuted_by: "A lock without the reuse check under which no rise is shown.",
    primary_outcome: "p99 response time of running statements, unpooled against kept-open, under the first lock of the list.",
    declared_percentile: 99.0,
    assess,
    answer: Answer::Contrast,
    limits: &[
        "Not how much of an effect is ProcArrayLock: no lock wait was traced here. `unpooled` minus `fork-only` still holds authentication, catalogue loading and page faults outside the lock.",
        "Not that percentiles' differences add up: they are contrasts between arms, never parts of a whole.",
    ],
    modes: &[Mode::Model],
    in_chapter: &[],
    config,
};

/// The prediction is about the locks without a reuse check.
fn assess(run: &Run, summary: &Analysis) -> String {
    let Some(rise) = conclusions(run, summary).into_iter().next() else {
        return String::new();
    };
    let plain = rise.by_lock.iter().filter(|(lock, _)| {
        lock.parse::<LockChoice>()
            .is_ok_and(|choice| !choice.reuse_check)
    });
    let (judged, unjudged): (Vec<_>, Vec<_>) =
        plain.partition(|(_, found)| found.is_some_and(|(_, v)| v.is_usable()));
    let without: Vec<&str> = judged
        .iter()
        .filter(|(_, found)| found.is_none_or(|(_, v)| v != Verdict::Higher))
        .map(|(lock, _)| lock.as_str())
        .collect();
    if !without.is_empty() {
        format!(
            "the prediction is refuted: no rise was shown under {}.",
            without.join(", ")
        )
    } else if judged.is_empty() || !unjudged.is_empty() {
        "the prediction cannot be held against every lock of this run.".to_owned()
    } else {
        "the prediction stands: a rise under every lock without a reuse check.".to_owned()
    }
}

/// Every lock, then the first once more behind the reuse check.
fn locks() -> Vec<LockChoice> {
    let checked = LockChoice {
        reuse_check: true,
        ..LockChoice::default()
    };
    let mut kinds = LockKind::ALL.to_vec();
    // PostgreSQL's own first: the primary outcome is read there.
    kinds.sort_by_key(|kind| *kind != LockKind::default());
    kinds
        .into_iter()
        .map(LockChoice::from)
        .chain([checked])
        .collect()
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (blocks, visits, block_ms, warmup_ms) = match scale {
        Scale::Quick => (9, 3, 100, 20),
        Scale::Full => (12, 4, 500, 50),
    };
    Config {
        mode,
        arms: vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled],
        readers: 2,
        reader_rate: OfferedRate::PerSecond(4000.0),
        clients: 2,
        client_rate: ClientRate::Given(OfferedRate::PerSecond(200.0)),
        client_rates: Vec::new(),
        pool_size: 2,
        standing: vec![500],
        slot_orders: vec![SlotOrder::Front],
        duration_ns: u64::from(blocks) * block_ms * 1_000_000,
        warmup_ns: warmup_ms * 1_000_000,
        blocks,
        visits,
        seed: 74,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Auto,
        quoted_percentile: 99.0,
        model: Some(ModelConfig {
            locks: locks(),
            fork_cpu_ns: 50_000,
            session_cpu_ns: 150_000,
            cpu_cost_source:
                "far below a real connection's, so that queueing for the CPU does not drown the lock"
                    .to_owned(),
            inject_hold_ns: 400_000,
            ..default_model()
        }),
        server: None,
    }
}
