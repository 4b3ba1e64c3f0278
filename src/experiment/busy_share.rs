//! `busy-share`: how often running statements find ProcArrayLock busy, and for how long, predicted from holds and rate.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::{Config, Tracing};
use crate::factor::{ClientRate, Factor, Factors, OfferedRate};
use crate::procarray::MappingKind;
use crate::record::{Operation, Phase, Role, SeriesKey};
use crate::stats::{
    Along, Analysis, Answer, BUSY_SHARE, BusyPrediction, Compared, ContenderSummary, Finding,
    LEAST_BUSY, Outcome, Quantity, Statement, Statistic, Sweep, Unit,
};

const fn hold(stem: &'static str, title: &'static str, of: Operation) -> Sweep {
    Sweep {
        stem,
        title,
        look_at: "A straight line is what the prediction takes for granted: it is drawn through the first and the last number of standing connections",
        quantity_words: "exclusive hold of ProcArrayLock, mean",
        arms: &[Arm::Unpooled],
        quantity: Quantity::Time(
            SeriesKey::service(Role::Client, of, Phase::Hold),
            Statistic::Mean,
        ),
        along: Along::Standing,
        panels: &[Factor::ClientRate],
        logarithmic: false,
    }
}

const SWEEPS: [Sweep; 3] = [
    Sweep {
        stem: "found-busy",
        title: "How often a shared acquisition found ProcArrayLock busy",
        look_at: "Dashed: what rate and holds say. Look whether the observed line lies on it",
        quantity_words: "share of the shared acquisitions that found the lock busy",
        arms: &[Arm::Unpooled],
        quantity: BUSY_SHARE,
        along: Along::Standing,
        panels: &[Factor::ClientRate],
        logarithmic: false,
    },
    hold(
        "add-hold",
        "How long joining the ProcArray holds ProcArrayLock",
        Operation::ProcArrayAdd,
    ),
    hold(
        "remove-hold",
        "How long leaving the ProcArray holds ProcArrayLock",
        Operation::ProcArrayRemove,
    ),
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "busy-share",
    short: "how often a snapshot finds ProcArrayLock busy",
    question: "From the holds at two numbers of standing connections: how often does a snapshot find ProcArrayLock busy at other numbers, rates and versions, for how long does it wait, and how many statements become slow by it?",
    prediction: "A reader that waits takes no other snapshot meanwhile: it meets an exclusive hold of length h once at most, with the chance 1 - e^-(s h) where it begins s statements per second. Connections come independently of each other and meet the holds of others in proportion to them. Added up over both holds of all connections, that is the number of shared acquisitions that find the lock busy, within a quarter of it. A reader waits for what is left of the hold at its first statement in it. The share of slow statements grows by those whose wait is longer than what is left to the threshold.",
    refuted_by: "At a level whose own holds are not behind its prediction, with at least 100 busy acquisitions: an observed share whose 95 % interval lies more than a quarter away from the predicted one.",
    primary_outcome: "Share of shared acquisitions of ProcArrayLock that find it busy under unpooled, observed against predicted, at the largest number of standing connections that is not behind the prediction.",
    declared_percentile: 50.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not a prediction of a tail: waits behind a second hold, preempted holders and the readers' own wake-up come on top.",
        "Not a machine with other load: a hold that lasts because nothing of the run gets a core is not met by readers that get none either.",
        "Not another machine's microseconds: the holds are this machine's, measured in the same run.",
    ],
    what_to_do: "Connect less often or keep fewer connections standing; take rate and holds for no more than a rough guide.",
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[],
    configure,
};

/// How far an observed share may lie from the predicted one, as a part of it.
const TOLERANCE: f64 = 0.25;

const CLAIM: &str =
    "a snapshot finds the lock busy as often as rate and holds say, within a quarter";

