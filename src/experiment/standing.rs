//! `standing`: what a snapshot costs as standing connections grow.

use super::defaults::{Lengths, every_profile, model_with_a_committer};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{CommitRate, Factor, Factors, Isolate, OfferedRate, PgSource};
use crate::record::SeriesKey;
use crate::stats::{
    Along, Analysis, Answer, Finding, Outcome, Quantity, Statement, Statistic, Sweep, Swept, Unit,
};

/// Commits per second in the levels that must scan: ten for each snapshot, so that nine in ten must scan.
const COMMITS: f64 = 10_000.0;

const SWEEPS: [Sweep; 2] = [
    Sweep {
        stem: "snapshot-time",
        title: "What a snapshot costs as standing connections grow",
        look_at: "Without commits 14 and later reuse the cached snapshot and are flat; with commits they scan a dense array of xids. 13 always scans, and reads everybody's xmin besides",
        quantity_words: "service time of one snapshot (model, a clock read included) or statement (server), p50",
        arms: &[Arm::Quiet],
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
        arms: &[Arm::Quiet],
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
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not what a query takes: a snapshot is one or two of the things a statement does, and most are longer.",
        "Not what idle connections cost otherwise: memory, and on 13 to 17 the postmaster's walks over its children, are not in the model. On the server their processes also take caches and page tables.",
        "Not a scan from cold caches: one reader looks 1,000 times per second at arrays that nobody else displaces.",
    ],
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Full],
    configure,
};

fn assess(analysis: &Analysis) -> Option<Finding> {
    let sweep = analysis.sweeps.first()?;
    Some(match analysis.run.mode {
        Mode::Server => {
            let compared = steeper(sweep, None, CLAIM.to_owned());
            Finding::of([vec![compared], slopes(analysis, sweep)].concat())
        }
        Mode::Model => {
            let claim = |commits: String| format!("with {commits}, {CLAIM}");
            let first = steeper(sweep, Some(0.0), claim("no commits".to_owned()));
            let second = steeper(sweep, Some(COMMITS), claim(format!("{COMMITS} commits/s")));
            Finding::of(vec![first, second])
        }
    })
}

const CLAIM: &str = "the median time of a snapshot (on a server: of a statement) grows faster on PostgreSQL 13 than on 15";

/// Whether 13's slope is above 15's at a rate of commits, where the run names one.
fn steeper(sweep: &Swept, rate: Option<f64>, claim: String) -> Statement {
    let slope = |pg: u32| {
        let rest = Factors {
            pg: Some(PgSource::Major(pg)),
            commit_rate: rate.map(CommitRate),
            ..Factors::default()
        };
        sweep.slope(Arm::Quiet, &rest)
    };
    let Some((of_13, of_15)) = slope(13).zip(slope(15)) else {
        let why = "not measured, or struck out (it needs PostgreSQL 13 and 15, and two numbers of standing connections)";
        return Statement::cannot_tell(claim, why);
    };
    // Where nothing commits 15 is predicted to be flat: a slope below zero is no steeper claim.
    let is_flat = rate.is_none_or(|rate| rate == 0.0);
    let beside = if is_flat { of_15.or_level() } else { of_15 };
    let unit = Unit::NsPerConnection;
    Statement::above(claim, of_13, beside, Outcome::Refuted)
        .with("PostgreSQL 13", of_13, unit)
        .with("PostgreSQL 15", of_15, unit)
}

/// Each version's slope, and whether it can be told from level.
fn slopes(analysis: &Analysis, sweep: &Swept) -> Vec<Statement> {
    let lines = sweep.lines.iter();
    lines
        .filter(|l| !l.is_struck())
        .filter_map(|line| {
            let slope = line.slope?;
            let how = match (slope.low_ns > 0.0, slope.high_ns < 0.0) {
                (true, _) => "it grows",
                (_, true) => "it falls",
                _ => "no slope was shown",
            };
            let name = line.rest.words(&analysis.varying).join(", ");
            let claim =
                format!("a statement's median service time as idle connections grow: {how}");
            Some(Statement::told(claim).with(name, slope, Unit::NsPerConnection))
        })
        .collect()
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    config.arms = vec![Arm::Quiet];
    config.factors.standing = vec![0, 1000, 2000, 4000];
    match config.mode {
        Mode::Model => {
            config.factors.pg = every_profile();
            config.factors.commit_rate = vec![CommitRate(0.0), CommitRate(COMMITS)];
            config.model = Some(model_with_a_committer());
        }
        // One active reader as fast as it can; nobody connects meanwhile. It shares one core with its backend: where the
        // two are placed freely, medians differ by more from block to block than by what is looked for.
        Mode::Server => {
            config.reader_rate = OfferedRate::Max;
            config.readers = 1;
            config.factors.isolate = vec![Isolate::On];
            config.page_size_if_granted = true;
            if scale == Scale::Quick {
                config.factors.standing.pop();
            }
        }
    }
    match (config.mode, scale) {
        (Mode::Model, Scale::Quick) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 35,
            warmup_ms: 5,
        },
        (Mode::Model, Scale::Full) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 60,
            warmup_ms: 8,
        },
        (Mode::Server, Scale::Quick) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 180,
            warmup_ms: 40,
        },
        (Mode::Server, Scale::Full) => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 400,
            warmup_ms: 80,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::{Run, SeriesHistogram};
    use crate::testing::sample_run;

    /// A server's run whose statements take 12 us, and so many ns more per standing connection on 13 and on 15.
    fn run(each: [u64; 2]) -> Run {
        let mut run = sample_run(12);
        run.experiment = EXPERIMENT.name.to_owned();
        run.mode = Mode::Server;
        run.blocks.retain(|b| b.arm == Arm::Quiet);
        let blocks = std::mem::take(&mut run.blocks);
        for (pg, each) in ["13", "15"].iter().zip(each) {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.pg = Some(pg.parse().unwrap());
                let mut times = SeriesHistogram::default();
                let middle = 12_000 + u64::from(block.factors.standing) * each;
                (0..100).for_each(|i| times.record(middle + 5 * i + 7 * u64::from(block.round)));
                block.series.insert(SeriesKey::READER_SERVICE, times);
                run.blocks.push(block);
            }
        }
        run
    }

    #[test]
    fn a_server_of_13_that_grows_is_told_from_one_of_15_that_is_flat() {
        let finding = |each| analyse(&run(each)).finding.unwrap();
        let found = finding([100, 0]);
        assert_eq!(found.outcome, Some(Outcome::Stands), "{found:?}");
        let told: Vec<&str> = found.statements.iter().map(|s| &s.claim[..]).collect();
        assert!(told[1].ends_with("it grows") && told[2].ends_with("no slope was shown"));
        assert_eq!(finding([0, 0]).outcome, Some(Outcome::Refuted));
        assert_eq!(finding([0, 100]).outcome, Some(Outcome::Refuted));
    }
}
