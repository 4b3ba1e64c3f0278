//! Its figures: the staircase of levels, the distances between positions, the lag columns of a stopped receiver.

use itertools::Itertools;

use super::arms::Fault;
use super::record::{Freeze, LsnLadder};
use super::summing::{FLUSH, INSERT, REPLAY, SENT, STANDBY_FLUSH, STANDBY_WRITE, gap, service};
use crate::chapter7::drawn::{curve, panel, point};
use crate::chapter7::level::Level;
use crate::report::drawings::{Drawing, curves};
use crate::report::figure::{
    Along, CurveFigure, CurvePanel, CurvePoint, NoiseBand, stroke_of_case,
};
use crate::stats::{Estimate, Unit};

/// All of them.
pub fn drawings(run: &LsnLadder, footer: &[String]) -> Vec<Drawing> {
    let drawn = [
        curves("staircase", staircase(run), footer),
        curves("gaps", gaps(run), footer),
        curves("frozen", run.freeze.as_ref().and_then(frozen), footer),
    ];
    drawn.into_iter().flatten().collect()
}

/// One panel with a line for each fault that has points.
fn by_fault(points: impl Fn(Fault) -> Vec<CurvePoint>) -> Option<CurvePanel> {
    let faults = Fault::ALL.iter().enumerate();
    let curves = faults.map(|(case, &fault)| {
        let stroke = stroke_of_case((case, case));
        curve(fault.name(), stroke, points(fault))
    });
    panel("", curves)
}

/// p50 at each level, a line for each fault.
fn staircase(run: &LsnLadder) -> Option<CurveFigure> {
    let points = |fault| {
        let levels = Level::ALL.iter().zip(1..);
        let points = levels.filter_map(|(&level, at)| {
            let service = service(run, fault, level);
            let of = |p| service.percentile_ns(p).map(|ns| ns as f64);
            let estimate = Estimate {
                value_ns: of(50.0)?,
                low_ns: of(25.0)?,
                high_ns: of(75.0)?,
            };
            Some(point(f64::from(at), estimate))
        });
        points.collect()
    };
    Some(CurveFigure {
        title: "Each fault lifts the levels that wait for it".to_owned(),
        subtitle: "Single commits of one connection; one thing is slow at a time".to_owned(),
        quantity: "service time of a commit, p50".to_owned(),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "synchronous_commit".to_owned(),
        along: Along::Names(Level::NAMES),
        interval: "the middle half of the commits".to_owned(),
        panels: vec![by_fault(points)?],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}

/// Each position, and the next one.
const GAPS: [(usize, usize); 5] = [
    (INSERT, FLUSH),
    (FLUSH, SENT),
    (SENT, STANDBY_WRITE),
    (STANDBY_WRITE, STANDBY_FLUSH),
    (STANDBY_FLUSH, REPLAY),
];

/// What WAL between them is not yet.
const NOT_YET: &[&str] = &["on disk", "sent", "written", "flushed", "replayed"];

/// Bytes between one position and the next, a line for each fault.
fn gaps(run: &LsnLadder) -> Option<CurveFigure> {
    let points = |fault| {
        let gaps = GAPS.iter().zip(1..);
        let points = gaps.filter_map(|(&(from, to), at)| {
            let bytes = gap(run, fault, from, to)?;
            Some(point(f64::from(at), Estimate::exactly(bytes as f64)))
        });
        points.collect()
    };
    Some(CurveFigure {
        title: "Each fault opens a gap of its own".to_owned(),
        subtitle: format!(
            "WAL that one position lacks of the one before it, p50, beside {} inserts per second at local",
            run.rate_per_second
        ),
        quantity: "bytes".to_owned(),
        unit: Unit::Number,
        logarithmic: false,
        caption: "what it is not yet, the last three by the standby".to_owned(),
        along: Along::Names(NOT_YET),
        interval: String::new(),
        panels: vec![by_fault(points)?],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}

/// What the largest lag column says, against how long the standby has lacked something.
fn frozen(freeze: &Freeze) -> Option<CurveFigure> {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let points = |of: &dyn Fn(usize) -> Option<f64>| {
        let samples = freeze.samples.iter().enumerate();
        let points = samples.filter_map(|(n, sample)| {
            Some(point(seconds(sample.at_ns), Estimate::exactly(of(n)?)))
        });
        points.collect_vec()
    };
    let behind = points(&|n| Some(freeze.behind_ns(&freeze.samples[n]) as f64));
    let lag = points(&|n| Some(freeze.samples[n].lags_us[2]? as f64 * 1e3));
    let highest = behind.iter().map(|p| p.estimate.value_ns);
    let highest = highest.max_by(f64::total_cmp)?;
    let curves = [("by position", behind), ("replay_lag", lag)];
    let curves = curves.into_iter().enumerate();
    let curves =
        curves.map(|(case, (label, points))| curve(label, stroke_of_case((case, case)), points));
    let edge = |ns: u64| (seconds(ns), 0.0, highest);
    Some(CurveFigure {
        title: "The lag columns stand still with the receiver".to_owned(),
        subtitle:
            "By position: for how long the standby has lacked WAL that was on the primary's disk"
                .to_owned(),
        quantity: "how far the standby is behind".to_owned(),
        unit: Unit::Ns,
        logarithmic: false,
        caption: "seconds".to_owned(),
        along: Along::Even,
        interval: String::new(),
        panels: vec![CurvePanel {
            noise: Some(NoiseBand {
                label: "the receiver is stopped (SIGSTOP)".to_owned(),
                edges: vec![edge(freeze.frozen_ns.0), edge(freeze.frozen_ns.1)],
            }),
            ..panel("", curves)?
        }],
        notes: Vec::new(),
        footer: Vec::new(),
    })
}
