//! Carries out a plan on a mode's bench, block by block, and keeps what was
//! measured when something goes wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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

    /// Sets the clients' rates of the following blocks.
    fn set_client_rates(&mut self, rates: ClientRates);

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

/// Carries out `plan`. Never fails: what was measured is returned in any case.
pub fn drive(
    plan: &Plan,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
    title: &str,
) -> Driven {
    let total = plan.block_count() as u64;
    let mut driven = Driven {
        blocks: Vec::with_capacity(total as usize),
        lost: Vec::new(),
        status: RunStatus::Complete,
        interrupted: false,
    };
    let mut course = Course {
        total,
        done: 0,
        started: Instant::now(),
        named: varying(plan.starts.iter().map(|v| &v.factors)),
    };
    let mut missing: Vec<String> = Vec::new();
    let mut lost_in_a_row = 0;
    progress.begin(title, total);
    for start in &plan.starts {
        let outcome = run_start(start, bench, cancel, progress, (&mut course, &mut driven));
        bench.close_start();
        let (at, failure) = match outcome {
            Ok(()) => {
                lost_in_a_row = 0;
                continue;
            }
            Err(stopped) => stopped,
        };
        if let Failure::StartLost(reason) = &failure {
            let starts = plan.starts.len();
            let what = what_is_missing(start, starts, at, &driven.lost, &course.named);
            let line = format!("{reason}: {what}");
            progress.say(&format!("procbench: {line}"));
            missing.push(line);
            lost_in_a_row += 1;
            course.done += (start.blocks.len() - at) as u64;
            if lost_in_a_row < LOST_IN_A_ROW {
                continue;
            }
            missing.push(format!(
                "{LOST_IN_A_ROW} starts in a row were lost, the run ended after {} of {total} blocks",
                driven.blocks.len()
            ));
        } else {
            driven.interrupted = failure == Failure::Interrupted;
            missing.push(format!(
                "{failure} after {} of {total} blocks",
                driven.blocks.len()
            ));
        }
        break;
    }
    progress.finish();
    if !driven.lost.is_empty() {
        let lost: Vec<String> = driven
            .lost
            .iter()
            .map(|l| format!("{} ({})", l.arm, l.reason))
            .collect();
        missing.push(format!("lost in mid-run: {}", lost.join("; ")));
    }
    if !missing.is_empty() {
        driven.status = RunStatus::Partial {
            reason: missing.join("; "),
        };
    }
    driven
}

/// How far the plan has got.
struct Course {
    total: u64,
    done: u64,
    started: Instant,
    named: Vec<Factor>,
}

/// Opens a start and runs its blocks. On failure also returns the position of the next block.
fn run_start(
    start: &PlannedStart,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
    (course, driven): (&mut Course, &mut Driven),
) -> Result<(), (usize, Failure)> {
    if cancel.is_cancelled() {
        return Err((0, Failure::Interrupted));
    }
    bench
        .open_start(start)
        .map_err(|failure| (0, failure.or_interrupted(cancel)))?;
    for (at, spec) in start.blocks.iter().enumerate() {
        if cancel.is_cancelled() {
            return Err((at, Failure::Interrupted));
        }
        let left = if course.done == 0 {
            Duration::ZERO
        } else {
            course
                .started
                .elapsed()
                .mul_f64((course.total - course.done) as f64 / course.done as f64)
        };
        progress.step(
            course.done,
            course.total,
            &format!("{} at {}", spec.arm, spec.factors.label(&course.named)),
            left,
        );
        if driven.lost.iter().any(|l| l.arm == spec.arm) {
            course.done += 1;
            continue;
        }
        match bench.run_block(spec) {
            // A block that was stopped half-way is shorter than the others.
            Ok(_) | Err(_) if cancel.is_cancelled() => return Err((at, Failure::Interrupted)),
            Ok(block) => driven.blocks.push(block),
            Err(Failure::ArmLost(reason)) => {
                progress.say(&format!("procbench: arm {} is lost: {reason}", spec.arm));
                driven.lost.push(AbsentArm {
                    arm: spec.arm,
                    reason,
                    lost: true,
                });
            }
            Err(failure) => return Err((at, failure)),
        }
        course.done += 1;
    }
    Ok(())
}

/// Of a start that ended early in the block at `at`: which start and level, and how many blocks of which arms
/// are missing.
fn what_is_missing(
    start: &PlannedStart,
    starts: usize,
    at: usize,
    already_lost: &[AbsentArm],
    named: &[Factor],
) -> String {
    let mut missing: BTreeMap<String, u32> = BTreeMap::new();
    for spec in &start.blocks[at..] {
        if !already_lost.iter().any(|l| l.arm == spec.arm) {
            *missing.entry(arm_label(spec.arm, spec.twin)).or_default() += 1;
        }
    }
    let arms: Vec<String> = missing
        .iter()
        .map(|(label, blocks)| format!("{label} {blocks}"))
        .collect();
    format!(
        "start {} of {starts} (standing {}) is missing {} of its {} blocks ({})",
        start.index + 1,
        start.factors.label(named),
        missing.values().sum::<u32>(),
        start.blocks.len(),
        arms.join(", ")
    )
}
