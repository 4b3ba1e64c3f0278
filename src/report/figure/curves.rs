//! Curves with bands on common axes: time against percentile, or a quantity against a number.

use super::axis::Axis;
use super::furniture::{LABEL_SIZE, Swatch, sample_counts};
use super::look::Look;
use super::signs::{Signs, say_once, sign_notes};
use super::style::{SeriesLook, Shape};
use crate::arm::Stroke;
use crate::stats::{Estimate, Unit, Verdict};

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Where on the horizontal axis: a percentile from 0 to below 100, or a number not below zero.
    pub at: f64,
    /// The value with its interval.
    pub estimate: Estimate,
    /// Samples behind the point, where points have their own.
    pub samples: u64,
    /// Whether the point must not be quoted; it is then drawn hollow.
    pub struck: bool,
    /// What a difference lets one say: it is pale unless it is shown.
    pub verdict: Option<Verdict>,
}

/// How a curve's points are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CurveForm {
    /// By a line with a band, and a label at its end.
    #[default]
    Line,
    /// Not at all: marks with their intervals, beside those of other curves at the same place, and named in the key.
    Marks,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Label at its end.
    pub label: String,
    /// How its points are joined.
    pub form: CurveForm,
    /// Its look.
    pub stroke: Stroke,
    /// Its points, from left to right.
    pub points: Vec<CurvePoint>,
    /// Samples behind the whole curve, where its points have none of their own.
    pub samples: u64,
    /// Why it must not be quoted, or is to be read with care.
    pub signs: Signs,
}

/// Where a curve is not distinguishable from its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseBand {
    /// Key entry, for instance `noise floor (A/A) around kept-open`.
    pub label: String,
    /// Where, lower and upper edge, from left to right; edges beyond the axis are drawn at its end.
    pub edges: Vec<(f64, f64, f64)>,
}

impl NoiseBand {
    /// The band of `differences` (where, how large) around a reference curve, at the points the curve has.
    pub fn around(label: impl Into<String>, reference: &Curve, differences: &[(f64, f64)]) -> Self {
        let edge = |&(at, difference): &(f64, f64)| {
            let point = reference.points.iter().find(|p| (p.at - at).abs() < 1e-9)?;
            let value = point.estimate.value_ns;
            Some((at, value - difference, value + difference))
        };
        NoiseBand {
            label: label.into(),
            edges: differences.iter().filter_map(edge).collect(),
        }
    }
}

/// One plot.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePanel {
    /// What the panel shows, for instance `500 standing connections`.
    pub title: String,
    /// Its curves.
    pub curves: Vec<Curve>,
    /// Its noise floor, when one was measured.
    pub noise: Option<NoiseBand>,
    /// What its horizontal axis is, where it has one of its own.
    pub caption: Option<String>,
}

/// How the horizontal axis is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// Percentiles, each further nine taking the same room; the curves have no marks.
    Percentiles,
    /// Evenly, from zero.
    Even,
    /// Logarithmically; zero has a place of its own at the left.
    Decades,
    /// At 1, 2, 3 and so on, which have these names.
    Names(&'static [&'static str]),
}

/// One to four panels with common axes, unless a panel names its own horizontal one. Two lie side by side, three and four in two rows.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the vertical axis is, for instance `response time`.
    pub quantity: String,
    /// What it counts.
    pub unit: Unit,
    /// Whether it is logarithmic; values must then be above zero.
    pub logarithmic: bool,
    /// What the horizontal axis is.
    pub caption: String,
    /// How it is spaced.
    pub along: Along,
    /// What the bands are, for instance `95 % bootstrap interval over 10 blocks`.
    pub interval: String,
    /// The panels, row by row.
    pub panels: Vec<CurvePanel>,
    /// Further notes, one line each; reasons of the curves' signs are added.
    pub notes: Vec<String>,
    /// Lines of the caption: runs, of which the first also stands in the picture, load, machine.
    pub footer: Vec<String>,
}

const MOST_PANELS: usize = 4;
/// Least distance between the centres of labels.
pub(super) const LABEL_GAP: f64 = 14.0;
/// Room between plot and labels.
pub(super) const LEADER: f64 = 16.0;
/// Longer labels take more lines, in a narrow figure and in others.
const LONGEST_LABEL: [f64; 2] = [105.0, 170.0];

