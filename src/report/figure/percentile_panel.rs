//! One panel of percentile curves: grid, bands, curves, labels at their ends.

use plotters::prelude::*;

use super::axis::{percentile_position, percentile_ticks};
use super::canvas::{self, Area, Frame, Rule, SCALE, chart_error};
use super::furniture::{
    LABEL_SIZE, NOISE_EDGE, NOTE_SIZE, STRUCK_OPACITY, TICK_SIZE, draw_axis_lines,
    draw_bottom_ticks,
};
use super::ink::{Anchor, Ink};
use super::percentile::{LABEL_GAP, LEADER, Layout, NoiseFloorPoint, PercentilePanel, end_label};
use super::style::{AXIS, GRID, LIGHT_GRID, NOISE, SOFT_TEXT, Shape, Stroke, TEXT, arm_stroke};
use super::{FigureError, labels};

/// A closed outline from a lower and an upper edge.
fn outline(edges: impl DoubleEndedIterator<Item = (f64, f64, f64)> + Clone) -> Vec<(f64, f64)> {
    let lower = edges.clone().map(|(x, low, _)| (x, low));
    lower
        .chain(edges.rev().map(|(x, _, high)| (x, high)))
        .collect()
}

pub(super) fn draw_panel(
    panel: &PercentilePanel,
    layout: &Layout,
    plot: &Frame,
    area: &Area<'_>,
    ink: &mut Ink,
) -> Result<(), FigureError> {
    let x_ticks = percentile_ticks(layout.x_end);
    let y = &layout.y;
    let mut chart = ChartBuilder::on(&plot.of(area))
        .build_cartesian_2d(0.0..layout.x_end, y.low..y.high)
        .map_err(chart_error)?;
    canvas::rule(&mut chart, Rule::Level, y.light_grid(), LIGHT_GRID, 0.5)?;
    canvas::rule(
        &mut chart,
        Rule::Level,
        layout.y_ticks.iter().map(|t| t.at),
        GRID,
        0.7,
    )?;
    canvas::rule(
        &mut chart,
        Rule::Upright,
        x_ticks.iter().map(|t| t.at),
        GRID,
        0.7,
    )?;
    if let Some(floor) = &panel.noise_floor {
        let edges = floor.points.iter().map(|p| {
            (
                percentile_position(p.percentile).min(layout.x_end),
                y.position(p.low_ns),
                y.position(p.high_ns),
            )
        });
        let fill = NOISE.rgb().mix(0.22).filled();
        chart
            .draw_series([Polygon::new(outline(edges), fill)])
            .map_err(chart_error)?;
    }
    for curve in &panel.curves {
        let edges = curve.points.iter().map(|p| {
            (
                percentile_position(p.percentile),
                y.position(p.low_ns),
                y.position(p.high_ns),
            )
        });
        let fill = arm_stroke(curve.arm_index)
            .colour
            .rgb()
            .mix(if curve.struck.is_some() { 0.05 } else { 0.13 });
        chart
            .draw_series([Polygon::new(outline(edges), fill.filled())])
            .map_err(chart_error)?;
    }

    // Ink follows the chart's own mapping, so both layers agree.
    let pixel = |x: f64, y: f64| {
        let (x, y) = chart.backend_coord(&(x, y));
        (f64::from(x) / SCALE, f64::from(y) / SCALE)
    };
    if let Some(floor) = &panel.noise_floor {
        for edge in [
            |p: &NoiseFloorPoint| p.low_ns,
            |p: &NoiseFloorPoint| p.high_ns,
        ] {
            let line: Vec<_> = floor
                .points
                .iter()
                .map(|p| {
                    pixel(
                        percentile_position(p.percentile).min(layout.x_end),
                        y.position(edge(p)),
                    )
                })
                .collect();
            ink.curve(&line, NOISE_EDGE, 1.0);
        }
    }
    draw_axis_lines(ink, plot);
    for tick in &layout.y_ticks {
        let (_, at) = pixel(0.0, tick.at);
        ink.text(
            (plot.left - 7.0, at + TICK_SIZE * 0.36),
            TICK_SIZE,
            Anchor::End,
            TEXT,
            &tick.label,
        );
        ink.line((plot.left - 4.0, at), (plot.left, at), AXIS, 0.9);
    }
    let below: Vec<_> = x_ticks
        .iter()
        .map(|t| (pixel(t.at, y.low).0, t.label.clone()))
        .collect();
    draw_bottom_ticks(ink, plot, &below);
    let centre = (plot.left + plot.width / 2.0, plot.bottom() + 30.0);
    ink.text(
        centre,
        NOTE_SIZE,
        Anchor::Middle,
        SOFT_TEXT,
        "percentile, spaced by 1/(1 − p)",
    );

    let mut ends = Vec::new();
    for curve in &panel.curves {
        let stroke = arm_stroke(curve.arm_index);
        let line: Vec<_> = curve
            .points
            .iter()
            .map(|p| pixel(percentile_position(p.percentile), y.position(p.value_ns)))
            .collect();
        let struck = curve.struck.is_some();
        ink.curve(&line, stroke, if struck { STRUCK_OPACITY } else { 1.0 });
        if struck || curve.marked {
            let shape = if curve.marked {
                Shape::Square
            } else {
                Shape::Disc
            };
            for tick in &x_ticks {
                let on = curve
                    .points
                    .iter()
                    .position(|p| (percentile_position(p.percentile) - tick.at).abs() < 1e-9);
                if let Some(i) = on {
                    ink.mark(line[i], 2.8, shape, stroke.colour, struck);
                }
            }
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
        let stroke = arm_stroke(curve.arm_index);
        let leader = Stroke {
            colour: stroke.colour,
            weight: 0.7,
            dash: "",
        };
        ink.curve(
            &[
                *end,
                (plot.right() + 3.0, end.1),
                (plot.right() + LEADER - 4.0, *at),
            ],
            leader,
            0.8,
        );
        let at = (plot.right() + LEADER - 1.0, at + LABEL_SIZE * 0.36);
        ink.text(
            at,
            LABEL_SIZE,
            Anchor::Start,
            stroke.colour,
            &end_label(curve),
        );
    }
    Ok(())
}
