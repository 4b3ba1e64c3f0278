//! Figures as pure functions of their series.
//!
//! A figure is a value, [`CurveFigure`] or [`RowFigure`], that renders to one SVG with live text for each [`Look`],
//! and to one CSV with the same series. [`write_figure`] adds an SVG with outlined text, a PNG and a PDF. Nothing here
//! reads a clock, a run file or a system font, so the same value always gives the same bytes.

mod axis;
mod curve_drawing;
#[cfg(test)]
mod curve_tests;
mod curves;
mod furniture;
mod labels;
mod look;
mod row_drawing;
mod row_form;
mod rows;
mod signs;
mod style;
mod svg;
mod text;
mod texture;
mod told;
mod words;
mod write;

pub use curves::{Along, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint, NoiseBand};
pub use look::Look;
pub use row_form::RowForm;
pub use rows::{Row, RowFigure, RowGroup, RowMark};
pub use signs::Signs;
pub(crate) use style::stroke_of_case;
pub(crate) use svg::Drawn;
pub(crate) use told::Told;
pub use write::{Figure, FigureError, write_figure};
