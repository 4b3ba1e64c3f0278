//! Drawing a [`RowFigure`]: labels, grid, headings, marks or bars, and their values.

use super::furniture::{
    FLOOR_OPACITY, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, STRUCK_OPACITY, TICK_SIZE, WIDTH,
    draw_axis_lines, draw_bottom_ticks,
};
use super::rows::{Placed, RowFigure, RowForm, RowMark, total_ns};
use super::style::{AXIS, Colour, GRID, LIGHT_GRID, PAPER, SOFT_TEXT, SeriesLook, Stroke, TEXT};
use super::svg::{Anchor, Frame, Svg};
use super::write::{Figure, series_table};
use super::{FigureError, text, time_label};

/// Between two columns: room for the tick labels at their ends.
const GUTTER: f64 = 30.0;

impl RowFigure {
    /// The marks of one row on lanes around its middle.
    fn draw_marks(
        &self,
        placed: &Placed<'_>,
        series: &[(&str, SeriesLook)],
        pixel: &dyn Fn(f64) -> f64,
        svg: &mut Svg,
    ) {
        let row = placed.row;
        let lane = self.form.lanes().0;
        let lanes = match self.form {
            RowForm::Percentiles => series.len(),
            RowForm::Differences | RowForm::Stacks => row.marks.len(),
        };
        for (i, mark) in row.marks.iter().enumerate() {
            let place = series
                .iter()
                .position(|(name, _)| *name == mark.series)
                .unwrap_or(0);
            let look = series[place].1;
            // Each percentile has a lane of its own, so that intervals never lie over each other.
            let on = if self.form == RowForm::Percentiles {
                place
            } else {
                i
            };
            let y = placed.middle + (on as f64 - (lanes as f64 - 1.0) / 2.0) * lane;
            if let Some(floor) = placed.group.floor_ns(&mark.series) {
                let (low, high) = (pixel(-floor), pixel(floor));
                svg.rect(
                    (low, y - lane / 2.0),
                    (high - low, lane),
                    look.colour,
                    FLOOR_OPACITY,
                );
            }
            let (low, high) = (pixel(mark.low_ns), pixel(mark.high_ns));
            let (half, weight, size) = if self.form == RowForm::Percentiles {
                (2.2, 1.4, 2.8)
            } else {
                (3.0, 1.5, 3.6)
            };
            svg.line((low, y), (high, y), look.colour, weight);
            for end in [low, high] {
                svg.line((end, y - half), (end, y + half), look.colour, 1.2);
            }
            let struck = row.signs.struck.is_some() || mark.signs.struck.is_some();
            svg.mark(
                (pixel(mark.value_ns), y),
                size,
                look.shape,
                look.colour,
                struck,
            );
        }
    }

    /// The parts of one bar, stacked.
    fn draw_stack(
        &self,
        placed: &Placed<'_>,
        series: &[(&str, SeriesLook)],
        pixel: &dyn Fn(f64) -> f64,
        svg: &mut Svg,
    ) {
        let opacity = if placed.row.signs.struck.is_some() {
            STRUCK_OPACITY
        } else {
            1.0
        };
        let mut from_ns = 0.0;
        for mark in &placed.row.marks {
            let colour = colour_of(series, mark);
            let (from, to) = (pixel(from_ns), pixel(from_ns + mark.value_ns));
            svg.rect(
                (from, placed.middle - 7.0),
                (to - from, 13.0),
                colour,
                opacity,
            );
            from_ns += mark.value_ns;
        }
    }
}

fn colour_of(series: &[(&str, SeriesLook)], mark: &RowMark) -> Colour {
    let look = series.iter().find(|(name, _)| *name == mark.series);
    look.map_or(TEXT, |(_, look)| look.colour)
}

/// Words on white, so that grid and axis stay out of them.
fn boxed_text(svg: &mut Svg, (x, y): (f64, f64), size: f64, colour: Colour, words: &str) {
    svg.rect(
        (x - 3.0, y - size),
        (text::width(words, size) + 6.0, size + 4.0),
        PAPER,
        1.0,
    );
    svg.words((x, y), size, colour, words);
}

