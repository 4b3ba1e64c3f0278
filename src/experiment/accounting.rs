//! `accounting`: how often each operation takes each lock.

use super::churn_tail::default_model;
use super::sweep_config::{SweepLength, base, lengths, not_measured};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::{Config, ModelConfig};
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::procarray::PgProfile;
use crate::record::{Role, Run};
use crate::stats::{Analysis, merged_counters};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "accounting",
    question: "How often does each of the clients' operations take each lock, by version? (A regression guard: the model takes each lock as often as it was written to. The numbers to hold it against were counted in servers.)",
    prediction: "A connection with one SELECT takes ProcArrayLock exclusively twice, shared 6 times on 13 to 17 and 5 times on 18, and XidGenLock exclusively twice since 14 and never on 13 (counted by uprobes in 13.16, 15.18, 17.11 and 18). The same SELECT on a kept connection takes ProcArrayLock shared twice, pooled or not, and nothing exclusively. A failed login takes both locks exclusively as a connection does, and ProcArrayLock shared twice, once on 18. A single INSERT takes ProcArrayLock shared twice, and each lock exclusively once. A VACUUM of an empty table takes ProcArrayLock shared 6 times and exclusively twice (15).",
    refuted_by: "Any other number: they are whole, without an interval.",
    primary_outcome: "Acquisitions of ProcArrayLock and XidGenLock for each operation of the clients, by arm and version.",
    declared_percentile: 50.0,
    assess,
    answer: Answer::Counts,
    limits: &[
        "Not evidence about PostgreSQL: who wrote the model read the same source. It is a guard against a model that drifts; the servers' counts are the evidence.",
        "Not other statements: a prepared or extended-protocol statement, a first access to a table that is to be pruned, or a limit on connections takes more.",
    ],
    modes: &[Mode::Model],
    in_chapter: &[],
    config,
};

/// Shared and exclusive acquisitions of ProcArrayLock and exclusive ones of
/// XidGenLock, as counted in servers for one client transaction.
fn counted_in_servers(arm: Arm, profile: PgProfile) -> Option<(u64, u64, u64)> {
    let statement = 2;
    match arm {
        Arm::KeptOpen | Arm::Pool => Some((statement, 0, 0)),
        Arm::Unpooled => {
            let shared = if profile.major() >= 18 { 5 } else { 6 };
            let xid_gen = if profile.has_dense_arrays() { 2 } else { 0 };
            Some((shared, 2, xid_gen))
        }
        Arm::FailedLogin => {
            let shared = if profile.major() >= 18 { 1 } else { 2 };
            let xid_gen = if profile.has_dense_arrays() { 2 } else { 0 };
            Some((shared, 2, xid_gen))
        }
        // A single INSERT.
        Arm::Commit => Some((2, 1, 1)),
        // Counted on 15 alone.
        Arm::Vacuum if profile == PgProfile::V15 => Some((6, 2, 0)),
        _ => None,
    }
}

fn assess(run: &Run, summary: &Analysis) -> String {
    if run.config.warmup_ns > 0 {
        return "the counts cannot be divided by operations: they hold a warm-up, too.".to_owned();
    }
    let mut wrong: Vec<String> = Vec::new();
    let mut right = 0;
    for level in &summary.levels {
        let Some(Ok(profile)) = level.factors.pg.as_deref().map(str::parse::<PgProfile>) else {
            continue;
        };
        for contender in &level.contenders {
            let Some(expected) = counted_in_servers(contender.arm, profile) else {
                continue;
            };
            let blocks = run.blocks_of(contender.arm, contender.twin, &level.factors);
            let counters = merged_counters(&blocks);
            let done = contender
                .tallies
                .get(&Role::Client)
                .map_or(0, |t| t.succeeded());
            let of = |name: &str| counters.get(name).copied().unwrap_or(0);
            let by_readers = of("operations.reader-snapshot");
            let found = (
                of("procarraylock.shared").saturating_sub(by_readers),
                of("procarraylock.exclusive"),
                of("xidgenlock.exclusive"),
            );
            if done > 0 && found == (expected.0 * done, expected.1 * done, expected.2 * done) {
                right += 1;
            } else {
                wrong.push(format!(
                    "{} on {profile}: {} shared, {} exclusive, {} of XidGenLock in {done} transactions",
                    contender.label(),
                    found.0,
                    found.1,
                    found.2
                ));
            }
        }
    }
    match &wrong[..] {
        [] if right == 0 => "no arm whose counts are known from servers was run.".to_owned(),
        [] => format!(
            "regression guard: all {right} combinations of arm and version take the locks exactly as often as the servers did."
        ),
        wrong => format!(
            "regression guard: the model is WRONG, its counts are not the servers': {}.",
            wrong.join("; ")
        ),
    }
}

fn config(mode: Mode, scale: Scale) -> Config {
    let length = match scale {
        Scale::Quick => SweepLength {
            blocks: 8,
            visits: 4,
            block_ms: 20,
            warmup_ms: 0,
        },
        Scale::Full => SweepLength {
            blocks: 10,
            visits: 5,
            block_ms: 100,
            warmup_ms: 0,
        },
    };
    let mut arms = Arm::all_in(mode);
    // They spend CPU and take no lock.
    arms.retain(|a| !matches!(a, Arm::ForkOnly | Arm::CpuBurn));
    lengths(
        Config {
            arms,
            reader_rate: OfferedRate::PerSecond(500.0),
            client_rate: ClientRate::Given(OfferedRate::Max),
            standing: vec![50],
            model: Some(ModelConfig {
                profiles: PgProfile::ALL.to_vec(),
                fork_cpu_ns: 20_000,
                session_cpu_ns: 20_000,
                cpu_cost_source: not_measured("acquisitions are counted, not timed"),
                ..default_model()
            }),
            ..base(mode)
        },
        length,
    )
}
