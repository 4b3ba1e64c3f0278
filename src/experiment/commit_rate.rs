//! `commit-rate`: how transactions that complete spoil snapshot reuse.

use super::defaults::{Lengths, every_profile, model_with_a_committer};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{CommitRate, Factors, OfferedRate};
use crate::procarray::PgProfile;
use crate::record::SeriesKey;
use crate::stats::{
    Along, Analysis, Answer, Finding, Outcome, Quantity, Statement, Statistic, Sweep, Unit,
};

/// Snapshots per second of the one reader.
const SNAPSHOTS: f64 = 1_000.0;
/// How far the share that is reused may lie from the predicted one.
const TOLERANCE: f64 = 0.1;

const SWEEPS: [Sweep; 2] = [
    Sweep {
        stem: "reuse",
        title: "How completing transactions spoil snapshot reuse",
        look_at: "One reader takes 1,000 snapshots per second; where as many transactions complete, about half of its snapshots are still valid. 13 has no reuse",
        quantity_words: "share of the reader's snapshots that were reused",
        arms: &[Arm::Quiet],
        quantity: Quantity::Ratio {
            of: &["operations.reader-snapshot-reused"],
            over: &["operations.reader-snapshot"],
            share: true,
        },
        along: Along::CommitRate,
        panels: &[],
        logarithmic: false,
    },
    Sweep {
        stem: "snapshot-time",
        title: "What a snapshot costs as more transactions complete",
        look_at: "The median turns from a reused snapshot's time to a scan's where fewer than half are reused; 13 scans at every rate",
        quantity_words: "service time of one snapshot, p50, a clock read included",
        arms: &[Arm::Quiet],
        quantity: Quantity::Time(SeriesKey::READER_SERVICE, Statistic::Percentile(50.0)),
        along: Along::CommitRate,
        panels: &[],
        logarithmic: false,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "commit-rate",
    short: "how completing transactions spoil snapshot reuse",
    question: "How do transactions that complete spoil snapshot reuse, and what does that cost a snapshot?",
    prediction: "On 14 and later a reader that takes R snapshots per second, at random, beside C transactions with an xid that complete reuses a share of R / (R + C): all of them without commits, half where C = R, next to none where C is ten times R. 13 reuses none. The median snapshot time moves from a reused snapshot's to a scan's where C passes R.",
    refuted_by: "On 14 or later, at any rate, a share that is reused further than 0.1 from R / (R + C); or any reuse on 13.",
    primary_outcome: "Share of the reader's snapshots that are reused on PostgreSQL 15, at every commit rate, against R / (R + C).",
    declared_percentile: 50.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not the reuse of a busy server: it depends on how often each backend takes a snapshot, and on read-only transactions, which complete no xid and spoil nothing.",
        "Not a share from a busy machine: a reader that is kept from its core catches up in bursts, and reuses more than one that reads at random (see its pacing error).",
        "Not the cost of commits: the committers stand in for whoever completes an xid; writing, WAL and fsync are not in the model.",
    ],
    what_to_do: "Do not count on snapshot reuse where transactions with an xid complete as often as snapshots are taken.",
    modes: &[Mode::Model],
    in_chapter: &[],
    configure,
};

const CLAIM: &str = "the share of snapshots that are reused is R / (R + C), none on 13";

fn assess(analysis: &Analysis) -> Option<Finding> {
    let config = &analysis.run.config;
    let Some(rate) = config.reader_rate.per_second() else {
        let why = "the prediction is about paced readers";
        return Some(Finding::cannot_tell(CLAIM, why));
    };
    let per_reader = rate / f64::from(config.readers.max(1));
    let mut lines: Vec<_> = analysis.sweeps.first()?.lines.iter().collect();
    // The primary outcome's first.
    let version = |rest: &Factors| rest.profile().ok();
    lines.sort_by_key(|l| version(&l.rest) != Some(PgProfile::V15));
    if lines
        .first()
        .is_none_or(|l| version(&l.rest) != Some(PgProfile::V15))
    {
        let why = "not measured (it needs PostgreSQL 15 and several commit rates)";
        return Some(Finding::cannot_tell(CLAIM, why));
    }
    let statements = lines.into_iter().map(|line| {
        let is_13 = version(&line.rest) == Some(PgProfile::V13);
        let tolerance = if is_13 { 0.0 } else { TOLERANCE };
        let name = line.rest.words(&analysis.varying).join(", ");
        let mut statement = Statement::judged(format!("{name}: {CLAIM}"), Outcome::Stands);
        let mut off: Vec<String> = Vec::new();
        for point in &line.points {
            let reused = per_reader / (per_reader + point.at);
            let expected = if is_13 { 0.0 } else { reused };
            let e = point.estimate;
            if e.low_ns > expected + tolerance || e.high_ns < expected - tolerance {
                off.push(format!("{}/s", point.at));
            }
            statement = statement
                .with(format!("at {} commits/s", point.at), e, Unit::Share)
                .with("expected", expected, Unit::Share);
        }
        if !off.is_empty() {
            statement.outcome = Some(Outcome::Refuted);
            let off = off.join(", ");
            statement = statement.because(format!("further off than {tolerance} at {off}"));
        }
        statement
    });
    Some(Finding::of(statements.collect()))
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let (rates, lengths) = match scale {
        Scale::Quick => (
            &[0, 10, 100, 1000, 10_000][..],
            Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 70,
                warmup_ms: 10,
            },
        ),
        Scale::Full => (
            &[0, 10, 32, 100, 316, 1000, 3162, 10_000][..],
            Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 250,
                warmup_ms: 20,
            },
        ),
    };
    config.arms = vec![Arm::Quiet];
    config.reader_rate = OfferedRate::PerSecond(SNAPSHOTS);
    config.factors.standing = vec![1000];
    config.factors.pg = every_profile();
    config.factors.commit_rate = rates.iter().map(|&r| CommitRate::from(r)).collect();
    config.model = Some(model_with_a_committer());
    lengths
}
