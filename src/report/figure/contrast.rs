//! Differences with their intervals, model and server on one signed axis.

use plotters::prelude::*;

use super::axis::SignedTimeAxis;
use super::canvas::{self, Frame, Rule, SCALE, chart_error};
use super::contrast_frame::{draw_frame, value_text};
use super::furniture::{
    FLOOR_OPACITY, Foot, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, Swatch, WIDTH, draw_bottom_ticks,
    merge_notes, sign_notes,
};
use super::ink::Anchor;
use super::style::{GRID, LIGHT_GRID, SOFT_TEXT, SeriesLook, TEXT, series_look};
use super::{Figure, FigureError, text, time_label};
use crate::report::export::csv_line;

/// One measured difference with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastMark {
    /// `server` or `model`.
    pub series: String,
    /// The difference in ns; below zero when the arm is faster than its
    /// reference.
    pub value_ns: f64,
    /// Lower end of its interval in ns.
    pub low_ns: f64,
    /// Upper end of its interval in ns.
    pub high_ns: f64,
    /// Why the mark must not be quoted; it is then drawn hollow.
    pub struck: Option<String>,
    /// Why the mark is to be read with care; it gets a dagger.
    pub caution: Option<String>,
}

/// One arm.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastRow {
    /// The arm's name.
    pub label: String,
    /// At most one mark per series.
    pub marks: Vec<ContrastMark>,
}

/// Rows under one heading.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastGroup {
    /// Heading, for instance `500 standing connections`.
    pub title: String,
    /// Its arms.
    pub rows: Vec<ContrastRow>,
    /// Noise floor per series in ns: a difference smaller than this is what
    /// two blocks of the same arm show.
    pub noise_floor_ns: Vec<(String, f64)>,
}

/// Dots with intervals on an axis that is linear around zero and logarithmic
/// outside, so that a model's 100 ns and a server's 500 µs can share it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the axis is, for instance `excess over kept-open at p99, response time`.
    pub quantity: String,
    /// What the intervals are, for instance `95 % bootstrap interval over 10 blocks`.
    pub interval: String,
    /// The groups, from top to bottom.
    pub groups: Vec<ContrastGroup>,
    /// Lines under the figure: sample counts, machine, versions, run id,
    /// redraw command. Strikes and cautions are added from the marks.
    pub footer: Vec<String>,
}

/// Height of one mark's lane.
const LANE: f64 = 15.0;
/// Air between rows.
const ROW_AIR: f64 = 5.0;
const HEADING: f64 = 23.0;

/// A mark with its place: centre of its lane in pixels from the plot's top.
struct Lane<'a> {
    row: &'a ContrastRow,
    group: &'a ContrastGroup,
    mark: &'a ContrastMark,
    y: f64,
}

impl ContrastFigure {
    fn check(&self) -> Result<(), FigureError> {
        let unfit = |reason: String| {
            Err(FigureError::Unfit {
                title: self.title.clone(),
                reason,
            })
        };
        if self.marks().next().is_none() {
            return unfit("it has no mark".to_owned());
        }
        for (group, row, mark) in self.marks() {
            let numbers = [mark.value_ns, mark.low_ns, mark.high_ns];
            if numbers.iter().any(|n| !n.is_finite()) || mark.low_ns > mark.high_ns {
                return unfit(format!(
                    "{} of `{}` in `{}` is {} ns ({} to {}); it needs numbers with low below high",
                    mark.series, row.label, group.title, mark.value_ns, mark.low_ns, mark.high_ns
                ));
            }
        }
        let floors = || self.groups.iter().flat_map(|g| &g.noise_floor_ns);
        if let Some((series, floor)) = floors().find(|(_, f)| !f.is_finite() || *f < 0.0) {
            return unfit(format!(
                "the noise floor of {series} is {floor} ns; it must be zero or more"
            ));
        }
        Ok(())
    }

    fn marks(&self) -> impl Iterator<Item = (&ContrastGroup, &ContrastRow, &ContrastMark)> {
        self.groups.iter().flat_map(|g| {
            g.rows
                .iter()
                .flat_map(move |r| r.marks.iter().map(move |m| (g, r, m)))
        })
    }

    /// Names of the series in order of first appearance, with their looks.
    fn series(&self) -> Vec<(&str, SeriesLook)> {
        let mut names: Vec<&str> = Vec::new();
        for (_, _, mark) in self.marks() {
            if !names.contains(&mark.series.as_str()) {
                names.push(&mark.series);
            }
        }
        names
            .iter()
            .enumerate()
            .map(|(i, name)| (*name, series_look(name, i)))
            .collect()
    }

