//! Fixed looks: the same arm and the same series always look alike.
//!
//! Colours follow Okabe and Ito's palette for colour-blind readers, darkened
//! where a thin line or a label would be too pale on paper.

use crate::arm::Arm;

/// Colour as red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// `#rrggbb`.
    pub(super) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

pub(super) const TEXT: Colour = Colour(0x1a, 0x1a, 0x1a);
pub(super) const SOFT_TEXT: Colour = Colour(0x55, 0x55, 0x55);
pub(super) const AXIS: Colour = Colour(0x44, 0x44, 0x44);
pub(super) const GRID: Colour = Colour(0xd2, 0xd2, 0xd2);
pub(super) const LIGHT_GRID: Colour = Colour(0xec, 0xec, 0xec);
pub(super) const PAPER: Colour = Colour(0xff, 0xff, 0xff);
pub(super) const NOISE: Colour = Colour(0x94, 0x84, 0x50);

const BLACK: Colour = Colour(0x00, 0x00, 0x00);
const GREY: Colour = Colour(0x8c, 0x8c, 0x8c);
const DARK_GREY: Colour = Colour(0x6e, 0x6e, 0x6e);
const BLUE: Colour = Colour(0x00, 0x5a, 0x9c);
const DARK_BLUE: Colour = Colour(0x00, 0x3f, 0x6e);
const LIGHT_BLUE: Colour = Colour(0x2b, 0x8c, 0xc4);
const PALE_BLUE: Colour = Colour(0x8f, 0xb8, 0xdc);
const ORANGE: Colour = Colour(0xd5, 0x5e, 0x00);
const PALE_ORANGE: Colour = Colour(0xe8, 0xa0, 0x6a);
const GREEN: Colour = Colour(0x00, 0x87, 0x62);
const PURPLE: Colour = Colour(0xa8, 0x4f, 0x80);
const VIOLET: Colour = Colour(0x5a, 0x4a, 0x9e);
const BROWN: Colour = Colour(0x7a, 0x4f, 0x2a);
const OCHRE: Colour = Colour(0xb0, 0x7a, 0x00);
const YELLOW: Colour = Colour(0xe6, 0xb4, 0x50);

/// How a curve is stroked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    pub(super) colour: Colour,
    /// Line width in pixels.
    pub(super) weight: f64,
    /// `stroke-dasharray` in pixels; empty is a solid line.
    pub(super) dash: &'static str,
}

impl Stroke {
    pub(super) const fn solid(colour: Colour, weight: f64) -> Self {
        Stroke {
            colour,
            weight,
            dash: "",
        }
    }

    /// That of an arm, in every figure.
    pub fn of_arm(arm: Arm) -> Self {
        let look = arm.descriptor().look;
        let [red, green, blue] = look.colour;
        Stroke {
            colour: Colour(red, green, blue),
            weight: look.weight,
            dash: look.dash,
        }
    }

    /// That of a case: those with the same first number share colour and weight, those with the same second
    /// number a dash. Numbers past the lists start over.
    pub fn of_case((ink, dash): (usize, usize)) -> Self {
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
        Stroke {
            colour,
            weight,
            dash: DASHES[dash % DASHES.len()],
        }
    }
}

/// Shape of a mark, so that series differ without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Diamond,
    Square,
    Triangle,
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

/// Phases of a connection: what startup may be split into has one hue, and so have the server's own words for it.
const KNOWN: [(&str, SeriesLook); 18] = [
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
