//! What `cpu-burn` has to burn: measured on the server that is open, before its blocks.

use super::start::{BlockOutcome, BlockRequest, ServerStart};
use crate::arm::Arm;
use crate::factor::OfferedRate;
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::record::ConnectionCost;
use crate::seed::derive_seed;

/// One stretch: warm-up and measured time; both count, as all CPU does.
const STRETCH_NS: (u64, u64) = (50_000_000, 450_000_000);

/// Stretches of `unpooled` go on until the server has used so much CPU for it: exited backends' CPU comes in
/// steps of 10 ms, which are then about 1 % ...
const ENOUGH_CPU_NS: f64 = 800e6;

/// ... but no longer than this.
const MOST_STRETCHES: u64 = 8;

/// A rough first value and one that takes the cost of fork and exit into account.
const TRIALS_OF_BURNING: u64 = 2;

/// Measures what a connection costs the server of this start; later blocks of `quiet`, `unpooled` and
/// `cpu-burn` add to it.
///
/// # Errors
/// As [`ServerStart::run_block`].
pub(super) fn measure_cost(
    start: &ServerStart<'_>,
    client_rate: OfferedRate,
    cancel: &Cancel,
) -> Result<ConnectionCost, Failure> {
    let mut cost = ConnectionCost::default();
    let mut turn = 0;
    let mut stretch = |cost: &mut ConnectionCost, arm: Arm| -> Result<(), Failure> {
        turn += 1;
        start.settle();
        let burn_ns = cost.next_request_ns();
        let BlockOutcome { record, cpu, .. } = start.run_block(&BlockRequest {
            arm,
            client_rate,
            lengths_ns: STRETCH_NS,
            burn_ns,
            seed_path: derive_seed(0x4255_524E, &[turn]),
        })?;
        cost.add(arm, &cpu, &record.tallies, burn_ns.unwrap_or(0));
        Ok(())
    };
    stretch(&mut cost, Arm::Quiet)?;
    for _ in 0..MOST_STRETCHES {
        stretch(&mut cost, Arm::Unpooled)?;
        if cost.unpooled_seen_ns() >= ENOUGH_CPU_NS || cancel.is_cancelled() {
            break;
        }
    }
    for _ in 0..TRIALS_OF_BURNING {
        match stretch(&mut cost, Arm::CpuBurn) {
            // Shows up again, and is named, in the run.
            Err(Failure::ArmLost(_)) => break,
            other => other?,
        }
    }
    Ok(cost)
}
