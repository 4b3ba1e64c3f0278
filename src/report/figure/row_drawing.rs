//! Drawing a [`RowFigure`]: labels, grid, headings, marks or bars, and their values.

use super::axis::Axis;
use super::furniture::{
    self, Edge, LABEL_SIZE, NOTE_LINE, NOTE_SIZE, STRUCK_OPACITY, TICK_SIZE, around,
    draw_axis_lines, draw_foot, draw_header, draw_ticks, middle_within,
};
use super::look::Look;
use super::row_form::RowForm;
use super::rows::{HEADING, HEADING_LINE, Placed, RowFigure, RowMark, total_ns};
use super::style::{AXIS, Fill, GRID, LIGHT_GRID, PAPER, SOFT_TEXT, SeriesLook, TEXT};
use super::svg::{Drawn, Frame, Svg};
use super::text;
use super::texture::textures;
use super::write::{Figure, FigureError, series_table};
use crate::arm::Stroke;
use crate::report::format;
use crate::stats::{Unit, Verdict};

/// Between two columns: room for the tick labels at their ends.
const GUTTER: f64 = 30.0;

/// From this height on the axis is labelled at the top, too.
const TALL: f64 = 900.0;

/// A column under way.
struct Column<'a> {
    figure: &'a RowFigure,
    series: &'a [(&'a str, SeriesLook)],
    axis: &'a Axis,
    plot: Frame,
}

impl Column<'_> {
    fn pixel(&self, at: f64) -> f64 {
        self.axis.pixel(at, (self.plot.left, self.plot.right))
    }

    fn pixel_of(&self, ns: f64) -> f64 {
        self.pixel(self.axis.position(ns))
    }

    /// Place of a mark's series among all, and its look.
    fn look(&self, mark: &RowMark) -> (usize, SeriesLook) {
        let mut series = self.series.iter();
        let place = series.position(|(name, _)| *name == mark.series);
        let place = place.unwrap_or(0);
        (place, self.series[place].1)
    }

    fn draw_grid(&self, svg: &mut Svg) {
        let plot = &self.plot;
        let mut upright = |at: f64, stroke| {
            let x = self.pixel(at);
            svg.curve(&[(x, plot.top), (x, plot.bottom)], stroke, 1.0);
        };
        for at in &self.axis.light_grid {
            upright(*at, Stroke::new(LIGHT_GRID, 0.5, ""));
        }
        for tick in &self.axis.ticks {
            upright(tick.at, Stroke::new(GRID, 0.7, ""));
        }
        if !self.figure.form.is_difference() {
            return draw_axis_lines(svg, plot);
        }
        if self.axis.threshold().is_some() {
            for at in [-1.0, 1.0] {
                upright(at, Stroke::new(AXIS, 0.6, "1.5 2.5"));
            }
        }
        upright(0.0, Stroke::new(AXIS, 1.2, ""));
        let corners = [(plot.left, plot.bottom), (plot.right, plot.bottom)];
        svg.line(corners[0], corners[1], AXIS, 0.9);
    }

    fn draw_heading(&self, lines: &[String], top: f64, svg: &mut Svg) {
        let Frame { left, right, .. } = self.plot;
        let is_stack = self.figure.form.is_stack();
        if !is_stack {
            let more = lines.len().saturating_sub(1) as f64 * HEADING_LINE;
            // The axis of some begins at the left edge.
            let area = (right - left + 2.0, HEADING + more);
            svg.rect((left - 1.0, top - 1.0), area, PAPER, 1.0);
            if top > self.plot.top {
                let y = top + 2.0;
                let (margin, right) = (svg.look.margin(), svg.look.right());
                svg.line((margin, y), (right, y), GRID, 0.7);
            }
        }
        let mut baseline = top + 15.5;
        for line in lines {
            match is_stack {
                // Bars have their labels on the axis, and the headings behind it.
                true => boxed_text(svg, (left + 6.0, baseline), TICK_SIZE, SOFT_TEXT, line),
                false => svg.words((svg.look.margin(), baseline), TICK_SIZE, SOFT_TEXT, line),
            }
            baseline += HEADING_LINE;
        }
    }

    /// The marks of one row on lanes around its middle.
    fn draw_marks(&self, placed: &Placed<'_>, svg: &mut Svg) {
        let (row, form) = (placed.row, self.figure.form);
        let percentiles = form == RowForm::Percentiles;
        let (lanes, half, weight, size) = if percentiles {
            (self.series.len(), 2.2, 1.4, 2.8)
        } else {
            (row.marks.len(), 3.0, 1.5, 3.6)
        };
        let mut values = Vec::new();
        for (i, mark) in row.marks.iter().enumerate() {
            let (place, SeriesLook { colour, shape }) = self.look(mark);
            // Each percentile has a lane of its own, so that intervals never lie over each other.
            let lane = if percentiles { place } else { i };
            let y = placed.middle + (lane as f64 - (lanes as f64 - 1.0) / 2.0) * form.lane();
            let e = mark.estimate;
            let ends = [e.low_ns, e.high_ns].map(|ns| self.pixel_of(ns));
            let struck = row.signs.struck.is_some() || mark.signs.struck.is_some();
            let fill = Fill::of(struck, mark.verdict);
            let mut line = |from, to, weight| {
                svg.curve(&[from, to], Stroke::new(colour, weight, ""), fill.opacity());
            };
            line((ends[0], y), (ends[1], y), weight);
            for end in ends {
                line((end, y - half), (end, y + half), 1.2);
            }
            svg.mark((self.pixel_of(e.value_ns), y), size, shape, colour, fill);
            let place = [ends[0], y - half, ends[1], y + half];
            svg.tell(self.figure.told(placed.group, row, mark, place));
            values.push((y, colour, self.figure.value_text(row, mark, svg.look)));
        }
        for (y, colour, value) in values.iter().filter(|(_, _, value)| !value.is_empty()) {
            let at = (self.plot.right + 10.0, y + NOTE_SIZE * 0.36);
            svg.words(at, NOTE_SIZE, colour, value);
        }
    }

    /// The parts of one bar, stacked, and their sum.
    fn draw_stack(&self, placed: &Placed<'_>, svg: &mut Svg) {
        let (row, middle) = (placed.row, placed.middle);
        let struck = row.signs.struck.is_some();
        let opacity = if struck { STRUCK_OPACITY } else { 1.0 };
        let mut end_ns = 0.0;
        for mark in &row.marks {
            let from = self.pixel_of(end_ns);
            end_ns += mark.estimate.value_ns;
            let (to, top) = (self.pixel_of(end_ns), middle - 7.0);
            let (place, look) = self.look(mark);
            // The outline of nothing is still a line.
            if to > from {
                svg.part(place, (from, top), (to - from, 13.0), look.colour, opacity);
            }
            let place = [from, top, to, top + 13.0];
            svg.tell(self.figure.told(placed.group, row, mark, place));
        }
        if let Some(mark) = row.marks.first() {
            let at = (self.pixel_of(total_ns(row)) + 5.0, middle + NOTE_SIZE * 0.3);
            let value = self.figure.value_text(row, mark, svg.look);
            boxed_text(svg, at, NOTE_SIZE, TEXT, &value);
        }
    }
}

