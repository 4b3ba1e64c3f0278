//! What surrounds the plots: title above; axes; key, samples and origin below.

use super::axis::{Axis, Tick};
use super::look::Look;
use super::signs::CAUTION_SIGN;
use super::style::{AXIS, Colour, Fill, NOISE, PALE_OPACITY, SOFT_TEXT, SeriesLook, Shape, TEXT};
use super::svg::{Frame, Svg};
use super::{labels, text};
use crate::arm::Stroke;
use crate::report::format;
use crate::stats::Verdict;

/// Sizes of type in units.
const TITLE_SIZE: f64 = 16.0;
pub(super) const LABEL_SIZE: f64 = 11.5;
pub(super) const TICK_SIZE: f64 = 11.0;
pub(super) const NOTE_SIZE: f64 = 9.5;
pub(super) const NOTE_LINE: f64 = 13.0;
/// From one line of a label to the next.
pub(super) const LABEL_LINE: f64 = 13.5;
const KEY_LINE: f64 = 17.0;
const SWATCH: f64 = 22.0;
/// More lines of samples stand in the caption alone.
const MOST_NOTE_LINES: usize = 2;
/// Least room between two tick labels on one line.
const TICK_GAP: f64 = 4.0;
/// From one line of tick labels to the next.
pub(super) const SECOND_LINE: f64 = 12.0;

/// Outline of a noise floor.
pub(super) const NOISE_EDGE: Stroke = Stroke::new(NOISE, 0.7, "2 2");
/// How faint the noise floor is.
pub(super) const NOISE_OPACITY: f64 = 0.22;
/// How faint a struck curve is.
pub(super) const STRUCK_OPACITY: f64 = 0.45;

/// Labels with their numbers of samples, without those that have none; one number where it is the same for several.
pub(super) fn sample_counts<'a>(counted: impl Iterator<Item = (&'a str, u64)>) -> String {
    let counted: Vec<(&str, u64)> = counted.filter(|c| c.1 > 0).collect();
    if let [(_, first), _, ..] = counted[..]
        && counted.iter().all(|c| c.1 == first)
    {
        return format!("{} each", format::count(first));
    }
    let count = |(label, samples): (&str, u64)| {
        let label = label.replace(' ', "\u{a0}");
        format!("{label}:\u{a0}{}", format::count(samples))
    };
    let counts: Vec<String> = counted.into_iter().map(count).collect();
    counts.join("; ")
}

/// A paragraph over the whole width; returns its lower end.
fn draw_text(
    svg: &mut Svg,
    mut y: f64,
    words: &str,
    (size, line_height): (f64, f64),
    colour: Colour,
) -> f64 {
    for line in text::wrap(words, size, svg.look.room()) {
        svg.words((svg.look.margin(), y + size), size, colour, &line);
        y += line_height;
    }
    y
}

/// Title and, where there is room for it, subtitle; returns their lower end.
pub(super) fn draw_header(svg: &mut Svg, title: &str, subtitle: &str) -> f64 {
    // Capitals are lower than their size: the border is measured to them.
    let (lift, top) = (TITLE_SIZE * 0.15, svg.look.margin());
    let y = draw_text(svg, top - lift, title, (TITLE_SIZE, 20.0), TEXT) + lift;
    let y = match svg.look.has_few_words() {
        true => y,
        false => draw_text(svg, y, subtitle, (LABEL_SIZE, 15.0), SOFT_TEXT),
    };
    y + 4.0
}

/// Lines around the height `y`, each placed by `put`.
pub(super) fn around(lines: &[String], y: f64, mut put: impl FnMut(f64, &str)) {
    let first = y - (lines.len().saturating_sub(1)) as f64 * LABEL_LINE / 2.0;
    for (i, line) in lines.iter().enumerate() {
        put(first + i as f64 * LABEL_LINE, line);
    }
}

/// The middle nearest to `wanted` at which `words` stay within `left..=right`.
pub(super) fn middle_within(wanted: f64, words: &str, (left, right): (f64, f64)) -> f64 {
    let half = text::width(words, NOTE_SIZE) / 2.0;
    wanted.min(right - half).max(left + half)
}

