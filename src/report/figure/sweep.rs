//! A quantity against a number: one line for each case, bands for the
//! intervals, labels at the lines' ends.

use super::axis::Tick;
use super::canvas::{self, Frame};
use super::furniture::{
    Foot, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, Swatch, TICK_SIZE, WIDTH, signed_label,
};
use super::ink::Anchor;
use super::style::{SOFT_TEXT, TEXT};
use super::sweep_axis::{NumberAxis, ValueAxis};
use super::sweep_panel::draw_panel;
use super::{Figure, FigureError, text, time_label};
use crate::report::export::csv_line;

/// What the vertical axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepUnit {
    /// Nanoseconds.
    Time,
    /// A share, 0 to 1; drawn in per cent.
    Share,
    /// A bare number.
    Number,
}

impl SweepUnit {
    /// A value with its unit.
    pub(super) fn label(self, value: f64) -> String {
        match self {
            SweepUnit::Time => time_label::tick(value),
            SweepUnit::Share => time_label::percent(100.0 * value),
            SweepUnit::Number => {
                let text = format!("{value:.3}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                match text.parse::<u64>() {
                    Ok(whole) => time_label::grouped(whole),
                    Err(_) => text.to_owned(),
                }
            }
        }
    }
}

/// How the horizontal axis is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepX {
    /// Evenly, from zero.
    Linear,
    /// Logarithmically; zero has a place of its own at the left.
    Logarithmic,
}

/// One point with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepDot {
    /// Where on the horizontal axis; zero or more.
    pub at: f64,
    /// The value: ns, a share or a number.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Samples behind it.
    pub sample_count: u64,
    /// Whether it must not be quoted; it is then drawn hollow.
    pub struck: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepCurve {
    /// The case, for instance `PostgreSQL 15`.
    pub label: String,
    /// Its look: lines with the same first number share a colour and a weight,
    /// those with the same second a dash. The same case has the same look in
    /// every panel.
    pub look: (usize, usize),
    /// Its points, left to right.
    pub dots: Vec<SweepDot>,
    /// Whether it is to be read with care; its label gets a dagger.
    pub caution: bool,
}

/// Lines on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPanel {
    /// What its lines have in common; empty in a figure of one panel.
    pub title: String,
    /// The lines.
    pub curves: Vec<SweepCurve>,
}

/// One to four panels with common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the vertical axis is.
    pub quantity: String,
    /// What the vertical axis counts.
    pub unit: SweepUnit,
    /// Whether it is logarithmic; values must then be above zero.
    pub logarithmic: bool,
    /// What the horizontal axis is.
    pub along: String,
    /// How the horizontal axis is spaced.
    pub x: SweepX,
    /// What the bands are.
    pub interval: String,
    /// The panels, row by row.
    pub panels: Vec<SweepPanel>,
    /// Slopes, strikes and cautions in words, one line each.
    pub notes: Vec<String>,
    /// Lines under the figure: machine, versions, run id, redraw command.
    pub footer: Vec<String>,
}

const MOST_PANELS: usize = 4;
/// Least distance of two labels.
pub(super) const LABEL_GAP: f64 = 14.0;
/// Length of the line from a curve's end to its label.
pub(super) const LEADER: f64 = 16.0;
const LONGEST_LABEL: f64 = 150.0;

/// What all panels share.
pub(super) struct Layout {
    pub x: NumberAxis,
    pub x_ticks: Vec<Tick>,
    pub y: ValueAxis,
    y_label_width: f64,
    end_label_width: f64,
    plot_height: f64,
}

