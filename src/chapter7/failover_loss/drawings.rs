//! Its figures: loss against what the standby lacks, one trial over time, and what ends waits.

use itertools::Itertools;

use super::arms::{Arm, Client, PatroniArm};
use super::record::{FailoverLoss, Outcome, STEP_NS, Trial};
use super::summing::{of, outcomes, predicted, tally};
use crate::arm::Stroke;
use crate::chapter7::drawn::{curve, panel, point};
use crate::chapter7::level::Level;
use crate::report::drawings::{Drawing, curves, rows};
use crate::report::figure::{
    Along, Curve, CurveFigure, CurvePanel, NoiseBand, Row, RowFigure, RowForm, RowGroup, RowMark,
    stroke_of_case,
};
use crate::stats::{Estimate, Unit};

/// All of them.
pub fn drawings(run: &FailoverLoss, footer: &[String]) -> Vec<Drawing> {
    let drawn = [
        curves("loss", loss(run), footer),
        curves("one-trial", one_trial(run), footer),
        rows("waits", waits(run), footer),
        curves("patroni", patroni(run), footer),
    ];
    drawn.into_iter().flatten().collect()
}

/// Those of which it is known beforehand what the standby lacks, from the least on.
const LACKING: [Arm; 6] = [
    Arm::Healthy,
    Arm::Delay25,
    Arm::Delay100,
    Arm::Cut500,
    Arm::Cut1000,
    Arm::Cut2000,
];

fn stroke(level: Level) -> Stroke {
    stroke_of_case(match level {
        Level::Off => (0, 0),
        Level::Local => (1, 1),
        Level::RemoteWrite => (2, 0),
        Level::On => (3, 1),
        Level::RemoteApply => (5, 2),
    })
}

/// Numbers, the middle one with the least and the most.
fn middle(values: impl Iterator<Item = u64>) -> Option<Estimate> {
    let values = values.sorted_unstable().map(|n| n as f64).collect_vec();
    Some(Estimate {
        value_ns: *values.get(values.len() / 2)?,
        low_ns: *values.first()?,
        high_ns: *values.last()?,
    })
}

fn lost<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Option<Estimate> {
    middle(outcomes.map(|o| o.lost))
}

