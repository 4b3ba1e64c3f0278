//! The drawing layer: SVG elements in drawing order, in units of the look.

use super::look::Look;
use super::style::{Colour, Fill, PALE_OPACITY, PAPER, Shape};
use super::text::{FONT_FAMILY, escape};
use super::texture::Texture;
use super::told::Told;
use crate::arm::Stroke;

/// A point in units from the upper left corner.
pub(super) type Pixel = (f64, f64);

/// A rectangle of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Frame {
    /// Its horizontal middle.
    pub(super) fn middle(&self) -> f64 {
        (self.left + self.right) / 2.0
    }
}

/// A figure under way.
#[derive(Debug)]
pub(super) struct Svg {
    pub(super) look: Look,
    elements: String,
    told: Vec<Told>,
    /// The part whose texture is its colour alone: as a pattern it would show where the tiles meet.
    plain: Option<usize>,
}

/// A drawn figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    title: String,
    look: Look,
    /// The paper's upper left corner.
    corner: Pixel,
    /// Its width and height in units.
    pub size: (f64, f64),
    /// Its elements, on white; they have no ids.
    pub elements: String,
    /// What its marks say, in drawing order.
    pub told: Vec<Told>,
}

impl Drawn {
    /// As a file of its own.
    pub fn file(&self) -> String {
        let (w, h) = self.size;
        let [width, tall] = [w, h].map(|units| self.look.length(units, w));
        let (left, top) = self.corner;
        let corner = match self.corner {
            (0.0, 0.0) => String::new(),
            _ => format!(" x=\"{left:.0}\" y=\"{top:.0}\""),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{tall}\" viewBox=\"{left:.0} {top:.0} {w:.0} {h:.0}\" font-family=\"{FONT_FAMILY}\">\n\
             <title>{}</title>\n<rect{corner} width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escape(&self.title),
            self.elements
        )
    }
}

impl Svg {
    pub(super) fn new(look: Look) -> Self {
        Svg {
            look,
            elements: String::new(),
            told: Vec::new(),
            plain: None,
        }
    }

    /// The whole figure in the middle of white paper.
    pub(super) fn finish(self, height: f64, title: &str) -> Drawn {
        let height = height.round_ties_even();
        let (width, tall) = self.look.paper(height);
        Drawn {
            title: title.to_owned(),
            look: self.look,
            // Half of what is left over.
            corner: ((self.look.width() - width) / 2.0, (height - tall) / 2.0),
            size: (width, tall),
            elements: self.elements,
            told: self.told,
        }
    }

    /// Says in words what was drawn somewhere.
    pub(super) fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    fn add(&mut self, element: String) {
        self.elements += &element;
        self.elements.push('\n');
    }

