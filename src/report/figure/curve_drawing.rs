//! Drawing a [`CurveFigure`]: panels with grid, bands, curves and labels at their ends.

use super::axis::{Axis, Unit};
use super::curves::{Along, CurveFigure, CurveMarks, CurvePanel, LABEL_GAP, LEADER};
use super::furniture::{
    Foot, Header, LABEL_SIZE, MARGIN, NOISE_EDGE, NOTE_SIZE, STRUCK_OPACITY, TICK_SIZE, WIDTH,
    draw_axis_lines, draw_bottom_ticks,
};
use super::style::{AXIS, Colour, GRID, LIGHT_GRID, NOISE, PAPER, SOFT_TEXT, Shape, Stroke, TEXT};
use super::svg::{Anchor, Frame, Pixel, Svg};
use super::write::{Figure, series_table};
use super::{FigureError, labels, text};

impl Figure for CurveFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        let most = self
            .panels
            .iter()
            .map(|p| p.curves.len())
            .max()
            .unwrap_or(1) as f64;
        let (columns, rows) = (self.panels.len().min(2), self.panels.len().div_ceil(2));
        let roomy: f64 = [330.0, 305.0, 220.0][columns - 1 + usize::from(rows > 1)];
        let plot_height = roomy.max(most * LABEL_GAP + 8.0);
        let (x, y) = self.axes(plot_height);
        let tick_width =
            widest(&mut y.ticks.iter().map(|t| text::width(&t.label, TICK_SIZE))) + 9.0;
        let label_width = widest(
            &mut self
                .curves()
                .map(|(_, c)| text::width(&c.end_label(), LABEL_SIZE)),
        ) + LEADER
            + 6.0;
        let header = Header::new(&self.title, &self.subtitle);
        let foot = Foot::new(self.key(), &self.notes(), &self.footer);
        let (cell_width, cell_height) =
            ((WIDTH - 2.0 * MARGIN) / columns as f64, plot_height + 75.0);
        let height = header.height() + rows as f64 * cell_height + foot.height();
        let mut svg = Svg::default();
        header.draw(&mut svg);
        for (i, panel) in self.panels.iter().enumerate() {
            let left = MARGIN + (i % columns) as f64 * cell_width;
            let top = header.height() + (i / columns) as f64 * cell_height;
            let plot = Frame {
                left: left + tick_width,
                top: top + 36.0,
                width: cell_width - tick_width - label_width,
                height: plot_height,
            };
            let size = LABEL_SIZE + 0.5;
            let fitted = |words: &str, size| text::fit(words, size, cell_width - 20.0);
            svg.words((left, top + 13.0), size, TEXT, &fitted(&panel.title, size));
            let quantity = fitted(&self.quantity, NOTE_SIZE);
            svg.words((left, top + 28.0), NOTE_SIZE, SOFT_TEXT, &quantity);
            draw_panel(panel, (&x, &y), &plot, &mut svg);
            let centre = (plot.left + plot.width / 2.0, plot.bottom() + 30.0);
            svg.text(centre, NOTE_SIZE, Anchor::Middle, SOFT_TEXT, &self.caption);
        }
        foot.draw(&mut svg, height - foot.height());
        Ok(svg.finish((WIDTH, height), &self.title))
    }

    fn csv(&self) -> String {
        if self.along == Along::Percentiles {
            let header = [
                "panel",
                "series",
                "percentile",
                "value_ns",
                "low_ns",
                "high_ns",
                "sample_count",
                "struck",
                "caution",
            ];
            let number = |n: f64| format!("{n:.1}");
            let mut rows = Vec::new();
            for panel in &self.panels {
                let place = |label: &str, at: f64| {
                    vec![panel.title.clone(), label.to_owned(), at.to_string()]
                };
                for c in &panel.curves {
                    rows.extend(c.points.iter().map(|p| {
                        let mut row = place(&c.label, p.at);
                        row.extend([
                            number(p.value),
                            number(p.low),
                            number(p.high),
                            c.samples.to_string(),
                        ]);
                        row.extend(c.signs.cells());
                        row
                    }));
                }
                if let Some(noise) = &panel.noise {
                    rows.extend(noise.edges.iter().map(|(at, low, high)| {
                        let mut row = place(&noise.label, *at);
                        row.extend([String::new(), number(*low), number(*high)]);
                        row.extend([const { String::new() }; 3]);
                        row
                    }));
                }
            }
            return series_table(&header, rows);
        }
        let (value, low, high) = match self.unit {
            Unit::Time => ("value_ns", "low_ns", "high_ns"),
            Unit::Share => ("share", "low", "high"),
            Unit::Number => ("value", "low", "high"),
        };
        let number = |n: f64| format!("{n:.4}");
        let rows = self.curves().flat_map(|(panel, c)| {
            c.points.iter().map(move |p| {
                let mut row = vec![panel.title.clone(), c.label.clone(), p.at.to_string()];
                row.extend([
                    number(p.value),
                    number(p.low),
                    number(p.high),
                    p.samples.to_string(),
                ]);
                row.push(if p.struck { "yes" } else { "" }.to_owned());
                row
            })
        });
        series_table(
            &["panel", "line", "at", value, low, high, "samples", "struck"],
            rows,
        )
    }
}

