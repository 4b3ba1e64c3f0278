//! `locks`: does a conclusion survive the choice of lock?

use super::defaults::{Lengths, default_model};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::{Config, ModelConfig};
use crate::factor::{ClientRate, OfferedRate};
use crate::procarray::locks::{LockChoice, LockKind};
use crate::stats::{Analysis, Answer, Finding, Outcome, Statement, Unit, Verdict};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "locks",
    short: "the model with other locks in place of ProcArrayLock",
    question: "Does what churn does to running statements depend on the lock that stands for ProcArrayLock? (The model with every lock and with PostgreSQL's own behind a lock-free reuse check; ProcArrayAdd holds 400 µs longer, which stands for the page faults of PostgreSQL 15 with 2,000 standing connections, 449 µs measured.)",
    prediction: "Under every lock unpooled raises the readers' p99 over kept-open, in response and in service time: whoever comes during the long hold waits for its end, whatever the queue. The locks differ in who pays: where readers pass a queued writer, writers wait longer; where they queue behind it, readers do. With the reuse check nobody's snapshot needs the lock (churn ends no transaction with an xid), and the rise is gone but for CPU.",
    refuted_by: "A lock without the reuse check under which no rise is shown.",
    primary_outcome: "p99 response time of running statements, unpooled against kept-open, under the first lock of the list.",
    declared_percentile: 99.0,
    smaller_than: None,
    assess,
    answer: Answer::Contrast,
    limits: &[
        "Not how much of an effect is ProcArrayLock: the waits for the model's lock were timed, but `unpooled` also spends CPU, and statements wait for that, too.",
        "Not that percentiles' differences add up: they are contrasts between arms, never parts of a whole.",
    ],
    what_to_do: "Try a promising lock in a server before you rely on it: the model alone ranks none.",
    modes: &[Mode::Model],
    in_chapter: &[],
    configure,
};

const CLAIM: &str =
    "unpooled raises the readers' time over kept-open under every lock without a reuse check";

/// The prediction is about the locks without a reuse check.
fn assess(analysis: &Analysis) -> Option<Finding> {
    let rise = analysis.conclusions.first()?;
    let mut statement = Statement::judged(CLAIM, Outcome::Stands);
    let (mut refuting, mut unjudged) = (Vec::new(), Vec::new());
    for (lock, found) in &rise.by_lock {
        let choice = lock.parse::<LockChoice>();
        if !choice.is_ok_and(|choice| !choice.reuse_check) {
            continue;
        }
        match found.map(|f| f.1) {
            Some(Verdict::Higher) => {}
            Some(verdict) if verdict.is_usable() => refuting.push(lock.as_str()),
            _ => unjudged.push(lock.as_str()),
        }
        if let Some((contrast, _)) = found {
            statement = statement.with(lock, contrast.difference, Unit::NsDifference);
        }
    }
    if !refuting.is_empty() {
        statement.outcome = Some(Outcome::Refuted);
        statement = statement.because(format!("no rise was shown under {}", refuting.join(", ")));
    } else if !unjudged.is_empty() || statement.values.is_empty() {
        statement.outcome = Some(Outcome::CannotTell);
        statement = statement.because(match &unjudged[..] {
            [] => "no such lock was run".to_owned(),
            locks => format!("not judged: {}", locks.join(", ")),
        });
    }
    Some(Finding::of(vec![statement]))
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

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    config.arms = vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled];
    config.readers = 2;
    config.reader_rate = OfferedRate::PerSecond(4000.0);
    config.clients = 2;
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(200.0));
    config.pool_size = 2;
    config.quoted_percentile = 99.0;
    config.factors.lock = locks();
    config.model = Some(ModelConfig {
        fork_cpu_ns: 50_000,
        session_cpu_ns: 150_000,
        cpu_cost_source:
            "far below a real connection's, so that queueing for the CPU does not drown the lock"
                .to_owned(),
        inject_hold_ns: 400_000,
        ..default_model()
    });
    match scale {
        Scale::Quick => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 80,
            warmup_ms: 15,
        },
        Scale::Full => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 500,
            warmup_ms: 50,
        },
    }
}
