//! Fixed looks: the same arm and the same series always look alike.
//!
//! Colours follow Okabe and Ito's palette for colour-blind readers, darkened
//! where a thin line or a label would be too pale on paper.

use crate::arm::Stroke;
use crate::stats::Verdict;

/// Colour as `#rrggbb`.
pub(super) type Colour = &'static str;

pub(super) const TEXT: Colour = "#1a1a1a";
pub(super) const SOFT_TEXT: Colour = "#555555";
pub(super) const AXIS: Colour = "#444444";
pub(super) const GRID: Colour = "#d2d2d2";
pub(super) const LIGHT_GRID: Colour = "#ececec";
pub(super) const PAPER: Colour = "#ffffff";
pub(super) const NOISE: Colour = "#948450";
/// How faint a difference is that is not shown.
pub(super) const PALE_OPACITY: f64 = 0.38;

const BLACK: Colour = "#000000";
const GREY: Colour = "#8c8c8c";
const DARK_GREY: Colour = "#6e6e6e";
const BLUE: Colour = "#005a9c";
const DARK_BLUE: Colour = "#003f6e";
const LIGHT_BLUE: Colour = "#2b8cc4";
const PALE_BLUE: Colour = "#8fb8dc";
const ORANGE: Colour = "#d55e00";
const PALE_ORANGE: Colour = "#e8a06a";
const GREEN: Colour = "#008762";
const PURPLE: Colour = "#a84f80";
const VIOLET: Colour = "#5a4a9e";
const BROWN: Colour = "#7a4f2a";
const OCHRE: Colour = "#b07a00";
const YELLOW: Colour = "#e6b450";

/// Whether paper does not show on it.
pub(super) fn is_pale(colour: Colour) -> bool {
    [PALE_BLUE, PALE_ORANGE, YELLOW].contains(&colour)
}

/// The stroke of a case: those with the same first number share colour and weight, those with the same second
/// number a dash. Numbers past the lists start over.
pub fn stroke_of_case((ink, dash): (usize, usize)) -> Stroke {
    const INKS: [(Colour, f64); 6] = [
        (ORANGE, 2.6),
        (BLUE, 1.9),
        (GREEN, 1.4),
        (PURPLE, 2.2),
        (BLACK, 1.1),
        (OCHRE, 1.7),
    ];
    const DASHES: [&str; 4] = ["", "6 3", "1.5 2.5", "9 2.5 1.5 2.5"];
    let (colour, weight) = INKS[ink % INKS.len()];
    Stroke::new(colour, weight, DASHES[dash % DASHES.len()])
}

/// Shape of a mark, so that series differ without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Diamond,
    Square,
    Triangle,
    TriangleDown,
    Plus,
    Cross,
    Beam,
}

impl Shape {
    pub(super) const ALL: [Shape; 8] = [
        Shape::Disc,
        Shape::Diamond,
        Shape::Square,
        Shape::Triangle,
        Shape::Cross,
        Shape::TriangleDown,
        Shape::Plus,
        Shape::Beam,
    ];

    /// This one, or the first that is not among those `taken`.
    pub(super) fn or_free(self, taken: &[Shape]) -> Shape {
        let mut shapes = std::iter::once(self).chain(Shape::ALL);
        shapes.find(|shape| !taken.contains(shape)).unwrap_or(self)
    }
}

/// What a mark is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Its colour.
    Solid,
    /// Its colour, faint like its outline: a difference that is not shown.
    Pale,
    /// Nothing: it must not be quoted.
    Hollow,
}

impl Fill {
    /// Of what is struck out or not, and judged or not.
    pub(super) fn of(struck: bool, verdict: Option<Verdict>) -> Self {
        match verdict {
            _ if struck => Fill::Hollow,
            Some(Verdict::StruckOut) => Fill::Hollow,
            Some(verdict) if !verdict.is_shown() => Fill::Pale,
            _ => Fill::Solid,
        }
    }

    /// How faint its interval is.
    pub(super) fn opacity(self) -> f64 {
        match self {
            Fill::Pale => PALE_OPACITY,
            Fill::Solid | Fill::Hollow => 1.0,
        }
    }
}

/// Look of a series of marks or bar segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeriesLook {
    pub colour: Colour,
    pub shape: Shape,
}

const fn series(colour: Colour, shape: Shape) -> SeriesLook {
    SeriesLook { colour, shape }
}

/// Looks of percentiles in order of first appearance: told apart by shape, and by their lane.
pub(super) const PERCENTILE_LOOKS: [SeriesLook; 4] = [
    series(DARK_GREY, Shape::Disc),
    series(GREEN, Shape::Triangle),
    series(BLUE, Shape::Square),
    series(ORANGE, Shape::Diamond),
];

/// Parts of a statement: the lock's have one hue. Phases of a connection: what startup may be split into has one hue, and so have the server's own words for it.
const KNOWN: [(&str, SeriesLook); 26] = [
    ("server", series(BLUE, Shape::Disc)),
    ("model", series(ORANGE, Shape::Diamond)),
    ("client", series(YELLOW, Shape::Square)),
    ("pooler", series(GREY, Shape::Square)),
    ("socket connect", series(GREY, Shape::Square)),
    ("TLS handshake", series(BROWN, Shape::Square)),
    ("startup to ready", series(BLUE, Shape::Square)),
    ("startup to challenge", series(DARK_BLUE, Shape::Square)),
    ("challenge to last answer", series(ORANGE, Shape::Square)),
    ("last answer to ready", series(LIGHT_BLUE, Shape::Square)),
    ("checkout", series(GREY, Shape::Square)),
    ("connect", series(BLUE, Shape::Square)),
    ("query", series(GREEN, Shape::Square)),
    ("disconnect", series(VIOLET, Shape::Square)),
    ("client between phases", series(YELLOW, Shape::Square)),
    ("server: fork", series(PURPLE, Shape::Square)),
    ("server: authentication", series(PALE_ORANGE, Shape::Square)),
    ("server: rest of setup", series(PALE_BLUE, Shape::Square)),
    ("on-cpu", series(GREEN, Shape::Square)),
    ("wait-for-cpu", series(LIGHT_BLUE, Shape::Square)),
    ("lock-holder-running", series(ORANGE, Shape::Square)),
    ("lock-holder-off", series(BROWN, Shape::Square)),
    ("lock-wake-up", series(PALE_ORANGE, Shape::Square)),
    ("other-waits", series(GREY, Shape::Square)),
    ("lost", series(ORANGE, Shape::Square)),
    ("kept", series(PALE_BLUE, Shape::Square)),
];

/// Looks of known series; others take the remaining ones in order.
pub(super) fn series_look(name: &str, ordinal: usize) -> SeriesLook {
    const SPARE: [SeriesLook; 3] = [
        series(GREEN, Shape::Square),
        series(PURPLE, Shape::Disc),
        series(VIOLET, Shape::Diamond),
    ];
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map_or(SPARE[ordinal % SPARE.len()], |(_, look)| *look)
}
