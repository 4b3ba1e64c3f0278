//! Response time against percentile, one curve per arm.

use super::axis::{LogTimeAxis, Tick, percentile_position};
use super::canvas::{self, Frame};
use super::furniture::{
    Foot, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, Swatch, TICK_SIZE, WIDTH, merge_notes, sign_notes,
    signed_label,
};
use super::ink::Anchor;
use super::percentile_panel::draw_panel;
use super::style::{SOFT_TEXT, TEXT};
use super::{Figure, FigureError, text, time_label};
use crate::report::export::csv_line;

/// One point of a curve, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Percentile, 0 to below 100.
    pub percentile: f64,
    /// Time at that percentile in ns, above zero.
    pub value_ns: f64,
    /// Lower end of its interval in ns.
    pub low_ns: f64,
    /// Upper end of its interval in ns.
    pub high_ns: f64,
}

/// One curve of time against percentile.
#[derive(Debug, Clone, PartialEq)]
pub struct PercentileCurve {
    /// Label at the curve's end; for an arm, its name.
    pub label: String,
    /// Fixes colour, dash and weight; see [`arm_index`](super::arm_index).
    pub arm_index: usize,
    /// Draws small filled squares on the curve, to tell a second mode of the
    /// same arm apart.
    pub marked: bool,
    /// Points in ascending order of percentile.
    pub points: Vec<CurvePoint>,
    /// Number of samples behind the curve.
    pub sample_count: u64,
    /// Why the curve must not be quoted; it is then drawn hollow.
    pub struck: Option<String>,
    /// Why the curve is to be read with care; its label gets a dagger.
    pub caution: Option<String>,
}

/// Where a curve cannot be told from its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseFloor {
    /// Key entry, for instance `noise floor (A/A) around kept-open`.
    pub label: String,
    /// Band in ascending order of percentile.
    pub points: Vec<NoiseFloorPoint>,
}

/// The noise floor at one percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseFloorPoint {
    /// Percentile, 0 to below 100.
    pub percentile: f64,
    /// Lower edge in ns; values at or below zero are drawn at the axis.
    pub low_ns: f64,
    /// Upper edge in ns.
    pub high_ns: f64,
}

impl NoiseFloor {
    /// The band of `differences_ns` (percentile, ns) around a reference curve,
    /// at the percentiles that the curve itself has.
    pub fn around(
        label: impl Into<String>,
        reference: &PercentileCurve,
        differences_ns: &[(f64, f64)],
    ) -> Self {
        let points = differences_ns
            .iter()
            .filter_map(|(percentile, difference)| {
                let point = reference
                    .points
                    .iter()
                    .find(|p| (p.percentile - percentile).abs() < 1e-9)?;
                Some(NoiseFloorPoint {
                    percentile: *percentile,
                    low_ns: point.value_ns - difference,
                    high_ns: point.value_ns + difference,
                })
            })
            .collect();
        Self {
            label: label.into(),
            points,
        }
    }
}

/// One plot of a [`PercentileFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct PercentilePanel {
    /// What the panel shows, for instance `500 standing connections`.
    pub title: String,
    /// Its curves.
    pub curves: Vec<PercentileCurve>,
    /// Its noise floor, when one was measured.
    pub noise_floor: Option<NoiseFloor>,
}

/// One to four panels of percentile curves on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct PercentileFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the time axis is, for instance `response time`.
    pub quantity: String,
    /// What the light bands are, for instance
    /// `95 % bootstrap interval over 10 blocks`.
    pub interval: String,
    /// Two panels lie side by side, three and four in two rows.
    pub panels: Vec<PercentilePanel>,
    /// Lines under the figure: machine, versions, run id, redraw command.
    /// Sample counts, strikes and cautions are added from the curves.
    pub footer: Vec<String>,
}

/// Least distance between the centres of labels.
pub(super) const LABEL_GAP: f64 = 13.5;
/// Room between plot and labels.
pub(super) const LEADER: f64 = 16.0;
const LONGEST_LABEL: f64 = 150.0;

/// Axes and measures common to all panels.
pub(super) struct Layout {
    pub x_end: f64,
    pub y: LogTimeAxis,
    y_label_width: f64,
    end_label_width: f64,
    plot_height: f64,
    pub y_ticks: Vec<Tick>,
}