/// Words on white, so that grid and axis stay out of them.
fn boxed_text(svg: &mut Svg, (x, y): (f64, f64), size: f64, colour: &'static str, words: &str) {
    let area = (text::width(words, size) + 6.0, size + 4.0);
    svg.rect((x - 3.0, y - size), area, PAPER, 1.0);
    svg.words((x, y), size, colour, words);
}

impl Figure for RowFigure {
    fn drawn(&self, look: Look) -> Result<Drawn, FigureError> {
        let (shown, common) = self.with_telling_signs();
        shown.check().map_err(|reason| FigureError::Unfit {
            title: shown.title.clone(),
            reason,
        })?;
        let series = shown.series();
        let labels = shown.rows().flat_map(|(_, row)| shown.label(row, look));
        let label_width = text::widest(labels, LABEL_SIZE) + 12.0;
        let values = shown
            .marks()
            .map(|(_, row, mark)| shown.value_text(row, mark, look));
        let value_width = text::widest(values, NOTE_SIZE) + 14.0;
        let count = shown.columns(look).len() as f64;
        let room = look.room() - label_width - value_width - (count - 1.0) * GUTTER;
        let width = room / count;
        let axis = shown.axis(width);
        let caption = match axis.threshold() {
            Some(threshold) => format!(
                "{}; linear within ±{}, logarithmic outside",
                shown.quantity,
                format::tick(threshold)
            ),
            None => shown.quantity.clone(),
        };
        let caption = text::wrap(&caption, NOTE_SIZE, look.room());
        let has_columns = shown.has_columns(look);
        let mut svg = Svg::new(look);
        let top = draw_header(&mut svg, &shown.title, &shown.subtitle);
        let heading_width = match shown.form {
            form if form.is_stack() => width - 12.0,
            _ => look.room(),
        };
        let mut heights = shown
            .columns(look)
            .map(|groups| shown.places(groups, heading_width, look).height);
        // At its upper rows nobody sees the axis below them.
        let is_tall = heights.any(|height| height > TALL);
        let top = match (has_columns, is_tall) {
            (false, false) => top + 6.0,
            _ => top + 22.0,
        };
        if shown.form.is_stack() {
            let colours = series.iter().map(|(_, look)| look.colour);
            for (place, texture) in textures(colours).into_iter().enumerate() {
                svg.texture(place, texture);
            }
        }
        let mut bottom = top;
        for (i, groups) in shown.columns(look).enumerate() {
            let places = shown.places(groups, heading_width, look);
            bottom = top + places.height;
            let left = look.margin() + label_width + i as f64 * (width + GUTTER);
            let column = Column {
                figure: self,
                series: &series,
                axis: &axis,
                plot: Frame {
                    left,
                    top,
                    right: left + width,
                    bottom,
                },
            };
            let title = if has_columns { &groups[0].title } else { "" };
            let title = text::fit(title, LABEL_SIZE, width + GUTTER - 8.0);
            svg.words((left, top - 8.0), LABEL_SIZE, TEXT, &title);
            column.draw_grid(&mut svg);
            for (lines, at) in &places.headings {
                column.draw_heading(lines, top + at, &mut svg);
            }
            for mut row in places.rows {
                row.middle += top;
                if i == 0 {
                    around(&row.label, row.middle + LABEL_SIZE * 0.36, |y, line| {
                        svg.words_before((left - 8.0, y), LABEL_SIZE, TEXT, line);
                    });
                }
                if row.row.marks.is_empty() {
                    let at = (left + 8.0, row.middle + NOTE_SIZE * 0.36);
                    svg.words(at, NOTE_SIZE, SOFT_TEXT, "too few samples");
                }
                match shown.form.is_stack() {
                    true => column.draw_stack(&row, &mut svg),
                    false => column.draw_marks(&row, &mut svg),
                }
            }
            draw_ticks(&mut svg, &column.plot, &axis, Edge::Bottom);
            if is_tall {
                draw_ticks(&mut svg, &column.plot, &axis, Edge::Top);
            }
            for (line, words) in caption.iter().enumerate() {
                let within = (look.margin(), look.right());
                let middle = middle_within(column.plot.middle(), words, within);
                let below = (middle, bottom + 31.0 + line as f64 * NOTE_LINE);
                svg.words_around(below, NOTE_SIZE, SOFT_TEXT, words);
            }
        }
        let below = bottom
            + match caption.len() {
                0 => 22.0,
                lines => 36.0 + (lines - 1) as f64 * NOTE_LINE,
            };
        let height = draw_foot(
            &mut svg,
            below,
            &shown.key(common),
            &shown.samples(),
            shown.footer.first(),
        );
        Ok(svg.finish(height, &shown.title))
    }

