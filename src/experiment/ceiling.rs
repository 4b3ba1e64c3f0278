//! `ceiling`: at what rate of connections the postmaster saturates.

use super::churn_tail::default_server;
use super::sweep_config::{SweepLength, base, lengths};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::Config;
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::record::{CpuGroup, Operation, Phase, Role, Run, SeriesKey};
use crate::report::format::count;
use crate::report::sweep_words::line_name;
use crate::stats::{Along, Analysis, Quantity, Statistic, Sweep, sweep_lines};

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
    question: "How many connections a second can the server take, and what gives out first: the postmaster, which forks them all from one thread, the machine's CPU, or the lock?",
    prediction: "With load and server on the same few cores the machine's CPU gives out first: at the highest rate that is achieved the postmaster uses less than 90 % of one core.",
    refuted_by: "The postmaster uses at least 90 % of one core at the highest rate that is achieved.",
    primary_outcome: "The postmaster's share of one core at the highest rate that was achieved, unpooled.",
    declared_percentile: 99.0,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not how often ProcArrayLock is found busy: no lock wait was traced; that a process has CPU left does not say what it waits for.",
        "Not a server's ceiling elsewhere: here the clients take their share of the same cores.",
    ],
    modes: &[Mode::Server],
    in_chapter: &[Scale::Full],
    config,
};

fn assess(run: &Run, summary: &Analysis) -> String {
    let lines = sweep_lines(run, summary, &SWEEPS[0]);
    let told: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let point = line.points.iter().rfind(|p| p.struck.is_none())?;
            let e = point.estimate;
            let verdict = if e.low_ns >= SATURATED {
                "the prediction is refuted, the postmaster is the ceiling"
            } else if e.high_ns < SATURATED {
                "the prediction stands, something else gives out first"
            } else {
                "this run cannot tell on which side of 90 % it lies"
            };
            Some(format!(
                "{}: at {} % the postmaster uses {:.1} % of one core (95 % {:.1} to {:.1}), {verdict}",
                line_name(&lines, line),
                point.at.round(),
                100.0 * e.value_ns,
                100.0 * e.low_ns,
                100.0 * e.high_ns,
            ))
        })
        .collect();
    if told.is_empty() {
        return "primary outcome: not measured, or struck out at every rate.".to_owned();
    }
    let sustained = run.calibration.as_ref().map_or(String::new(), |c| {
        let of = |arm| {
            let rate: &f64 = c.sustained_per_second.get(&arm)?;
            Some(format!("{arm} {}/s", count(rate.round() as u64)))
        };
        let all: Vec<String> = [Arm::Unpooled, Arm::ForkOnly]
            .into_iter()
            .filter_map(of)
            .collect();
        format!(" (closed loop, the slowest level: {})", all.join(", "))
    });
    format!(
        "primary outcome, at the highest share of what is sustained{sustained} that was achieved: {}.",
        told.join("; ")
    )
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (standing, percents, length): (_, &[f64], _) = match scale {
        Scale::Quick => (
            vec![0],
            &[0.25, 0.5, 0.75, 1.0],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 400,
                warmup_ms: 100,
            },
        ),
        Scale::Full => (
            vec![0],
            &[0.25, 0.5, 0.75, 1.0, 1.2],
            SweepLength {
                blocks: 8,
                visits: 4,
                block_ms: 400,
                warmup_ms: 100,
            },
        ),
    };
    let config = Config {
        arms: vec![Arm::Quiet, Arm::Unpooled, Arm::ForkOnly],
        reader_rate: OfferedRate::PerSecond(500.0),
        clients: 8,
        client_rate: ClientRate::Auto,
        client_rates: percents.iter().map(|&p| ClientRate::Share(p)).collect(),
        standing,
        quoted_percentile: 99.0,
        server: Some(default_server()),
        ..base(mode)
    };
    lengths(config, length)
}