/// Grid, bands, curves, labels at their ends.
fn draw_panel(panel: &CurvePanel, (x, y): (&Axis, &Axis), plot: &Frame, svg: &mut Svg) {
    let across = (plot.left, plot.right());
    let up = (plot.bottom(), plot.top);
    let pixel = |at: f64, value: f64| -> Pixel {
        (
            x.pixel(x.position(at).min(x.high), across),
            y.pixel(y.position(value), up),
        )
    };
    let mut level = |at: f64, colour: Colour, weight| {
        let at = y.pixel(at, up);
        svg.line((plot.left, at), (plot.right(), at), colour, weight);
    };
    y.light_grid
        .iter()
        .for_each(|at| level(*at, LIGHT_GRID, 0.5));
    y.ticks.iter().for_each(|t| level(t.at, GRID, 0.7));
    for tick in &x.ticks {
        let at = x.pixel(tick.at, across);
        svg.line((at, plot.top), (at, plot.bottom()), GRID, 0.7);
    }
    if let Some(noise) = &panel.noise {
        let edges: Vec<_> = noise
            .edges
            .iter()
            .map(|&(at, low, high)| (pixel(at, low), pixel(at, high)))
            .collect();
        svg.band(&edges, NOISE, 0.22);
        for edge in [
            edges.iter().map(|e| e.0).collect::<Vec<_>>(),
            edges.iter().map(|e| e.1).collect(),
        ] {
            svg.curve(&edge, NOISE_EDGE, 1.0);
        }
    }
    for curve in &panel.curves {
        let edges: Vec<_> = curve
            .points
            .iter()
            .map(|p| (pixel(p.at, p.low), pixel(p.at, p.high)))
            .collect();
        let opacity = if curve.signs.struck.is_some() {
            0.05
        } else {
            0.13
        };
        svg.band(&edges, curve.stroke.colour, opacity);
    }
    draw_axis_lines(svg, plot);
    if let Some(gap) = x.gap {
        let at = x.pixel(gap, across);
        svg.rect((at - 2.5, plot.bottom() - 2.0), (5.0, 4.0), PAPER, 1.0);
        for side in [at - 2.5, at + 2.5] {
            let (low, high) = (plot.bottom() + 4.0, plot.bottom() - 4.0);
            svg.line((side - 1.5, low), (side + 1.5, high), AXIS, 0.9);
        }
    }
    for tick in &y.ticks {
        let at = y.pixel(tick.at, up);
        svg.text(
            (plot.left - 7.0, at + TICK_SIZE * 0.36),
            TICK_SIZE,
            Anchor::End,
            TEXT,
            &tick.label,
        );
        svg.line((plot.left - 4.0, at), (plot.left, at), AXIS, 0.9);
    }
    draw_bottom_ticks(svg, plot, x);

    let mut ends = Vec::new();
    for curve in &panel.curves {
        let line: Vec<Pixel> = curve.points.iter().map(|p| pixel(p.at, p.value)).collect();
        let struck = curve.signs.struck.is_some();
        svg.curve(
            &line,
            curve.stroke,
            if struck { STRUCK_OPACITY } else { 1.0 },
        );
        for (at, point) in line.iter().zip(&curve.points) {
            let on_tick = x
                .ticks
                .iter()
                .any(|t| (x.position(point.at) - t.at).abs() < 1e-9);
            let (shape, size) = match curve.marks {
                CurveMarks::Points => (Shape::Disc, 2.6),
                CurveMarks::Ticks if on_tick => (Shape::Square, 2.8),
                CurveMarks::None if struck && on_tick => (Shape::Disc, 2.8),
                CurveMarks::Ticks | CurveMarks::None => continue,
            };
            svg.mark(
                *at,
                size,
                shape,
                curve.stroke.colour,
                struck || point.struck,
            );
        }
        ends.push(
            line.last()
                .copied()
                .unwrap_or((plot.right(), plot.bottom())),
        );
    }
    let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
    let placed = labels::spread(&wanted, LABEL_GAP, plot.top + 4.0, plot.bottom() - 4.0);
    for ((curve, end), at) in panel.curves.iter().zip(&ends).zip(&placed) {
        let colour = curve.stroke.colour;
        let leader = [
            *end,
            (plot.right() + 3.5, end.1),
            (plot.right() + LEADER - 3.5, *at),
        ];
        svg.curve(&leader, Stroke::solid(colour, 0.7), 0.8);
        let at = (plot.right() + LEADER, at + LABEL_SIZE * 0.36);
        svg.words(at, LABEL_SIZE, colour, &curve.end_label());
    }
}