/// What stands under a figure in print: title, subtitle, then one line for each of these.
pub(super) fn caption<'a>(
    (title, subtitle): (&'a str, &'a str),
    lines: impl IntoIterator<Item = &'a [String]>,
) -> Vec<String> {
    let own = [title, subtitle].map(str::to_owned).into_iter();
    own.chain(lines.into_iter().flatten().cloned()).collect()
}

/// Key in rows, notes and a line on the origin under the plots, from `top` on; returns the height of the figure.
pub(super) fn draw_foot(
    svg: &mut Svg,
    top: f64,
    key: &[(Swatch, String)],
    notes: &[String],
    origin: Option<&String>,
) -> f64 {
    let (margin, limit) = (svg.look.margin(), svg.look.room());
    let (mut x, mut y, mut row) = (0.0, top + 10.0, KEY_LINE);
    for (swatch, label) in key {
        let lines = text::wrap(label, NOTE_SIZE, limit - swatch.width());
        let wide = swatch.width() + text::widest(lines.iter(), NOTE_SIZE);
        if x > 0.0 && x + wide > limit {
            x = 0.0;
            y += row;
            row = KEY_LINE;
        }
        row = row.max(KEY_LINE + lines.len().saturating_sub(1) as f64 * NOTE_LINE);
        let middle = y + 0.5 * KEY_LINE - 2.0;
        swatch.draw(svg, margin + x, middle);
        for (line, words) in lines.iter().enumerate() {
            let baseline = middle + NOTE_SIZE * 0.36 + line as f64 * NOTE_LINE;
            svg.words(
                (margin + x + swatch.width(), baseline),
                NOTE_SIZE,
                TEXT,
                words,
            );
        }
        x += wide + 18.0;
    }
    if !key.is_empty() {
        y += row;
    }
    let lines = notes.iter().map(|n| text::wrap(n, NOTE_SIZE, limit).len());
    let is_long = lines.sum::<usize>() > MOST_NOTE_LINES;
    let notes = match is_long || svg.look == Look::Slide {
        true => &[],
        false => notes,
    };
    for note in notes {
        y = draw_text(svg, y, note, (NOTE_SIZE, NOTE_LINE), TEXT);
    }
    if let Some(line) = origin {
        y = draw_text(svg, y, line, (NOTE_SIZE, NOTE_LINE), SOFT_TEXT);
    }
    y + margin
}

/// A sample of what a key entry explains.
#[derive(Debug, Clone, Copy)]
pub(super) enum Swatch {
    /// A bootstrap interval around a curve.
    Band,
    /// The noise floor.
    Noise,
    /// A part of a bar, of the series that is named at this place.
    Area(usize, Colour),
    /// A hollow curve.
    StruckCurve,
    /// A hollow mark.
    StruckMark,
    /// A pale mark with its interval.
    PaleMark,
    /// The dagger.
    Caution,
    /// A mark of a series with its interval.
    Mark(SeriesLook),
    /// Nothing: the words are of the whole figure.
    Words,
}

impl Swatch {
    /// The entry for pale marks, where there are any.
    pub(super) fn of_verdicts(
        mut verdicts: impl Iterator<Item = Verdict>,
    ) -> Option<(Swatch, String)> {
        let pale = verdicts.any(|v| Fill::of(false, Some(v)) == Fill::Pale);
        pale.then(|| (Swatch::PaleMark, "pale: no difference shown".to_owned()))
    }

    /// The entries for the signs that occur: `struck` is what something struck looks like, `common` what is said of
    /// most without a sign.
    pub(super) fn of_signs(
        struck: Option<Swatch>,
        caution: bool,
        common: Option<&str>,
    ) -> Vec<(Swatch, String)> {
        let struck = struck.map(|swatch| (swatch, "struck out, not to be quoted"));
        let caution = caution.then_some((Swatch::Caution, "read with care"));
        let common = common.map(|words| (Swatch::Words, words));
        let entries = struck.into_iter().chain(caution).chain(common);
        entries
            .map(|(swatch, words)| (swatch, words.to_owned()))
            .collect()
    }

    /// What it and the gap after it take.
    fn width(self) -> f64 {
        match self {
            Self::Words => 0.0,
            _ => SWATCH + 5.0,
        }
    }

