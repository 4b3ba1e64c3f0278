//! Curves with bands on common axes: time against percentile, or a quantity against a number.

use super::axis::{Axis, Unit};
use super::furniture::{LABEL_SIZE, Swatch, sample_counts, sign_keys};
use super::signs::{Signs, merge_notes, signed_label};
use super::style::Stroke;
use super::{FigureError, text};

/// One point of a curve, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Where on the horizontal axis: a percentile from 0 to below 100, or a number not below zero.
    pub at: f64,
    /// The value: ns, a share or a number.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Samples behind the point, where points have their own.
    pub samples: u64,
    /// Whether the point must not be quoted; it is then drawn hollow.
    pub struck: bool,
}

/// Which marks a curve has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveMarks {
    /// None.
    None,
    /// A disc at each point.
    Points,
    /// A square at each tick, to tell a second mode of the same arm apart.
    Ticks,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Label at its end.
    pub label: String,
    /// Its look.
    pub stroke: Stroke,
    /// Its marks.
    pub marks: CurveMarks,
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
    /// Where, lower and upper edge, from left to right; edges at or below zero are drawn at the axis.
    pub edges: Vec<(f64, f64, f64)>,
}

impl NoiseBand {
    /// The band of `differences` (where, how large) around a reference curve, at the points the curve has.
    pub fn around(label: impl Into<String>, reference: &Curve, differences: &[(f64, f64)]) -> Self {
        let edge = |&(at, difference): &(f64, f64)| {
            let point = reference.points.iter().find(|p| (p.at - at).abs() < 1e-9)?;
            Some((at, point.value - difference, point.value + difference))
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
}

/// How the horizontal axis is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// Percentiles, each further nine taking the same room.
    Percentiles,
    /// Evenly, from zero.
    Even,
    /// Logarithmically; zero has a place of its own at the left.
    Decades,
}

/// One to four panels with common axes. Two lie side by side, three and four in two rows.
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
    /// Lines under the figure: machine, versions, run id, redraw command.
    pub footer: Vec<String>,
}

const MOST_PANELS: usize = 4;
/// Least distance between the centres of labels.
pub(super) const LABEL_GAP: f64 = 14.0;
/// Room between plot and labels.
pub(super) const LEADER: f64 = 16.0;
const LONGEST_LABEL: f64 = 150.0;

impl Curve {
    pub(super) fn end_label(&self) -> String {
        let struck = self.signs.struck.is_some() || self.points.iter().any(|p| p.struck);
        let label = text::fit(&self.label, LABEL_SIZE, LONGEST_LABEL);
        signed_label(&label, struck, self.signs.caution.is_some())
    }
}

impl CurveFigure {
    pub(super) fn check(&self) -> Result<(), FigureError> {
        let unfit = |reason: String| {
            Err(FigureError::Unfit {
                title: self.title.clone(),
                reason,
            })
        };
        if !(1..=MOST_PANELS).contains(&self.panels.len()) {
            return unfit(format!(
                "it has {} panels; 1 to {MOST_PANELS} can be drawn",
                self.panels.len()
            ));
        }
        let places = match self.along {
            Along::Percentiles => 0.0..100.0,
            Along::Even | Along::Decades => 0.0..f64::MAX,
        };
        let least = if self.logarithmic {
            f64::MIN_POSITIVE
        } else {
            0.0
        };
        for panel in &self.panels {
            if panel.curves.iter().all(|c| c.points.is_empty()) {
                return unfit(format!("panel `{}` has no curve", panel.title));
            }
            for curve in &panel.curves {
                let place = format!("curve `{}` of panel `{}`", curve.label, panel.title);
                if !curve.points.windows(2).all(|p| p[0].at < p[1].at) {
                    return unfit(format!("{place} has points out of order"));
                }
                for p in &curve.points {
                    let ordered = p.low >= least && p.low <= p.high && p.high.is_finite();
                    if !places.contains(&p.at)
                        || !ordered
                        || !p.value.is_finite()
                        || p.value < least
                    {
                        return unfit(format!(
                            "{place} has {} ({} to {}) at {}; it needs numbers in order, above zero on a logarithmic axis",
                            p.value, p.low, p.high, p.at
                        ));
                    }
                }
            }
            let mut edges = panel.noise.iter().flat_map(|n| &n.edges);
            if edges
                .any(|(at, low, high)| !places.contains(at) || low.is_nan() || !high.is_finite())
            {
                return unfit(format!(
                    "the noise floor of panel `{}` is not a number",
                    panel.title
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

    pub(super) fn axes(&self, height: f64) -> (Axis, Axis) {
        let points = || self.curves().flat_map(|(_, c)| &c.points);
        let at: Vec<f64> = points().map(|p| p.at).collect();
        let x = match self.along {
            Along::Percentiles => Axis::percentiles(at.into_iter()),
            Along::Even => Axis::even(&at),
            Along::Decades => Axis::decades(&at),
        };
        let edges = self
            .panels
            .iter()
            .filter_map(|p| p.noise.as_ref())
            .flat_map(|n| &n.edges);
        let low = points()
            .map(|p| p.low.min(p.value))
            .fold(f64::MAX, f64::min);
        let high = points()
            .map(|p| p.high.max(p.value))
            .chain(edges.map(|e| e.2))
            .fold(0.0, f64::max);
        if self.logarithmic {
            return (x, Axis::logarithmic((low, high), self.unit, height, 20.0));
        }
        let high = match self.unit {
            Unit::Share => 1.0,
            _ if high > 0.0 => high,
            _ => 1.0,
        };
        let mut y = Axis::linear(high, (height / 32.0).clamp(3.0, 8.0), self.unit);
        y.high = high * 1.03;
        (x, y)
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let many = self.panels.len() > 1;
        let signs = self.curves().flat_map(|(panel, curve)| {
            let place = if many { panel.title.as_str() } else { "" };
            curve.signs.notes(place, &curve.label)
        });
        let mut notes = merge_notes(&signs.collect::<Vec<_>>());
        notes.extend_from_slice(&self.notes);
        let counts: Vec<String> = self
            .panels
            .iter()
            .map(|p| sample_counts(p.curves.iter().map(|c| (c.label.as_str(), c.samples))))
            .filter(|c| !c.is_empty())
            .collect();
        if many && counts.len() == self.panels.len() && counts.iter().all(|c| *c == counts[0]) {
            notes.push(format!("Samples, each panel: {}", counts[0]));
            return notes;
        }
        for (panel, counts) in self.panels.iter().zip(&counts) {
            let place = if many {
                format!(", {}", panel.title)
            } else {
                String::new()
            };
            notes.push(format!("Samples{place}: {counts}"));
        }
        notes
    }

    pub(super) fn key(&self) -> Vec<(Swatch, String)> {
        let mut key = vec![(Swatch::Band, self.interval.clone())];
        for noise in self.panels.iter().filter_map(|p| p.noise.as_ref()) {
            if !key.iter().any(|(_, label)| *label == noise.label) {
                key.push((Swatch::Noise, noise.label.clone()));
            }
        }
        let struck_points = self
            .curves()
            .any(|(_, c)| c.points.iter().any(|p| p.struck));
        let struck = if struck_points {
            Swatch::StruckMark
        } else {
            Swatch::StruckCurve
        };
        key.extend(sign_keys(
            struck,
            self.curves().map(|(_, c)| &c.signs),
            struck_points,
        ));
        key
    }
}
