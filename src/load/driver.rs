//! Carries out a plan on a mode's bench, block by block, and keeps what was
//! measured when something goes wrong.

use std::collections::BTreeMap;

use super::cancel::Cancel;
use super::client_rates::ClientRates;
use super::plan::{BlockSpec, Plan, PlannedStart};
use super::progress::Progress;
use crate::arm::Arm;
use crate::factor::{Factor, Factors, varying};
use crate::record::{AbsentArm, AbsentLevel, Block, RunStatus, ServerProvenance, arm_label};

/// What a mode supplies: fresh starts and single blocks.
pub trait Bench {
    /// Arms that were asked for and are not available here, with the reasons.
    /// Called once, before anything else.
    ///
    /// # Errors
    /// When nothing can be run at all.
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure>;

    /// Levels that were asked for and are not available here, with the reasons.
    /// Called once, after [`Bench::prepare`].
    fn absent_levels(&mut self, _levels: &[Factors]) -> Vec<AbsentLevel> {
        Vec::new()
    }

    /// Why an arm has nothing to show at a level; none where it runs. Asked after
    /// [`Bench::absent_levels`].
    fn leaves_out(&mut self, _arm: Arm, _level: &Factors) -> Option<String> {
        None
    }

    /// Sets the clients' rates of the following blocks.
    fn set_client_rates(&mut self, rates: ClientRates);

    /// Says over what a statement of the following blocks is slow, in ns; only a bench that sorts statements while it
    /// runs listens.
    fn set_slow_over(&mut self, _slow_over_ns: Option<u64>) {}

    /// Transactions per second that `arm` sustains in a short closed loop, in
    /// the start that is open.
    ///
    /// # Errors
    /// As [`Bench::run_block`].
    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure>;

    /// The server and remarks for the run file, as known so far.
    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>);

    /// Makes a fresh server (or array) with its standing connections.
    ///
    /// # Errors
    /// What prevented it; ends the run.
    fn open_start(&mut self, start: &PlannedStart) -> Result<(), Failure>;

    /// Runs one block.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] ends this arm only, [`Failure::StartLost`] the start, anything else the run.
    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure>;

    /// Takes down what `open_start` made. Called also after failures.
    fn close_start(&mut self);
}

/// Why a block or start did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The whole run cannot go on.
    #[error("{0}")]
    Fatal(String),
    /// This server cannot go on; a fresh one can.
    #[error("{0}")]
    StartLost(String),
    /// This arm cannot go on; the others can.
    #[error("{0}")]
    ArmLost(String),
}

impl Failure {
    /// What a failure means once the user has asked to stop: the request interrupted the step that was
    /// under way.
    pub fn or_interrupted(self, cancel: &Cancel) -> Self {
        if cancel.is_cancelled() {
            Failure::Interrupted
        } else {
            self
        }
    }
}

