//! One SVG from two layers: plotters below, ink above.
//!
//! plotters knows whole pixels only, so it draws at ten-fold coordinates; the
//! root element then says how large the figure really is.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::prelude::*;

use super::FigureError;
use super::ink::Ink;
use super::style::Colour;
use super::text::FONT_FAMILY;

/// plotters units per pixel.
pub(super) const SCALE: f64 = 10.0;

/// The area plotters draws on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A rectangle of the figure, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Frame {
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The part of `area` that this frame covers.
    pub(super) fn of<'a>(&self, area: &Area<'a>) -> Area<'a> {
        let unit = |px: f64| (px * SCALE).round() as u32;
        area.clone().shrink(
            (unit(self.left), unit(self.top)),
            (unit(self.width), unit(self.height)),
        )
    }
}

/// A stroke width for plotters, from pixels.
fn weight(px: f64) -> u32 {
    (px * SCALE).round() as u32
}

/// A plotters error as ours.
pub(super) fn chart_error(error: impl std::fmt::Display) -> FigureError {
    FigureError::Chart(error.to_string())
}

/// Which way grid lines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Upright,
    Level,
}

/// A chart on plain linear coordinates; the axes of this module are mapped
/// before plotters sees them.
pub(super) type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws grid lines at the given coordinates, `px` pixels wide, across the
/// whole chart.
pub(super) fn rule(
    chart: &mut Chart<'_, '_>,
    way: Rule,
    at: impl IntoIterator<Item = f64>,
    colour: Colour,
    px: f64,
) -> Result<(), FigureError> {
    let (across, down) = (chart.x_range(), chart.y_range());
    let style = colour.rgb().stroke_width(weight(px));
    let lines = at.into_iter().map(|at| {
        let ends = match way {
            Rule::Upright => vec![(at, down.start), (at, down.end)],
            Rule::Level => vec![(across.start, at), (across.end, at)],
        };
        PathElement::new(ends, style)
    });
    chart.draw_series(lines).map_err(chart_error)?;
    Ok(())
}

/// Draws a figure of `width` by `height` pixels.
pub(super) fn draw(
    (width, height): (f64, f64),
    title: &str,
    layers: impl FnOnce(&Area<'_>, &mut Ink) -> Result<(), FigureError>,
) -> Result<String, FigureError> {
    let size = (
        (width * SCALE).round() as u32,
        (height * SCALE).round() as u32,
    );
    let mut chart = String::new();
    let mut ink = Ink::default();
    {
        let area = SVGBackend::with_string(&mut chart, size).into_drawing_area();
        area.fill(&WHITE).map_err(chart_error)?;
        layers(&area, &mut ink)?;
        area.present().map_err(chart_error)?;
    }
    let body = chart
        .split_once('>')
        .and_then(|(_, rest)| rest.trim_end().strip_suffix("</svg>"))
        .ok_or_else(|| FigureError::Chart("its SVG has no root element".to_owned()))?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {} {}\">\n\
         <title>{}</title>\n{}\n<g transform=\"scale({SCALE})\" font-family=\"{FONT_FAMILY}\">\n{}</g>\n</svg>\n",
        size.0,
        size.1,
        super::text::escape(title),
        body.trim(),
        ink.into_svg()
    ))
}
