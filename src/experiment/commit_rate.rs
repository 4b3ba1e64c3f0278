//! `commit-rate`: how transactions that complete spoil snapshot reuse.

use super::churn_tail::default_model;
use super::sweep_config::{SweepLength, base, lengths};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::{Background, Config, ModelConfig};
use crate::factor::Factors;
use crate::factor::OfferedRate;
use crate::procarray::PgProfile;
use crate::record::{Run, SeriesKey};
use crate::report::sweep_words::{estimate_words, line_name};
use crate::stats::{Along, Analysis, Quantity, Statistic, Sweep, sweep_lines};

/// Snapshots per second of the one reader.
const SNAPSHOTS: f64 = 1_000.0;
/// How far the share that is reused may lie from the predicted one.
const TOLERANCE: f64 = 0.1;

const SWEEPS: [Sweep; 2] = [
    Sweep {
        stem: "reuse",
        title: "How completing transactions spoil snapshot reuse",
        look_at: "One reader takes 1,000 snapshots a second; where as many transactions complete, about half of its snapshots are still valid. 13 has no reuse",
        quantity_words: "share of the reader's snapshots that were reused",
        arm: Arm::Quiet,
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
        arm: Arm::Quiet,
        quantity: Quantity::Time(SeriesKey::READER_SERVICE, Statistic::Percentile(50.0)),
        along: Along::CommitRate,
        panels: &[],
        logarithmic: false,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "commit-rate",
    question: "How do transactions that complete spoil snapshot reuse, and what does that cost a snapshot?",
    prediction: "On 14 and later a reader that takes R snapshots a second, at random, beside C transactions with an xid that complete reuses a share of R / (R + C): all of them without commits, half where C = R, next to none where C is ten times R. 13 reuses none. The median snapshot time moves from a reused snapshot's to a scan's where C passes R.",
    refuted_by: "On 14 or later, at any rate, a share that is reused further than 0.1 from R / (R + C); or any reuse on 13.",
    primary_outcome: "Share of the reader's snapshots that are reused on PostgreSQL 15, at every commit rate, against R / (R + C).",
    declared_percentile: 50.0,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not the reuse of a busy server: it depends on how often each backend takes a snapshot, and on read-only transactions, which complete no xid and spoil nothing.",
        "Not a share from a busy machine: a reader that is kept from its core catches up in bursts, and reuses more than one that reads at random (see its pacing error).",
        "Not the cost of commits: the committers stand in for whoever completes an xid; writing, WAL and fsync are not in the model.",
    ],
    modes: &[Mode::Model],
    in_chapter: &[],
    config,
};

fn assess(run: &Run, summary: &Analysis) -> String {
    let sweep = &SWEEPS[0];
    let lines = sweep_lines(run, summary, sweep);
    let Some(rate) = run.config.reader_rate.per_second() else {
        return "the prediction is about paced readers.".to_owned();
    };
    let per_reader = rate / f64::from(run.config.readers.max(1));
    let mut off: Vec<String> = Vec::new();
    let mut primary: Vec<String> = Vec::new();
    for line in &lines {
        let is_13 = line.rest.pg.as_deref() == Some("13");
        for point in &line.points {
            let expected = if is_13 {
                0.0
            } else {
                per_reader / (per_reader + point.at)
            };
            if line.rest.agrees_with(&Factors {
                pg: Some("15".to_owned()),
                standing: line.rest.standing,
                ..Factors::default()
            }) {
                primary.push(format!(
                    "{} at {} commits/s, {:.1} % expected",
                    estimate_words(sweep.quantity, point.estimate),
                    point.at,
                    100.0 * expected
                ));
            }
            let tolerance = if is_13 { 0.0 } else { TOLERANCE };
            let e = point.estimate;
            if e.low_ns > expected + tolerance || e.high_ns < expected - tolerance {
                off.push(format!("{} at {}/s", line_name(&lines, line), point.at));
            }
        }
    }
    if primary.is_empty() {
        return "primary outcome: not measured (it needs PostgreSQL 15 and several commit rates)."
            .to_owned();
    }
    let verdict = if off.is_empty() {
        "The prediction stands at every rate and version".to_owned()
    } else {
        format!("The prediction is refuted for {}", off.join("; "))
    };
    format!(
        "primary outcome (PostgreSQL 15): reused {}. {verdict}.",
        primary.join("; ")
    )
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (rates, length) = match scale {
        Scale::Quick => (
            vec![0.0, 10.0, 100.0, 1000.0, 10_000.0],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 100,
                warmup_ms: 10,
            },
        ),
        Scale::Full => (
            vec![0.0, 10.0, 32.0, 100.0, 316.0, 1000.0, 3162.0, 10_000.0],
            SweepLength {
                blocks: 12,
                visits: 4,
                block_ms: 250,
                warmup_ms: 20,
            },
        ),
    };
    lengths(
        Config {
            arms: vec![Arm::Quiet],
            reader_rate: OfferedRate::PerSecond(SNAPSHOTS),
            standing: vec![1000],
            model: Some(ModelConfig {
                profiles: PgProfile::ALL.to_vec(),
                commit_rates: rates,
                background: Background {
                    committers: 1,
                    ..Background::default()
                },
                snapshots_per_statement: 1,
                ..default_model()
            }),
            ..base(mode)
        },
        length,
    )
}
