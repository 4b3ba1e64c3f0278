//! The driver against a scripted bench: losses, interruptions, what is kept.

use super::cancel::Cancel;
use super::client_rates::ClientRates;
use super::driver::*;
use super::plan::{BlockSpec, Plan, PlannedStart};
use super::progress::Progress;
use crate::arm::Arm;
use crate::record::{AbsentArm, Block, RunStatus, ServerProvenance};
use crate::testing::{sample_block, sample_block_like, sample_config};

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
    fn open_start(&mut self, _: &PlannedStart) -> Result<(), Failure> {
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
        Ok(sample_block(spec, u64::from(spec.index) + 1))
    }
    fn close_start(&mut self) {
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
    let config = crate::config::Config {
        blocks: 4,
        starts: 2,
        seed: 9,
        ..sample_config()
    };
    let plan = Plan::new(
        &config,
        &arms,
        &[0, 10].map(crate::factor::Factors::standing),
    );
    let cancel = Cancel::default();
    let mut bench = Scripted {
        fail_at,
        also_at,
        cancel_at: cancel_at.map(|at| (at, cancel.clone())),
        open: 0,
        ran: Vec::new(),
    };
    let driven = drive(
        &plan,
        (&mut bench, &mut |_, _, _| Ok(())),
        &cancel,
        &mut Progress::silent(),
        "test",
    );
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
    // As it was measured, although its histograms were put away meanwhile.
    for block in &driven.blocks {
        let measured = sample_block_like(block, u64::from(block.index) + 1);
        assert_eq!(*block, measured);
    }
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
fn a_lost_start_costs_its_own_blocks_only() {
    // 4 starts of 8 blocks; block 10 is the third of the second.
    let lost = || Failure::StartLost("server gone".into());
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