/// What a driven plan produced.
#[derive(Debug)]
pub struct Driven {
    /// The measured blocks, in order.
    pub blocks: Vec<Block>,
    /// Arms lost on the way.
    pub lost: Vec<AbsentArm>,
    /// Whether everything planned is there.
    pub status: RunStatus,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// After so many lost starts in a row the run ends.
const LOST_IN_A_ROW: u32 = 2;

/// What is done on each start once it is open, before its first block.
pub type BeforeBlocks<'a> =
    &'a mut dyn FnMut(&mut dyn Bench, &PlannedStart, &Progress) -> Result<(), Failure>;

/// Carries out `plan`. Never fails: what was measured is returned in any case.
pub fn drive(
    plan: &Plan,
    (bench, before_blocks): (&mut dyn Bench, BeforeBlocks<'_>),
    cancel: &Cancel,
    progress: &mut Progress,
    title: &str,
) -> Driven {
    let total = plan.block_count();
    progress.begin(title, total as u64);
    let mut course = Course {
        bench,
        before_blocks,
        cancel,
        progress,
        starts: plan.starts.len(),
        named: varying(plan.starts.iter().map(|v| &v.factors)),
        done: 0,
        blocks: Vec::with_capacity(total),
        lost: Vec::new(),
    };
    let mut missing: Vec<String> = Vec::new();
    let mut lost_in_a_row = 0;
    let mut interrupted = false;
    for start in &plan.starts {
        let outcome = course.run_start(start);
        course.bench.close_start();
        let Err((at, failure)) = outcome else {
            lost_in_a_row = 0;
            continue;
        };
        let measured = course.blocks.len();
        if let Failure::StartLost(reason) = failure {
            let line = format!("{reason}: {}", course.what_is_missing(start, at));
            course.progress.say(&format!("procbench: {line}"));
            missing.push(line);
            lost_in_a_row += 1;
            course.done += (start.blocks.len() - at) as u64;
            if lost_in_a_row < LOST_IN_A_ROW {
                continue;
            }
            missing.push(format!(
                "{LOST_IN_A_ROW} starts in a row were lost, the run ended after {measured} of {total} blocks"
            ));
        } else {
            interrupted = failure == Failure::Interrupted;
            missing.push(match measured {
                0 => failure.to_string(),
                measured => format!("{failure} after {measured} of {total} blocks"),
            });
        }
        break;
    }
    course.progress.finish();
    let Course { blocks, lost, .. } = course;
    let blocks = blocks.into_iter().map(StoredBlock::read).collect();
    if !lost.is_empty() {
        let of_arm = |l: &AbsentArm| format!("{} ({})", l.arm, l.reason);
        let lost: Vec<String> = lost.iter().map(of_arm).collect();
        missing.push(format!("lost in mid-run: {}", lost.join("; ")));
    }
    let reason = missing.join("; ");
    Driven {
        blocks,
        lost,
        status: match missing[..] {
            [] => RunStatus::Complete,
            _ => RunStatus::Partial { reason },
        },
        interrupted,
    }
}

/// A finished block, its histograms as the run file writes them: as they are looked at they take fifteen times the
/// memory, and a run of hours would grow with them.
struct StoredBlock {
    without_series: Block,
    series: Box<[u8]>,
}

impl StoredBlock {
    fn of(mut block: Block) -> Self {
        let series = serde_json::to_vec(&std::mem::take(&mut block.series));
        let series = series.unwrap_or_else(|e| unreachable!("every run file holds them: {e}"));
        StoredBlock {
            without_series: block,
            series: series.into_boxed_slice(),
        }
    }

    fn read(self) -> Block {
        let series = serde_json::from_slice(&self.series);
        Block {
            series: series.unwrap_or_else(|e| unreachable!("as just written: {e}")),
            ..self.without_series
        }
    }
}

/// A plan that is being carried out.
struct Course<'a> {
    bench: &'a mut dyn Bench,
    before_blocks: BeforeBlocks<'a>,
    cancel: &'a Cancel,
    progress: &'a mut Progress,
    /// How many starts there are to be.
    starts: usize,
    /// The factors that levels are told apart by.
    named: Vec<Factor>,
    /// Blocks that are behind us, lost ones included.
    done: u64,
    blocks: Vec<StoredBlock>,
    lost: Vec<AbsentArm>,
}

impl Course<'_> {
    /// Opens a start and runs its blocks. On failure also returns the position of the next block.
    fn run_start(&mut self, start: &PlannedStart) -> Result<(), (usize, Failure)> {
        if self.cancel.is_cancelled() {
            return Err((0, Failure::Interrupted));
        }
        let opened = self.bench.open_start(start);
        opened
            .and_then(|()| (self.before_blocks)(self.bench, start, self.progress))
            .map_err(|failure| (0, failure.or_interrupted(self.cancel)))?;
        for (at, spec) in start.blocks.iter().enumerate() {
            if self.cancel.is_cancelled() {
                return Err((at, Failure::Interrupted));
            }
            let next = format!("{} at {}", spec.arm, spec.factors.label(&self.named));
            self.progress.step(self.done, &next);
            if !self.is_lost(spec.arm) {
                self.run_block(spec).map_err(|failure| (at, failure))?;
            }
            self.done += 1;
        }
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<(), Failure> {
        let arm = spec.arm;
        match self.bench.run_block(spec) {
            // A block that was stopped half-way is shorter than the others.
            Ok(_) | Err(_) if self.cancel.is_cancelled() => return Err(Failure::Interrupted),
            Ok(block) => self.blocks.push(StoredBlock::of(block)),
            Err(Failure::ArmLost(reason)) => {
                let line = format!("procbench: arm {arm} is lost: {reason}");
                self.progress.say(&line);
                let lost = true;
                self.lost.push(AbsentArm { arm, reason, lost });
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn is_lost(&self, arm: Arm) -> bool {
        self.lost.iter().any(|l| l.arm == arm)
    }

    /// Of a start that ended early in the block at `at`: which start and level, and how many blocks of which arms
    /// are missing.
    fn what_is_missing(&self, start: &PlannedStart, at: usize) -> String {
        let mut missing: BTreeMap<String, u32> = BTreeMap::new();
        for spec in start.blocks[at..].iter().filter(|s| !self.is_lost(s.arm)) {
            *missing.entry(arm_label(spec.arm, spec.twin)).or_default() += 1;
        }
        let of_arm = |(label, blocks): (&String, &u32)| format!("{label} {blocks}");
        let arms: Vec<String> = missing.iter().map(of_arm).collect();
        format!(
            "start {} of {} (standing {}) is missing {} of its {} blocks ({})",
            start.index + 1,
            self.starts,
            start.factors.label(&self.named),
            missing.values().sum::<u32>(),
            start.blocks.len(),
            arms.join(", ")
        )
    }
}