/// The levels that are not behind their own prediction, the most standing connections first.
fn assess(analysis: &Analysis) -> Option<Finding> {
    let mut held_out: Vec<&BusyPrediction> =
        analysis.busy.iter().filter(|p| !p.is_fitted).collect();
    held_out.sort_by_key(|p| std::cmp::Reverse(p.factors.standing));
    let judged = held_out.iter().map(|p| judged(p, &analysis.varying));
    let statements: Vec<Statement> = judged.flatten().collect();
    if statements.is_empty() {
        let why = "it needs holds at two numbers of standing connections (on a server: root and bpftrace), and a level beside them";
        let none = Statement::cannot_tell(CLAIM, why);
        return Some(Finding::of([vec![none], bounds(analysis)].concat()));
    }
    Some(Finding::of(statements))
}

/// `at 3000 standing connections (PostgreSQL 15, client rate 50/s)`.
fn at(level: &Factors, varying: &[Factor]) -> String {
    let standing = format!("at {} standing connections", level.standing);
    match &level.words(varying)[..] {
        [] => standing,
        words => format!("{standing} ({})", words.join(", ")),
    }
}

/// What a run without holds says: no connection holds the lock but while it starts up or ends.
fn bounds(analysis: &Analysis) -> Vec<Statement> {
    let held_by = |of: &ContenderSummary| {
        let mean = |operation, phase| {
            let key = SeriesKey::service(Role::Client, operation, phase);
            of.merged.get(&key)?.mean_ns()
        };
        let starts_up = mean(Operation::Connect, Phase::Startup)?;
        Some(starts_up + mean(Operation::Disconnect, Phase::Total)?)
    };
    let told = analysis.contenders().filter_map(|(level, contender)| {
        let is_asked = contender.arm == Arm::Unpooled && !contender.twin;
        if !is_asked || contender.struck().is_some() {
            return None;
        }
        let share = contender.client_per_second * held_by(contender)? / 1e9;
        let at = at(&level.factors, &analysis.varying);
        let claim = format!(
            "without holds: {at} the lock is busy no longer than connections start up or end"
        );
        Some(Statement::told(claim).with("share at most", share.min(1.0), Unit::Share))
    });
    told.collect()
}

