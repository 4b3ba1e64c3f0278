//! What stands around the marks of a contrast figure: zero line, headings,
//! and each mark in figures.

use super::axis::SignedTimeAxis;
use super::canvas::Frame;
use super::contrast::ContrastMark;
use super::furniture::{CAUTION_SIGN, MARGIN, STRUCK_SIGN, TICK_SIZE, WIDTH};
use super::ink::{Anchor, Ink};
use super::style::{AXIS, GRID, PAPER, SOFT_TEXT, Stroke};
use super::{text, time_label};

/// The mark in figures: `+512 µs (+480 µs … +560 µs) †`.
pub(super) fn value_text(mark: &ContrastMark) -> String {
    let mut words = format!(
        "{} ({} … {})",
        time_label::signed(mark.value_ns),
        time_label::signed(mark.low_ns),
        time_label::signed(mark.high_ns)
    );
    for (present, sign) in [
        (mark.struck.is_some(), STRUCK_SIGN),
        (mark.caution.is_some(), CAUTION_SIGN),
    ] {
        if present {
            words = format!("{words} {sign}");
        }
    }
    words
}

/// Zero line, the edges of the linear part, axis line and headings.
pub(super) fn draw_frame(
    ink: &mut Ink,
    plot: &Frame,
    axis: &SignedTimeAxis,
    zero: f64,
    headings: &[(&str, f64)],
) {
    let per_unit = plot.width / (axis.high - axis.low);
    for edge in [zero - per_unit, zero + per_unit] {
        if edge > plot.left && edge < plot.right() {
            let stroke = Stroke {
                colour: AXIS,
                weight: 0.6,
                dash: "1.5 2.5",
            };
            ink.curve(&[(edge, plot.top), (edge, plot.bottom())], stroke, 1.0);
        }
    }
    ink.line((zero, plot.top), (zero, plot.bottom()), AXIS, 1.2);
    ink.line(
        (plot.left, plot.bottom()),
        (plot.right(), plot.bottom()),
        AXIS,
        0.9,
    );
    for (heading, top) in headings {
        if *top > 0.0 {
            ink.line(
                (MARGIN, plot.top + top + 2.0),
                (WIDTH - MARGIN, plot.top + top + 2.0),
                GRID,
                0.7,
            );
        }
        // A heading crosses the plot: white behind it keeps the grid out of the words.
        let shown = text::fit(heading, TICK_SIZE, WIDTH - 2.0 * MARGIN);
        let wide = text::width(&shown, TICK_SIZE);

        ink.rect(
            (MARGIN, plot.top + top + 4.0),
            (wide + 6.0, 15.0),
            PAPER,
            1.0,
        );
        ink.text(
            (MARGIN, plot.top + top + 15.5),
            TICK_SIZE,
            Anchor::Start,
            SOFT_TEXT,
            &shown,
        );
    }
}
