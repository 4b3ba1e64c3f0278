//! The layer of the SVG that the charting library cannot draw.
//!
//! Coordinates are CSS pixels of the finished figure, with two decimals.

use std::fmt::Write as _;

use super::style::{Colour, Shape, Stroke};
use super::text::escape;

/// Which end of a text its coordinate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// SVG elements in drawing order.
#[derive(Debug, Default)]
pub(super) struct Ink {
    svg: String,
}

// Writing into a String cannot fail, hence `.ok()` below.
impl Ink {
    /// The elements so far.
    pub(super) fn into_svg(self) -> String {
        self.svg
    }

    /// Text with its baseline at `y`.
    pub(super) fn text(
        &mut self,
        (x, y): (f64, f64),
        size: f64,
        anchor: Anchor,
        colour: Colour,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        writeln!(
            self.svg,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
            colour.hex(),
            escape(text)
        )
        .ok();
    }

    /// An open line through `points`.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], stroke: Stroke, opacity: f64) {
        let mut path = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            write!(path, "{}{x:.2} {y:.2}", if i == 0 { "M" } else { " L" }).ok();
        }
        let dash = if stroke.dash.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{}\"", stroke.dash)
        };
        writeln!(
            self.svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash} stroke-linejoin=\"round\" opacity=\"{opacity}\"/>",
            stroke.colour.hex(),
            stroke.weight
        )
        .ok();
    }

    /// A straight solid line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour, weight: f64) {
        self.curve(
            &[from, to],
            Stroke {
                colour,
                weight,
                dash: "",
            },
            1.0,
        );
    }

    /// A filled rectangle from its upper left corner.
    pub(super) fn rect(
        &mut self,
        (x, y): (f64, f64),
        (w, h): (f64, f64),
        colour: Colour,
        opacity: f64,
    ) {
        writeln!(
            self.svg,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" fill=\"{}\" opacity=\"{opacity}\"/>",
            colour.hex()
        )
        .ok();
    }

    /// A mark centred on a point; hollow marks are white inside.
    pub(super) fn mark(
        &mut self,
        (x, y): (f64, f64),
        radius: f64,
        shape: Shape,
        colour: Colour,
        hollow: bool,
    ) {
        let stroke = colour.hex();
        let fill = if hollow {
            "#ffffff".to_owned()
        } else {
            stroke.clone()
        };
        let paint = format!("fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.2\"");
        match shape {
            Shape::Disc => writeln!(self.svg, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" {paint}/>"),
            Shape::Square => writeln!(
                self.svg,
                "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{w:.2}\" height=\"{w:.2}\" {paint}/>",
                x - radius * 0.9,
                y - radius * 0.9,
                w = radius * 1.8
            ),
            Shape::Triangle => {
                let r = radius * 1.2;
                writeln!(
                    self.svg,
                    "<path d=\"M{:.2} {low:.2} L{x:.2} {:.2} L{:.2} {low:.2} Z\" {paint}/>",
                    x - r,
                    y - r,
                    x + r,
                    low = y + r * 0.8
                )
            }
            Shape::Diamond => {
                let r = radius * 1.3;
                writeln!(
                    self.svg,
                    "<path d=\"M{:.2} {y:.2} L{x:.2} {:.2} L{:.2} {y:.2} L{x:.2} {:.2} Z\" {paint}/>",
                    x - r,
                    y - r,
                    x + r,
                    y + r
                )
            }
        }
        .ok();
    }
}
