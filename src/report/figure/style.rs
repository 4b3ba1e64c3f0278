//! Fixed looks: the same arm and the same series always look alike.
//!
//! Colours follow Okabe and Ito's palette for colour-blind readers, darkened
//! where a thin line or a label would be too pale on paper. Dash and weight
//! repeat the distinction for a black-and-white print.

use plotters::style::RGBColor;

/// Arms in the order that fixes their look, named as everywhere else.
pub const ARM_ORDER: [&str; 11] = [
    "quiet",
    "kept-open",
    "unpooled",
    "pool",
    "pgbouncer",
    "pgbouncer-kept",
    "fork-only",
    "failed-login",
    "vacuum",
    "commit",
    "cpu-burn",
];

/// Position of an arm in [`ARM_ORDER`], for [`PercentileCurve::arm_index`].
///
/// [`PercentileCurve::arm_index`]: super::PercentileCurve::arm_index
pub fn arm_index(arm: &str) -> Option<usize> {
    ARM_ORDER.iter().position(|known| *known == arm)
}

/// Colour as red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// `#rrggbb`.
    pub(super) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// For the charting library.
    pub(super) fn rgb(self) -> RGBColor {
        RGBColor(self.0, self.1, self.2)
    }
}

pub(super) const TEXT: Colour = Colour(0x1a, 0x1a, 0x1a);
pub(super) const SOFT_TEXT: Colour = Colour(0x55, 0x55, 0x55);
pub(super) const AXIS: Colour = Colour(0x44, 0x44, 0x44);
pub(super) const GRID: Colour = Colour(0xd2, 0xd2, 0xd2);
pub(super) const LIGHT_GRID: Colour = Colour(0xec, 0xec, 0xec);
pub(super) const PAPER: Colour = Colour(0xff, 0xff, 0xff);
pub(super) const NOISE: Colour = Colour(0x94, 0x84, 0x50);

/// How a curve is stroked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub colour: Colour,
    /// Line width in pixels.
    pub weight: f64,
    /// `stroke-dasharray` in pixels; empty is a solid line.
    pub dash: &'static str,
}

const ARM_STROKES: [Stroke; 11] = [
    Stroke {
        colour: Colour(0x6e, 0x6e, 0x6e),
        weight: 1.3,
        dash: "1.5 2.5",
    },
    Stroke {
        colour: Colour(0x00, 0x00, 0x00),
        weight: 2.0,
        dash: "",
    },
    Stroke {
        colour: Colour(0xd5, 0x5e, 0x00),
        weight: 2.6,
        dash: "",
    },
    Stroke {
        colour: Colour(0x00, 0x87, 0x62),
        weight: 1.8,
        dash: "10 3.5",
    },
    Stroke {
        colour: Colour(0x00, 0x5a, 0x9c),
        weight: 2.2,
        dash: "6 2.5",
    },
    Stroke {
        colour: Colour(0x2b, 0x8c, 0xc4),
        weight: 1.6,
        dash: "7 2.5 1.5 2.5",
    },
    Stroke {
        colour: Colour(0xb0, 0x7a, 0x00),
        weight: 1.8,
        dash: "3 2.5",
    },
    Stroke {
        colour: Colour(0xa8, 0x4f, 0x80),
        weight: 1.8,
        dash: "10 2.5 3 2.5",
    },
    Stroke {
        colour: Colour(0x7a, 0x4f, 0x2a),
        weight: 1.6,
        dash: "8 2 1.5 2 1.5 2",
    },
    Stroke {
        colour: Colour(0x5a, 0x4a, 0x9e),
        weight: 2.2,
        dash: "1.5 2",
    },
    Stroke {
        colour: Colour(0x5c, 0x66, 0x0a),
        weight: 1.4,
        dash: "14 4",
    },
];

/// Look of an arm; an index past the list starts over.
pub(super) fn arm_stroke(arm_index: usize) -> Stroke {
    ARM_STROKES[arm_index % ARM_STROKES.len()]
}

