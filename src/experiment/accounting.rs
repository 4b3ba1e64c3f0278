//! `accounting`: how often each operation takes each lock.

use super::defaults::{Lengths, every_profile, model_with_little_cpu};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::{Config, Tracing};
use crate::factor::{ClientRate, OfferedRate};
use crate::procarray::PgProfile;
use crate::stats::{
    Analysis, Answer, Finding, Outcome, PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, Statement, Unit,
    XID_GEN_EXCLUSIVE,
};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "accounting",
    short: "how often each operation takes each lock",
    question: "How often does each of the clients' operations take each lock, by version? (On a server it is counted by a trace. In the model it is a regression guard: the model takes each lock as often as it was written to.)",
    prediction: "A connection with one SELECT takes ProcArrayLock exclusively twice, shared 6 times on 13 to 17 and 5 times on 18, and XidGenLock exclusively twice since 14 and never on 13 (counted by uprobes in 13.16, 15.18, 17.11 and 18). The same SELECT on a kept connection takes ProcArrayLock shared twice, pooled or not, and nothing exclusively. A failed login takes both locks exclusively as a connection does, and ProcArrayLock shared twice, once on 18. A single INSERT takes ProcArrayLock shared twice, and each lock exclusively once. A VACUUM of an empty table takes ProcArrayLock shared 6 times and exclusively twice (15).",
    refuted_by: "Any other number: they are whole, without an interval.",
    primary_outcome: "Acquisitions of ProcArrayLock and XidGenLock for each operation of the clients, by arm and version.",
    declared_percentile: 50.0,
    smaller_than: None,
    assess,
    answer: Answer::Counts,
    limits: &[
        "The model's counts are not evidence about PostgreSQL: who wrote the model read the same source. They guard against a model that drifts; the servers' counts are the evidence.",
        "Not other statements: a prepared or extended-protocol statement, a first access to a table that is to be pruned, or a limit on connections takes more.",
    ],
    what_to_do: "Save connections to spare ProcArrayLock: each takes it exclusively twice, a SELECT on a kept one never.",
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Full],
    configure,
};

/// What is compared.
const LOCKS: [&str; 3] = [PROCARRAY_SHARED, PROCARRAY_EXCLUSIVE, XID_GEN_EXCLUSIVE];

/// [`LOCKS`] as counted in servers for one client transaction.
fn counted_in_servers(arm: Arm, profile: PgProfile) -> Option<[f64; 3]> {
    let since_18 = f64::from(u8::from(profile.major() >= 18));
    let xid_gen = 2.0 * f64::from(u8::from(profile.version().dense_arrays));
    match arm {
        Arm::KeptOpen | Arm::Pool => Some([2.0, 0.0, 0.0]),
        Arm::Unpooled => Some([6.0 - since_18, 2.0, xid_gen]),
        Arm::FailedLogin => Some([2.0 - since_18, 2.0, xid_gen]),
        // A single INSERT.
        Arm::Commit => Some([2.0, 1.0, 1.0]),
        // Counted on 15 alone.
        Arm::Vacuum if profile == PgProfile::V15 => Some([6.0, 2.0, 0.0]),
        _ => None,
    }
}

/// What is claimed of a run in this mode.
const fn claim(mode: Mode) -> &'static str {
    match mode {
        Mode::Model => {
            "regression guard: the model takes each lock exactly as often as the servers did"
        }
        Mode::Server => "this server takes each lock exactly as often as those counted before",
    }
}

fn assess(analysis: &Analysis) -> Option<Finding> {
    let claimed = claim(analysis.run.mode);
    if analysis.run.config.warmup_ns > 0 {
        let why = "the counts hold a warm-up, too, and cannot be divided by operations";
        return Some(Finding::cannot_tell(claimed, why));
    }
    let mut wrong = Vec::new();
    let mut right = 0;
    for level in &analysis.levels {
        let Ok(profile) = level.factors.profile() else {
            continue;
        };
        for contender in &level.contenders {
            let Some(expected) = counted_in_servers(contender.arm, profile) else {
                continue;
            };
            let found = LOCKS.map(|lock| contender.counted(lock).map(|c| c.value));
            // Not traced: there is nothing to hold against it.
            if found == [None; 3] {
                continue;
            }
            if found == expected.map(Some) {
                right += 1;
                continue;
            }
            let claim = format!("{} on PostgreSQL {profile}", contender.label());
            let mut statement = Statement::judged(claim, Outcome::Refuted);
            for ((lock, found), expected) in LOCKS.into_iter().zip(found).zip(expected) {
                statement = statement
                    .with(lock, found.unwrap_or(f64::NAN), Unit::Number)
                    .with("expected", expected, Unit::Number);
            }
            wrong.push(statement);
        }
    }
    if wrong.is_empty() && right == 0 {
        let why =
            "nothing was counted (a server has to be traced), or of no arm whose counts are known";
        return Some(Finding::cannot_tell(claimed, why));
    }
    let whole = match wrong[..] {
        [] => Outcome::Stands,
        _ => Outcome::Refuted,
    };
    let what = "combinations of arm and version that do";
    let first = Statement::judged(claimed, whole).with(what, f64::from(right), Unit::Count);
    Some(Finding::of([vec![first], wrong].concat()))
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    config.arms = Arm::all_in(config.mode);
    // Some spend CPU and take no lock, some take it as `unpooled` does; PgBouncer's connections to the server are not one
    // per transaction.
    let adds_nothing = |arm: &Arm| {
        matches!(arm, Arm::ForkOnly | Arm::CpuBurn)
            || arm.premapping().is_some()
            || arm.needs_pgbouncer()
    };
    config.arms.retain(|a| !adds_nothing(a));
    config.reader_rate = OfferedRate::PerSecond(500.0);
    config.factors.standing = vec![50];
    if let Some(server) = &mut config.server {
        server.trace = Tracing::EveryBlock;
        config.client_rate = ClientRate::Given(OfferedRate::PerSecond(100.0));
        return match scale {
            Scale::Quick => Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 250,
                warmup_ms: 0,
            },
            Scale::Full => Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 1000,
                warmup_ms: 0,
            },
        };
    }
    config.client_rate = ClientRate::Given(OfferedRate::Max);
    config.factors.pg = every_profile();
    config.model = Some(model_with_little_cpu("acquisitions are counted, not timed"));
    match scale {
        Scale::Quick => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 15,
            warmup_ms: 0,
        },
        Scale::Full => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 85,
            warmup_ms: 0,
        },
    }
}
