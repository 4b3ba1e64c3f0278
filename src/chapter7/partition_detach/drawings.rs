//! Its figures: inserts over time, and the longest gap against the obstacle's time.

use itertools::Itertools;

use super::arms::{Aim, Arm, Obstacle, Removal, USUAL_MS};
use super::record::{PartitionDetach, STEP_NS, Trial};
use crate::chapter7::drawn::{curve, panel, point};
use crate::report::drawings::{Drawing, curves};
use crate::report::figure::{Along, CurveFigure, CurvePanel, NoiseBand, stroke_of_case};
use crate::stats::{Estimate, Unit};

/// Those that are drawn, in their order.
const DRAWN: [Removal; 4] = [
    Removal::Drop,
    Removal::Detach,
    Removal::Concurrently,
    Removal::DropAgain,
];

/// All of them.
pub fn drawings(run: &PartitionDetach, footer: &[String]) -> Vec<Drawing> {
    let drawn = [
        curves("completions", completions(run), footer),
        curves("gaps", gaps(run), footer),
    ];
    drawn.into_iter().flatten().collect()
}

fn behind_parent(removal: Removal, obstacle_ms: u64) -> Arm {
    Arm {
        removal,
        obstacle: Obstacle::OnParent,
        obstacle_ms,
        aim: Aim::Newest,
    }
}

/// Inserts so far, a panel for each removal, the open transaction shaded.
fn completions(run: &PartitionDetach) -> Option<CurveFigure> {
    let trial = |removal| run.of_arm(behind_parent(removal, USUAL_MS)).next();
    let trials = DRAWN.into_iter().filter_map(trial).collect_vec();
    let highest = trials
        .iter()
        .map(|t| t.completions.iter().sum::<u32>())
        .max()?;
    let panel = |trial: &&Trial| {
        let mut so_far = 0.0;
        let steps = trial.completions.iter().enumerate();
        let points = steps.map(|(n, &inserts)| {
            so_far += f64::from(inserts);
            let at = (n + 1) as f64 * STEP_NS as f64 / 1e9;
            point(at, Estimate::exactly(so_far))
        });
        let edge = |ns: u64| (ns as f64 / 1e9, 0.0, f64::from(highest));
        CurvePanel {
            title: trial.arm.removal.to_string(),
            curves: vec![curve("inserts", stroke_of_case((0, 0)), points.collect())],
            noise: trial.obstacle_ns.map(|(from, until)| NoiseBand {
                label: "transaction open on the parent".to_owned(),
                edges: vec![edge(from), edge(until)],
            }),
            caption: None,
        }
    };
    Some(CurveFigure {
        title: "Inserts while the oldest partition is removed".to_owned(),
        subtitle:
            "They go to the newest partition; one transaction has read another one and stays open"
                .to_owned(),
        quantity: "inserts acknowledged so far".to_owned(),
        unit: Unit::Number,
        logarithmic: false,
        caption: "seconds".to_owned(),
        along: Along::Even,
        interval: String::new(),
        panels: trials.iter().map(panel).collect(),
        notes: Vec::new(),
        footer: Vec::new(),
    })
}

/// The longest gap against how long the transaction stays open behind the removal's begin.
fn gaps(run: &PartitionDetach) -> Option<CurveFigure> {
    let of = |(case, removal): (usize, Removal)| {
        let at = |ms: u64| {
            let gaps = run
                .of_arm(behind_parent(removal, ms))
                .map(|t| t.worst_gap_ns as f64);
            let gaps = gaps.sorted_by(f64::total_cmp).collect_vec();
            let estimate = Estimate {
                value_ns: *gaps.get(gaps.len() / 2)?,
                low_ns: *gaps.first()?,
                high_ns: *gaps.last()?,
            };
            Some(point(ms as f64 / 1e3, estimate))
        };
        let lengths = [USUAL_MS / 2, USUAL_MS, 2 * USUAL_MS];
        let points = lengths.into_iter().filter_map(at).collect_vec();
        let stroke = stroke_of_case((case, case));
        curve(removal.to_string(), stroke, points)
    };
    Some(CurveFigure {
        title: "Who waits in front decides how long inserts stop".to_owned(),
        subtitle: "Longest time without an acknowledged insert; the transaction has read another partition".to_owned(),
        quantity: "longest gap".to_owned(),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "seconds for which the transaction stays open after the command has begun".to_owned(),
        along: Along::Even,
        interval: "least and most of the rounds".to_owned(),
        panels: vec![panel("", DRAWN.into_iter().enumerate().map(of))?],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}