/// Colours and weights of a sweep's lines, by the first number of their look.
const SWEEP_INKS: [(Colour, f64); 6] = [
    (Colour(0xd5, 0x5e, 0x00), 2.6),
    (Colour(0x00, 0x5a, 0x9c), 1.9),
    (Colour(0x00, 0x87, 0x62), 1.4),
    (Colour(0xa8, 0x4f, 0x80), 2.2),
    (Colour(0x00, 0x00, 0x00), 1.1),
    (Colour(0xb0, 0x7a, 0x00), 1.7),
];

/// Dashes of a sweep's lines, by the second number of their look.
const SWEEP_DASHES: [&str; 4] = ["", "6 3", "1.5 2.5", "9 2.5 1.5 2.5"];

/// Look of a sweep's line; numbers past the lists start over.
pub(super) fn sweep_stroke((ink, dash): (usize, usize)) -> Stroke {
    let (colour, weight) = SWEEP_INKS[ink % SWEEP_INKS.len()];
    Stroke {
        colour,
        weight,
        dash: SWEEP_DASHES[dash % SWEEP_DASHES.len()],
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

fn square(colour: Colour) -> SeriesLook {
    SeriesLook {
        colour,
        shape: Shape::Square,
    }
}

/// Looks of known series; others take the remaining ones in order.
pub(super) fn series_look(series: &str, ordinal: usize) -> SeriesLook {
    const SPARE: [SeriesLook; 3] = [
        SeriesLook {
            colour: Colour(0x00, 0x87, 0x62),
            shape: Shape::Square,
        },
        SeriesLook {
            colour: Colour(0xa8, 0x4f, 0x80),
            shape: Shape::Disc,
        },
        SeriesLook {
            colour: Colour(0x5a, 0x4a, 0x9e),
            shape: Shape::Diamond,
        },
    ];
    match series {
        "server" => SeriesLook {
            colour: Colour(0x00, 0x5a, 0x9c),
            shape: Shape::Disc,
        },
        "model" => SeriesLook {
            colour: Colour(0xd5, 0x5e, 0x00),
            shape: Shape::Diamond,
        },
        "client" => SeriesLook {
            colour: Colour(0xe6, 0xb4, 0x50),
            shape: Shape::Square,
        },
        "pooler" => SeriesLook {
            colour: Colour(0x8c, 0x8c, 0x8c),
            shape: Shape::Square,
        },
        // Phases of a connection: what startup may be split into has one hue, and so have the
        // server's own words for it.
        "socket connect" => square(Colour(0x8c, 0x8c, 0x8c)),
        "TLS handshake" => square(Colour(0x7a, 0x4f, 0x2a)),
        "startup to ready" => square(Colour(0x00, 0x5a, 0x9c)),
        "startup to challenge" => square(Colour(0x00, 0x3f, 0x6e)),
        "challenge to last answer" => square(Colour(0xd5, 0x5e, 0x00)),
        "last answer to ready" => square(Colour(0x2b, 0x8c, 0xc4)),
        "checkout" => square(Colour(0x8c, 0x8c, 0x8c)),
        "connect" => square(Colour(0x00, 0x5a, 0x9c)),
        "query" => square(Colour(0x00, 0x87, 0x62)),
        "disconnect" => square(Colour(0x5a, 0x4a, 0x9e)),
        "client between phases" => square(Colour(0xe6, 0xb4, 0x50)),
        "server: fork" => square(Colour(0xa8, 0x4f, 0x80)),
        "server: authentication" => square(Colour(0xe8, 0xa0, 0x6a)),
        "server: rest of setup" => square(Colour(0x8f, 0xb8, 0xdc)),
        _ => SPARE[ordinal % SPARE.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_differs_without_colour() {
        for (i, a) in ARM_STROKES.iter().enumerate() {
            for b in &ARM_STROKES[i + 1..] {
                assert!(
                    a.dash != b.dash || (a.weight - b.weight).abs() >= 0.5,
                    "{a:?} and {b:?} look alike in grey"
                );
                assert_ne!(a.colour, b.colour);
            }
        }
        for (i, a) in SWEEP_INKS.iter().enumerate() {
            for b in &SWEEP_INKS[i + 1..] {
                assert!((a.1 - b.1).abs() > 0.15 && a.0 != b.0, "{a:?} and {b:?}");
            }
        }
        assert_eq!(arm_index("unpooled"), Some(2));
        assert_eq!(arm_index("nonesuch"), None);
    }
}
