//! `ceiling`: at what rate of connections the postmaster saturates.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, Factors, OfferedRate};
use crate::record::{CpuGroup, Operation, Phase, Role, SeriesKey};
use crate::stats::{
    Along, Analysis, Answer, Estimate, Finding, Outcome, Quantity, Statement, Statistic, Sweep,
    SweepLine, Unit,
};

/// Share of a core from which a single-threaded process counts as saturated.
const SATURATED: f64 = 0.9;

const SWEEPS: [Sweep; 3] = [
    Sweep {
        stem: "postmaster",
        title: "How busy the postmaster is as connections come faster",
        look_at: "The postmaster forks every backend from one thread: at 100 % of a core it is the ceiling. Where a line stays below, something else is. With standing connections it has more children to walk over",
        quantity_words: "postmaster's share of one core",
        arms: &[Arm::Unpooled],
        quantity: Quantity::Cpu(CpuGroup::Postmaster),
        along: Along::ClientRate,
        panels: &[],
        logarithmic: false,
    },
    Sweep {
        stem: "connect-time",
        title: "What a connection takes as connections come faster",
        look_at: "Hollow: less than 99 % of the offered rate was achieved, the ceiling is passed",
        quantity_words: "time from socket to ReadyForQuery, p50",
        arms: &[Arm::Unpooled],
        quantity: Quantity::Time(
            SeriesKey::service(Role::Client, Operation::Connect, Phase::Total),
            Statistic::Percentile(50.0),
        ),
        along: Along::ClientRate,
        panels: &[],
        logarithmic: true,
    },
    Sweep {
        stem: "running-statements",
        title: "What running statements feel as connections come faster",
        look_at: "Where this rises before the postmaster is busy, the machine's CPU is shared out, or a lock is held",
        quantity_words: "response time of running statements, p99",
        arms: &[Arm::Unpooled],
        quantity: Quantity::Time(SeriesKey::READER_RESPONSE, Statistic::Percentile(99.0)),
        along: Along::ClientRate,
        panels: &[],
        logarithmic: true,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "ceiling",
    short: "how many connections per second, and what gives out first",
    question: "How many connections per second can the server take, without and with 2,000 standing ones, and what gives out first: the postmaster, which forks them all from one thread, the machine's CPU, or the lock?",
    prediction: "With load and server on the same few cores the machine's CPU gives out first: at the highest rate that is achieved the postmaster uses less than 90 % of one core, also with 2,000 standing connections. There it uses more CPU per new connection than with none, because it walks over its children (13 to 17: postmaster.c CountChildren at each fork, and the search for the one that has ended).",
    refuted_by: "The postmaster uses at least 90 % of one core at the highest rate that is achieved. Or, at the same rate, no more of it with 2,000 standing connections than with none.",
    primary_outcome: "The postmaster's share of one core at the highest rate that was achieved, unpooled.",
    declared_percentile: 99.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not how often ProcArrayLock is found busy: no lock wait was traced; that a process has CPU left does not say what it waits for.",
        "Not a server's ceiling elsewhere: here the clients take their share of the same cores.",
    ],
    what_to_do: "Do not tune the postmaster first: at the highest rate it still has most of its core.",
    modes: &[Mode::Server],
    in_chapter: &[Scale::Full],
    configure,
};

const CLAIM: &str = "at the highest rate that was achieved the postmaster uses less than 90 % of one core: it is not what gives out first (what does is not determined)";

const CLAIM_OF_STANDING: &str =
    "at the same rate the postmaster uses more CPU beside standing connections than without";

fn assess(analysis: &Analysis) -> Option<Finding> {
    let mut statements: Vec<Statement> = Vec::new();
    let lines = &analysis.sweeps.first()?.lines;
    let name = |line: &SweepLine| {
        let standing = format!("{} standing connections", line.rest.standing);
        let words = line.rest.words(&analysis.varying).into_iter();
        Vec::from_iter([standing].into_iter().chain(words)).join(", ")
    };
    for line in lines {
        let Some(point) = line.points.iter().rfind(|p| p.struck.is_none()) else {
            continue;
        };
        statements.push(
            Statement::above(CLAIM, SATURATED, point.estimate, Outcome::CannotTell)
                .with(name(line), point.estimate, Unit::Share)
                .with(
                    "offered, of what is sustained",
                    point.at / 100.0,
                    Unit::Share,
                ),
        );
    }
    if statements.is_empty() {
        let why = "not measured, or struck out at every rate";
        return Some(Finding::cannot_tell(CLAIM, why));
    }
    let most = lines.iter().map(|l| l.rest.standing).max();
    let beside = lines.iter().filter(|l| Some(l.rest.standing) == most);
    let compared: Vec<Statement> = beside
        .filter_map(|beside| {
            let rest = Factors {
                standing: 0,
                ..beside.rest.clone()
            };
            let without = lines.iter().find(|l| l.rest == rest && **l != *beside)?;
            let (more, fewer) = at_the_same_rate(beside, without)?;
            let times = more.value_ns / fewer.value_ns;
            Some(
                Statement::above(CLAIM_OF_STANDING, more, fewer, Outcome::Refuted)
                    .with(name(beside), more, Unit::Share)
                    .with(name(without), fewer, Unit::Share)
                    .with("times as much per connection", times, Unit::Number),
            )
        })
        .collect();
    if compared.is_empty() {
        statements.push(Statement::told(CLAIM_OF_STANDING).because("not measured"));
    }
    statements.extend(compared);
    if let Some(calibration) = &analysis.run.calibration {
        let mut told = Statement::told("sustained in a closed loop, at the slowest level");
        for arm in [Arm::Unpooled, Arm::ForkOnly] {
            if let Some(&rate) = calibration.sustained_per_second.get(&arm) {
                told = told.with(arm.to_string(), rate, Unit::PerSecond);
            }
        }
        statements.push(told);
    }
    Some(Finding::of(statements))
}

