//! The drawing layer: SVG elements in drawing order, in CSS pixels of the finished figure.

use std::fmt::Write as _;

use super::style::{Colour, Shape, Stroke};
use super::text::{FONT_FAMILY, escape};

/// Which end of a text its coordinate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A point in pixels from the upper left corner.
pub(super) type Pixel = (f64, f64);

/// A rectangle of the figure.
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
}

/// A figure under way.
#[derive(Debug, Default)]
pub(super) struct Svg {
    elements: String,
}

// Writing into a String cannot fail, hence `.ok()` below.
impl Svg {
    /// The whole figure on white.
    pub(super) fn finish(self, (width, height): (f64, f64), title: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONT_FAMILY}\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escape(title),
            self.elements
        )
    }

    /// Text with its baseline at `y`.
    pub(super) fn text(
        &mut self,
        (x, y): Pixel,
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
            self.elements,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{}\">{}</text>",
            colour.hex(),
            escape(text)
        )
        .ok();
    }

    /// Text that begins at a point.
    pub(super) fn words(&mut self, at: Pixel, size: f64, colour: Colour, text: &str) {
        self.text(at, size, Anchor::Start, colour, text);
    }

    /// An open line through `points`.
    pub(super) fn curve(&mut self, points: &[Pixel], stroke: Stroke, opacity: f64) {
        let dash = match stroke.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        writeln!(
            self.elements,
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash} stroke-linejoin=\"round\" opacity=\"{opacity}\"/>",
            path(points),
            stroke.colour.hex(),
            stroke.weight
        )
        .ok();
    }

    /// A straight solid line.
    pub(super) fn line(&mut self, from: Pixel, to: Pixel, colour: Colour, weight: f64) {
        self.curve(&[from, to], Stroke::solid(colour, weight), 1.0);
    }

    /// The area between a lower and an upper edge, given from left to right.
    pub(super) fn band(&mut self, edges: &[(Pixel, Pixel)], colour: Colour, opacity: f64) {
        let lower = edges.iter().map(|e| e.0);
        let outline: Vec<Pixel> = lower.chain(edges.iter().rev().map(|e| e.1)).collect();
        writeln!(
            self.elements,
            "<path d=\"{} Z\" fill=\"{}\" opacity=\"{opacity}\"/>",
            path(&outline),
            colour.hex()
        )
        .ok();
    }

    /// A filled rectangle from its upper left corner.
    pub(super) fn rect(&mut self, (x, y): Pixel, (w, h): (f64, f64), colour: Colour, opacity: f64) {
        writeln!(
            self.elements,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" fill=\"{}\" opacity=\"{opacity}\"/>",
            colour.hex()
        )
        .ok();
    }

    /// A mark centred on a point; hollow marks are white inside.
    pub(super) fn mark(
        &mut self,
        (x, y): Pixel,
        radius: f64,
        shape: Shape,
        colour: Colour,
        hollow: bool,
    ) {
        let stroke = colour.hex();
        let fill = if hollow { "#ffffff" } else { &stroke };
        let paint = format!("fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.2\"");
        let corners = |ends: &[Pixel]| {
            let at: Vec<Pixel> = ends
                .iter()
                .map(|(a, b)| (x + a * radius, y + b * radius))
                .collect();
            format!("<path d=\"{} Z\" {paint}/>", path(&at))
        };
        let drawn = match shape {
            Shape::Disc => {
                format!("<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" {paint}/>")
            }
            Shape::Square => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Shape::Triangle => corners(&[(-1.2, 0.96), (0.0, -1.2), (1.2, 0.96)]),
            Shape::Diamond => corners(&[(-1.3, 0.0), (0.0, -1.3), (1.3, 0.0), (0.0, 1.3)]),
        };
        writeln!(self.elements, "{drawn}").ok();
    }
}

fn path(points: &[Pixel]) -> String {
    let mut path = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        write!(path, "{}{x:.2} {y:.2}", if i == 0 { "M" } else { " L" }).ok();
    }
    path
}
