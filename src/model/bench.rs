//! The model's bench: a fresh array for each start, threads for each block.

use super::accounting::LockRules;
use super::counters::counters;
use super::start::{AnyStart, BlockTask, Measured, StartOpener};
use crate::arm::Arm;
use crate::clock::{Clock, ClockQuality, MonotonicClock};
use crate::config::{Config, ModelConfig};
use crate::factor::{Factors, OfferedRate, PgSource};
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, PlannedStart};
use crate::load::{Cancel, ClientRates};
use crate::procarray::faults::reading_cost_ns;
use crate::procarray::{PageSize, PgProfile};
use crate::record::{AbsentArm, AbsentLevel, Block, BlockCpu, Role, RoleTally, ServerProvenance};
use crate::seed::derive_seed;

/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (20_000_000, 150_000_000);
/// Inner phases are looked at after one statement in this many, where a
/// statement costs less than ten clock reads.
const LOOK_ONE_IN: u32 = 16;

/// Model mode's [`Bench`].
pub struct ModelBench<'a> {
    config: &'a Config,
    asked_for: &'a ModelConfig,
    /// As [`ModelBench::asked_for`], at the level of the open start.
    model: ModelConfig,
    /// The version at that level.
    profile: PgProfile,
    cancel: Cancel,
    began_ns: u64,
    client_rates: ClientRates,
    start: Option<Box<dyn AnyStart>>,
    clock: ClockQuality,
    remarks: Vec<String>,
}

impl<'a> ModelBench<'a> {
    /// A bench for `config`, which must have model settings.
    ///
    /// # Errors
    /// When it has none.
    pub fn new(config: &'a Config, cancel: Cancel) -> Result<Self, Failure> {
        let missing = || Failure::Fatal("the model's settings are missing".to_owned());
        let model = config.model.as_ref().ok_or_else(missing)?;
        let can_fault = config.factors.mapping.iter().any(|m| m.can_fault());
        let remark = can_fault.then(|| {
            format!(
                "page faults are counted by two calls of getrusage inside each hold of ProcArrayAdd and ProcArrayRemove, but for --mapping shared; they lengthen it by about {:.0} ns",
                reading_cost_ns()
            )
        });
        Ok(ModelBench {
            config,
            asked_for: model,
            model: model.clone(),
            profile: PgProfile::default(),
            cancel,
            began_ns: MonotonicClock.now_ns(),
            client_rates: ClientRates::default(),
            start: None,
            clock: ClockQuality::measure(),
            remarks: remark.into_iter().collect(),
        })
    }

    fn one_in(&mut self) -> u32 {
        let snapshots = self.model.snapshots_per_statement;
        let start = self.start.as_mut();
        let cost = start.map_or(0.0, |start| start.statement_ns(snapshots));
        let short = cost < 10.0 * self.clock.read_cost_ns;
        let one_in = if short { LOOK_ONE_IN } else { 1 };
        let remark = format!(
            "a clock read costs {:.0} ns and lengthens each timed hold by about as much; wait and hold of snapshots are timed after one statement in {one_in}, in a snapshot of its own half-way to the next; closed loops of statements time one in {one_in}",
            self.clock.read_cost_ns
        );
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
        one_in
    }

    fn measure(
        &mut self,
        arm: Arm,
        client_rate: OfferedRate,
        lengths_ns: (u64, u64),
        seed: u64,
    ) -> Result<(Measured, BlockCpu), Failure> {
        let one_in = self.one_in();
        let none_is_open = || Failure::Fatal("no start is open".to_owned());
        let start = self.start.as_mut().ok_or_else(none_is_open)?;
        let before = CpuReading::take(Watched::default(), None);
        let measured = start.measure(BlockTask {
            config: self.config.clone(),
            model: self.model.clone(),
            arm,
            client_rate,
            lengths_ns,
            seed,
            one_in,
            cancel: self.cancel.clone(),
        })?;
        let after = CpuReading::take(Watched::default(), None);
        let cpu = before.until(&after, &measured.record);
        Ok((measured, cpu))
    }
}

impl Bench for ModelBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        Ok(Vec::new())
    }

    fn absent_levels(&mut self, levels: &[Factors]) -> Vec<AbsentLevel> {
        let huge = levels
            .iter()
            .filter(|l| l.page_size == Some(PageSize::Huge));
        let of_huge_pages: Vec<&Factors> = huge.collect();
        let Some(largest) = of_huge_pages.iter().max_by_key(|l| l.standing) else {
            return Vec::new();
        };
        // Found out by trying: the largest array is made and given back.
        let tried = self.open_start(&PlannedStart {
            index: 0,
            factors: (*largest).clone(),
            blocks: Vec::new(),
        });
        self.close_start();
        let Err(failure) = tried else {
            return Vec::new();
        };
        let absent = |level: &&Factors| AbsentLevel {
            factors: (*level).clone(),
            reason: failure.to_string(),
            wanted: !self.config.page_size_if_granted,
        };
        of_huge_pages.iter().map(absent).collect()
    }

    fn leaves_out(&mut self, arm: Arm, level: &Factors) -> Option<String> {
        let profile = level.profile().ok();
        let major = profile.map(PgProfile::major);
        self.config.leaves_out(arm, level, major)
    }

    fn set_client_rates(&mut self, rates: ClientRates) {
        self.client_rates = rates;
    }

    fn open_start(&mut self, planned: &PlannedStart) -> Result<(), Failure> {
        self.start = None;
        let level = &planned.factors;
        self.model = self.asked_for.at(level);
        self.profile = level.profile().map_err(Failure::Fatal)?;
        let lock = level.lock.unwrap_or_default();
        let opener = StartOpener {
            config: self.config,
            model: &self.model,
            profile: self.profile,
            level,
        };
        self.start = Some(lock.kind.visit(opener)?);
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let (measured, cpu) = self.measure(
            spec.arm,
            self.client_rates.at(&spec.factors),
            (self.config.warmup_ns, self.config.block_ns()),
            derive_seed(self.config.seed, &[spec.arrivals_path()]),
        )?;
        LockRules {
            profile: self.profile,
            ablations: self.model.ablations,
        }
        .check(&measured.counts, &measured.locks)
        .map_err(|e| Failure::Fatal(e.to_string()))?;
        let (counters, window) = (counters(&measured), measured.window);
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            start: spec.start,
            factors: Factors {
                pg: Some(PgSource::Major(self.profile.version().major)),
                ..spec.factors.clone()
            },
            start_ns: window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: window.measured_ns(),
            settle_ns: 0,
            settled: true,
            tallies: measured.record.tallies,
            cpu,
            counters,
            series: measured.record.series,
        })
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let (measured, _) = self.measure(
            arm,
            OfferedRate::Max,
            CALIBRATION_NS,
            derive_seed(0, &[arm.index() as u64]),
        )?;
        let clients = measured.record.tallies.get(&Role::Client);
        let done = clients.map_or(0, RoleTally::succeeded);
        Ok(done as f64 * 1e9 / measured.window.measured_ns() as f64)
    }

    fn close_start(&mut self) {
        self.start = None;
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        (None, self.remarks.clone())
    }
}
