//! `pool`: what each way of having a connection costs client and server.

use super::defaults::Lengths;
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::Config;
use crate::factor::{ClientRate, OfferedRate};
use crate::stats::{Analysis, Answer, Estimate, Finding, LevelSummary, Outcome, Statement, Unit};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "pool",
    short: "what reconnecting costs against pooled or kept connections",
    question: "Kept open, pooled in the client, through PgBouncer, or reconnecting for each transaction: what does a transaction cost client and server, at the same rate and at full speed?",
    prediction: "At full speed (closed loop) a pool does many times the transactions per second of reconnecting, and as many as connections kept open, within 10 %; PgBouncer lies between. At the same rate the server's CPU for a transaction is lowest for kept-open and pool, and highest for unpooled; PgBouncer spares the server the fork and spends CPU of its own.",
    refuted_by: "In the closed loop: unpooled above pool, or pool and kept-open apart by more than 10 %, with intervals that say so.",
    primary_outcome: "Transactions per second in the closed loop: by what factor pool is above unpooled. Second: whether kept-open and pool tie.",
    declared_percentile: 99.0,
    smaller_than: None,
    assess,
    answer: Answer::Costs,
    limits: &[
        "Not what a pool of many clients gains: here there are as many clients as the machine can drive, and the pool is half as large.",
        "Not a ranking of pooler programs: one in-process pool and one PgBouncer, transaction pooling, on the server's own machine.",
    ],
    what_to_do: "Keep connections open or pool them; do not reconnect per transaction.",
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
    let rate = |arm| {
        let contender = level.contender(arm, false)?;
        let sound = contender.struck_for_clients().is_none();
        contender.client_rate.filter(|_| sound)
    };
    let cpu_ns = |arm| level.contender(arm, false)?.cpu_cost.as_ref()?.server_ns();
    let cpu = cpu_ns(Arm::Unpooled).zip(cpu_ns(Arm::Pool));
    let claim = "a pool does more transactions per second than reconnecting for each";
    let missing = "one of them was not measured, or struck out";
    let gain = match (rate(Arm::Pool), rate(Arm::Unpooled)) {
        (Some(pool), Some(unpooled)) => {
            let mut gain = Statement::above(claim, pool, unpooled, Outcome::CannotTell);
            let mut of = [
                "times as many:",
                "server CPU of reconnecting over a pool's:",
            ];
            if gain.outcome == Some(Outcome::Stands) {
                gain.claim = "reconnecting instead of pooling costs".to_owned();
                of = [
                    "times the throughput",
                    "times the server CPU per transaction",
                ];
            }
            let gain = gain.with(of[0], over(pool, unpooled), Unit::Number);
            match cpu {
                Some((dear, cheap)) => gain.with(of[1], dear / cheap, Unit::Number),
                None => gain,
            }
        }
        _ => Statement::cannot_tell(claim, missing),
    };
    let claim = "kept-open does as many transactions per second as a pool, within 10 %";
    let tie = match (rate(Arm::KeptOpen), rate(Arm::Pool)) {
        (Some(kept), Some(pool)) => {
            let ratio = over(kept, pool);
            let outcome = if ratio.low_ns > 1.0 / TIE && ratio.high_ns < TIE {
                Outcome::Stands
            } else if ratio.low_ns > TIE || ratio.high_ns < 1.0 / TIE {
                Outcome::Refuted
            } else {
                Outcome::CannotTell
            };
            Statement::judged(claim, outcome).with("kept-open over pool:", ratio, Unit::Number)
        }
        _ => Statement::cannot_tell(claim, missing),
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
    Some(Finding::of(vec![gain, tie, told]))
}

/// Rates that differ by less than this factor tie.
const TIE: f64 = 1.1;

/// One rate over another; the ends are those of the ends, wider than 95 %.
fn over(first: Estimate, second: Estimate) -> Estimate {
    Estimate {
        value_ns: first.value_ns / second.value_ns,
        low_ns: first.low_ns / second.high_ns,
        high_ns: first.high_ns / second.low_ns,
    }
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
            block_ms: 110,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Role;
    use crate::testing::sample_run;

    /// The outcomes where a block of each arm does so many transactions.
    fn outcomes(kept: u64, pool: u64, unpooled: u64) -> Vec<Option<Outcome>> {
        let mut run = sample_run(12);
        run.experiment = "pool".to_owned();
        for block in &mut run.blocks {
            block.factors.client_rate = Some(ClientRate::Given(OfferedRate::Max));
            let done = match block.arm {
                Arm::KeptOpen => kept,
                // Quiet blocks stand for those of the pool.
                Arm::Quiet => {
                    block.arm = Arm::Pool;
                    pool
                }
                _ => unpooled,
            };
            let tally = block.tallies.get_mut(&Role::Client).unwrap();
            (tally.scheduled, tally.begun_in_window, tally.recorded) = (done, done, done);
        }
        let finding = analyse(&run).finding.unwrap();
        finding.statements.iter().map(|s| s.outcome).collect()
    }

    #[test]
    fn a_pool_gains_a_factor_over_reconnecting_and_ties_with_kept_connections() {
        use Outcome::{CannotTell, Refuted, Stands};
        assert_eq!(outcomes(7100, 7000, 60), [Some(Stands), Some(Stands), None]);
        assert_eq!(outcomes(9000, 7000, 60)[1], Some(Refuted));
        assert_eq!(outcomes(7000, 60, 60)[0], Some(CannotTell));
        assert_eq!(outcomes(7000, 60, 7000)[0], Some(Refuted));
    }
}