impl SweepFigure {
    fn check(&self) -> Result<(), FigureError> {
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
        for panel in &self.panels {
            if panel.curves.iter().all(|c| c.dots.is_empty()) {
                return unfit(format!("panel `{}` has no point", panel.title));
            }
            for curve in &panel.curves {
                let ascending = curve.dots.windows(2).all(|d| d[0].at < d[1].at);
                if !ascending {
                    return unfit(format!("points of `{}` are out of order", curve.label));
                }
                for dot in &curve.dots {
                    let all = [dot.at, dot.value, dot.low, dot.high];
                    let least = if self.logarithmic {
                        f64::MIN_POSITIVE
                    } else {
                        0.0
                    };
                    if all.iter().any(|n| !n.is_finite())
                        || dot.at < 0.0
                        || dot.low < least
                        || !(dot.low..=dot.high).contains(&dot.value)
                    {
                        return unfit(format!(
                            "`{}` has {} ({} to {}) at {}; it needs numbers in order, above zero on a logarithmic axis",
                            curve.label, dot.value, dot.low, dot.high, dot.at
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn curves(&self) -> impl Iterator<Item = &SweepCurve> {
        self.panels.iter().flat_map(|p| &p.curves)
    }

    fn layout(&self) -> Layout {
        let dots = || self.curves().flat_map(|c| &c.dots);
        let at: Vec<f64> = dots().map(|d| d.at).collect();
        let x = NumberAxis::covering(self.x, &at);
        let least = dots().map(|d| d.low).fold(f64::MAX, f64::min);
        let most = dots().map(|d| d.high).fold(0.0, f64::max);
        let lines = self
            .panels
            .iter()
            .map(|p| p.curves.len())
            .max()
            .unwrap_or(1) as f64;
        let height: f64 = match self.panels.len() {
            1 => 330.0,
            2 => 300.0,
            _ => 215.0,
        };
        let plot_height = height.max(lines * LABEL_GAP + 8.0);
        let y = ValueAxis::covering((self.unit, self.logarithmic), (least, most), plot_height);
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        Layout {
            x_ticks: x.ticks(),
            x,
            y_label_width: widest(&mut y.ticks.iter().map(|t| text::width(&t.label, TICK_SIZE)))
                + 10.0,
            end_label_width: widest(
                &mut self
                    .curves()
                    .map(|c| text::width(&end_label(c), LABEL_SIZE)),
            ) + LEADER
                + 6.0,
            y,
            plot_height,
        }
    }

    fn key(&self) -> Vec<(Swatch, String)> {
        let mut key = vec![(Swatch::Band, self.interval.clone())];
        if self.curves().any(|c| c.dots.iter().any(|d| d.struck)) {
            key.push((
                Swatch::StruckMark,
                "struck out, not to be quoted".to_owned(),
            ));
        }
        if self.curves().any(|c| c.caution) {
            key.push((Swatch::Caution, "read with care".to_owned()));
        }
        key
    }
}

/// Label at a line's end, with its signs.
pub(super) fn end_label(curve: &SweepCurve) -> String {
    let label = text::fit(&curve.label, LABEL_SIZE, LONGEST_LABEL);
    let struck = curve.dots.iter().any(|d| d.struck);
    signed_label(&label, struck, curve.caution)
}

impl Figure for SweepFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let layout = self.layout();
        let header = Header::new(&self.title, &self.subtitle);
        let foot = Foot::new(self.key(), &self.notes, &self.footer);
        let columns = self.panels.len().min(2);
        let rows = self.panels.len().div_ceil(2);
        let cell_width = (WIDTH - 2.0 * MARGIN) / columns as f64;
        let cell_height = 36.0 + layout.plot_height + 40.0;
        let height = header.height() + rows as f64 * cell_height + foot.height();
        canvas::draw((WIDTH, height), &self.title, |area, ink| {
            header.draw(ink);
            for (i, panel) in self.panels.iter().enumerate() {
                let left = MARGIN + (i % columns) as f64 * cell_width;
                let top = header.height() + (i / columns) as f64 * cell_height;
                let plot = Frame {
                    left: left + layout.y_label_width,
                    top: top + 36.0,
                    width: cell_width - layout.y_label_width - layout.end_label_width - 6.0,
                    height: layout.plot_height,
                };
                let size = LABEL_SIZE + 0.5;
                let titled = text::fit(&panel.title, size, cell_width - 20.0);
                ink.text((left, top + 13.0), size, Anchor::Start, TEXT, &titled);
                let quantity = text::fit(&self.quantity, NOTE_SIZE, cell_width - 20.0);
                ink.text(
                    (left, top + 28.0),
                    NOTE_SIZE,
                    Anchor::Start,
                    SOFT_TEXT,
                    &quantity,
                );
                draw_panel(panel, &layout, (&plot, &self.along), area, ink)?;
            }
            foot.draw(ink, height - foot.height());
            Ok(())
        })
    }

    fn csv(&self) -> String {
        let (value, low, high) = match self.unit {
            SweepUnit::Time => ("value_ns", "low_ns", "high_ns"),
            SweepUnit::Share => ("share", "low", "high"),
            SweepUnit::Number => ("value", "low", "high"),
        };
        let mut csv = csv_line(&["panel", "line", "at", value, low, high, "samples", "struck"]);
        for panel in &self.panels {
            for curve in &panel.curves {
                for d in &curve.dots {
                    csv += &csv_line(&[
                        &panel.title,
                        &curve.label,
                        &d.at.to_string(),
                        &format!("{:.4}", d.value),
                        &format!("{:.4}", d.low),
                        &format!("{:.4}", d.high),
                        &d.sample_count.to_string(),
                        if d.struck { "yes" } else { "" },
                    ]);
                }
            }
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, look: (usize, usize), values: &[(f64, f64)]) -> SweepCurve {
        SweepCurve {
            label: label.to_owned(),
            look,
            dots: values
                .iter()
                .map(|&(at, value)| SweepDot {
                    at,
                    value,
                    low: value * 0.9,
                    high: value * 1.1,
                    sample_count: 100,
                    struck: false,
                })
                .collect(),
            caution: false,
        }
    }

    fn figure() -> SweepFigure {
        let curves = || {
            vec![
                curve("13", (0, 0), &[(0.0, 2e3), (2000.0, 2e3)]),
                curve("15 4k", (1, 0), &[(0.0, 3e3), (2000.0, 4.5e5)]),
                curve("15 2m", (1, 1), &[(0.0, 3e3), (2000.0, 9e3)]),
            ]
        };
        let panel = |title: &str| SweepPanel {
            title: title.to_owned(),
            curves: curves(),
        };
        SweepFigure {
            title: "Hold".into(),
            subtitle: "Look at the slopes".into(),
            quantity: "hold, p50".into(),
            unit: SweepUnit::Time,
            logarithmic: true,
            along: "standing connections".into(),
            x: SweepX::Linear,
            interval: "95 % bootstrap interval over 8 blocks".into(),
            panels: vec![panel("slots front"), panel("slots behind")],
            notes: vec!["Slopes: none".into()],
            footer: vec!["redraw: procbench figures DIR".into()],
        }
    }

    #[test]
    fn every_line_has_a_band_a_label_and_its_points_in_every_panel() {
        let figure = figure();
        let svg = figure.svg().unwrap();
        assert_eq!(svg, figure.svg().unwrap());
        // Two panels of three lines: as many bands and labels, two dots each.
        assert_eq!(svg.matches("<polygon").count(), 6);
        for label in ["13", "15 4k", "15 2m"] {
            assert_eq!(
                svg.matches(&format!(">{label}</text>")).count(),
                2,
                "{label}"
            );
        }
        assert_eq!(svg.matches("<circle").count(), 2 * 3 * 2);
        assert!(svg.contains("standing connections") && svg.contains("Slopes: none"));
        assert_eq!(figure.csv().lines().count(), 1 + 2 * 3 * 2);
    }

    #[test]
    fn a_struck_point_is_hollow_and_said() {
        let mut struck = figure();
        struck.panels[0].curves[1].dots[1].struck = true;
        let (before, after) = (figure().svg().unwrap(), struck.svg().unwrap());
        let hollow = |svg: &str| {
            svg.lines()
                .filter(|l| l.contains("<circle") && l.contains("fill=\"#ffffff\""))
                .count()
        };
        // The point and its sample in the key.
        assert_eq!((hollow(&before), hollow(&after)), (0, 2));
        assert!(after.contains("struck out"));
        assert!(struck.csv().contains(",yes"));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_name() {
        let refused = |change: fn(&mut SweepFigure)| {
            let mut figure = figure();
            change(&mut figure);
            figure.svg().unwrap_err().to_string()
        };
        assert!(refused(|f| f.panels.clear()).contains("0 panels"));
        assert!(refused(|f| f.panels[1].curves.clear()).contains("no point"));
        assert!(refused(|f| f.panels[0].curves[1].dots.reverse()).contains("out of order"));
        assert!(refused(|f| f.panels[0].curves[0].dots[0].low = 0.0).contains("`13` has 2000"));
        // Shares begin at zero on a linear axis.
        let mut shares = figure();
        shares.logarithmic = false;
        shares.unit = SweepUnit::Share;
        for dot in shares
            .panels
            .iter_mut()
            .flat_map(|p| &mut p.curves)
            .flat_map(|c| &mut c.dots)
        {
            (dot.value, dot.low, dot.high) = (0.5, 0.0, 1.0);
        }
        assert!(shares.svg().unwrap().contains("100\u{202f}%"));
    }
}