    fn text(&mut self, anchor: &str, (x, y): Pixel, size: f64, colour: Colour, text: &str) {
        let text = escape(text);
        self.add(format!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
        ));
    }

    /// Text that begins at a point; `y` is its baseline.
    pub(super) fn words(&mut self, at: Pixel, size: f64, colour: Colour, text: &str) {
        self.text("start", at, size, colour, text);
    }

    /// Text with its middle at a point.
    pub(super) fn words_around(&mut self, at: Pixel, size: f64, colour: Colour, text: &str) {
        self.text("middle", at, size, colour, text);
    }

    /// Text that ends at a point.
    pub(super) fn words_before(&mut self, at: Pixel, size: f64, colour: Colour, text: &str) {
        self.text("end", at, size, colour, text);
    }

    /// An open line through `points`.
    pub(super) fn curve(&mut self, points: &[Pixel], stroke: Stroke, opacity: f64) {
        let (path, Stroke { colour, weight, .. }) = (path(points), stroke);
        let dash = match stroke.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        self.add(format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{weight}\"{dash} stroke-linejoin=\"round\" opacity=\"{opacity}\"/>"
        ));
    }

    /// A straight solid line.
    pub(super) fn line(&mut self, from: Pixel, to: Pixel, colour: Colour, weight: f64) {
        self.curve(&[from, to], Stroke::new(colour, weight, ""), 1.0);
    }

    /// The area between a lower and an upper edge, given from left to right.
    pub(super) fn band(&mut self, edges: &[(Pixel, Pixel)], colour: Colour, opacity: f64) {
        let lower = edges.iter().map(|e| e.0);
        let outline: Vec<Pixel> = lower.chain(edges.iter().rev().map(|e| e.1)).collect();
        let path = path(&outline);
        self.add(format!(
            "<path d=\"{path} Z\" fill=\"{colour}\" opacity=\"{opacity}\"/>"
        ));
    }

    /// Makes the texture of the part of bars that is named at this place, where the look has textures.
    pub(super) fn texture(&mut self, place: usize, texture: Texture) {
        if !self.look.has_textures() {
            return;
        }
        match texture.pattern(place) {
            Some(pattern) => self.add(pattern),
            None => self.plain = Some(place),
        }
    }

    /// A part of a bar, of the series that is named at this place.
    pub(super) fn part(
        &mut self,
        place: usize,
        at: Pixel,
        size: (f64, f64),
        colour: Colour,
        opacity: f64,
    ) {
        if !self.look.has_textures() || self.plain == Some(place) {
            return self.rect(at, size, colour, opacity);
        }
        let ((x, y), (w, h)) = (at, size);
        self.add(format!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" fill=\"url(#part{place})\" stroke=\"{colour}\" stroke-width=\"0.6\" opacity=\"{opacity}\"/>"
        ));
    }

    /// A filled rectangle from its upper left corner.
    pub(super) fn rect(&mut self, (x, y): Pixel, (w, h): (f64, f64), colour: Colour, opacity: f64) {
        self.add(format!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" fill=\"{colour}\" opacity=\"{opacity}\"/>"
        ));
    }

    /// A mark centred on a point.
    pub(super) fn mark(
        &mut self,
        (x, y): Pixel,
        radius: f64,
        shape: Shape,
        colour: Colour,
        fill: Fill,
    ) {
        let (inside, opacity) = match fill {
            Fill::Solid => (colour, String::new()),
            Fill::Hollow => (PAPER, String::new()),
            Fill::Pale => {
                // What lies under it must not show through.
                self.mark((x, y), radius, shape, PAPER, Fill::Solid);
                (colour, format!(" opacity=\"{PALE_OPACITY}\""))
            }
        };
        let paint = format!("fill=\"{inside}\" stroke=\"{colour}\" stroke-width=\"1.2\"{opacity}");
        let corners: &[Pixel] = match shape {
            Shape::Disc => {
                return self.add(format!(
                    "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" {paint}/>"
                ));
            }
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Triangle => &[(-1.2, 0.96), (0.0, -1.2), (1.2, 0.96)],
            Shape::Diamond => &[(-1.3, 0.0), (0.0, -1.3), (1.3, 0.0), (0.0, 1.3)],
            Shape::TriangleDown => &[(-1.2, -0.96), (0.0, 1.2), (1.2, -0.96)],
            Shape::Plus => &PLUS,
            // The plus, turned by an eighth.
            Shape::Cross => &PLUS.map(|(a, b)| (0.75 * (a - b), 0.75 * (a + b))),
            Shape::Beam => &[(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)],
        };
        let corner = |(a, b): &Pixel| (x + a * radius, y + b * radius);
        let path = path(&corners.iter().map(corner).collect::<Vec<_>>());
        self.add(format!("<path d=\"{path} Z\" {paint}/>"));
    }
}

/// Corners of a plus, in radii.
const PLUS: [Pixel; 12] = [
    (-0.4, -1.3),
    (0.4, -1.3),
    (0.4, -0.4),
    (1.3, -0.4),
    (1.3, 0.4),
    (0.4, 0.4),
    (0.4, 1.3),
    (-0.4, 1.3),
    (-0.4, 0.4),
    (-1.3, 0.4),
    (-1.3, -0.4),
    (-0.4, -0.4),
];

fn path(points: &[Pixel]) -> String {
    let to = |(i, (x, y)): (usize, &Pixel)| {
        let step = if i == 0 { "M" } else { " L" };
        format!("{step}{x:.2} {y:.2}")
    };
    points.iter().enumerate().map(to).collect()
}
