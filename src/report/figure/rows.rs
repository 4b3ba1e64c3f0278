//! Rows of marks or bars along a common horizontal axis of time.

use super::axis::Axis;
use super::curves::drawable;
use super::furniture::{LABEL_LINE, LABEL_SIZE, Swatch, TICK_SIZE, sample_counts};
use super::look::Look;
use super::row_form::RowForm;
use super::signs::{Signs, say_once, sign_notes};
use super::style::{PERCENTILE_LOOKS, SeriesLook, Shape, series_look};
use super::text;
use crate::report::format;
use crate::stats::{Estimate, Unit, Verdict};

/// One value with its interval, or one part of a bar.
#[derive(Debug, Clone, PartialEq)]
pub struct RowMark {
    /// `server` or `model`; a percentile such as `p99`; or the part of a bar. The same name looks alike everywhere.
    pub series: String,
    /// The value with its interval, in ns, or of a rate per second.
    pub estimate: Estimate,
    /// Why the mark alone must not be quoted, or is to be read with care.
    pub signs: Signs,
    /// What a difference lets one say: it is pale unless it is shown.
    pub verdict: Option<Verdict>,
}

impl RowMark {
    /// A part of a bar.
    pub fn part(series: &str, value_ns: f64) -> Self {
        RowMark {
            series: series.to_owned(),
            estimate: Estimate::exactly(value_ns),
            signs: Signs::default(),
            verdict: None,
        }
    }
}

/// One case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// The case, for instance an arm or a lock.
    pub label: String,
    /// Its marks; without any it is drawn as not measured.
    pub marks: Vec<RowMark>,
    /// Number of samples behind them; 0 where that is said elsewhere.
    pub samples: u64,
    /// Why the row must not be quoted, or is to be read with care.
    pub signs: Signs,
}

/// Rows under one heading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowGroup {
    /// Heading, for instance `500 standing connections` or, over a column, whose time it is; empty for none.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// Groups of rows, under one another or in two columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowFigure {
    /// What the rows show.
    pub form: RowForm,
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the axis is, for instance `excess over kept-open at p99`.
    pub quantity: String,
    /// What the intervals are, for instance `95 % bootstrap interval over 10 blocks`.
    pub interval: String,
    /// The groups.
    pub groups: Vec<RowGroup>,
    /// Lines under the figure; reasons of signs are added.
    pub footer: Vec<String>,
}

/// Height of a heading of one line, and of each further line.
pub(super) const HEADING: f64 = 23.0;
pub(super) const HEADING_LINE: f64 = 14.0;
/// Longer labels take more lines, in a narrow figure and in others.
const LONGEST_LABEL: [f64; 2] = [110.0, 190.0];

/// A row with the lines of its label, and the middle of its place, in units below the plot's top.
pub(super) struct Placed<'a> {
    pub group: &'a RowGroup,
    pub row: &'a Row,
    pub label: Vec<String>,
    pub middle: f64,
}

/// Where everything in a column lies.
pub(super) struct Places<'a> {
    pub rows: Vec<Placed<'a>>,
    /// Lines of each heading, and its top.
    pub headings: Vec<(Vec<String>, f64)>,
    pub height: f64,
}

impl RowFigure {
    /// Whether each group is a column, with its title over it.
    pub(super) fn has_columns(&self, look: Look) -> bool {
        let labels = |g: &RowGroup| g.rows.iter().map(|r| r.label.clone()).collect::<Vec<_>>();
        self.form == RowForm::Percentiles
            && !look.is_narrow()
            && match &self.groups[..] {
                [one, other] => labels(one) == labels(other),
                groups => groups.len() == 1,
            }
    }

    /// The groups of each column, where there is room for columns.
    pub(super) fn columns(&self, look: Look) -> std::slice::Chunks<'_, RowGroup> {
        self.groups.chunks(match self.has_columns(look) {
            true => 1,
            false => self.groups.len().max(1),
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&RowGroup, &Row)> {
        let groups = self.groups.iter();
        groups.flat_map(|g| g.rows.iter().map(move |r| (g, r)))
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = (&RowGroup, &Row, &RowMark)> {
        self.rows()
            .flat_map(|(g, r)| r.marks.iter().map(move |m| (g, r, m)))
    }

    /// Why it cannot be drawn.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.marks().next().is_none() {
            return Err("it has no mark".to_owned());
        }
        let most = PERCENTILE_LOOKS.len();
        if self.form == RowForm::Percentiles && self.series().len() > most {
            return Err(format!("it has more than {most} percentiles"));
        }
        let least = match self.form {
            RowForm::Differences(_) => f64::NEG_INFINITY,
            RowForm::Percentiles | RowForm::Rates => f64::MIN_POSITIVE,
            RowForm::Stacks | RowForm::Counts => 0.0,
        };
        let mut marks = self.marks();
        if let Some((group, row, mark)) = marks.find(|(_, _, m)| !drawable(m.estimate, least)) {
            let e = mark.estimate;
            return Err(format!(
                "{} of `{}` in `{}` is {} ns ({} to {}); it needs numbers that the axis has, with low below high",
                mark.series, row.label, group.title, e.value_ns, e.low_ns, e.high_ns
            ));
        }
        Ok(())
    }

