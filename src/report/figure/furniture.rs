//! What surrounds the plots: title above; key, notes and footer below.

use super::axis::Axis;
use super::signs::{CAUTION_SIGN, Signs};
use super::style::{AXIS, Colour, NOISE, SOFT_TEXT, SeriesLook, Shape, Stroke, TEXT};
use super::svg::{Anchor, Frame, Svg};
use super::{labels, text, time_label};

/// Width of every figure in pixels.
pub(super) const WIDTH: f64 = 760.0;
/// Blank border.
pub(super) const MARGIN: f64 = 14.0;
/// Sizes of type in pixels.
pub(super) const TITLE_SIZE: f64 = 16.0;
pub(super) const LABEL_SIZE: f64 = 11.5;
pub(super) const TICK_SIZE: f64 = 11.0;
pub(super) const NOTE_SIZE: f64 = 9.5;
const TITLE_LINE: f64 = 20.0;
const SUBTITLE_LINE: f64 = 15.0;
const NOTE_LINE: f64 = 13.0;
const KEY_LINE: f64 = 17.0;
const SWATCH: f64 = 22.0;
/// Least room between two tick labels on one line.
const TICK_GAP: f64 = 4.0;

/// Key entries for the signs that occur; `struck` is what something struck looks like.
pub(super) fn sign_keys<'a>(
    struck: Swatch,
    signs: impl Iterator<Item = &'a Signs> + Clone,
    also_struck: bool,
) -> Vec<(Swatch, String)> {
    let mut key = Vec::new();
    if also_struck || signs.clone().any(|s| s.struck.is_some()) {
        key.push((struck, "struck out, not to be quoted".to_owned()));
    }
    if signs.clone().any(|s| s.caution.is_some()) {
        key.push((Swatch::Caution, "read with care".to_owned()));
    }
    key
}

/// Labels with their numbers of samples, without those that have none.
pub(super) fn sample_counts<'a>(counted: impl Iterator<Item = (&'a str, u64)>) -> String {
    let count = |(label, samples): (&str, u64)| {
        let label = label.replace(' ', "\u{a0}");
        format!("{label}\u{a0}{}", time_label::grouped(samples))
    };
    let counts: Vec<String> = counted.filter(|c| c.1 > 0).map(count).collect();
    counts.join("; ")
}

/// Title and subtitle.
#[derive(Debug)]
pub(super) struct Header {
    title: Vec<String>,
    subtitle: Vec<String>,
}

impl Header {
    pub(super) fn new(title: &str, subtitle: &str) -> Self {
        let limit = WIDTH - 2.0 * MARGIN;
        Self {
            title: text::wrap(title, TITLE_SIZE, limit),
            subtitle: text::wrap(subtitle, LABEL_SIZE, limit),
        }
    }

    /// Height including the border above it.
    pub(super) fn height(&self) -> f64 {
        MARGIN
            + self.title.len() as f64 * TITLE_LINE
            + self.subtitle.len() as f64 * SUBTITLE_LINE
            + 4.0
    }

    pub(super) fn draw(&self, svg: &mut Svg) {
        let mut y = MARGIN;
        for line in &self.title {
            svg.words((MARGIN, y + TITLE_SIZE * 0.85), TITLE_SIZE, TEXT, line);
            y += TITLE_LINE;
        }
        for line in &self.subtitle {
            svg.words((MARGIN, y + LABEL_SIZE), LABEL_SIZE, SOFT_TEXT, line);
            y += SUBTITLE_LINE;
        }
    }
}

/// A sample of what a key entry explains.
#[derive(Debug, Clone, Copy)]
pub(super) enum Swatch {
    /// A bootstrap interval around a curve.
    Band,
    /// The noise floor.
    Noise,
    /// The noise floor of one series.
    Lane(Colour),
    /// A hollow curve.
    StruckCurve,
    /// A hollow mark.
    StruckMark,
    /// The dagger.
    Caution,
    /// A mark of a series with its interval.
    Mark(SeriesLook),
    /// A bar segment of a series.
    Fill(Colour),
}

/// Key, notes and footer under the plots.
#[derive(Debug)]
pub(super) struct Foot {
    key: Vec<(Swatch, String, f64, usize)>,
    key_lines: usize,
    notes: Vec<String>,
    footer: Vec<String>,
}

impl Foot {
    /// Lays out `key` in rows; `notes` and `footer` are broken into lines.
    pub(super) fn new(key: Vec<(Swatch, String)>, notes: &[String], footer: &[String]) -> Self {
        let limit = WIDTH - 2.0 * MARGIN;
        let (mut x, mut row) = (0.0, 0);
        let mut placed = Vec::new();
        for (swatch, label) in key {
            let label = text::fit(&label, NOTE_SIZE, limit - SWATCH - 5.0);
            let wide = SWATCH + 5.0 + text::width(&label, NOTE_SIZE);
            if x > 0.0 && x + wide > limit {
                x = 0.0;
                row += 1;
            }
            placed.push((swatch, label, x, row));
            x += wide + 18.0;
        }
        let wrapped = |lines: &[String]| {
            lines
                .iter()
                .flat_map(|line| text::wrap(line, NOTE_SIZE, limit))
                .collect::<Vec<_>>()
        };
        Self {
            key_lines: if placed.is_empty() { 0 } else { row + 1 },
            key: placed,
            notes: wrapped(notes),
            footer: wrapped(footer),
        }
    }

    /// Height including the border below it.
    pub(super) fn height(&self) -> f64 {
        let lines = (self.notes.len() + self.footer.len()) as f64 * NOTE_LINE;
        10.0 + self.key_lines as f64 * KEY_LINE + lines + 8.0 + MARGIN
    }

