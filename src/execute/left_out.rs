//! Arms that have nothing to show at some levels, or at all of them.

use std::collections::BTreeMap;

use crate::arm::Arm;
use crate::factor::Factors;
use crate::load::driver::Bench;
use crate::load::progress::Progress;
use crate::record::{AbsentArm, RunHead};

/// Takes out of `arms` those that no level has. Returns where others are left out. Each is named with its reason.
pub(super) fn leave_out(
    run: &mut RunHead,
    (arms, levels): (&mut Vec<Arm>, &[Factors]),
    bench: &mut dyn Bench,
    progress: &Progress,
) -> Vec<(Arm, Factors)> {
    let mut left_out = Vec::new();
    arms.retain(|&arm| {
        let mut by_reason: BTreeMap<String, u32> = BTreeMap::new();
        let before = left_out.len();
        for level in levels {
            if let Some(reason) = bench.leaves_out(arm, level) {
                *by_reason.entry(reason).or_default() += 1;
                left_out.push((arm, level.clone()));
            }
        }
        if left_out.len() - before < levels.len() {
            for (reason, count) in by_reason {
                let all = levels.len();
                let remark = format!("arm {arm} is left out at {count} of {all} levels: {reason}");
                progress.say(&format!("procbench: {remark}"));
                run.remarks.push(remark);
            }
            return true;
        }
        let reason = Vec::from_iter(by_reason.into_keys()).join("; ");
        progress.say(&format!("procbench: arm {arm} is absent: {reason}"));
        run.absent_arms.push(AbsentArm {
            arm,
            reason,
            lost: false,
        });
        false
    });
    left_out
}