impl PercentileFigure {
    fn check(&self) -> Result<(), FigureError> {
        let unfit = |reason: String| {
            Err(FigureError::Unfit {
                title: self.title.clone(),
                reason,
            })
        };
        if self.panels.is_empty() || self.panels.len() > 4 {
            return unfit(format!(
                "it has {} panels; 1 to 4 can be drawn",
                self.panels.len()
            ));
        }
        for panel in &self.panels {
            if panel.curves.is_empty() {
                return unfit(format!("panel `{}` has no curve", panel.title));
            }
            for curve in &panel.curves {
                let place = format!("curve `{}` of panel `{}`", curve.label, panel.title);
                if curve.points.len() < 2 {
                    return unfit(format!(
                        "{place} has {} points; it needs two",
                        curve.points.len()
                    ));
                }
                if curve
                    .points
                    .windows(2)
                    .any(|p| p[0].percentile >= p[1].percentile)
                {
                    return unfit(format!("{place} has percentiles out of order"));
                }
                for p in &curve.points {
                    let times = [p.value_ns, p.low_ns, p.high_ns];
                    if !(0.0..100.0).contains(&p.percentile) {
                        return unfit(format!(
                            "{place} has percentile {}; 0 to below 100 can be drawn",
                            p.percentile
                        ));
                    }
                    if times.iter().any(|t| !t.is_finite() || *t <= 0.0) || p.low_ns > p.high_ns {
                        return unfit(format!(
                            "{place} has {} ns ({} to {}) at {} %; a logarithmic axis needs times above zero and low below high",
                            p.value_ns, p.low_ns, p.high_ns, p.percentile
                        ));
                    }
                }
            }
            let floor = panel.noise_floor.iter().flat_map(|f| &f.points);
            if floor.clone().any(|p| {
                !(0.0..100.0).contains(&p.percentile) || p.low_ns.is_nan() || !p.high_ns.is_finite()
            }) {
                return unfit(format!(
                    "the noise floor of panel `{}` is not a number",
                    panel.title
                ));
            }
        }
        Ok(())
    }

    fn curves(&self) -> impl Iterator<Item = (&PercentilePanel, &PercentileCurve)> {
        self.panels
            .iter()
            .flat_map(|panel| panel.curves.iter().map(move |curve| (panel, curve)))
    }

    fn layout(&self) -> Layout {
        let points = || self.curves().flat_map(|(_, c)| &c.points);
        let x_end = points()
            .map(|p| percentile_position(p.percentile))
            .fold(0.31, f64::max);
        let floor_high = self
            .panels
            .iter()
            .filter_map(|p| p.noise_floor.as_ref())
            .flat_map(|f| &f.points);
        let low = points()
            .map(|p| p.low_ns.min(p.value_ns))
            .fold(f64::MAX, f64::min);
        let high = points()
            .map(|p| p.high_ns.max(p.value_ns))
            .chain(floor_high.map(|p| p.high_ns));
        let y = LogTimeAxis::covering(low, high.fold(0.0, f64::max));
        let most_curves = self
            .panels
            .iter()
            .map(|p| p.curves.len())
            .max()
            .unwrap_or(1) as f64;
        let height: f64 = match self.panels.len() {
            1 => 330.0,
            2 => 310.0,
            _ => 225.0,
        };
        let plot_height = height.max(most_curves * LABEL_GAP + 8.0);
        let y_ticks = y.ticks(plot_height, 20.0);
        let widest = |widths: Vec<f64>| widths.into_iter().fold(0.0, f64::max);
        Layout {
            x_end,
            y_label_width: widest(
                y_ticks
                    .iter()
                    .map(|t| text::width(&t.label, TICK_SIZE))
                    .collect(),
            ) + 8.0,
            end_label_width: widest(
                self.curves()
                    .map(|(_, c)| text::width(&end_label(c), LABEL_SIZE))
                    .collect(),
            ) + LEADER
                + 4.0,
            plot_height,
            y_ticks,
            y,
        }
    }

