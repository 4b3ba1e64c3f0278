//! `pool`: what each way of having a connection costs client and server.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, OfferedRate};
use crate::stats::{Analysis, Answer, Finding, LevelSummary, Outcome, Statement, Unit};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "pool",
    question: "Kept open, pooled in the client, through PgBouncer, or reconnecting for each transaction: what does a transaction cost client and server, at the same rate and at full speed?",
    prediction: "At full speed (closed loop) transactions per second fall in this order: kept-open, pool, pgbouncer-kept, pgbouncer, unpooled. At the same rate the server's CPU for a transaction is lowest for kept-open and pool, and highest for unpooled; PgBouncer spares the server the fork and spends CPU of its own.",
    refuted_by: "In the closed loop, with intervals that do not meet: pool above kept-open, or unpooled above pool.",
    primary_outcome: "Order of transactions per second in the closed loop: kept-open, pool, unpooled.",
    declared_percentile: 99.0,
    smaller_than: None,
    assess,
    answer: Answer::Costs,
    limits: &[
        "Not what a pool of many clients gains: here there are as many clients as the machine can drive, and the pool is half as large.",
        "Not a ranking of pooler programs: one in-process pool and one PgBouncer, transaction pooling, on the server's own machine.",
    ],
    modes: &[Mode::Server],
    in_chapter: &[Scale::Quick, Scale::Full],
    configure,
};

/// The way through the connection, from the shortest to the longest.
const ARMS: [Arm; 6] = [
    Arm::Quiet,
    Arm::KeptOpen,
    Arm::Pool,
    Arm::PgbouncerKept,
    Arm::Pgbouncer,
    Arm::Unpooled,
];

/// The closed loop's order against the prediction.
fn assess(analysis: &Analysis) -> Option<Finding> {
    let closed_loop =
        |l: &&LevelSummary| l.factors.client_rate == Some(ClientRate::Given(OfferedRate::Max));
    let Some(level) = analysis.levels.iter().find(closed_loop) else {
        let claim = "the order of transactions per second in the closed loop is the predicted one";
        return Some(Finding::cannot_tell(claim, "it needs --client-rate max"));
    };
    let above = |first: Arm, second: Arm| {
        let rate = |arm| {
            let contender = level.contender(arm, false)?;
            let sound = contender.struck_for_clients().is_none();
            contender.client_rate.filter(|_| sound)
        };
        let claim = format!("{first} does more transactions per second than {second}");
        match (rate(first), rate(second)) {
            (Some(a), Some(b)) => Statement::above(claim, a, b, Outcome::CannotTell),
            _ => Statement::cannot_tell(claim, "one of them was not measured, or struck out"),
        }
    };
    let mut rates: Vec<_> = level
        .contenders
        .iter()
        .filter(|c| !c.twin)
        .filter_map(|c| Some((c.arm, c.client_rate?)))
        .collect();
    rates.sort_by(|a, b| b.1.value_ns.total_cmp(&a.1.value_ns));
    let told = rates.into_iter().fold(
        Statement::told("transactions per second in the closed loop, fastest first"),
        |told, (arm, rate)| told.with(arm.to_string(), rate, Unit::PerSecond),
    );
    Some(Finding::of(vec![
        above(Arm::KeptOpen, Arm::Pool),
        above(Arm::Pool, Arm::Unpooled),
        told,
    ]))
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    config.arms = ARMS.to_vec();
    config.reader_rate = OfferedRate::PerSecond(500.0);
    config.clients = 8;
    config.client_rate = ClientRate::Auto;
    config.pool_size = 4;
    config.factors.standing = vec![0];
    config.factors.client_rate = vec![ClientRate::Share(0.5), ClientRate::Given(OfferedRate::Max)];
    config.quoted_percentile = 99.0;
    match scale {
        Scale::Quick => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 170,
            warmup_ms: 40,
        },
        Scale::Full => Lengths {
            blocks: 12,
            starts: 6,
            block_ms: 350,
            warmup_ms: 80,
        },
    }
}
