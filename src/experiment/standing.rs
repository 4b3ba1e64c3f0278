//! `standing`: what a snapshot costs as standing connections grow.

use super::churn_tail::{default_model, default_server};
use super::sweep_config::{SweepLength, base, lengths};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::{Background, Config, ModelConfig};
use crate::factor::OfferedRate;
use crate::factor::{Factor, Factors};
use crate::procarray::PgProfile;
use crate::record::{Run, SeriesKey};
use crate::report::sweep_words::{line_name, slope_words};
use crate::stats::{Along, Analysis, Estimate, Quantity, Statistic, Sweep, sweep_lines};

/// Commits per second in the levels that must scan: ten for each snapshot, so that nine in ten must scan.
const COMMITS: f64 = 10_000.0;

const SWEEPS: [Sweep; 2] = [
    Sweep {
        stem: "snapshot-time",
        title: "What a snapshot costs as standing connections grow",
        look_at: "Without commits 14 and later reuse the cached snapshot and are flat; with commits they scan a dense array of xids. 13 always scans, and reads everybody's xmin besides",
        quantity_words: "service time of one snapshot (model, a clock read included) or statement (server), p50",
        arm: Arm::Quiet,
        quantity: Quantity::Time(SeriesKey::READER_SERVICE, Statistic::Percentile(50.0)),
        along: Along::Standing,
        panels: &[Factor::CommitRate],
        logarithmic: false,
    },
    Sweep {
        stem: "snapshots-reused",
        title: "How many snapshots were reused while standing connections grew",
        look_at: "Standing connections do not invalidate a cached snapshot; commits do",
        quantity_words: "share of the reader's snapshots that were reused",
        arm: Arm::Quiet,
        quantity: Quantity::Ratio {
            of: &["operations.reader-snapshot-reused"],
            over: &["operations.reader-snapshot"],
            share: true,
        },
        along: Along::Standing,
        panels: &[Factor::CommitRate],
        logarithmic: false,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "standing",
    question: "What does a snapshot cost as idle standing connections grow, by version, with and without transactions that complete?",
    prediction: "On 13 a snapshot's median time grows with every standing connection, commits or not. On 15 and later it is flat while nothing completes, because the cached snapshot is reused; where commits force a scan it grows too, but by less for each connection than on 13, because the scan reads four bytes of one dense array and no xmin.",
    refuted_by: "Without commits: 13's slope is not above 15's (their intervals overlap). Or with commits 15's slope is as steep as 13's.",
    primary_outcome: "Slope of the snapshot's median service time against standing connections without commits, PostgreSQL 13 against 15.",
    declared_percentile: 50.0,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not what a query takes: a snapshot is one or two of the things a statement does, and most are longer.",
        "Not what idle connections cost otherwise: memory, and on 13 to 17 the postmaster's walks over its children, are not in the model. On the server their processes also take caches and page tables.",
        "Not a scan from cold caches: one reader looks a thousand times a second at arrays that nobody else displaces.",
    ],
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Full],
    config,
};

fn assess(run: &Run, summary: &Analysis) -> String {
    match run.mode {
        Mode::Server => assess_server(run, summary),
        Mode::Model => assess_model(run, summary),
    }
}

/// Each version's slope, and whether it can be told from level.
fn assess_server(run: &Run, summary: &Analysis) -> String {
    let sweep = &SWEEPS[0];
    let lines = sweep_lines(run, summary, sweep);
    let told: Vec<String> = lines
        .iter()
        .filter(|l| !l.is_struck())
        .filter_map(|line| {
            let slope = line.slope?;
            let how = if slope.low_ns > 0.0 {
                "it grows"
            } else if slope.high_ns < 0.0 {
                "it falls"
            } else {
                "not told from level"
            };
            let name = line_name(&lines, line);
            Some(format!(
                "{name}: {how}, {}",
                slope_words(sweep.quantity, slope)
            ))
        })
        .collect();
    if told.is_empty() {
        return "primary outcome: not measured, or struck out (it needs two numbers of standing connections).".to_owned();
    }
    format!(
        "median service time of one active reader's statement as idle connections grow: {}. An interval around zero says by how much this machine cannot tell.",
        told.join("; ")
    )
}

fn assess_model(run: &Run, summary: &Analysis) -> String {
    let sweep = &SWEEPS[0];
    let lines = sweep_lines(run, summary, sweep);
    let slope = |pg: &str, rate: f64| -> Option<Estimate> {
        let wanted = Factors {
            pg: Some(pg.to_owned()),
            commit_rate: Some(rate.to_string()),
            ..Factors::default()
        };
        let line = lines.iter().find(|l| l.rest.agrees_with(&wanted))?;
        line.slope.filter(|_| !line.is_struck())
    };
    let words = |slope| slope_words(sweep.quantity, slope);
    let (Some(of_13), Some(of_15)) = (slope("13", 0.0), slope("15", 0.0)) else {
        return "primary outcome: not measured, or struck out (it needs PostgreSQL 13 and 15, no commits, and two numbers of standing connections).".to_owned();
    };
    let mut told = format!(
        "primary outcome (no commits): the median snapshot grows on PostgreSQL 13 by {}, on 15 by {}. ",
        words(of_13),
        words(of_15)
    );
    told += if of_13.low_ns > of_15.high_ns.max(0.0) {
        "The prediction stands in its first part."
    } else {
        "The prediction is refuted: 13's slope was not shown to be above 15's."
    };
    told += &match (slope("13", COMMITS), slope("15", COMMITS)) {
        (Some(a), Some(b)) => format!(
            " With {COMMITS} commits/s it is {} and {}: {}.",
            words(a),
            words(b),
            if a.low_ns > b.high_ns {
                "the second part stands"
            } else {
                "the second part is refuted, 13's was not shown to be steeper"
            }
        ),
        _ => format!(" With {COMMITS} commits/s it was not measured."),
    };
    told
}

fn config(mode: Mode, scale: Scale) -> Config {
    match mode {
        Mode::Server => server_config(scale),
        Mode::Model => model_config(scale),
    }
}

/// One active reader as fast as it can; nobody connects meanwhile.
fn server_config(scale: Scale) -> Config {
    let (standing, length) = match scale {
        Scale::Quick => (
            vec![0, 1000, 2000],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 250,
                warmup_ms: 50,
            },
        ),
        Scale::Full => (
            vec![0, 1000, 2000, 4000],
            SweepLength {
                blocks: 9,
                visits: 3,
                block_ms: 500,
                warmup_ms: 100,
            },
        ),
    };
    lengths(
        Config {
            arms: vec![Arm::Quiet],
            reader_rate: OfferedRate::Max,
            standing,
            server: Some(default_server()),
            ..base(Mode::Server)
        },
        length,
    )
}

fn model_config(scale: Scale) -> Config {
    let (standing, length) = match scale {
        Scale::Quick => (
            vec![0, 1000, 2000, 4000],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 50,
                warmup_ms: 5,
            },
        ),
        Scale::Full => (
            vec![0, 1000, 2000, 4000],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 80,
                warmup_ms: 10,
            },
        ),
    };
    lengths(
        Config {
            arms: vec![Arm::Quiet],
            reader_rate: OfferedRate::PerSecond(1000.0),
            standing,
            model: Some(ModelConfig {
                profiles: PgProfile::ALL.to_vec(),
                commit_rates: vec![0.0, COMMITS],
                background: Background {
                    committers: 1,
                    ..Background::default()
                },
                snapshots_per_statement: 1,
                ..default_model()
            }),
            ..base(Mode::Model)
        },
        length,
    )
}