    fn notes(&self) -> Vec<String> {
        let many = self.panels.len() > 1;
        let notes: Vec<_> = self
            .curves()
            .flat_map(|(panel, c)| {
                let place = if many { panel.title.as_str() } else { "" };
                sign_notes(place, &c.label, c.struck.as_deref(), c.caution.as_deref())
            })
            .collect();
        let mut notes = merge_notes(&notes);
        let counts: Vec<String> = self.panels.iter().map(sample_counts).collect();
        if many && counts.iter().all(|c| *c == counts[0]) {
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

    fn key(&self) -> Vec<(Swatch, String)> {
        let mut key = vec![(Swatch::Band, self.interval.clone())];
        let mut floors: Vec<&str> = Vec::new();
        for floor in self.panels.iter().filter_map(|p| p.noise_floor.as_ref()) {
            if !floors.contains(&floor.label.as_str()) {
                floors.push(&floor.label);
                key.push((Swatch::Noise, floor.label.clone()));
            }
        }
        if self.curves().any(|(_, c)| c.struck.is_some()) {
            key.push((
                Swatch::StruckCurve,
                "struck out, not to be quoted".to_owned(),
            ));
        }
        if self.curves().any(|(_, c)| c.caution.is_some()) {
            key.push((Swatch::Caution, "read with care".to_owned()));
        }
        key
    }
}

/// The sample count of every curve of a panel.
fn sample_counts(panel: &PercentilePanel) -> String {
    let counts: Vec<String> = panel
        .curves
        .iter()
        .map(|c| {
            format!(
                "{}\u{a0}{}",
                c.label.replace(' ', "\u{a0}"),
                time_label::grouped(c.sample_count)
            )
        })
        .collect();
    counts.join("; ")
}

/// Label at a curve's end, with its signs.
pub(super) fn end_label(curve: &PercentileCurve) -> String {
    let label = text::fit(&curve.label, LABEL_SIZE, LONGEST_LABEL);
    signed_label(&label, curve.struck.is_some(), curve.caution.is_some())
}

impl Figure for PercentileFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let layout = self.layout();
        let header = Header::new(&self.title, &self.subtitle);
        let foot = Foot::new(self.key(), &self.notes(), &self.footer);
        let columns = self.panels.len().min(2);
        let rows = self.panels.len().div_ceil(2);
        let cell_width = (WIDTH - 2.0 * MARGIN) / columns as f64;
        let cell_height = 36.0 + layout.plot_height + 38.0;
        let height = header.height() + rows as f64 * cell_height + foot.height();
        canvas::draw((WIDTH, height), &self.title, |area, ink| {
            header.draw(ink);
            for (i, panel) in self.panels.iter().enumerate() {
                let left = MARGIN + (i % columns) as f64 * cell_width;
                let top = header.height() + (i / columns) as f64 * cell_height;
                let plot = Frame {
                    left: left + layout.y_label_width,
                    top: top + 36.0,
                    width: cell_width - layout.y_label_width - layout.end_label_width,
                    height: layout.plot_height,
                };
                let titled = text::fit(&panel.title, LABEL_SIZE + 0.5, cell_width - 20.0);
                ink.text(
                    (left, top + 13.0),
                    LABEL_SIZE + 0.5,
                    Anchor::Start,
                    TEXT,
                    &titled,
                );
                ink.text(
                    (left, top + 28.0),
                    NOTE_SIZE,
                    Anchor::Start,
                    SOFT_TEXT,
                    &self.quantity,
                );
                draw_panel(panel, &layout, &plot, area, ink)?;
            }
            foot.draw(ink, height - foot.height());
            Ok(())
        })
    }

    fn csv(&self) -> String {
        let mut csv = csv_line(&[
            "panel",
            "series",
            "percentile",
            "value_ns",
            "low_ns",
            "high_ns",
            "sample_count",
            "struck",
            "caution",
        ]);
        for panel in &self.panels {
            for c in &panel.curves {
                for p in &c.points {
                    csv += &csv_line(&[
                        &panel.title,
                        &c.label,
                        &p.percentile.to_string(),
                        &format!("{:.1}", p.value_ns),
                        &format!("{:.1}", p.low_ns),
                        &format!("{:.1}", p.high_ns),
                        &c.sample_count.to_string(),
                        c.struck.as_deref().unwrap_or(""),
                        c.caution.as_deref().unwrap_or(""),
                    ]);
                }
            }
            if let Some(floor) = &panel.noise_floor {
                for p in &floor.points {
                    csv += &csv_line(&[
                        &panel.title,
                        &floor.label,
                        &p.percentile.to_string(),
                        "",
                        &format!("{:.1}", p.low_ns),
                        &format!("{:.1}", p.high_ns),
                        "",
                        "",
                        "",
                    ]);
                }
            }
        }
        csv
    }
}
