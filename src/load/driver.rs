//! Carries out a plan on a mode's bench, block by block, and keeps whatever
//! was measured when something goes wrong.

use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::client_rates::ClientRates;
use super::plan::{BlockSpec, Plan, Visit};
use super::progress::Progress;
use crate::arm::Arm;
use crate::record::{AbsentArm, AbsentLevel, Block, Factors, RunStatus, ServerProvenance, varying};

/// What a mode supplies: fresh starts and single blocks.
pub trait Bench {
    /// Arms that were asked for and cannot be had here, with the reasons.
    /// Called once, before anything else.
    ///
    /// # Errors
    /// When nothing can be run at all.
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure>;

    /// Levels that were asked for and cannot be had here, with the reasons.
    /// Called once, after [`Bench::prepare`].
    fn absent_levels(&mut self, _levels: &[Factors]) -> Vec<AbsentLevel> {
        Vec::new()
    }

    /// Sets the clients' rates of the following blocks.
    fn set_client_rates(&mut self, rates: ClientRates);

    /// Transactions per second that `arm` sustains in a short closed loop, in
    /// the visit that is open.
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
    /// [`Failure::ArmLost`] ends this arm only, anything else the run.
    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure>;

    /// Takes down what `open_visit` made. Called also after failures.
    fn close_visit(&mut self);
}

/// Why a block or visit did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The whole run cannot go on.
    #[error("{0}")]
    Fatal(String),
    /// This arm cannot go on; the others can.
    #[error("{0}")]
    ArmLost(String),
}

impl Failure {
    /// What a failure is once the user has asked to stop: the request is why a step under way did
    /// not get to its end.
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
    /// Whether it was the user who stopped it.
    pub interrupted: bool,
}

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
    let started = Instant::now();
    let mut done = 0u64;
    let named = varying(plan.visits.iter().map(|v| &v.factors));
    progress.begin(title, total);
    'visits: for visit in &plan.visits {
        let opened = if cancel.is_cancelled() {
            Err(Failure::Interrupted)
        } else {
            bench
                .open_visit(visit)
                .map_err(|failure| failure.or_interrupted(cancel))
        };
        let mut outcome = opened.err();
        if outcome.is_none() {
            for spec in &visit.blocks {
                if cancel.is_cancelled() {
                    outcome = Some(Failure::Interrupted);
                    break;
                }
                let left = if done == 0 {
                    Duration::ZERO
                } else {
                    started
                        .elapsed()
                        .mul_f64((total - done) as f64 / done as f64)
                };
                progress.step(
                    done,
                    total,
                    &format!("{} at {}", spec.arm, spec.factors.label(&named)),
                    left,
                );
                done += 1;
                if driven.lost.iter().any(|l| l.arm == spec.arm) {
                    continue;
                }
                match bench.run_block(spec) {
                    // A block that was stopped half-way is shorter than the others.
                    Ok(_) if cancel.is_cancelled() => outcome = Some(Failure::Interrupted),
                    Ok(block) => driven.blocks.push(block),
                    Err(_) if cancel.is_cancelled() => outcome = Some(Failure::Interrupted),
                    Err(Failure::ArmLost(reason)) => {
                        progress.say(&format!("procbench: arm {} is lost: {reason}", spec.arm));
                        driven.lost.push(AbsentArm {
                            arm: spec.arm,
                            reason,
                            lost: true,
                        });
                    }
                    Err(failure) => outcome = Some(failure),
                }
                if outcome.is_some() {
                    break;
                }
            }
        }
        bench.close_visit();
        if let Some(failure) = outcome {
            driven.interrupted = failure == Failure::Interrupted;
            driven.status = RunStatus::Partial {
                reason: format!("{failure} after {} of {total} blocks", driven.blocks.len()),
            };
            break 'visits;
        }
    }
    progress.finish();
    if driven.status == RunStatus::Complete && !driven.lost.is_empty() {
        let lost: Vec<String> = driven
            .lost
            .iter()
            .map(|l| format!("{} ({})", l.arm, l.reason))
            .collect();
        driven.status = RunStatus::Partial {
            reason: format!("lost in mid-run: {}", lost.join("; ")),
        };
    }
    driven
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::PlanShape;
    use crate::testing::sample_block;

    struct Scripted {
        fail_at: Option<(u32, Failure)>,
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
                && *at == spec.index
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
        let arms = [Arm::Quiet, Arm::KeptOpen, Arm::Unpooled];
        let plan = Plan::new(&PlanShape {
            arms: &arms,
            levels: &[0, 10].map(crate::record::Factors::standing),
            blocks: 4,
            visits: 2,
            seed: 9,
        });
        let cancel = Cancel::default();
        let mut bench = Scripted {
            fail_at,
            cancel_at: cancel_at.map(|at| (at, cancel.clone())),
            open: 0,
            ran: Vec::new(),
        };
        let driven = drive(&plan, &mut bench, &cancel, &mut Progress::silent(), "test");
        assert_eq!(bench.open, 0, "every opened visit is closed");
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
