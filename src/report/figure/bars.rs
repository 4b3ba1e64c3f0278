//! Times that add up, stacked: CPU per operation of client, server, pooler.

use plotters::prelude::*;

use super::axis::linear_ticks;
use super::canvas::{self, Frame, Rule, SCALE, chart_error};
use super::furniture::{
    Foot, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, Swatch, TICK_SIZE, WIDTH, draw_axis_lines,
    draw_bottom_ticks, merge_notes, sign_notes, signed_label,
};
use super::ink::Anchor;
use super::style::{GRID, PAPER, SOFT_TEXT, SeriesLook, TEXT, series_look};
use super::{Figure, FigureError, text, time_label};
use crate::report::export::csv_line;

/// One part of a bar.
#[derive(Debug, Clone, PartialEq)]
pub struct BarSegment {
    /// What it is a part of: `client`, `server`, `pooler`.
    pub series: String,
    /// Its length in ns per operation.
    pub value_ns: f64,
}

/// One arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The arm's name.
    pub label: String,
    /// Its parts, from the axis outwards.
    pub segments: Vec<BarSegment>,
    /// Why the bar must not be quoted; it is then drawn faint.
    pub struck: Option<String>,
    /// Why the bar is to be read with care; its label gets a dagger.
    pub caution: Option<String>,
}

/// Bars under one heading.
#[derive(Debug, Clone, PartialEq)]
pub struct BarGroup {
    /// Heading, for instance `500 standing connections`.
    pub title: String,
    /// Its bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// Horizontal stacked bars on a linear axis from zero.
#[derive(Debug, Clone, PartialEq)]
pub struct StackedBarFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the axis is, for instance `CPU time per transaction`.
    pub quantity: String,
    /// The groups, from top to bottom.
    pub groups: Vec<BarGroup>,
    /// Lines under the figure; strikes and cautions are added from the bars.
    pub footer: Vec<String>,
}

const LANE: f64 = 20.0;
const HEADING: f64 = 23.0;

impl StackedBarFigure {
    fn check(&self) -> Result<(), FigureError> {
        let unfit = |reason: String| {
            Err(FigureError::Unfit {
                title: self.title.clone(),
                reason,
            })
        };
        if self.bars().next().is_none() {
            return unfit("it has no bar".to_owned());
        }
        for (group, bar) in self.bars() {
            if let Some(bad) = bar
                .segments
                .iter()
                .find(|s| !s.value_ns.is_finite() || s.value_ns < 0.0)
            {
                return unfit(format!(
                    "{} of `{}` in `{}` is {} ns; a part of a bar must be zero or more",
                    bad.series, bar.label, group.title, bad.value_ns
                ));
            }
        }
        Ok(())
    }

    fn bars(&self) -> impl Iterator<Item = (&BarGroup, &Bar)> {
        self.groups
            .iter()
            .flat_map(|group| group.bars.iter().map(move |bar| (group, bar)))
    }

    fn series(&self) -> Vec<(&str, SeriesLook)> {
        let mut names: Vec<&str> = Vec::new();
        for segment in self.bars().flat_map(|(_, bar)| &bar.segments) {
            if !names.contains(&segment.series.as_str()) {
                names.push(&segment.series);
            }
        }
        names
            .iter()
            .enumerate()
            .map(|(i, name)| (*name, series_look(name, i)))
            .collect()
    }

    fn foot(&self) -> Foot {
        let series = self.series().into_iter();
        let mut key: Vec<_> = series
            .map(|(name, look)| (Swatch::Fill(look.colour), name.to_owned()))
            .collect();
        if self.bars().any(|(_, bar)| bar.struck.is_some()) {
            key.push((
                Swatch::StruckMark,
                "faint: struck out, not to be quoted".to_owned(),
            ));
        }
        if self.bars().any(|(_, bar)| bar.caution.is_some()) {
            key.push((Swatch::Caution, "read with care".to_owned()));
        }
        let notes: Vec<_> = self
            .bars()
            .flat_map(|(group, bar)| {
                let place = if self.groups.len() > 1 {
                    group.title.as_str()
                } else {
                    ""
                };
                sign_notes(
                    place,
                    &bar.label,
                    bar.struck.as_deref(),
                    bar.caution.as_deref(),
                )
            })
            .collect();
        Foot::new(key, &merge_notes(&notes), &self.footer)
    }
}

impl Bar {
    fn total_ns(&self) -> f64 {
        self.segments.iter().map(|s| s.value_ns).sum()
    }

    fn signed_label(&self) -> String {
        let label = text::fit(&self.label, LABEL_SIZE, 150.0);
        signed_label(&label, self.struck.is_some(), self.caution.is_some())
    }
}