impl Figure for RowFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        let series = self.series();
        let header = Header::new(&self.title, &self.subtitle);
        let foot = self.foot();
        let label_width = widest(
            &mut self
                .rows()
                .map(|(_, _, r)| text::width(&self.label(r), LABEL_SIZE)),
        ) + 12.0;
        let value_width = widest(
            &mut self
                .marks()
                .map(|(_, _, r, m)| text::width(&self.value_text(r, m), NOTE_SIZE)),
        ) + 14.0;
        let count = self.columns.len() as f64;
        let room = WIDTH - 2.0 * MARGIN - label_width - value_width - (count - 1.0) * GUTTER;
        let width = room / count;
        let axis = self.axis(width);
        let title_room = if self.columns.iter().any(|c| !c.title.is_empty()) {
            16.0
        } else {
            0.0
        };
        let top = header.height() + 6.0 + title_room;
        let plot_height = self.places(&self.columns[0]).2;
        let caption = match axis.threshold() {
            Some(threshold) => format!(
                "{}; linear within ±{}, logarithmic outside",
                self.quantity,
                time_label::tick(threshold)
            ),
            None => self.quantity.clone(),
        };
        let below = top + plot_height + if caption.is_empty() { 22.0 } else { 36.0 };
        let mut svg = Svg::default();
        header.draw(&mut svg);
        for (i, column) in self.columns.iter().enumerate() {
            let left = MARGIN + label_width + i as f64 * (width + GUTTER);
            let plot = Frame {
                left,
                top,
                width,
                height: plot_height,
            };
            let across = (plot.left, plot.right());
            let (placed, headings, _) = self.places(column);
            let title = text::fit(&column.title, LABEL_SIZE, width + GUTTER - 8.0);
            svg.words((plot.left, top - 8.0), LABEL_SIZE, TEXT, &title);
            let mut upright = |at: f64, stroke| {
                let at = axis.pixel(at, across);
                svg.curve(&[(at, plot.top), (at, plot.bottom())], stroke, 1.0);
            };
            axis.light_grid
                .iter()
                .for_each(|at| upright(*at, Stroke::solid(LIGHT_GRID, 0.5)));
            axis.ticks
                .iter()
                .for_each(|t| upright(t.at, Stroke::solid(GRID, 0.7)));
            if axis.threshold().is_some() {
                let dotted = Stroke {
                    dash: "1.5 2.5",
                    ..Stroke::solid(AXIS, 0.6)
                };
                [-1.0, 1.0].iter().for_each(|at| upright(*at, dotted));
                upright(0.0, Stroke::solid(AXIS, 1.2));
                svg.line(
                    (plot.left, plot.bottom()),
                    (plot.right(), plot.bottom()),
                    AXIS,
                    0.9,
                );
            } else {
                draw_axis_lines(&mut svg, &plot);
            }
            // Bars have their labels on the axis, and the headings behind it.
            let heading_left = match self.form {
                RowForm::Stacks => plot.left + 6.0,
                RowForm::Differences | RowForm::Percentiles => MARGIN,
            };
            for (heading, at) in headings {
                if at > 0.0 && self.form != RowForm::Stacks {
                    let y = top + at + 2.0;
                    svg.line((MARGIN, y), (WIDTH - MARGIN, y), GRID, 0.7);
                }
                let shown = text::fit(heading, TICK_SIZE, width - 8.0);
                let at = (heading_left, top + at + 15.5);
                boxed_text(&mut svg, at, TICK_SIZE, SOFT_TEXT, &shown);
            }
            let pixel = |ns: f64| axis.pixel(axis.position(ns), across);
            for mut row in placed {
                row.middle += top;
                if i == 0 {
                    let at = (plot.left - 8.0, row.middle + LABEL_SIZE * 0.36);
                    svg.text(at, LABEL_SIZE, Anchor::End, TEXT, &self.label(row.row));
                }
                if row.row.marks.is_empty() {
                    let at = (plot.left + 8.0, row.middle + NOTE_SIZE * 0.36);
                    svg.words(at, NOTE_SIZE, SOFT_TEXT, "too few samples");
                }
                match self.form {
                    RowForm::Differences | RowForm::Percentiles => {
                        self.draw_marks(&row, &series, &pixel, &mut svg)
                    }
                    RowForm::Stacks => self.draw_stack(&row, &series, &pixel, &mut svg),
                }
                self.draw_values(&row, &series, (&plot, &pixel), &mut svg);
            }
            draw_bottom_ticks(&mut svg, &plot, &axis);
            let caption = text::fit(&caption, NOTE_SIZE, WIDTH - 2.0 * MARGIN);
            let half = text::width(&caption, NOTE_SIZE) / 2.0;
            let middle = (plot.left + plot.width / 2.0).clamp(MARGIN + half, WIDTH - MARGIN - half);
            svg.text(
                (middle, plot.bottom() + 31.0),
                NOTE_SIZE,
                Anchor::Middle,
                SOFT_TEXT,
                &caption,
            );
        }
        foot.draw(&mut svg, below);
        Ok(svg.finish((WIDTH, below + foot.height()), &self.title))
    }

    fn csv(&self) -> String {
        let number = |n: f64| format!("{n:.1}");
        let header: &[&str] = match self.form {
            RowForm::Differences => &[
                "group",
                "row",
                "series",
                "value_ns",
                "low_ns",
                "high_ns",
                "noise_floor_ns",
                "struck",
                "caution",
            ],
            RowForm::Percentiles => &[
                "column",
                "row",
                "statistic",
                "value_ns",
                "low_ns",
                "high_ns",
                "sample_count",
                "struck",
                "caution",
            ],
            RowForm::Stacks => &["group", "bar", "series", "value_ns", "struck", "caution"],
        };
        let rows = self.marks().map(|(column, group, row, mark)| {
            let place = if self.form == RowForm::Percentiles {
                &column.title
            } else {
                &group.title
            };
            let mut cells = vec![
                place.clone(),
                row.label.clone(),
                mark.series.clone(),
                number(mark.value_ns),
            ];
            let signs = match self.form {
                RowForm::Differences => {
                    let floor = group.floor_ns(&mark.series).map(number);
                    let floor = floor.unwrap_or_default();
                    cells.extend([number(mark.low_ns), number(mark.high_ns), floor]);
                    &mark.signs
                }
                RowForm::Percentiles => {
                    cells.extend([
                        number(mark.low_ns),
                        number(mark.high_ns),
                        row.samples.to_string(),
                    ]);
                    &row.signs
                }
                RowForm::Stacks => &row.signs,
            };
            cells.extend(signs.cells());
            cells
        });
        series_table(header, rows)
    }
}

impl RowFigure {
    /// The values right of a row in figures.
    fn draw_values(
        &self,
        placed: &Placed<'_>,
        series: &[(&str, SeriesLook)],
        (plot, pixel): (&Frame, &dyn Fn(f64) -> f64),
        svg: &mut Svg,
    ) {
        let row = placed.row;
        match (self.form, row.marks.first()) {
            (RowForm::Differences, _) => {
                for (i, mark) in row.marks.iter().enumerate() {
                    let lane = i as f64 - (row.marks.len() as f64 - 1.0) / 2.0;
                    let y = placed.middle + lane * self.form.lanes().0;
                    let at = (plot.right() + 10.0, y + NOTE_SIZE * 0.36);
                    let colour = colour_of(series, mark);
                    svg.words(at, NOTE_SIZE, colour, &self.value_text(row, mark));
                }
            }
            (RowForm::Stacks, Some(mark)) => {
                let at = (pixel(total_ns(row)) + 5.0, placed.middle + NOTE_SIZE * 0.3);
                boxed_text(svg, at, NOTE_SIZE, TEXT, &self.value_text(row, mark));
            }
            (RowForm::Percentiles, _) | (RowForm::Stacks, None) => {}
        }
    }
}
