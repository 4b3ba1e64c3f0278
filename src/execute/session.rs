//! A run whose blocks are chosen one by one while it goes on, such as a demonstration's.

use std::collections::BTreeSet;

use super::frame::{begin, finish};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::Config;
use crate::factor::{ClientRate, Factors, OfferedRate};
use crate::load::ClientRates;
use crate::load::driver::{Bench, Failure};
use crate::load::keep_awake::KeepAwake;
use crate::load::plan::{BlockSpec, PlannedStart};
use crate::record::{AbsentArm, Block, Run, RunStatus};

/// A run that goes on. A fresh server is started whenever a block asks for one that the last one cannot be.
pub struct Session<'a> {
    bench: &'a mut dyn Bench,
    run: Run,
    began_ns: u64,
    open: Option<PlannedStart>,
    starts: u32,
    /// Until the end.
    _awake: KeepAwake,
}

impl<'a> Session<'a> {
    /// Begins a run of `experiment`, of which `config` says all but the order of the blocks.
    ///
    /// # Errors
    /// When nothing can be run at all.
    pub fn begin(
        experiment: &str,
        config: &Config,
        bench: &'a mut dyn Bench,
    ) -> Result<Self, Failure> {
        let awake = KeepAwake::start(config.keep_awake, config.mode)
            .map_err(|e| Failure::Fatal(e.to_string()))?;
        let mut run = begin(experiment, config);
        run.provenance.keep_awake = awake.describe();
        run.absent_arms = bench.prepare()?;
        Ok(Session {
            bench,
            run,
            began_ns: MonotonicClock.now_ns(),
            open: None,
            starts: 0,
            _awake: awake,
        })
    }

    /// Why an arm is absent, if it is.
    pub fn absent(&self, arm: Arm) -> Option<&str> {
        let mut absent = self.run.absent_arms.iter();
        absent.find(|a| a.arm == arm).map(|a| a.reason.as_str())
    }

    /// Cores of the machine.
    pub fn cores(&self) -> usize {
        self.run.provenance.cores
    }

    /// Whether a block at `level` needs a fresh start.
    pub fn starts_anew(&self, level: &Factors) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.factors != level.of_the_start())
    }

    /// Enters the threshold of the slow share, in ns.
    pub fn set_slow_over(&mut self, slow_over_ns: u64) {
        self.run.slow_over_ns = Some(slow_over_ns);
    }

    /// Runs a block of `arm` at `level`, with clients at `rate`.
    ///
    /// # Errors
    /// As [`Bench::open_start`] and [`Bench::run_block`]; an arm that is lost is absent from then on.
    pub fn block(
        &mut self,
        arm: Arm,
        level: &Factors,
        rate: OfferedRate,
    ) -> Result<&Block, Failure> {
        let start = self.start_for(level)?;
        self.bench.set_client_rates(ClientRates {
            base: rate,
            least_sustained: None,
        });
        let level = Factors {
            client_rate: Some(ClientRate::Given(rate)),
            ..level.clone()
        };
        let same = |b: &&Block| {
            let rate_and_standing = |f: &Factors| (f.client_rate, f.standing);
            b.arm == arm && rate_and_standing(&b.factors) == rate_and_standing(&level)
        };
        let spec = BlockSpec {
            index: self.run.blocks.len() as u32,
            arm,
            twin: false,
            round: self.run.blocks.iter().filter(same).count() as u32,
            start,
            factors: level,
        };
        match self.bench.run_block(&spec) {
            Ok(mut block) => {
                block.factors.client_rate = spec.factors.client_rate;
                self.run.blocks.push(block);
            }
            Err(Failure::ArmLost(reason)) => {
                self.run.absent_arms.push(AbsentArm {
                    arm,
                    reason: reason.clone(),
                    lost: true,
                });
                return Err(Failure::ArmLost(reason));
            }
            Err(failure) => return Err(failure),
        }
        let last = self.run.blocks.last();
        Ok(last.unwrap_or_else(|| unreachable!("one was pushed")))
    }

    /// The number of the start for `level`: the open one, or a fresh one.
    fn start_for(&mut self, level: &Factors) -> Result<u32, Failure> {
        if let Some(open) = self.open.as_ref().filter(|_| !self.starts_anew(level)) {
            return Ok(open.index);
        }
        self.bench.close_start();
        let start = PlannedStart {
            index: self.starts,
            factors: level.of_the_start(),
            blocks: Vec::new(),
        };
        self.open = None;
        self.bench.open_start(&start)?;
        self.starts += 1;
        Ok(self.open.insert(start).index)
    }

    /// Ends the run. Its configuration then says what was done: arms, standing connections, rates, blocks.
    pub fn end(mut self, outcome: Result<(), Failure>, remarks: Vec<String>) -> Run {
        self.bench.close_start();
        let run = &mut self.run;
        let lost = run.absent_arms.iter().find(|a| a.lost);
        let lost = lost.map(|a| format!("lost in mid-run: {} ({})", a.arm, a.reason));
        let failure = outcome.err().map(|failure| failure.to_string());
        if let Some(reason) = failure.or(lost) {
            run.status = RunStatus::Partial { reason };
        }
        let arms: BTreeSet<Arm> = run.blocks.iter().map(|b| b.arm).collect();
        let standing: BTreeSet<u32> = run.blocks.iter().map(|b| b.factors.standing).collect();
        let mut rates: Vec<ClientRate> = Vec::new();
        for rate in run.blocks.iter().filter_map(|b| b.factors.client_rate) {
            if !rates.contains(&rate) {
                rates.push(rate);
            }
        }
        let block_ns = run.config.block_ns();
        let rounds = run.blocks.iter().map(|b| b.round + 1).max().unwrap_or(1);
        let config = &mut run.config;
        config.arms = arms.into_iter().collect();
        config.factors.standing = standing.into_iter().collect();
        config.factors.client_rate = rates;
        config.blocks = rounds;
        config.starts = self.starts.clamp(1, rounds);
        config.duration_ns = block_ns * u64::from(rounds);
        run.remarks.extend(remarks);
        finish(run, self.bench, self.began_ns);
        self.run
    }
}
