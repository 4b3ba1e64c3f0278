//! `standing`: what a snapshot costs as standing connections grow.

use super::defaults::{Lengths, every_profile, model_with_a_committer};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{
    CommitRate, DEFAULT_PG_MAJOR, Factor, Factors, Isolate, OfferedRate, PgSource,
};
use crate::record::SeriesKey;
use crate::stats::{
    Along, Analysis, Answer, Estimate, Finding, Outcome, Quantity, Statement, Statistic, Sweep,
    SweepLine, Unit,
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
    short: "what a snapshot costs beside idle standing connections",
    question: "What does a snapshot cost as idle standing connections grow, by version, with and without transactions that complete?",
    prediction: "On 13 a snapshot's median time grows with every standing connection, commits or not. On 15 and later it is flat (its whole interval lies within 0.33 µs per 1,000 connections, a third of what 13's is expected to rise by) while nothing completes, because the cached snapshot is reused; where commits force a scan it grows too, but by less for each connection than on 13, because the scan reads four bytes of one dense array and no xmin.",
    refuted_by: "Without commits: 13's slope is not above that of a later version (their intervals overlap), or a later version's lies wholly above 0.33 µs per 1,000. Or with commits a later version's is as steep as 13's. Or one that is to rise is flat.",
    primary_outcome: "Slope of the snapshot's median service time against standing connections without commits, PostgreSQL 13 against 15. Second: whether 15 and later are flat; 13 against the others.",
    declared_percentile: 50.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not what a query takes: a snapshot is one or two of the things a statement does, and most are longer.",
        "Not what idle connections cost otherwise: memory, and on 13 to 17 the postmaster's walks over its children, are not in the model. On the server their processes also take caches and page tables.",
        "Not a scan from cold caches: one reader looks 1,000 times per second at arrays that nobody else displaces.",
    ],
    what_to_do: "On 13 close idle connections; on 15 and later they alone do not slow a snapshot.",
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Full],
    configure,
};

/// A line is flat whose whole interval lies within so many ns per connection, µs per 1,000: a third of what 13's is
/// expected to rise by.
const FLAT: f64 = 0.33;

/// 13 against 15, what each line does, 13 against the other versions.
fn assess(analysis: &Analysis) -> Option<Finding> {
    let all = analysis.sweeps.first()?.lines.iter();
    let lines: Vec<Line> = all.filter_map(|l| Line::of(analysis, l)).collect();
    let (of_13, mut later): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|l| l.is_13);
    later.sort_by_key(|l| l.sweep.rest.pg.as_ref().and_then(PgSource::major));
    let mut compared = later.into_iter().filter_map(|beside| {
        let of_13 = of_13.iter().find(|l| l.rest() == beside.rest())?;
        Some(beside.below(of_13))
    });
    let first = compared.next().unwrap_or_else(|| {
        let why = "not measured, or struck out (it needs PostgreSQL 13 and 15, and two numbers of standing connections)";
        Statement::cannot_tell("the median time grows faster on PostgreSQL 13 than on 15", why)
    });
    let shapes = lines.iter().map(Line::shape);
    let all = [first].into_iter().chain(shapes).chain(compared);
    Some(Finding::of(all.collect()))
}

/// A sound line with its slope.
struct Line<'a> {
    sweep: &'a SweepLine,
    slope: Estimate,
    version: String,
    /// Of what, and beside what.
    what: String,
    is_13: bool,
    /// Whether transactions complete meanwhile: 14 and later must scan.
    commits: bool,
}

impl<'a> Line<'a> {
    fn of(analysis: &Analysis, sweep: &'a SweepLine) -> Option<Self> {
        let slope = sweep.slope.filter(|_| !sweep.is_struck())?;
        let (pg, rate) = (&sweep.rest.pg, sweep.rest.commit_rate);
        let version = pg.clone().unwrap_or(PgSource::Major(DEFAULT_PG_MAJOR));
        let own = [Factor::Pg, Factor::CommitRate];
        let mut beside = analysis.varying.clone();
        beside.retain(|f| !own.contains(f));
        let what = match analysis.run.mode {
            Mode::Server => "a statement's median time",
            Mode::Model => "a snapshot's median time",
        };
        let commits = rate.map(|rate| match rate.0 > 0.0 {
            true => format!("{} commits/s", rate.0),
            false => "no commits".to_owned(),
        });
        let with: Vec<String> = commits
            .into_iter()
            .chain(sweep.rest.words(&beside))
            .collect();
        Some(Line {
            slope,
            is_13: version.major() == Some(13),
            commits: rate.is_some_and(|rate| rate.0 > 0.0),
            what: match &with[..] {
                [] => what.to_owned(),
                with => format!("with {}, {what}", with.join(", ")),
            },
            version: version.to_string(),
            sweep,
        })
    }

    /// What it is compared at.
    fn rest(&self) -> Factors {
        Factors {
            pg: None,
            ..self.sweep.rest.clone()
        }
    }

