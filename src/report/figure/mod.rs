//! Figures as pure functions of their series.
//!
//! Every figure is a value ([`PercentileFigure`], [`ContrastFigure`],
//! [`StackedBarFigure`], [`TailFigure`], [`SweepFigure`]) that renders to one SVG with live text and one CSV
//! with the same series. [`write_figure`] adds an SVG with outlined text and a
//! PNG. Nothing here reads a clock, a run file or a system font, so the same
//! value always gives the same bytes.
//!
//! plotters draws the axes' grid, bands and bars. What it cannot draw is drawn
//! by the `ink` layer: dash-dot strokes, text at an exact size, and curves finer than
//! its whole pixels.

mod axis;
mod bars;
mod canvas;
mod contrast;
mod contrast_frame;
mod error;
mod furniture;
mod ink;
mod labels;
mod percentile;
mod percentile_panel;
mod style;
mod sweep;
mod sweep_axis;
mod sweep_panel;
mod tails;
mod text;
use super::format as time_label;
mod write;

pub use bars::{Bar, BarGroup, BarSegment, StackedBarFigure};
pub use contrast::{ContrastFigure, ContrastGroup, ContrastMark, ContrastRow};
pub use error::FigureError;
pub use percentile::{
    CurvePoint, NoiseFloor, NoiseFloorPoint, PercentileCurve, PercentileFigure, PercentilePanel,
};
pub use style::{ARM_ORDER, arm_index};
pub use sweep::{SweepCurve, SweepDot, SweepFigure, SweepPanel, SweepUnit, SweepX};
pub use tails::{TailColumn, TailFigure, TailMark, TailRow};
pub use write::write_figure;

/// Something that can be drawn and listed.
pub trait Figure {
    /// The figure as SVG with live text in `DejaVu Sans`.
    ///
    /// # Errors
    /// [`FigureError::Unfit`] when the series cannot be drawn (no curve, a
    /// time of zero on a logarithmic axis, percentiles out of order).
    fn svg(&self) -> Result<String, FigureError>;

    /// The drawn series as CSV, one row per drawn value, units in the column
    /// names.
    fn csv(&self) -> String;
}