    fn draw(self, svg: &mut Svg, x: f64, y: f64) {
        let (middle, end) = (x + SWATCH / 2.0, x + SWATCH);
        let area = |svg: &mut Svg, colour, opacity| {
            svg.rect((x, y - 5.0), (SWATCH, 10.0), colour, opacity);
        };
        match self {
            Self::Band => {
                area(svg, TEXT, 0.16);
                svg.line((x, y), (end, y), TEXT, 1.8);
            }
            Self::Noise => {
                area(svg, NOISE, NOISE_OPACITY);
                for edge in [y - 5.0, y + 5.0] {
                    svg.curve(&[(x, edge), (end, edge)], NOISE_EDGE, 1.0);
                }
            }
            Self::Area(place, colour) => {
                svg.part(place, (x, y - 5.0), (SWATCH, 10.0), colour, 1.0);
            }
            Self::StruckCurve => {
                let stroke = Stroke::new(TEXT, 1.3, "");
                svg.curve(&[(x, y), (end, y)], stroke, STRUCK_OPACITY);
                svg.mark((middle, y), 3.0, Shape::Disc, SOFT_TEXT, Fill::Hollow);
            }
            Self::StruckMark => svg.mark((middle, y), 3.6, Shape::Disc, SOFT_TEXT, Fill::Hollow),
            Self::PaleMark => {
                let stroke = Stroke::new(TEXT, 1.5, "");
                svg.curve(&[(x, y), (end, y)], stroke, PALE_OPACITY);
                svg.mark((middle, y), 3.6, Shape::Disc, TEXT, Fill::Pale);
            }
            Self::Caution => svg.words_before((end, y + 4.0), LABEL_SIZE, TEXT, CAUTION_SIGN),
            Self::Words => {}
            Self::Mark(look) => {
                svg.line((x, y), (end, y), look.colour, 1.5);
                svg.mark((middle, y), 3.6, look.shape, look.colour, Fill::Solid);
            }
        }
    }
}

/// The two axis lines of a plot.
pub(super) fn draw_axis_lines(svg: &mut Svg, plot: &Frame) {
    let corner = (plot.left, plot.bottom);
    svg.line((plot.left, plot.top), corner, AXIS, 0.9);
    svg.line(corner, (plot.right, plot.bottom), AXIS, 0.9);
}

/// Where a plot has its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Top,
    Bottom,
}

/// Tick labels of a horizontal axis: as many as fit, in the axis's order of importance. The others are left out, or
/// stand on a second line.
pub(super) fn draw_ticks(svg: &mut Svg, plot: &Frame, axis: &Axis, edge: Edge) {
    // Labels stand on their baselines.
    let (from, down, room) = match edge {
        Edge::Bottom => (plot.bottom, 1.0, 16.0),
        Edge::Top => (plot.top, -1.0, 8.0),
    };
    let place = |tick: &Tick| axis.pixel(tick.at, (plot.left, plot.right));
    let mut boxes: Vec<(f64, f64)> = Vec::new();
    for tick in &axis.ticks {
        let half = text::width(&tick.label, TICK_SIZE) / 2.0;
        boxes.push((place(tick) - half, place(tick) + half));
    }
    // The label at the axis itself gives way to the left, where nothing is.
    let mut ticks = axis.ticks.iter();
    if let Some(first) = ticks.position(|tick| place(tick) <= plot.left + 0.5) {
        let (left, right) = boxes.remove(first);
        let lefts = boxes.iter().map(|(left, _)| left - TICK_GAP);
        let room = lefts.fold(f64::MAX, f64::min);
        let shift = (right - room).clamp(0.0, right - plot.left + 4.0);
        boxes.insert(first, (left - shift, right - shift));
    }
    let shown = labels::choose(&boxes, TICK_GAP - 1e-6);
    for ((tick, (left, _)), shown) in axis.ticks.iter().zip(&boxes).zip(shown) {
        let (length, baseline) = match (shown, axis.two_lines) {
            (true, _) => (5.0, Some(room)),
            (false, true) => (5.0 + SECOND_LINE, Some(room + SECOND_LINE)),
            (false, false) => (3.0, None),
        };
        let x = place(tick);
        svg.line((x, from), (x, from + down * length), AXIS, 0.9);
        if let Some(below) = baseline {
            svg.words((*left, from + down * below), TICK_SIZE, TEXT, &tick.label);
        }
    }
}