    pub(super) fn draw(&self, svg: &mut Svg, top: f64) {
        let mut y = top + 10.0;
        for (swatch, label, x, row) in &self.key {
            let middle = y + (*row as f64 + 0.5) * KEY_LINE - 2.0;
            swatch.draw(svg, MARGIN + x, middle);
            let at = (MARGIN + x + SWATCH + 5.0, middle + NOTE_SIZE * 0.36);
            svg.words(at, NOTE_SIZE, TEXT, label);
        }
        y += self.key_lines as f64 * KEY_LINE;
        for line in &self.notes {
            svg.words((MARGIN, y + NOTE_SIZE), NOTE_SIZE, TEXT, line);
            y += NOTE_LINE;
        }
        if !self.footer.is_empty() {
            svg.line(
                (MARGIN, y + 3.0),
                (WIDTH - MARGIN, y + 3.0),
                Colour(0xbb, 0xbb, 0xbb),
                0.6,
            );
        }
        y += 8.0;
        for line in &self.footer {
            svg.words((MARGIN, y + NOTE_SIZE), NOTE_SIZE, SOFT_TEXT, line);
            y += NOTE_LINE;
        }
    }
}

impl Swatch {
    fn draw(self, svg: &mut Svg, x: f64, y: f64) {
        let middle = x + SWATCH / 2.0;
        match self {
            Self::Band => {
                svg.rect((x, y - 5.0), (SWATCH, 10.0), TEXT, 0.16);
                svg.line((x, y), (x + SWATCH, y), TEXT, 1.8);
            }
            Self::Noise => {
                svg.rect((x, y - 5.0), (SWATCH, 10.0), NOISE, 0.22);
                for edge in [y - 5.0, y + 5.0] {
                    svg.curve(&[(x, edge), (x + SWATCH, edge)], NOISE_EDGE, 1.0);
                }
            }
            Self::Lane(colour) => svg.rect((x, y - 5.0), (SWATCH, 10.0), colour, FLOOR_OPACITY),
            Self::StruckCurve => {
                let stroke = Stroke::solid(TEXT, 1.3);
                svg.curve(&[(x, y), (x + SWATCH, y)], stroke, STRUCK_OPACITY);
                svg.mark((middle, y), 3.0, Shape::Disc, SOFT_TEXT, true);
            }
            Self::StruckMark => svg.mark((middle, y), 3.6, Shape::Disc, SOFT_TEXT, true),
            Self::Caution => {
                svg.text(
                    (x + SWATCH, y + 4.0),
                    LABEL_SIZE,
                    Anchor::End,
                    TEXT,
                    CAUTION_SIGN,
                );
            }
            Self::Mark(look) => {
                svg.line((x, y), (x + SWATCH, y), look.colour, 1.5);
                svg.mark((middle, y), 3.6, look.shape, look.colour, false);
            }
            Self::Fill(colour) => svg.rect((x, y - 5.0), (SWATCH, 10.0), colour, 1.0),
        }
    }
}

/// Outline of a noise floor.
pub(super) const NOISE_EDGE: Stroke = Stroke {
    colour: NOISE,
    weight: 0.7,
    dash: "2 2",
};
/// How faint the noise floor of a series is.
pub(super) const FLOOR_OPACITY: f64 = 0.16;
/// How faint a struck curve is.
pub(super) const STRUCK_OPACITY: f64 = 0.45;

/// The two axis lines of a plot.
pub(super) fn draw_axis_lines(svg: &mut Svg, plot: &Frame) {
    svg.line((plot.left, plot.top), (plot.left, plot.bottom()), AXIS, 0.9);
    svg.line(
        (plot.left, plot.bottom()),
        (plot.right(), plot.bottom()),
        AXIS,
        0.9,
    );
}

/// Tick labels under a horizontal axis: as many as fit, in the axis's order of importance.
pub(super) fn draw_bottom_ticks(svg: &mut Svg, plot: &Frame, axis: &Axis) {
    let pixel = |at| axis.pixel(at, (plot.left, plot.right()));
    let ticks: Vec<(f64, &str)> = axis
        .ticks
        .iter()
        .map(|t| (pixel(t.at), t.label.as_str()))
        .collect();
    let mut boxes: Vec<(f64, f64)> = ticks
        .iter()
        .map(|(x, label)| {
            let half = text::width(label, TICK_SIZE) / 2.0;
            (x - half, x + half)
        })
        .collect();
    // The label at the axis itself gives way to the left, where nothing is.
    if let Some(first) = ticks.iter().position(|(x, _)| *x <= plot.left + 0.5) {
        let others = boxes
            .iter()
            .enumerate()
            .filter(|(i, (_, right))| *i != first && *right > plot.left);
        let room = others
            .map(|(_, (left, _))| left - TICK_GAP)
            .fold(f64::MAX, f64::min);
        let (left, right) = boxes[first];
        let shift = (right - room).clamp(0.0, right - plot.left + 4.0);
        boxes[first] = (left - shift, right - shift);
    }
    for (shown, ((x, label), (left, _))) in labels::choose(&boxes, TICK_GAP - 1e-6)
        .into_iter()
        .zip(ticks.iter().zip(&boxes))
    {
        svg.line(
            (*x, plot.bottom()),
            (*x, plot.bottom() + if shown { 5.0 } else { 3.0 }),
            AXIS,
            0.9,
        );
        if shown {
            svg.words((*left, plot.bottom() + 16.0), TICK_SIZE, TEXT, label);
        }
    }
}