/// The quantity on both lines at the lowest rate that was achieved on both.
fn at_the_same_rate(first: &SweepLine, second: &SweepLine) -> Option<(Estimate, Estimate)> {
    let achieved = |line: &'_ SweepLine| {
        line.points
            .clone()
            .into_iter()
            .filter(|p| p.struck.is_none())
    };
    achieved(first).find_map(|p| {
        let other = achieved(second).find(|o| o.at == p.at)?;
        Some((p.estimate, other.estimate))
    })
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    // What is sustained with the most standing connections is the whole; without them it is about twice as much.
    let mut shares = vec![0.5, 1.0, 2.0];
    if scale == Scale::Full {
        shares = vec![0.5, 1.0, 1.5, 2.0, 2.5];
    }
    config.arms = vec![Arm::Quiet, Arm::Unpooled, Arm::ForkOnly];
    config.reader_rate = OfferedRate::PerSecond(500.0);
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.factors.standing = vec![0, 2000];
    config.factors.client_rate = shares.into_iter().map(ClientRate::Share).collect();
    config.quoted_percentile = 99.0;
    Lengths {
        blocks: 12,
        starts: 6,
        block_ms: 300,
        warmup_ms: 80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::{CpuAccount, Run};
    use crate::testing::sample_run;

    /// Half of what is sustained and all of it, with 0 and 10 standing connections: the postmaster's share of a
    /// core at the lower rate, twice as much at the higher.
    fn run(shares: [f64; 2]) -> Run {
        let mut run = sample_run(24);
        run.experiment = EXPERIMENT.name.to_owned();
        for block in &mut run.blocks {
            let share = [0.5, 1.0][(block.round % 2) as usize];
            block.factors.client_rate = Some(ClientRate::Share(share));
            let of_core = shares[usize::from(block.factors.standing > 0)] * share * 2.0;
            // Blocks differ a little, so that there is an interval.
            let noise = 1.0 + f64::from(block.round) / 1000.0;
            let account = CpuAccount {
                used_ns: (of_core * noise * block.cpu.over_ns as f64) as u64,
                ..CpuAccount::default()
            };
            block.cpu.groups.insert(CpuGroup::Postmaster, account);
        }
        run
    }

    #[test]
    fn the_postmaster_is_compared_at_the_same_rate_without_and_with_standing_connections() {
        let found = |shares| analyse(&run(shares)).finding.unwrap();
        let finding = found([0.1, 0.23]);
        assert_eq!(finding.outcome, Some(Outcome::Stands), "{finding:?}");
        // A line for each number of standing connections, and their comparison.
        let names = |s: &Statement| Vec::from_iter(s.values.iter().map(|v| v.of.clone()));
        let with = |n: usize| names(&finding.statements[n])[0].clone();
        assert_eq!(with(0), "0 standing connections");
        assert_eq!(with(1), "10 standing connections");
        let times = finding.statements[2].values[2].estimate.value_ns;
        assert!((2.25..2.35).contains(&times), "{times}");
        let outcome = |shares| found(shares).outcome;
        assert_eq!(outcome([0.1, 0.1]), Some(Outcome::PartlyRefuted));
        assert_eq!(outcome([0.5, 0.6]), Some(Outcome::Refuted));
        // One number of standing connections: nothing to compare.
        let mut single = run([0.1, 0.23]);
        single.blocks.retain(|b| b.factors.standing == 0);
        let single = analyse(&single).finding.unwrap();
        assert_eq!(single.outcome, Some(Outcome::Stands));
        let because = single.statements[1].because.as_deref();
        assert_eq!(because, Some("not measured"));
    }
}