    /// Names of the series with their looks, in order of first appearance, in the longest row first.
    pub(super) fn series(&self) -> Vec<(&str, SeriesLook)> {
        let mut rows: Vec<&Row> = self.rows().map(|(_, r)| r).collect();
        // The row with the most marks has them all in their order.
        if self.form == RowForm::Percentiles || self.form.is_stack() {
            rows.sort_by_key(|r| std::cmp::Reverse(r.marks.len()));
        }
        let mut series: Vec<(&str, SeriesLook)> = Vec::new();
        for RowMark { series: name, .. } in rows.iter().flat_map(|r| &r.marks) {
            if !series.iter().any(|(known, _)| known == name) {
                let place = series.len();
                let mut look = match self.form {
                    RowForm::Percentiles => PERCENTILE_LOOKS[place % PERCENTILE_LOOKS.len()],
                    _ => series_look(name, place),
                };
                let taken: Vec<Shape> = series.iter().map(|(_, look)| look.shape).collect();
                look.shape = look.shape.or_free(&taken);
                series.push((name, look));
            }
        }
        series
    }

    pub(super) fn axis(&self, width: f64) -> Axis {
        let estimates = || self.marks().map(|(_, _, m)| m.estimate);
        let lows = estimates().map(|e| e.low_ns.min(e.value_ns));
        let highs = estimates().map(|e| e.high_ns.max(e.value_ns));
        match self.form {
            RowForm::Differences(Unit::ShareDifference) => {
                // All-zero marks still need an axis.
                let range = (lows.fold(0.0, f64::min), highs.fold(0.001, f64::max));
                Axis::linear((range.0 * 1.03, range.1 * 1.03), 6.0, self.form.unit())
            }
            RowForm::Differences(_) => {
                let extents: Vec<f64> = lows.chain(highs).collect();
                // The series with the smallest reach decides where the axis turns linear.
                let reach = |(name, _): (&str, SeriesLook)| {
                    let marks = self.marks().filter(|(_, _, m)| m.series == name);
                    let ends = marks.flat_map(|(_, _, m)| [m.estimate.low_ns, m.estimate.high_ns]);
                    ends.map(f64::abs).fold(0.0, f64::max)
                };
                let reaches = self.series().into_iter().map(reach).filter(|r| *r > 0.0);
                Axis::signed(&extents, reaches.min_by(f64::total_cmp).unwrap_or(1.0))
            }
            RowForm::Percentiles | RowForm::Rates => {
                let range = (lows.fold(f64::MAX, f64::min), highs.fold(0.0, f64::max));
                Axis::logarithmic(range, self.form.unit(), width, 46.0)
            }
            RowForm::Stacks | RowForm::Counts => {
                // All-zero bars still need an axis.
                let longest = self.rows().map(|(_, r)| total_ns(r)).fold(1.0, f64::max);
                Axis::linear((0.0, longest * 1.02), 6.0, self.form.unit())
            }
        }
    }

