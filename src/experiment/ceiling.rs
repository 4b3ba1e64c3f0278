//! `ceiling`: at what rate of connections the postmaster saturates.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, OfferedRate};
use crate::record::{CpuGroup, Operation, Phase, Role, SeriesKey};
use crate::stats::{
    Along, Analysis, Answer, Finding, Outcome, Quantity, Statement, Statistic, Sweep, Unit,
};

/// Share of a core from which a single-threaded process counts as saturated.
const SATURATED: f64 = 0.9;

const SWEEPS: [Sweep; 3] = [
    Sweep {
        stem: "postmaster",
        title: "How busy the postmaster is as connections come faster",
        look_at: "The postmaster forks every backend from one thread: at 100 % of a core it is the ceiling. Where the line stays below, something else is",
        quantity_words: "postmaster's share of one core",
        arm: Arm::Unpooled,
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
        arm: Arm::Unpooled,
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
        arm: Arm::Unpooled,
        quantity: Quantity::Time(SeriesKey::READER_RESPONSE, Statistic::Percentile(99.0)),
        along: Along::ClientRate,
        panels: &[],
        logarithmic: true,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "ceiling",
    question: "How many connections per second can the server take, and what gives out first: the postmaster, which forks them all from one thread, the machine's CPU, or the lock?",
    prediction: "With load and server on the same few cores the machine's CPU gives out first: at the highest rate that is achieved the postmaster uses less than 90 % of one core.",
    refuted_by: "The postmaster uses at least 90 % of one core at the highest rate that is achieved.",
    primary_outcome: "The postmaster's share of one core at the highest rate that was achieved, unpooled.",
    declared_percentile: 99.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not how often ProcArrayLock is found busy: no lock wait was traced; that a process has CPU left does not say what it waits for.",
        "Not a server's ceiling elsewhere: here the clients take their share of the same cores.",
    ],
    modes: &[Mode::Server],
    in_chapter: &[Scale::Full],
    configure,
};

const CLAIM: &str = "at the highest rate that was achieved the postmaster uses less than 90 % of one core: something else gives out first";

fn assess(analysis: &Analysis) -> Option<Finding> {
    let mut statements: Vec<Statement> = Vec::new();
    for line in &analysis.sweeps.first()?.lines {
        let Some(point) = line.points.iter().rfind(|p| p.struck.is_none()) else {
            continue;
        };
        let name = line.rest.words(&analysis.varying).join(", ");
        statements.push(
            Statement::above(CLAIM, SATURATED, point.estimate, Outcome::CannotTell)
                .with(name, point.estimate, Unit::Share)
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

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let mut shares = vec![0.25, 0.5, 0.75, 1.0];
    if scale == Scale::Full {
        shares.push(1.2);
    }
    config.arms = vec![Arm::Quiet, Arm::Unpooled, Arm::ForkOnly];
    config.reader_rate = OfferedRate::PerSecond(500.0);
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.factors.standing = vec![0];
    config.factors.client_rate = shares.into_iter().map(ClientRate::Share).collect();
    config.quoted_percentile = 99.0;
    Lengths {
        blocks: 12,
        starts: 6,
        block_ms: 300,
        warmup_ms: 80,
    }
}