    fn axis(&self) -> SignedTimeAxis {
        let mut extents = Vec::new();
        for (_, _, mark) in self.marks() {
            extents.extend([mark.low_ns, mark.value_ns, mark.high_ns]);
        }
        for (_, floor) in self.groups.iter().flat_map(|g| &g.noise_floor_ns) {
            extents.extend([-floor, *floor]);
        }
        // The series with the smallest reach decides where the axis turns linear.
        let reach = |series: &str| {
            let of_series = self.marks().filter(|(_, _, m)| m.series == series);
            of_series
                .map(|(_, _, m)| m.low_ns.abs().max(m.high_ns.abs()))
                .fold(0.0, f64::max)
        };
        let smallest = self
            .series()
            .iter()
            .map(|(name, _)| reach(name))
            .filter(|r| *r > 0.0)
            .fold(f64::MAX, f64::min);
        let smallest = if smallest == f64::MAX { 1.0 } else { smallest };
        SignedTimeAxis::covering(&extents, smallest)
    }

    /// Lanes, headings with their tops, and the height of all.
    fn lanes(&self) -> (Vec<Lane<'_>>, Vec<(&str, f64)>, f64) {
        let (mut lanes, mut headings, mut y) = (Vec::new(), Vec::new(), 0.0);
        for group in &self.groups {
            headings.push((group.title.as_str(), y));
            y += HEADING;
            for row in &group.rows {
                for (i, mark) in row.marks.iter().enumerate() {
                    lanes.push(Lane {
                        row,
                        group,
                        mark,
                        y: y + (i as f64 + 0.5) * LANE,
                    });
                }
                y += row.marks.len().max(1) as f64 * LANE + ROW_AIR;
            }
        }
        (lanes, headings, y)
    }

    fn foot(&self) -> Foot {
        let series = self.series();
        let mut key: Vec<_> = series
            .iter()
            .map(|(name, look)| (Swatch::Mark(*look), format!("{name}, {}", self.interval)))
            .collect();
        for (name, look) in &series {
            let mut floors = self.groups.iter().flat_map(|g| &g.noise_floor_ns);
            if floors.any(|(floor_of, _)| floor_of == name) {
                key.push((Swatch::Lane(look.colour), format!("noise floor, {name}")));
            }
        }
        if self.marks().any(|(_, _, m)| m.struck.is_some()) {
            key.push((
                Swatch::StruckMark,
                "struck out, not to be quoted".to_owned(),
            ));
        }
        if self.marks().any(|(_, _, m)| m.caution.is_some()) {
            key.push((Swatch::Caution, "read with care".to_owned()));
        }
        let notes: Vec<_> = self
            .marks()
            .flat_map(|(group, row, mark)| {
                let place = if self.groups.len() > 1 {
                    format!("{}, {}", mark.series, group.title)
                } else {
                    mark.series.clone()
                };
                sign_notes(
                    &place,
                    &row.label,
                    mark.struck.as_deref(),
                    mark.caution.as_deref(),
                )
            })
            .collect();
        Foot::new(key, &merge_notes(&notes), &self.footer)
    }
}

