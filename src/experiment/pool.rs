//! `pool`: what each way of having a connection costs client and server.

use super::churn_tail::default_server;
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::Arrivals;
use crate::config::Config;
use crate::config::KeepAwakeChoice;
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::procarray::SlotOrder;
use crate::record::Run;
use crate::report::format::count;
use crate::stats::{Analysis, Estimate, LevelSummary, client_rate};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "pool",
    question: "Kept open, pooled in the client, through PgBouncer, or reconnecting for each transaction: what does a transaction cost client and server, at the same rate and at full speed?",
    prediction: "At full speed (closed loop) transactions per second fall in this order: kept-open, pool, pgbouncer-kept, pgbouncer, unpooled. At the same rate the server's CPU for a transaction is lowest for kept-open and pool, and highest for unpooled; PgBouncer spares the server the fork and spends CPU of its own.",
    refuted_by: "In the closed loop, with intervals that do not meet: pool above kept-open, or unpooled above pool.",
    primary_outcome: "Order of transactions per second in the closed loop: kept-open, pool, unpooled.",
    declared_percentile: 99.0,
    assess,
    answer: Answer::Costs,
    limits: &[
        "Not what a pool of many clients gains: here there are as many clients as the machine can drive, and the pool is half as large.",
        "Not a ranking of pooler programs: one in-process pool and one PgBouncer, transaction pooling, on the server's own machine.",
    ],
    modes: &[Mode::Server],
    in_chapter: &[Scale::Quick, Scale::Full],
    config,
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

/// The closed loop's order, fastest first, against the prediction.
fn assess(run: &Run, summary: &Analysis) -> String {
    let closed_loop = |l: &&LevelSummary| l.factors.client_rate.as_deref() == Some("max");
    let Some(level) = summary.levels.iter().find(closed_loop) else {
        return "the primary outcome needs a closed loop (--client-rate max).".to_owned();
    };
    let mut rates: Vec<(Arm, Estimate)> = level
        .contenders
        .iter()
        .filter(|c| !c.twin)
        .filter_map(|c| {
            let blocks = run.blocks_of(c.arm, false, &level.factors);
            Some((c.arm, client_rate(&blocks, run.config.seed)?))
        })
        .collect();
    rates.sort_by(|a, b| b.1.value_ns.total_cmp(&a.1.value_ns));
    let number = |n: f64| count(n.round() as u64);
    let words: Vec<String> = rates
        .iter()
        .map(|(arm, rate)| {
            let (low, high) = (number(rate.low_ns), number(rate.high_ns));
            format!("{arm} {}/s ({low} .. {high})", number(rate.value_ns))
        })
        .collect();
    let of = |arm| {
        let sound = !level.contender(arm, false)?.is_struck_for_clients();
        rates.iter().find(|r| r.0 == arm && sound).map(|r| r.1)
    };
    let told = match [Arm::KeptOpen, Arm::Pool, Arm::Unpooled].map(of) {
        [Some(kept), Some(pooled), Some(unpooled)] => {
            if kept.low_ns > pooled.high_ns && pooled.low_ns > unpooled.high_ns {
                "The predicted order of the three stands"
            } else if pooled.low_ns > kept.high_ns || unpooled.low_ns > pooled.high_ns {
                "The predicted order of the three is refuted"
            } else {
                "The order of the three cannot be told: intervals meet"
            }
        }
        _ => "The prediction needs kept-open, pool and unpooled, none struck out",
    };
    format!(
        "primary outcome (closed loop, fastest first): {}. {told}.",
        words.join(", ")
    )
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (blocks, visits, block_ms, warmup_ms) = match scale {
        Scale::Quick => (8, 4, 250, 50),
        Scale::Full => (8, 4, 500, 100),
    };
    Config {
        mode,
        arms: ARMS.to_vec(),
        readers: 1,
        reader_rate: OfferedRate::PerSecond(500.0),
        clients: 8,
        client_rate: ClientRate::Auto,
        client_rates: vec![ClientRate::Share(0.5), ClientRate::Given(OfferedRate::Max)],
        pool_size: 4,
        standing: vec![0],
        slot_orders: vec![SlotOrder::Front],
        duration_ns: u64::from(blocks) * block_ms * 1_000_000,
        warmup_ns: warmup_ms * 1_000_000,
        blocks,
        visits,
        seed: 74,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Auto,
        quoted_percentile: 99.0,
        model: None,
        server: Some(default_server()),
    }
}
