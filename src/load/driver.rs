//! Carries out a plan on a mode's bench, block by block, and keeps what was
//! measured when something goes wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::client_rates::ClientRates;
use super::plan::{BlockSpec, Plan, Visit};
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
    fn open_visit(&mut self, visit: &Visit) -> Result<(), Failure>;

    /// Runs one block.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] ends this arm only, [`Failure::VisitLost`] the start, anything else the run.
    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure>;

    /// Takes down what `open_visit` made. Called also after failures.
    fn close_visit(&mut self);
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
    VisitLost(String),
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
        named: varying(plan.visits.iter().map(|v| &v.factors)),
    };
    let mut missing: Vec<String> = Vec::new();
    let mut lost_in_a_row = 0;
    progress.begin(title, total);
    for visit in &plan.visits {
        let outcome = run_visit(visit, bench, cancel, progress, (&mut course, &mut driven));
        bench.close_visit();
        let (at, failure) = match outcome {
            Ok(()) => {
                lost_in_a_row = 0;
                continue;
            }
            Err(stopped) => stopped,
        };
        if let Failure::VisitLost(reason) = &failure {
            let lost = LostVisit {
                visit,
                visits: plan.visits.len(),
                at,
                already_lost: &driven.lost,
            };
            let line = format!("{reason}: {}", lost.describe(&course.named));
            progress.say(&format!("procbench: {line}"));
            missing.push(line);
            lost_in_a_row += 1;
            course.done += (visit.blocks.len() - at) as u64;
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
fn run_visit(
    visit: &Visit,
    bench: &mut dyn Bench,
    cancel: &Cancel,
    progress: &mut Progress,
    (course, driven): (&mut Course, &mut Driven),
) -> Result<(), (usize, Failure)> {
    if cancel.is_cancelled() {
        return Err((0, Failure::Interrupted));
    }
    bench
        .open_visit(visit)
        .map_err(|failure| (0, failure.or_interrupted(cancel)))?;
    for (at, spec) in visit.blocks.iter().enumerate() {
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

/// A start that ended early.
struct LostVisit<'a> {
    visit: &'a Visit,
    visits: usize,
    /// Position of the block that was under way.
    at: usize,
    already_lost: &'a [AbsentArm],
}

impl LostVisit<'_> {
    /// Which start and level, and how many blocks of which arms are missing.
    fn describe(&self, named: &[Factor]) -> String {
        let mut missing: BTreeMap<String, u32> = BTreeMap::new();
        for spec in &self.visit.blocks[self.at..] {
            if !self.already_lost.iter().any(|l| l.arm == spec.arm) {
                *missing.entry(arm_label(spec.arm, spec.twin)).or_default() += 1;
            }
        }
        let arms: Vec<String> = missing
            .iter()
            .map(|(label, blocks)| format!("{label} {blocks}"))
            .collect();
        format!(
            "start {} of {} (standing {}) is missing {} of its {} blocks ({})",
            self.visit.index + 1,
            self.visits,
            self.visit.factors.label(named),
            missing.values().sum::<u32>(),
            self.visit.blocks.len(),
            arms.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::PlanShape;
    use crate::testing::sample_block;

    struct Scripted {
        fail_at: Option<(u32, Failure)>,
        also_at: Option<u32>,
        cancel_at: Option<(u32, Cancel)>,
        open: i32,
        ran: Vec<u32>,
    }

    impl Bench for Scripted {
        fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
            Ok(Vec::new())
        }
        fn set_client_rates(&mut self, _: ClientRates) {}
        fn sustained_per_second(&mut self, _: Arm) -> Result<f64, Failure> {
            Ok(1.0)
        }
        fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
            (None, Vec::new())
        }
        fn open_visit(&mut self, _: &Visit) -> Result<(), Failure> {
            self.open += 1;
            Ok(())
        }
        fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
            self.ran.push(spec.index);
            if let Some((at, failure)) = &self.fail_at
                && (*at == spec.index || self.also_at == Some(spec.index))
            {
                return Err(failure.clone());
            }
            if let Some((at, cancel)) = &self.cancel_at
                && *at == spec.index
            {
                cancel.cancel();
            }
            Ok(sample_block(spec, 1))
        }
        fn close_visit(&mut self) {
            self.open -= 1;
        }
    }

    fn run(fail_at: Option<(u32, Failure)>, cancel_at: Option<u32>) -> (Driven, Scripted) {
        run_failing(fail_at, None, cancel_at)
    }

    fn run_failing(
        fail_at: Option<(u32, Failure)>,
        also_at: Option<u32>,
        cancel_at: Option<u32>,
    ) -> (Driven, Scripted) {
        let arms = [Arm::Quiet, Arm::KeptOpen, Arm::Unpooled];
        let plan = Plan::new(&PlanShape {
            arms: &arms,
            levels: &[0, 10].map(crate::factor::Factors::standing),
            blocks: 4,
            visits: 2,
            seed: 9,
        });
        let cancel = Cancel::default();
        let mut bench = Scripted {
            fail_at,
            also_at,
            cancel_at: cancel_at.map(|at| (at, cancel.clone())),
            open: 0,
            ran: Vec::new(),
        };
        let driven = drive(&plan, &mut bench, &cancel, &mut Progress::silent(), "test");
        assert_eq!(bench.open, 0, "every opened start is closed");
        (driven, bench)
    }

    #[test]
    fn a_whole_plan_is_complete() {
        let (driven, _) = run(None, None);
        assert_eq!(
            (driven.blocks.len(), driven.status),
            (32, RunStatus::Complete)
        );
    }

    #[test]
    fn a_dead_server_keeps_what_was_measured() {
        let (driven, _) = run(Some((10, Failure::Fatal("server gone".into()))), None);
        assert_eq!(driven.blocks.len(), 10);
        assert!(!driven.interrupted);
        assert_eq!(
            driven.status,
            RunStatus::Partial {
                reason: "server gone after 10 of 32 blocks".into()
            }
        );
    }

    #[test]
    fn a_lost_visit_costs_its_own_blocks_only() {
        // 4 starts of 8 blocks; block 10 is the third of the second.
        let lost = || Failure::VisitLost("server gone".into());
        let (driven, bench) = run(Some((10, lost())), None);
        assert_eq!((driven.blocks.len(), bench.ran.len()), (26, 27));
        assert!(driven.blocks.iter().all(|b| !(10..16).contains(&b.index)));
        assert!(driven.lost.is_empty());
        let RunStatus::Partial { reason } = driven.status else {
            panic!("partial");
        };
        let level = driven.blocks[8].factors.label(&[]);
        assert!(
            reason.starts_with(&format!(
                "server gone: start 2 of 4 (standing {level}) is missing 6 of its 8 blocks ("
            )),
            "{reason}"
        );
        for arm in [Arm::Quiet, Arm::KeptOpen, Arm::Unpooled] {
            assert!(reason.contains(arm.name()), "{reason}");
        }
        // The next one lost as well: nothing more is expected.
        let (driven, bench) = run_failing(Some((10, lost())), Some(16), None);
        assert_eq!((driven.blocks.len(), bench.ran.len()), (10, 12));
        let RunStatus::Partial { reason } = driven.status else {
            panic!("partial");
        };
        assert!(reason.contains("start 3 of 4"), "{reason}");
        assert!(reason.contains("2 starts in a row"), "{reason}");
        // One in between that went well: the count begins anew.
        let (driven, _) = run_failing(Some((10, lost())), Some(24), None);
        assert_eq!(driven.blocks.len(), 8 + 2 + 8);
    }

    #[test]
    fn an_interruption_drops_only_the_block_under_way() {
        let (driven, _) = run(None, Some(5));
        assert_eq!(driven.blocks.len(), 5);
        assert!(driven.interrupted);
    }

    #[test]
    fn a_lost_arm_leaves_the_others_valid() {
        let (driven, bench) = run(Some((3, Failure::ArmLost("gone".into()))), None);
        let lost = driven.lost[0].arm;
        assert!(
            driven
                .blocks
                .iter()
                .filter(|b| b.index > 3)
                .all(|b| b.arm != lost)
        );
        assert!(driven.blocks.len() >= 16 && bench.ran.len() < 32);
        assert!(matches!(driven.status, RunStatus::Partial { .. }));
    }
}
