//! Figures as pure functions of their series.
//!
//! A figure is a value, [`CurveFigure`] or [`RowFigure`], that renders to one SVG with live text and one CSV
//! with the same series. [`write_figure`] adds an SVG with outlined text and a PNG. Nothing here reads a clock,
//! a run file or a system font, so the same value always gives the same bytes.

mod axis;
mod curve_drawing;
#[cfg(test)]
mod curve_tests;
mod curves;
mod error;
mod furniture;
mod labels;
mod row_drawing;
mod rows;
mod signs;
mod style;
mod svg;
mod text;
use super::format as time_label;
mod write;

pub use axis::Unit;
pub use curves::{Along, Curve, CurveFigure, CurveMarks, CurvePanel, CurvePoint, NoiseBand};
pub use error::FigureError;
pub use rows::{Row, RowColumn, RowFigure, RowForm, RowGroup, RowMark};
pub use signs::Signs;
pub use style::Stroke;
pub use write::{Figure, series_table, write_figure};