impl Figure for StackedBarFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let header = Header::new(&self.title, &self.subtitle);
        let foot = self.foot();
        let series = self.series();
        let label_width = self
            .bars()
            .map(|(_, b)| text::width(&b.signed_label(), LABEL_SIZE))
            .fold(0.0, f64::max)
            + 12.0;
        // All-zero bars still need an axis.
        let longest = self.bars().map(|(_, b)| b.total_ns()).fold(1.0, f64::max);
        let lanes: f64 = self
            .groups
            .iter()
            .map(|g| HEADING + LANE * g.bars.len() as f64)
            .sum();
        let plot = Frame {
            left: MARGIN + label_width,
            top: header.height() + 6.0,
            width: WIDTH - 2.0 * MARGIN - label_width - 70.0,
            height: lanes + 4.0,
        };
        let height = plot.bottom() + 36.0 + foot.height();
        let ticks = linear_ticks(longest * 1.02, 6.0);
        canvas::draw((WIDTH, height), &self.title, |area, ink| {
            header.draw(ink);
            let mut chart = ChartBuilder::on(&plot.of(area))
                .build_cartesian_2d(0.0..longest * 1.02, plot.height..0.0)
                .map_err(chart_error)?;
            canvas::rule(&mut chart, Rule::Upright, ticks.clone(), GRID, 0.7)?;
            let pixel_x = |ns: f64| plot.left + plot.width * ns / (longest * 1.02);
            let mut y = 0.0;
            for group in &self.groups {
                let heading = text::fit(&group.title, TICK_SIZE, plot.width - 8.0);
                let (wide, at) = (
                    text::width(&heading, TICK_SIZE),
                    (plot.left + 6.0, plot.top + y + 15.5),
                );

                ink.rect((at.0 - 3.0, at.1 - 11.5), (wide + 6.0, 15.0), PAPER, 1.0);
                ink.text(at, TICK_SIZE, Anchor::Start, SOFT_TEXT, &heading);
                y += HEADING;
                for bar in &group.bars {
                    let mut from = 0.0;
                    for segment in &bar.segments {
                        let colour = series
                            .iter()
                            .find(|(n, _)| *n == segment.series)
                            .map_or(SOFT_TEXT, |(_, l)| l.colour);
                        let fill = colour
                            .rgb()
                            .mix(if bar.struck.is_some() { 0.3 } else { 1.0 })
                            .filled();
                        let to = from + segment.value_ns;
                        let corners = [(from, y + 3.0), (to, y + LANE - 3.0)];
                        chart
                            .draw_series([Rectangle::new(corners, fill)])
                            .map_err(chart_error)?;
                        from = to;
                    }
                    let middle = plot.top + y + LANE / 2.0 + LABEL_SIZE * 0.36;
                    ink.text(
                        (plot.left - 8.0, middle),
                        LABEL_SIZE,
                        Anchor::End,
                        TEXT,
                        &bar.signed_label(),
                    );
                    let end = (pixel_x(bar.total_ns()) + 5.0, middle - 0.5);
                    let total = time_label::measured(bar.total_ns());
                    let wide = text::width(&total, NOTE_SIZE);

                    ink.rect((end.0 - 2.0, end.1 - 9.0), (wide + 4.0, 12.0), PAPER, 1.0);
                    ink.text(end, NOTE_SIZE, Anchor::Start, TEXT, &total);
                    y += LANE;
                }
            }
            draw_axis_lines(ink, &plot);
            let below: Vec<_> = ticks
                .iter()
                .map(|ns| (f64::from(chart.backend_coord(&(*ns, 0.0)).0) / SCALE, *ns))
                .map(|(x, ns)| {
                    (
                        x,
                        if ns == 0.0 {
                            "0".to_owned()
                        } else {
                            time_label::tick(ns)
                        },
                    )
                })
                .collect();
            draw_bottom_ticks(ink, &plot, &below);
            let middle = (plot.left + plot.width / 2.0, plot.bottom() + 31.0);
            ink.text(middle, NOTE_SIZE, Anchor::Middle, SOFT_TEXT, &self.quantity);
            foot.draw(ink, plot.bottom() + 36.0);
            Ok(())
        })
    }

    fn csv(&self) -> String {
        let mut csv = csv_line(&["group", "bar", "series", "value_ns", "struck", "caution"]);
        for (group, bar) in self.bars() {
            for segment in &bar.segments {
                csv += &csv_line(&[
                    &group.title,
                    &bar.label,
                    &segment.series,
                    &format!("{:.1}", segment.value_ns),
                    bar.struck.as_deref().unwrap_or(""),
                    bar.caution.as_deref().unwrap_or(""),
                ]);
            }
        }
        csv
    }
}