    /// Whether 13's slope is above this one.
    fn below(&self, of_13: &Line) -> Statement {
        let (what, version) = (&self.what, &self.version);
        let claim = format!("{what} grows faster on PostgreSQL 13 than on {version}");
        // Where nothing commits it is predicted to be flat: a slope below zero is no steeper claim.
        let beside = if self.commits {
            self.slope
        } else {
            self.slope.or_level()
        };
        Statement::above(claim, of_13.slope, beside, Outcome::Refuted)
    }

    /// Whether it does what is predicted of it: rise on 13 and where all must scan, else be flat.
    fn shape(&self) -> Statement {
        let (slope, unit) = (self.slope, Unit::NsPerConnection);
        let is_flat = slope.low_ns >= -FLAT && slope.high_ns <= FLAT;
        let flat = format!("is flat (within {FLAT} µs per 1,000 standing connections)");
        let rises = format!(
            "rises by {:.2} µs per 1,000 standing connections",
            slope.value_ns
        );
        let claim = |does: &str| format!("{} on PostgreSQL {} {does}", self.what, self.version);
        let undecided = "the interval meets the bound";
        if self.is_13 || self.commits {
            let growth = claim("rises with standing connections");
            if slope.low_ns > 0.0 {
                Statement::judged(claim(&rises), Outcome::Stands).with("", slope, unit)
            } else if is_flat {
                Statement::judged(growth, Outcome::Refuted).because(format!("it {flat}"))
            } else {
                Statement::cannot_tell(growth, undecided)
            }
        } else if is_flat {
            Statement::judged(claim(&flat), Outcome::Stands)
        } else if slope.low_ns > FLAT {
            Statement::judged(claim(&flat), Outcome::Refuted)
                .because(format!("it {rises}"))
                .with("", slope, unit)
        } else {
            Statement::cannot_tell(claim(&flat), undecided)
        }
    }
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

    /// A server's run whose statements take 14 us, and so many ns more per standing connection on these versions.
    fn run(slopes: &[(&str, f64)]) -> Run {
        let mut run = sample_run(12);
        run.experiment = EXPERIMENT.name.to_owned();
        run.mode = Mode::Server;
        run.blocks.retain(|b| b.arm == Arm::Quiet);
        let blocks = std::mem::take(&mut run.blocks);
        for (pg, each) in slopes {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.pg = Some(pg.parse().unwrap());
                block.factors.standing *= 200;
                let mut times = SeriesHistogram::default();
                let middle = 14_000.0 + f64::from(block.factors.standing) * each;
                let middle = middle as u64 + 7 * u64::from(block.round);
                (0..100).for_each(|i| times.record(middle + 5 * i));
                block.series.insert(SeriesKey::READER_SERVICE, times);
                run.blocks.push(block);
            }
        }
        run
    }

    /// What the whole came to, and each part.
    fn found(slopes: &[(&str, f64)]) -> (Option<Outcome>, Vec<(String, Option<Outcome>)>) {
        let finding = analyse(&run(slopes)).finding.unwrap();
        let parts = finding.statements.into_iter();
        (
            finding.outcome,
            parts.map(|s| (s.claim, s.outcome)).collect(),
        )
    }

    #[test]
    fn a_server_of_13_that_grows_is_told_from_each_later_one_that_is_flat() {
        use Outcome::{CannotTell, PartlyRefuted, Refuted, Stands};
        let (whole, parts) = found(&[("13", 1.0), ("15", 0.0), ("17", -0.1), ("18", 0.1)]);
        assert_eq!(whole, Some(Stands), "{parts:?}");
        let claims: Vec<&str> = parts.iter().map(|p| &p.0[..]).collect();
        let what = "a statement's median time";
        let flat = "is flat (within 0.33 µs per 1,000 standing connections)";
        let of = |does: &str| format!("{what} {does}");
        let expected = [
            of("grows faster on PostgreSQL 13 than on 15"),
            of("on PostgreSQL 13 rises by 1.00 µs per 1,000 standing connections"),
            of(&format!("on PostgreSQL 15 {flat}")),
            of(&format!("on PostgreSQL 17 {flat}")),
            of(&format!("on PostgreSQL 18 {flat}")),
            of("grows faster on PostgreSQL 13 than on 17"),
            of("grows faster on PostgreSQL 13 than on 18"),
        ];
        assert_eq!(claims, expected);
        // A later version that rises; one that falls by more than the bound is no finding.
        assert_eq!(
            found(&[("13", 1.0), ("15", 0.0), ("17", 0.5)]).0,
            Some(PartlyRefuted)
        );
        let (whole, parts) = found(&[("13", 1.0), ("15", -0.5)]);
        assert_eq!((whole, parts[2].1), (Some(CannotTell), Some(CannotTell)));
        for slopes in [[("13", 0.0), ("15", 0.0)], [("13", 0.0), ("15", 1.0)]] {
            assert_eq!(found(&slopes).0, Some(Refuted));
        }
        let (whole, parts) = found(&[("17", 0.0)]);
        assert_eq!((whole, parts[1].1), (Some(CannotTell), Some(Stands)));
    }
}
