//! Dose and response: the lock's part against standing connections and against connections per second.

use itertools::Itertools;

use super::dose_table::{holds_words, predicted_from};
use super::figure::{
    self, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint, Signs, stroke_of_case,
};
use super::format::rate;
use super::level_title::{standing, title_in};
use crate::arm::Stroke;
use crate::factor::{Factor, Factors};
use crate::stats::{Analysis, Cells, Dose, Estimate, Unit, Verdict};

/// What the doses of a panel are.
type At = fn(&Dose) -> f64;

/// The lock's part as marks, its prediction as a line; `None` where there is no dose.
pub(super) fn dose_figure(analysis: &Analysis) -> Option<CurveFigure> {
    let primary = &analysis.primary_level()?.factors;
    let panels: Vec<CurvePanel> = [by_standing(analysis, primary), by_rate(analysis, primary)]
        .into_iter()
        .flatten()
        .collect();
    (!panels.is_empty()).then(|| CurveFigure {
        title: "The lock's part of slow statements against its dose".to_owned(),
        subtitle: "unpooled minus premapped, at equal work. Look whether marks rise with the line, and whether placebos stay at zero".to_owned(),
        quantity: "lock's part of the share of slow statements, percentage points".to_owned(),
        unit: Unit::ShareDifference,
        logarithmic: false,
        caption: String::new(),
        along: figure::Along::Even,
        interval: "predicted from rate and holds".to_owned(),
        panels,
        notes: vec![
            "Marks: observed, with 95 % bootstrap interval over starts and rounds.".to_owned(),
            format!("{} {}", predicted_from(analysis), holds_words(analysis)),
        ],
        footer: Vec::new(),
    })
}

/// Each line of levels that differ in standing connections, those at the primary level's rate.
fn by_standing(analysis: &Analysis, primary: &Factors) -> Option<CurvePanel> {
    let rest = |level: &Factors| Factors {
        standing: 0,
        ..level.clone()
    };
    let at: At = |d| f64::from(d.factors.standing);
    let same_rate = |d: &&Dose| d.factors.client_rate == primary.client_rate;
    let others = analysis.doses.iter().filter(same_rate);
    let others = others.filter(|d| rest(&d.factors) != rest(primary));
    let mut curves = along(analysis, at, |d| rest(&d.factors) == rest(primary))?;
    let lines = others.into_group_map_by(|d| rest(&d.factors).label(&analysis.varying));
    // In the order of the levels, not of their names.
    let lines = lines.into_values().sorted_by_key(|line| {
        let mut all = analysis.doses.iter();
        all.position(|d| Some(&d) == line.first())
    });
    for (line, ink) in lines.zip(1..) {
        let marks = observed(&line, at, label(analysis, primary, line[0]), ink);
        curves.extend(marks);
    }
    let per_second = analysis.doses.iter().find(|d| d.factors == *primary)?;
    let per_second = rate(per_second.per_second);
    Some(CurvePanel {
        title: format!("At {per_second} connections per second"),
        curves,
        noise: None,
        caption: Some("standing connections".to_owned()),
    })
}

/// The levels that differ from the primary one in the clients' rate.
fn by_rate(analysis: &Analysis, primary: &Factors) -> Option<CurvePanel> {
    let at: At = |d| d.per_second;
    let curves = along(analysis, at, |d| {
        let mut level = d.factors.clone();
        level.copy_from(primary, Factor::ClientRate);
        level == *primary
    })?;
    Some(CurvePanel {
        title: format!("With {} connections", standing(primary)),
        curves,
        noise: None,
        caption: Some("connections per second".to_owned()),
    })
}

/// Prediction and observations of one line of levels; `None` with fewer than two.
fn along(analysis: &Analysis, at: At, of: impl Fn(&Dose) -> bool) -> Option<Vec<Curve>> {
    let line = analysis.doses.iter().filter(|d| of(d)).collect_vec();
    let marks = observed(&line, at, "observed".to_owned(), 0)?;
    let predicted = points(&line, at, |d| {
        let ends = d.lock_part.predicted;
        let estimate = Estimate {
            value_ns: (ends.low + ends.high) / 2.0,
            low_ns: ends.low,
            high_ns: ends.high,
        };
        Some((estimate, None))
    });
    (predicted.len() >= 2).then(|| {
        let line = predicted_line("predicted".to_owned(), "#000000", predicted);
        vec![line, marks]
    })
}

/// How a prediction is drawn.
pub(super) fn predicted_line(
    label: String,
    colour: &'static str,
    points: Vec<CurvePoint>,
) -> Curve {
    Curve {
        label,
        form: CurveForm::Line,
        stroke: Stroke::new(colour, 1.4, "6 3"),
        points,
        samples: 0,
        signs: Signs::default(),
    }
}

/// Marks of what was observed; `None` where nothing was.
fn observed(line: &[&Dose], at: At, label: String, ink: usize) -> Option<Curve> {
    let points = points(line, at, |d| Some((d.lock_part.observed?, d.verdict)));
    (!points.is_empty()).then(|| Curve {
        label,
        form: CurveForm::Marks,
        stroke: stroke_of_case((ink, 0)),
        points,
        samples: 0,
        signs: Signs::default(),
    })
}

/// From left to right, no two at one place.
fn points(
    line: &[&Dose],
    at: At,
    value: impl Fn(&Dose) -> Option<(Estimate, Option<Verdict>)>,
) -> Vec<CurvePoint> {
    let point = |dose: &&Dose| {
        let (estimate, verdict) = value(dose)?;
        Some(CurvePoint {
            at: at(dose),
            estimate,
            samples: dose.rounds as u64,
            struck: verdict == Some(Verdict::StruckOut),
            verdict,
        })
    };
    let mut points = line.iter().filter_map(point).collect_vec();
    points.sort_by(|a, b| a.at.total_cmp(&b.at));
    points.dedup_by(|a, b| a.at == b.at);
    points
}

/// `placebo: slots behind`, `PostgreSQL 17`.
fn label(analysis: &Analysis, primary: &Factors, dose: &Dose) -> String {
    let differs = |f: &&Factor| dose.factors.get(**f) != primary.get(**f);
    let differing = analysis.varying.iter().filter(differs).copied();
    let words = match dose.factors.words(&differing.collect_vec()).join(", ") {
        none if none.is_empty() => title_in(analysis, &dose.factors),
        words => words,
    };
    match dose.cells {
        Cells::Placebo => format!("placebo: {words}"),
        Cells::WithFaults => words,
    }
}
