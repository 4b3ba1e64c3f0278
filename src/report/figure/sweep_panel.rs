//! One panel of a sweep: grid, bands, lines with their points, labels at their ends.

use plotters::prelude::*;

use super::canvas::{self, Area, Frame, Rule, SCALE, chart_error};
use super::furniture::{LABEL_SIZE, NOTE_SIZE, TICK_SIZE, draw_axis_lines, draw_bottom_ticks};
use super::ink::{Anchor, Ink};
use super::style::{AXIS, GRID, LIGHT_GRID, PAPER, SOFT_TEXT, Shape, Stroke, TEXT, sweep_stroke};
use super::sweep::{LABEL_GAP, LEADER, Layout, SweepPanel, end_label};
use super::{FigureError, labels};

pub(super) fn draw_panel(
    panel: &SweepPanel,
    layout: &Layout,
    (plot, along): (&Frame, &str),
    area: &Area<'_>,
    ink: &mut Ink,
) -> Result<(), FigureError> {
    let (x, y) = (&layout.x, &layout.y);
    let mut chart = ChartBuilder::on(&plot.of(area))
        .build_cartesian_2d(x.low..x.high, y.low..y.high)
        .map_err(chart_error)?;
    canvas::rule(
        &mut chart,
        Rule::Level,
        y.light_grid.iter().copied(),
        LIGHT_GRID,
        0.5,
    )?;
    canvas::rule(
        &mut chart,
        Rule::Level,
        y.ticks.iter().map(|t| t.at),
        GRID,
        0.7,
    )?;
    canvas::rule(
        &mut chart,
        Rule::Upright,
        layout.x_ticks.iter().map(|t| t.at),
        GRID,
        0.7,
    )?;
    for curve in &panel.curves {
        let edge = |of: fn(&super::SweepDot) -> f64| {
            curve
                .dots
                .iter()
                .map(move |d| (x.position(d.at), y.position(of(d))))
        };
        let outline: Vec<(f64, f64)> = edge(|d| d.low).chain(edge(|d| d.high).rev()).collect();
        let fill = sweep_stroke(curve.look).colour.rgb().mix(0.14).filled();
        chart
            .draw_series([Polygon::new(outline, fill)])
            .map_err(chart_error)?;
    }

    // Ink follows the chart's own mapping, so both layers agree.
    let pixel = |x: f64, y: f64| {
        let (x, y) = chart.backend_coord(&(x, y));
        (f64::from(x) / SCALE, f64::from(y) / SCALE)
    };
    draw_axis_lines(ink, plot);
    if let Some(gap) = x.gap() {
        let (at, _) = pixel(gap, y.low);
        ink.rect((at - 2.5, plot.bottom() - 2.0), (5.0, 4.0), PAPER, 1.0);
        for side in [at - 2.5, at + 2.5] {
            let (low, high) = (plot.bottom() + 4.0, plot.bottom() - 4.0);
            ink.line((side - 1.5, low), (side + 1.5, high), AXIS, 0.9);
        }
    }
    for tick in &y.ticks {
        let (_, at) = pixel(x.low, tick.at);
        ink.text(
            (plot.left - 7.0, at + TICK_SIZE * 0.36),
            TICK_SIZE,
            Anchor::End,
            TEXT,
            &tick.label,
        );
        ink.line((plot.left - 4.0, at), (plot.left, at), AXIS, 0.9);
    }
    let below: Vec<_> = layout
        .x_ticks
        .iter()
        .map(|t| (pixel(t.at, y.low).0, t.label.clone()))
        .collect();
    draw_bottom_ticks(ink, plot, &below);
    let centre = (plot.left + plot.width / 2.0, plot.bottom() + 31.0);
    ink.text(centre, NOTE_SIZE, Anchor::Middle, SOFT_TEXT, along);

    let mut ends = Vec::new();
    for curve in &panel.curves {
        let stroke = sweep_stroke(curve.look);
        let line: Vec<_> = curve
            .dots
            .iter()
            .map(|d| pixel(x.position(d.at), y.position(d.value)))
            .collect();
        ink.curve(&line, stroke, 1.0);
        for (at, dot) in line.iter().zip(&curve.dots) {
            ink.mark(*at, 2.6, Shape::Disc, stroke.colour, dot.struck);
        }
        let end = line.last().copied();
        ends.push(end.unwrap_or((plot.right(), plot.bottom())));
    }
    let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
    let placed = labels::spread(&wanted, LABEL_GAP, plot.top + 4.0, plot.bottom() - 4.0);
    for ((curve, end), at) in panel.curves.iter().zip(&ends).zip(&placed) {
        let colour = sweep_stroke(curve.look).colour;
        let leader = Stroke {
            colour,
            weight: 0.7,
            dash: "",
        };
        ink.curve(
            &[
                *end,
                (plot.right() + 4.0, end.1),
                (plot.right() + LEADER - 3.0, *at),
            ],
            leader,
            0.8,
        );
        ink.text(
            (plot.right() + LEADER, at + LABEL_SIZE * 0.36),
            LABEL_SIZE,
            Anchor::Start,
            colour,
            &end_label(curve),
        );
    }
    Ok(())
}
