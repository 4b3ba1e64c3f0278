//! What `cpu-burn` has to burn: measured on the server that is open, before its blocks.

use super::bench::ServerBench;
use super::burner::Burner;
use super::visit::{Measured, Stretch};
use crate::arm::Arm;
use crate::factor::Factors;
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

impl ServerBench<'_> {
    /// Starts the helper, if `cpu-burn` takes part; else says why there is none.
    pub(super) fn start_burner(&mut self, postmaster: Option<u32>) -> Result<Burner, String> {
        if !self.arms.contains(&Arm::CpuBurn) {
            return Err("cpu-burn was not asked for".to_owned());
        }
        let postmaster = postmaster
            .ok_or("cpu-burn needs the CPU time of the server's processes, which cannot be seen")?;
        let program = self.helper_program.as_ref();
        let program = program.ok_or("procbench does not know where its own program is")?;
        let burner = Burner::start(program, postmaster).map_err(|e| e.to_string())?;
        if let Some(why) = burner.outside_cgroup() {
            let remark =
                format!("cpu-burn did not run in the server's cgroup, so CPU shares differ: {why}");
            if !self.remarks.contains(&remark) {
                (self.say)(&format!("procbench: {remark}"));
                self.remarks.push(remark);
            }
        }
        Ok(burner)
    }

    /// What a child is asked to use next at this level.
    pub(super) fn burn_ns(&self, level: &Factors) -> Option<u64> {
        self.costs.get(level)?.next_request_ns()
    }

    /// Measures what a connection costs the server of this visit, unless that is known of its level; later
    /// blocks of `quiet`, `unpooled` and `cpu-burn` add to it.
    pub(super) fn learn_connection_cost(&mut self) -> Result<(), Failure> {
        let visit = self.open()?;
        let level = visit.factors.clone();
        if visit.burner.borrow().is_err() || self.costs.contains_key(&level) {
            return Ok(());
        }
        let mut cost = ConnectionCost::default();
        let mut turn = 0;
        self.add_stretch(Arm::Quiet, &mut turn, &mut cost)?;
        for _ in 0..MOST_STRETCHES {
            self.add_stretch(Arm::Unpooled, &mut turn, &mut cost)?;
            if cost.unpooled_seen_ns() >= ENOUGH_CPU_NS || self.cancel.is_cancelled() {
                break;
            }
        }
        for _ in 0..TRIALS_OF_BURNING {
            match self.add_stretch(Arm::CpuBurn, &mut turn, &mut cost) {
                // Shows up again, and is named, in the run.
                Err(Failure::ArmLost(_)) => break,
                other => other?,
            }
        }
        self.costs.insert(level, cost);
        Ok(())
    }

    fn add_stretch(
        &self,
        arm: Arm,
        turn: &mut u64,
        cost: &mut ConnectionCost,
    ) -> Result<(), Failure> {
        *turn += 1;
        let visit = self.open()?;
        visit.settle(&self.cancel);
        let burn_ns = cost.next_request_ns();
        let Measured { record, cpu, .. } = visit.measure(&Stretch {
            config: self.config,
            arm,
            rates: (
                self.config.reader_rate,
                self.client_rates.at(&visit.factors),
            ),
            lengths_ns: STRETCH_NS,
            burn_ns,
            seed_path: derive_seed(0x4255_524E, &[*turn]),
            cancel: &self.cancel,
        })?;
        cost.add(arm, &cpu, &record.tallies, burn_ns.unwrap_or(0));
        Ok(())
    }
}