/// How often the lock is found busy, and for how long then.
fn judged(prediction: &BusyPrediction, varying: &[Factor]) -> [Statement; 2] {
    let at = at(&prediction.factors, varying);
    let claim = format!("{at} {CLAIM}");
    let busy = &prediction.busy;
    let expected = busy.predicted.low;
    let statement = match (busy.observed, prediction.busy_acquisitions) {
        (None, _) | (_, None) => Statement::cannot_tell(claim, "nobody counted"),
        (_, Some(few)) if few < LEAST_BUSY => Statement::cannot_tell(
            claim,
            format!("too few: {few} busy acquisitions, where {LEAST_BUSY} are needed"),
        ),
        (Some(seen), Some(_)) => {
            let margin = TOLERANCE * expected;
            let meets = seen.low_ns <= expected + margin && seen.high_ns >= expected - margin;
            let outcome = if meets {
                Outcome::Stands
            } else {
                Outcome::Refuted
            };
            Statement::judged(claim, outcome)
        }
    };
    let with = |statement: Statement, compared: &Compared, unit| {
        let statement = statement.with("predicted", compared.predicted.low, unit);
        match compared.observed {
            Some(seen) => statement.with("observed", seen, unit),
            None => statement,
        }
    };
    let wait = Statement::told(format!(
        "{at} a snapshot that finds the lock busy waits for what is left of a hold"
    ));
    [
        with(statement, busy, Unit::Share),
        with(wait, &prediction.wait_ns, Unit::Ns),
    ]
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let mode = config.mode;
    config.arms = vec![
        Arm::Quiet,
        Arm::KeptOpen,
        Arm::Unpooled,
        Arm::ForkOnly,
        Arm::Premapped,
    ];
    config.arms.retain(|arm| arm.exists_in(mode));
    config.readers = 2;
    config.clients = 8;
    let rates = [50.0, 100.0].map(|rate| ClientRate::Given(OfferedRate::PerSecond(rate)));
    config.factors.client_rate = rates.to_vec();
    config.factors.standing = vec![500, 1000, 2000];
    if mode == Mode::Model {
        config.factors.mapping = vec![MappingKind::Forked];
    }
    if let Some(server) = &mut config.server {
        server.trace = Tracing::Twins;
        // Twins take their time: no more than the two rates of the prediction at full length.
        if scale == Scale::Quick {
            config.factors.client_rate.truncate(1);
            config
                .arms
                .retain(|arm| *arm != Arm::Quiet && *arm != Arm::ForkOnly);
        }
    }
    match scale {
        Scale::Quick => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 200,
            warmup_ms: 50,
        },
        Scale::Full => {
            config.factors.standing = vec![0, 500, 1000, 2000, 4000];
            Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 400,
                warmup_ms: 100,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Run, SeriesHistogram};
    use crate::stats::analyse;
    use crate::testing::sample_run;

    /// A run at 0, 1,000 and 2,000 standing connections with 100 connections per second, both holds of which
    /// take 100 us and 400 ns for each; so many of 10,000 acquisitions in each block found the lock busy at 1,000.
    fn run(busy: u64) -> Run {
        let mut run = sample_run(8);
        let first = run.levels().remove(0);
        run.blocks.retain(|b| b.factors == first);
        let blocks = std::mem::take(&mut run.blocks);
        for standing in [0, 1_000, 2_000] {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.standing = standing;
                if block.arm == Arm::Unpooled {
                    for operation in [Operation::ProcArrayAdd, Operation::ProcArrayRemove] {
                        let key = SeriesKey::service(Role::Client, operation, Phase::Hold);
                        let mut hold = SeriesHistogram::default();
                        (0..50).for_each(|_| hold.record(50_000 + 200 * u64::from(standing)));
                        block.series.insert(key, hold);
                    }
                    for (name, n) in [("shared", 10_000), ("shared-waits", busy)] {
                        block.counters.insert(format!("procarraylock.{name}"), n);
                    }
                }
                run.blocks.push(block);
            }
        }
        run
    }

    #[test]
    fn the_held_out_level_stands_or_falls_and_few_events_decide_nothing() {
        let finding = |busy| assess(&analyse(&run(busy), Answer::Contrast, None)).unwrap();
        // 100/s, each with two holds of 250 us: the reader, with 1,000 statements per second, meets 44 of 100 such
        // pairs, and newcomers 5: 1.9 % of 2,600 acquisitions.
        assert_eq!(finding(180).outcome, Some(Outcome::Stands));
        assert_eq!(finding(100).outcome, Some(Outcome::Refuted));
        assert_eq!(finding(300).outcome, Some(Outcome::Refuted));
        let few = finding(10);
        assert_eq!(few.outcome, Some(Outcome::CannotTell));
        assert_eq!(few.statements.len(), 2);
        assert!(
            few.statements[0]
                .claim
                .starts_with("at 1000 standing connections a snapshot")
        );
        assert!(
            few.statements[0]
                .because
                .as_ref()
                .unwrap()
                .contains("too few: 80")
        );
        let none = assess(&analyse(&sample_run(8), Answer::Contrast, None)).unwrap();
        assert_eq!(none.outcome, Some(Outcome::CannotTell));
    }

    #[test]
    fn without_holds_the_time_in_which_connections_start_up_and_end_is_the_bound() {
        let mut untraced = run(0);
        untraced.blocks.retain(|b| b.factors.standing == 1_000);
        for block in &mut untraced.blocks {
            block.series.retain(|key, _| key.phase != Phase::Hold);
            block.counters.clear();
            for (operation, phase) in [
                (Operation::Connect, Phase::Startup),
                (Operation::Disconnect, Phase::Total),
            ] {
                let mut took = SeriesHistogram::default();
                (0..50).for_each(|_| took.record(1_000_000));
                let key = SeriesKey::service(Role::Client, operation, phase);
                block.series.insert(key, took);
            }
        }
        let finding = assess(&analyse(&untraced, Answer::Contrast, None)).unwrap();
        assert_eq!(finding.outcome, Some(Outcome::CannotTell));
        // 100/s x 2 ms.
        let bound = finding.statements[1].values[0].estimate.value_ns;
        assert!((bound - 0.2).abs() < 0.001, "{finding:?}");
    }
}