impl Curve {
    /// Whether it can have signs: a prediction has neither samples that carry it nor reasons.
    fn is_measured(&self) -> bool {
        let has_interval = |p: &CurvePoint| p.estimate.low_ns < p.estimate.high_ns;
        self.signs != Signs::default() || self.points.iter().any(has_interval)
    }

    /// Whether a point of its own is struck out.
    fn struck_in_part(&self) -> bool {
        self.points.iter().any(|p| p.struck)
    }

    /// Its lines.
    pub(super) fn end_label(&self, look: Look) -> Vec<String> {
        let mut signs = self.signs.clone();
        if self.struck_in_part() {
            signs.struck.get_or_insert_default();
        }
        let limit = LONGEST_LABEL[usize::from(!look.is_narrow())];
        signs.signed_lines(&self.label, LABEL_SIZE, limit)
    }
}

impl CurveFigure {
    /// Why it cannot be drawn.
    pub(super) fn check(&self) -> Result<(), String> {
        let count = self.panels.len();
        if !(1..=MOST_PANELS).contains(&count) {
            return Err(format!(
                "it has {count} panels; 1 to {MOST_PANELS} can be drawn"
            ));
        }
        let places = match self.along {
            Along::Percentiles => 0.0..100.0,
            Along::Even | Along::Decades => 0.0..f64::MAX,
            Along::Names(names) => 1.0..names.len() as f64 + 0.5,
        };
        let least = match self.logarithmic {
            true => f64::MIN_POSITIVE,
            false if self.is_difference() => f64::NEG_INFINITY,
            false => 0.0,
        };
        for panel in &self.panels {
            let title = &panel.title;
            if panel.curves.iter().all(|c| c.points.is_empty()) {
                return Err(format!("panel `{title}` has no curve"));
            }
            for curve in &panel.curves {
                let place = format!("curve `{}` of panel `{title}`", curve.label);
                if !curve.points.is_sorted_by(|a, b| a.at < b.at) {
                    return Err(format!("{place} has points out of order"));
                }
                let fits = |p: &CurvePoint| places.contains(&p.at) && drawable(p.estimate, least);
                if let Some(p) = curve.points.iter().find(|p| !fits(p)) {
                    let (at, e) = (p.at, p.estimate);
                    return Err(format!(
                        "{place} has {} ({} to {}) at {at}; it needs numbers in order, above zero on a logarithmic axis",
                        e.value_ns, e.low_ns, e.high_ns
                    ));
                }
            }
            let fits = |(at, low, high): &(f64, f64, f64)| {
                places.contains(at) && !low.is_nan() && high.is_finite()
            };
            if !panel.noise.iter().flat_map(|n| &n.edges).all(fits) {
                return Err(format!(
                    "the noise floor of panel `{title}` is not a number"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn curves(&self) -> impl Iterator<Item = (&CurvePanel, &Curve)> + Clone {
        self.panels
            .iter()
            .flat_map(|panel| panel.curves.iter().map(move |curve| (panel, curve)))
    }

    /// Whether its values are differences, which may lie below zero.
    pub(super) fn is_difference(&self) -> bool {
        matches!(self.unit, Unit::NsDifference | Unit::ShareDifference)
    }

    /// Labels of the curves that are marks, with their looks: one shape each, in every panel.
    pub(super) fn marks(&self) -> Vec<(&str, SeriesLook)> {
        let mut marks: Vec<(&str, SeriesLook)> = Vec::new();
        for (_, curve) in self.curves().filter(|(_, c)| c.form == CurveForm::Marks) {
            if !marks.iter().any(|(label, _)| *label == curve.label) {
                let colour = curve.stroke.colour;
                let shape = Shape::ALL[marks.len() % Shape::ALL.len()];
                marks.push((&curve.label, SeriesLook { colour, shape }));
            }
        }
        marks
    }

    /// The horizontal axis of a panel.
    pub(super) fn across(&self, panel: &CurvePanel) -> Axis {
        let shared = self.panels.iter().filter(|p| p.caption == panel.caption);
        let points = shared.flat_map(|p| &p.curves).flat_map(|c| &c.points);
        let at: Vec<f64> = points.map(|p| p.at).collect();
        match self.along {
            Along::Percentiles => Axis::percentiles(&at),
            Along::Even => Axis::even(&at),
            Along::Decades => Axis::decades(&at),
            Along::Names(names) => Axis::names(names),
        }
    }

    /// The vertical axis of all panels.
    pub(super) fn upwards(&self, height: f64) -> Axis {
        let points = || self.curves().flat_map(|(_, c)| &c.points);
        let lows = points().map(|p| p.estimate.low_ns.min(p.estimate.value_ns));
        let highs = points().map(|p| p.estimate.high_ns.max(p.estimate.value_ns));
        let high = highs.fold(0.0, f64::max);
        if self.logarithmic {
            let range = (lows.fold(f64::MAX, f64::min), high);
            return Axis::logarithmic(range, self.unit, height, 20.0);
        }
        let high = if high > 0.0 { high } else { 1.0 };
        let low = lows.fold(0.0, f64::min);
        let most = (height / 32.0).clamp(3.0, 8.0);
        let mut y = Axis::linear((low, high), most, self.unit);
        (y.low, y.high) = (low * 1.03, high * 1.03);
        y
    }

    /// Without the daggers that most have, and what the key says instead of them.
    pub(super) fn with_telling_signs(&self) -> (Self, Option<&'static str>) {
        let mut shown = self.clone();
        let curves = shown.panels.iter_mut().flat_map(|p| &mut p.curves);
        let measured = curves.filter(|c| c.is_measured());
        let common = say_once(measured.map(|c| &mut c.signs).collect());
        (shown, common)
    }

    /// Reasons of the signs, then its own notes.
    pub(super) fn notes(&self) -> Vec<String> {
        let many = self.panels.len() > 1;
        let measured = self.curves().filter(|(_, c)| c.is_measured());
        let mut notes = sign_notes(measured.map(|(panel, curve)| {
            let place = if many { panel.title.as_str() } else { "" };
            (&curve.signs, place.to_owned(), curve.label.as_str())
        }));
        notes.extend_from_slice(&self.notes);
        notes
    }

    /// How many samples are behind each curve.
    pub(super) fn samples(&self) -> Vec<String> {
        let many = self.panels.len() > 1;
        let mut notes = Vec::new();
        let counts = self.panels.iter().map(|panel| {
            let curves = panel.curves.iter();
            sample_counts(curves.map(|c| (c.label.as_str(), c.samples)))
        });
        let counts: Vec<String> = counts.collect();
        let everywhere = many && counts.iter().all(|c| *c == counts[0]);
        let counted = self.panels.iter().zip(counts);
        for (CurvePanel { title, .. }, counts) in counted.filter(|(_, c)| !c.is_empty()) {
            if everywhere {
                notes.push(format!("Samples, each panel: {counts}"));
                break;
            }
            notes.push(match many {
                true => format!("Samples, {title}: {counts}"),
                false => format!("Samples: {counts}"),
            });
        }
        notes
    }

    /// `common` is said of most of it.
    pub(super) fn key(&self, common: Option<&str>) -> Vec<(Swatch, String)> {
        let has_lines = self.curves().any(|(_, c)| c.form == CurveForm::Line);
        let has_band = has_lines && !self.interval.is_empty();
        let band = has_band.then(|| (Swatch::Band, self.interval.clone()));
        let mut key: Vec<(Swatch, String)> = band.into_iter().collect();
        let marks = self.marks().into_iter();
        key.extend(marks.map(|(label, look)| (Swatch::Mark(look), label.to_owned())));
        let points = self.curves().flat_map(|(_, c)| &c.points);
        key.extend(Swatch::of_verdicts(points.filter_map(|p| p.verdict)));
        for noise in self.panels.iter().filter_map(|p| p.noise.as_ref()) {
            if !key.iter().any(|(_, label)| *label == noise.label) {
                key.push((Swatch::Noise, noise.label.clone()));
            }
        }
        let any = |has: fn(&Curve) -> bool| self.curves().any(|(_, c)| has(c));
        let struck = if any(Curve::struck_in_part) {
            Some(Swatch::StruckMark)
        } else {
            any(|c| c.signs.struck.is_some()).then_some(Swatch::StruckCurve)
        };
        let caution = any(|c| c.signs.caution.is_some());
        key.extend(Swatch::of_signs(struck, caution, common));
        key
    }
}

/// Whether an axis that begins at `least` has the value and its interval, and they are in order.
pub(super) fn drawable(e: Estimate, least: f64) -> bool {
    let numbers = [e.value_ns, e.low_ns, e.high_ns];
    numbers.iter().all(|n| n.is_finite() && *n >= least) && e.low_ns <= e.high_ns
}
