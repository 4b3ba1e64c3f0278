//! Textures of the parts of bars: what tells them apart where grey may be all there is.

use super::style::{Colour, PAPER, TEXT, is_pale};

/// A texture repeats after so many units.
const TILE: f64 = 5.0;

const UP: &str = "M-1 1 L1 -1 M0 5 L5 0 M4 6 L6 4";
const DOWN: &str = "M-1 4 L1 6 M0 0 L5 5 M4 -1 L6 1";
const CROSSED: &str = "M-1 1 L1 -1 M0 5 L5 0 M4 6 L6 4 M-1 4 L1 6 M0 0 L5 5 M4 -1 L6 1";
const UPRIGHT: &str = "M2.5 0 L2.5 5";
const LEVEL: &str = "M0 2.5 L5 2.5";
const GRID: &str = "M2.5 0 L2.5 5 M0 2.5 L5 2.5";
const BRICKS: &str = "M0.5 1.25 L2.5 1.25 M2.5 3.75 L4.5 3.75";
/// Strokes on a ground, in the order in which its parts take them.
const STROKES: [&str; 7] = [UP, UPRIGHT, DOWN, LEVEL, CROSSED, BRICKS, GRID];

/// How light the ground is in grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shade {
    /// A strong colour, with strokes of paper.
    Dark,
    /// Paper, with strokes of the colour.
    Light,
    /// A pale colour, with strokes of ink.
    Pale,
}

/// What a part of a bar is filled with in print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texture {
    shade: Shade,
    strokes: &'static str,
    colour: Colour,
}

/// Textures of the parts of one figure, in the order of its key: no two alike, and the grounds of neighbours differ.
/// The first strong colour has no strokes.
pub(super) fn textures(colours: impl Iterator<Item = Colour>) -> Vec<Texture> {
    let (mut strong, mut pale) = (0, 0);
    let texture = |colour| {
        let (shade, turn) = if is_pale(colour) {
            pale += 1;
            // From the other end, so that they differ from their neighbours.
            (Shade::Pale, STROKES.len() - pale % STROKES.len())
        } else {
            strong += 1;
            let shade = if strong % 2 == 1 {
                Shade::Dark
            } else {
                Shade::Light
            };
            (shade, (strong - 1) / 2)
        };
        let strokes = match (shade, turn) {
            (Shade::Dark, 0) => "",
            (Shade::Dark, turn) => STROKES[(turn - 1) % STROKES.len()],
            (_, turn) => STROKES[turn % STROKES.len()],
        };
        Texture {
            shade,
            strokes,
            colour,
        }
    };
    colours.map(texture).collect()
}

impl Texture {
    /// As an element, for the part that is named at this place; `None` without strokes.
    pub(super) fn pattern(self, place: usize) -> Option<String> {
        let Texture {
            strokes, colour, ..
        } = self;
        let (ground, ink) = match self.shade {
            Shade::Dark => (colour, PAPER),
            Shade::Light => (PAPER, colour),
            Shade::Pale => (colour, TEXT),
        };
        (!strokes.is_empty()).then(|| format!(
            "<pattern id=\"part{place}\" width=\"{TILE}\" height=\"{TILE}\" patternUnits=\"userSpaceOnUse\">\
             <rect width=\"{TILE}\" height=\"{TILE}\" fill=\"{ground}\"/>\
             <path d=\"{strokes}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"1\"/></pattern>"
        ))
    }
}

#[cfg(test)]
mod tests {
    use itertools::Itertools;

    use super::super::style::series_look;
    use super::*;
    use crate::record::StatementPart;

    #[test]
    fn no_two_parts_of_a_bar_have_the_same_texture() {
        let phases = [
            "socket connect",
            "TLS handshake",
            "startup to ready",
            "startup to challenge",
            "challenge to last answer",
            "last answer to ready",
            "query",
            "disconnect",
            "client between phases",
            "server: fork",
            "server: authentication",
            "server: rest of setup",
        ];
        let statement = StatementPart::ALL.iter().map(|p| p.name());
        let cpu = ["client", "server", "pgbouncer", "burner"];
        let transaction = ["checkout", "connect", "query", "disconnect"];
        for names in [
            phases.to_vec(),
            statement.collect_vec(),
            cpu.to_vec(),
            transaction.to_vec(),
        ] {
            let colours = names
                .iter()
                .zip(0..)
                .map(|(n, at)| series_look(n, at).colour);
            let textures = textures(colours);
            let in_grey = textures.iter().map(|t| (t.shade as u8, t.strokes));
            assert!(in_grey.clone().all_unique(), "{names:?}: {textures:?}");
            // Without strokes there is one at most.
            assert!(in_grey.filter(|(_, strokes)| strokes.is_empty()).count() <= 1);
            assert!(textures.iter().map(|t| t.pattern(0)).all_unique());
        }
    }
}