    fn caption(&self) -> Vec<String> {
        let lines: [&[String]; 3] = [&self.notes(), &self.samples(), &self.footer];
        furniture::caption((&self.title, &self.subtitle), lines)
    }

    fn csv(&self) -> String {
        let header = match self.form {
            RowForm::Differences(Unit::ShareDifference) => {
                "group,row,series,difference,low,high,verdict,struck,caution"
            }
            RowForm::Differences(_) => {
                "group,row,series,value_ns,low_ns,high_ns,verdict,struck,caution"
            }
            RowForm::Percentiles => {
                "column,row,statistic,value_ns,low_ns,high_ns,sample_count,struck,caution"
            }
            RowForm::Stacks => "group,bar,series,value_ns,struck,caution",
            RowForm::Rates => "group,row,series,per_second,low,high,struck,caution",
            RowForm::Counts => "group,bar,series,count,struck,caution",
        };
        let decimals = match self.form.unit() {
            Unit::ShareDifference => 4,
            _ => 1,
        };
        let number = |n: f64| format!("{n:.decimals$}");
        let rows = self.marks().map(|(group, row, mark)| {
            let RowMark {
                series,
                estimate: e,
                ..
            } = mark;
            let mut cells = vec![group.title.clone(), row.label.clone(), series.clone()];
            cells.push(number(e.value_ns));
            let verdict = || mark.verdict.map(Verdict::words).unwrap_or_default();
            let (last, signs) = match self.form {
                RowForm::Differences(_) => (Some(verdict()), &mark.signs),
                RowForm::Percentiles => (Some(row.samples.to_string()), &row.signs),
                _ => (None, &row.signs),
            };
            if !self.form.is_stack() {
                cells.extend([number(e.low_ns), number(e.high_ns)]);
                cells.extend(last);
            }
            cells.extend(signs.cells());
            cells
        });
        series_table(header, rows)
    }
}