impl Figure for ContrastFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let axis = self.axis();
        let series = self.series();
        let look = |name: &str| {
            series
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(series_look(name, 0), |(_, look)| *look)
        };
        let (lanes, headings, plot_height) = self.lanes();
        let header = Header::new(&self.title, &self.subtitle);
        let foot = self.foot();
        let label_limit = 150.0;
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        let label_width = widest(&mut lanes.iter().map(|l| text::width(&l.row.label, LABEL_SIZE)))
            .min(label_limit)
            + 12.0;
        let value_width = widest(
            &mut lanes
                .iter()
                .map(|l| text::width(&value_text(l.mark), NOTE_SIZE)),
        ) + 12.0;
        let plot = Frame {
            left: MARGIN + label_width,
            top: header.height() + 6.0,
            width: WIDTH - 2.0 * MARGIN - label_width - value_width,
            height: plot_height,
        };
        let height = plot.bottom() + 36.0 + foot.height();
        canvas::draw((WIDTH, height), &self.title, |area, ink| {
            header.draw(ink);
            let ticks = axis.ticks();
            let mut chart = ChartBuilder::on(&plot.of(area))
                .build_cartesian_2d(axis.low..axis.high, plot_height..0.0)
                .map_err(chart_error)?;
            canvas::rule(
                &mut chart,
                Rule::Upright,
                axis.light_grid(),
                LIGHT_GRID,
                0.5,
            )?;
            canvas::rule(
                &mut chart,
                Rule::Upright,
                ticks.iter().map(|t| t.at),
                GRID,
                0.7,
            )?;
            chart
                .draw_series(lanes.iter().filter_map(|lane| {
                    let (_, floor) = lane
                        .group
                        .noise_floor_ns
                        .iter()
                        .find(|(s, _)| *s == lane.mark.series)?;
                    let (low, high) = (axis.position(-floor), axis.position(*floor));
                    let fill = look(&lane.mark.series)
                        .colour
                        .rgb()
                        .mix(FLOOR_OPACITY)
                        .filled();
                    Some(Rectangle::new(
                        [(low, lane.y - LANE / 2.0), (high, lane.y + LANE / 2.0)],
                        fill,
                    ))
                }))
                .map_err(chart_error)?;
            let pixel_x = |at: f64| f64::from(chart.backend_coord(&(at, 0.0)).0) / SCALE;

            draw_frame(ink, &plot, &axis, pixel_x(0.0), &headings);
            let mut labelled: Option<*const ContrastRow> = None;
            for lane in &lanes {
                let colour = look(&lane.mark.series).colour;
                let y = plot.top + lane.y;
                if labelled != Some(std::ptr::from_ref(lane.row)) {
                    labelled = Some(std::ptr::from_ref(lane.row));
                    let middle = y + (lane.row.marks.len() as f64 - 1.0) * LANE / 2.0;
                    let name = text::fit(&lane.row.label, LABEL_SIZE, label_limit);
                    let at = (plot.left - 8.0, middle + LABEL_SIZE * 0.36);
                    ink.text(at, LABEL_SIZE, Anchor::End, TEXT, &name);
                }
                let x = |ns: f64| pixel_x(axis.position(ns));
                let (low, high) = (x(lane.mark.low_ns), x(lane.mark.high_ns));
                ink.line((low, y), (high, y), colour, 1.5);
                for end in [low, high] {
                    ink.line((end, y - 3.0), (end, y + 3.0), colour, 1.2);
                }
                let shape = look(&lane.mark.series).shape;
                ink.mark(
                    (x(lane.mark.value_ns), y),
                    3.6,
                    shape,
                    colour,
                    lane.mark.struck.is_some(),
                );
                let at = (plot.right() + 10.0, y + NOTE_SIZE * 0.36);
                ink.text(at, NOTE_SIZE, Anchor::Start, colour, &value_text(lane.mark));
            }
            let below: Vec<_> = ticks
                .iter()
                .map(|t| (pixel_x(t.at), t.label.clone()))
                .collect();
            draw_bottom_ticks(ink, &plot, &below);
            let threshold = time_label::tick(axis.threshold_ns);
            let caption = format!(
                "{}; linear within ±{threshold}, logarithmic outside",
                self.quantity
            );
            let caption = text::fit(&caption, NOTE_SIZE, WIDTH - 2.0 * MARGIN);
            let half = text::width(&caption, NOTE_SIZE) / 2.0;
            let middle = (plot.left + plot.width / 2.0).clamp(MARGIN + half, WIDTH - MARGIN - half);
            ink.text(
                (middle, plot.bottom() + 31.0),
                NOTE_SIZE,
                Anchor::Middle,
                SOFT_TEXT,
                &caption,
            );
            foot.draw(ink, plot.bottom() + 36.0);
            Ok(())
        })
    }

    fn csv(&self) -> String {
        let mut csv = csv_line(&[
            "group",
            "row",
            "series",
            "value_ns",
            "low_ns",
            "high_ns",
            "noise_floor_ns",
            "struck",
            "caution",
        ]);
        for (group, row, mark) in self.marks() {
            let floor = group.noise_floor_ns.iter().find(|(s, _)| *s == mark.series);
            csv += &csv_line(&[
                &group.title,
                &row.label,
                &mark.series,
                &format!("{:.1}", mark.value_ns),
                &format!("{:.1}", mark.low_ns),
                &format!("{:.1}", mark.high_ns),
                &floor.map(|(_, ns)| format!("{ns:.1}")).unwrap_or_default(),
                mark.struck.as_deref().unwrap_or(""),
                mark.caution.as_deref().unwrap_or(""),
            ]);
        }
        csv
    }
}