    /// Rows with their places, the lines of headings no wider than `limit` with their tops, and the height of all.
    pub(super) fn places<'a>(&self, column: &'a [RowGroup], limit: f64, look: Look) -> Places<'a> {
        let (mut placed, mut headings, mut y) = (Vec::new(), Vec::new(), 0.0);
        for group in column {
            if !self.has_columns(look) && !group.title.is_empty() {
                let lines = text::wrap(&group.title, TICK_SIZE, limit);
                let more = lines.len().saturating_sub(1) as f64 * HEADING_LINE;
                headings.push((lines, y));
                y += HEADING + more;
            }
            for row in &group.rows {
                let label = self.label(row, look);
                let (height, air) = self.form.row_height(row.marks.len());
                let height = height.max(label.len() as f64 * LABEL_LINE + 1.0);
                let middle = y + height / 2.0;
                placed.push(Placed {
                    group,
                    row,
                    label,
                    middle,
                });
                y += height + air;
            }
        }
        Places {
            rows: placed,
            headings,
            height: y + 4.0,
        }
    }

    /// The lines of a row's label, with its signs where its marks have none of their own.
    pub(super) fn label(&self, row: &Row, look: Look) -> Vec<String> {
        let limit = LONGEST_LABEL[usize::from(!look.is_narrow())];
        row.signs.signed_lines(&row.label, LABEL_SIZE, limit)
    }

    /// What stands right of a row in figures: of a mark, or of the whole bar. The interval is drawn anyway.
    pub(super) fn value_text(&self, row: &Row, mark: &RowMark, look: Look) -> String {
        match self.form {
            RowForm::Differences(unit) => mark.signs.signed(&match look.has_few_words() {
                true => format::signed(mark.estimate.value_ns, unit),
                false => format::signed_interval(mark.estimate, unit),
            }),
            RowForm::Percentiles => String::new(),
            RowForm::Stacks => format::measured(total_ns(row)),
            RowForm::Rates => format::count(mark.estimate.value_ns.round() as u64),
            RowForm::Counts => {
                let both = [mark.estimate.value_ns, total_ns(row)];
                both.map(|n| format::count(n.round() as u64)).join(" of ")
            }
        }
    }

    /// `common` is said of most of it.
    pub(super) fn key(&self, common: Option<&str>) -> Vec<(Swatch, String)> {
        let series = self.series();
        let entry = |(place, (name, look)): (usize, &(&str, SeriesLook))| match self.form {
            form if form.is_stack() => (Swatch::Area(place, look.colour), (*name).to_owned()),
            _ => (Swatch::Mark(*look), format!("{name}, {}", self.interval)),
        };
        let mut key: Vec<(Swatch, String)> = series.iter().enumerate().map(entry).collect();
        key.extend(Swatch::of_verdicts(
            self.marks().filter_map(|(_, _, m)| m.verdict),
        ));
        let signs: Vec<&Signs> = self.rows().flat_map(|(_, row)| self.signs(row)).collect();
        let struck = signs.iter().any(|s| s.struck.is_some());
        key.extend(Swatch::of_signs(
            struck.then_some(Swatch::StruckMark),
            signs.iter().any(|s| s.caution.is_some()),
            common,
        ));
        key
    }

    /// What has signs of its own: the marks of differences, else the row.
    fn signs<'a>(&self, row: &'a Row) -> Vec<&'a Signs> {
        match self.form {
            RowForm::Differences(_) => row.marks.iter().map(|m| &m.signs).collect(),
            _ => vec![&row.signs],
        }
    }

    /// Without the daggers that most have, and what the key says instead of them.
    pub(super) fn with_telling_signs(&self) -> (Self, Option<&'static str>) {
        let mut shown = self.clone();
        let rows = shown.groups.iter_mut().flat_map(|g| &mut g.rows);
        let signs: Vec<&mut Signs> = match self.form {
            RowForm::Differences(_) => rows
                .flat_map(|r| &mut r.marks)
                .map(|m| &mut m.signs)
                .collect(),
            _ => rows.map(|row| &mut row.signs).collect(),
        };
        let common = say_once(signs);
        (shown, common)
    }

    /// Reasons of the signs.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut signs: Vec<(&Signs, String, &str)> = Vec::new();
        // A row's signs are the same in every column.
        let column = self.columns(Look::Screen).next().unwrap_or_default();
        let many = column.len() > 1;
        for group in column {
            let place = if many { group.title.as_str() } else { "" };
            for row in &group.rows {
                if !self.form.is_difference() {
                    signs.push((&row.signs, place.to_owned(), &row.label));
                    continue;
                }
                for mark in &row.marks {
                    let comma = if place.is_empty() { "" } else { ", " };
                    let place = format!("{}{comma}{place}", mark.series);
                    signs.push((&mark.signs, place, &row.label));
                }
            }
        }
        sign_notes(signs.into_iter())
    }

    /// How many samples are behind each row.
    pub(super) fn samples(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for group in &self.groups {
            let counts = sample_counts(group.rows.iter().map(|r| (r.label.as_str(), r.samples)));
            match group.title.as_str() {
                _ if counts.is_empty() => {}
                "" => notes.push(format!("Samples: {counts}")),
                title => notes.push(format!("Samples, {title}: {counts}")),
            }
        }
        notes
    }
}

pub(super) fn total_ns(row: &Row) -> f64 {
    row.marks.iter().map(|m| m.estimate.value_ns).sum()
}