/// Lost rows of each level, and the prediction.
fn loss(run: &FailoverLoss) -> Option<CurveFigure> {
    let seconds = |arm: Arm| arm.lacks().as_secs_f64();
    let at_level = |level: Level| {
        let points = LACKING.into_iter().filter_map(|arm| {
            let lost = lost(outcomes(run, arm, level, Client::Patient))?;
            Some(point(seconds(arm), lost))
        });
        curve(level.name(), stroke(level), points.collect())
    };
    let measured = LACKING.into_iter();
    let measured = measured.filter(|arm| of(run, *arm).next().is_some());
    let prediction = measured.filter_map(|arm| {
        let rows = predicted(arm, Level::Local, Client::Patient)?;
        Some(point(seconds(arm), Estimate::exactly(rows)))
    });
    let prediction = curve("predicted", stroke_of_case((4, 1)), prediction.collect());
    let levels = Level::ALL.iter().map(|level| at_level(*level));
    Some(CurveFigure {
        title: "Two levels lose what the standby lacks, three lose nothing".to_owned(),
        subtitle: "Acknowledged rows that the promoted standby does not have; all levels are in the same crash".to_owned(),
        quantity: "lost rows per trial, of 200 per second".to_owned(),
        unit: Unit::Number,
        logarithmic: false,
        caption: "seconds of WAL that the standby lacks: delay one way, and cut before the crash".to_owned(),
        along: Along::Even,
        interval: "least and most of the rounds".to_owned(),
        panels: vec![panel("", levels.chain([prediction]))?],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}

/// Steps of acknowledgements added up, in seconds after the begin of the load.
fn so_far(outcome: &Outcome, kept_only: bool, until_ns: u64) -> Curve {
    let mut sum = 0.0;
    let steps = (until_ns / STEP_NS + 1) as usize;
    let points = (0..steps).map(|n| {
        let of = |steps: &[u32]| f64::from(steps.get(n).copied().unwrap_or_default());
        sum += of(&outcome.acks);
        if kept_only {
            sum -= of(&outcome.lost_acks);
        }
        let at = (n + 1) as f64 * STEP_NS as f64 / 1e9;
        point(at, Estimate::exactly(sum))
    });
    let points = points.collect();
    curve(outcome.level.name(), stroke(outcome.level), points)
}

/// One trial over time: what clients were told, and what of it is left.
fn one_trial(run: &FailoverLoss) -> Option<CurveFigure> {
    let trial: &Trial = [Arm::Cut1000, Arm::Cut500]
        .into_iter()
        .find_map(|arm| of(run, arm).next())?;
    let most = trial.outcomes.iter().map(|o| o.acked).max()?;
    let edge = |ns: u64| (ns as f64 / 1e9, 0.0, most as f64);
    let panel = |title: &str, kept_only: bool| {
        let curves = trial.outcomes.iter();
        let curves = curves.map(|o| so_far(o, kept_only, trial.kill_ns));
        Some(CurvePanel {
            noise: trial.cut_ns.map(|cut_ns| NoiseBand {
                label: "from the cut of the link to the end of the primary".to_owned(),
                edges: vec![edge(cut_ns), edge(trial.kill_ns)],
            }),
            ..panel(title, curves)?
        })
    };
    Some(CurveFigure {
        title: "What clients were told, and what the new primary has".to_owned(),
        subtitle: format!("One trial: {}; two clients at each level", trial.arm),
        quantity: "rows so far".to_owned(),
        unit: Unit::Number,
        logarithmic: false,
        caption: "seconds".to_owned(),
        along: Along::Even,
        interval: String::new(),
        panels: vec![
            panel("acknowledged to a client", false)?,
            panel("of these, on the promoted standby", true)?,
        ],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}

/// The ways in which a wait ends, and where they are tried.
const ENDS: [(&str, Arm, Client); 4] = [
    ("left alone", Arm::Waiting, Client::Patient),
    ("cancelled every 100 ms", Arm::Waiting, Client::Cancelled),
    ("terminated", Arm::Waiting, Client::Terminated),
    ("list emptied after 0.5 s", Arm::Emptied, Client::Freed),
];

/// Acknowledged rows at the levels that wait for the standby's disk, by what ends the wait: lost, and kept.
fn waits(run: &FailoverLoss) -> Option<RowFigure> {
    let bars = |level: Level| {
        let bars = ENDS.into_iter().filter_map(move |(label, arm, client)| {
            let all = outcomes(run, arm, level, client);
            let (trials, sum) = (all.count() as f64, tally(run, arm, level, client)?);
            let part = |name, rows: u64| RowMark::part(name, rows as f64 / trials);
            Some(Row {
                label: label.to_owned(),
                marks: vec![part("lost", sum.lost), part("kept", sum.acked - sum.lost)],
                ..Row::default()
            })
        });
        bars.collect_vec()
    };
    let levels = [Level::On, Level::RemoteApply].into_iter();
    let groups = levels.map(|level| RowGroup {
        title: level.to_string(),
        rows: bars(level),
    });
    let groups = groups.filter(|g| !g.rows.is_empty()).collect_vec();
    (!groups.is_empty()).then(|| RowFigure {
        form: RowForm::Counts,
        title: "A wait that is ended loses what it was to keep".to_owned(),
        subtitle: "The link is cut for 1 s, then the primary dies; look at what ends the waits"
            .to_owned(),
        quantity: "acknowledged rows of two clients per trial".to_owned(),
        groups,
        ..RowFigure::default()
    })
}

/// What Patroni's trials cost: rows at `on`, and time. One dot for each.
fn patroni(run: &FailoverLoss) -> Option<CurveFigure> {
    let trials = run.patroni.iter().filter(|t| t.void.is_none());
    // Of equal height the left one has the upper label.
    let trials = trials.sorted_by_key(|t| t.leader_ns);
    let dots = trials.filter_map(|t| {
        let case = PatroniArm::ALL.iter().position(|arm| *arm == t.arm)?;
        let seconds = t.leader_ns? as f64 / 1e9;
        let on = t.outcomes.iter().find(|o| o.level == Level::On)?;
        let dot = point(seconds, Estimate::exactly(on.lost as f64));
        Some(curve(t.arm.name(), stroke_of_case((case, 0)), vec![dot]))
    });
    Some(CurveFigure {
        title: "With Patroni a dead leader costs time, and a cut may cost rows".to_owned(),
        subtitle:
            "Each dot is one killed leader; without loss and at once would be the lower left corner"
                .to_owned(),
        quantity: "rows lost of those acknowledged at on, 200 per second".to_owned(),
        unit: Unit::Number,
        logarithmic: false,
        caption: "seconds without a leader that takes writes".to_owned(),
        along: Along::Even,
        interval: String::new(),
        panels: vec![panel("", dots)?],
        notes: vec![
            "Where nobody is promoted, the old leader's node is started again after 30 s."
                .to_owned(),
        ],
        footer: Vec::new(),
    })
}
