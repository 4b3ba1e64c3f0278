//! Rows of marks or bars along a common horizontal axis of time.

use super::axis::{Axis, Unit};
use super::furniture::{Foot, LABEL_SIZE, Swatch, sample_counts, sign_keys};
use super::signs::{Signs, merge_notes};
use super::style::{PERCENTILE_LOOKS, SeriesLook, series_look};
use super::{FigureError, text, time_label};

/// What the rows show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowForm {
    /// Differences with their intervals and noise floors, on an axis that is linear around zero and logarithmic
    /// outside, so that a model's 100 ns and a server's 500 µs can share it.
    Differences,
    /// A few percentiles with their intervals on a logarithmic axis, in one or two columns.
    Percentiles,
    /// Times that add up, stacked from zero.
    Stacks,
}

/// One value with its interval, or one part of a bar.
#[derive(Debug, Clone, PartialEq)]
pub struct RowMark {
    /// `server` or `model`; a percentile such as `p99`; or the part of a bar. The same name looks alike everywhere.
    pub series: String,
    /// The value in ns.
    pub value_ns: f64,
    /// Lower end of its interval in ns.
    pub low_ns: f64,
    /// Upper end of its interval in ns.
    pub high_ns: f64,
    /// Why the mark alone must not be quoted, or is to be read with care.
    pub signs: Signs,
}

impl RowMark {
    /// A part of a bar.
    pub fn part(series: &str, value_ns: f64) -> Self {
        let (series, signs) = (series.to_owned(), Signs::default());
        RowMark {
            series,
            value_ns,
            low_ns: value_ns,
            high_ns: value_ns,
            signs,
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
    /// Heading, for instance `500 standing connections`; empty for none.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Noise floor per series in ns: a smaller difference is what two blocks of the same arm show.
    pub floors_ns: Vec<(String, f64)>,
}

impl RowGroup {
    /// The noise floor of a series.
    pub(super) fn floor_ns(&self, series: &str) -> Option<f64> {
        let floor = self.floors_ns.iter().find(|(name, _)| name == series);
        floor.map(|(_, ns)| *ns)
    }
}

/// One quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct RowColumn {
    /// Whose time, for instance `Readers: response time of a statement`; empty in a figure of one column.
    pub title: String,
    /// Its groups, from top to bottom; every column has the same rows.
    pub groups: Vec<RowGroup>,
}

/// One or two columns of rows.
#[derive(Debug, Clone, PartialEq)]
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
    /// The columns, from left to right.
    pub columns: Vec<RowColumn>,
    /// Lines under the figure; reasons of signs are added.
    pub footer: Vec<String>,
}

/// Height of a heading, and the longest labels.
const HEADING: f64 = 23.0;
const LONGEST_LABEL: f64 = 160.0;

/// A row with the middle of its place, in pixels below the plot's top.
pub(super) struct Placed<'a> {
    pub group: &'a RowGroup,
    pub row: &'a Row,
    pub middle: f64,
}

impl RowForm {
    /// From one mark of a row to the next, and the air around a row.
    pub(super) fn lanes(self) -> (f64, f64) {
        match self {
            RowForm::Differences => (15.0, 5.0),
            RowForm::Percentiles => (6.5, 0.0),
            RowForm::Stacks => (0.0, 0.0),
        }
    }

    fn row_height(self, marks: usize) -> f64 {
        match self {
            RowForm::Differences => marks.max(1) as f64 * 15.0 + 5.0,
            RowForm::Percentiles => 30.0,
            RowForm::Stacks => 20.0,
        }
    }
}

impl RowFigure {
    /// A figure of one column.
    pub fn one_column(form: RowForm, groups: Vec<RowGroup>) -> Self {
        RowFigure {
            form,
            title: String::new(),
            subtitle: String::new(),
            quantity: String::new(),
            interval: String::new(),
            columns: vec![RowColumn {
                title: String::new(),
                groups,
            }],
            footer: Vec::new(),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&RowColumn, &RowGroup, &Row)> + Clone {
        let groups = self
            .columns
            .iter()
            .flat_map(|c| c.groups.iter().map(move |g| (c, g)));
        groups.flat_map(|(c, g)| g.rows.iter().map(move |r| (c, g, r)))
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = (&RowColumn, &RowGroup, &Row, &RowMark)> {
        self.rows()
            .flat_map(|(c, g, r)| r.marks.iter().map(move |m| (c, g, r, m)))
    }

    fn floors_ns(&self) -> impl Iterator<Item = &(String, f64)> {
        let groups = self.columns.iter().flat_map(|c| &c.groups);
        groups.flat_map(|g| &g.floors_ns)
    }

    pub(super) fn check(&self) -> Result<(), FigureError> {
        let unfit = |reason: String| {
            Err(FigureError::Unfit {
                title: self.title.clone(),
                reason,
            })
        };
        if !(1..=2).contains(&self.columns.len()) {
            return unfit(format!(
                "it has {} columns; 1 or 2 can be drawn",
                self.columns.len()
            ));
        }
        if self.marks().next().is_none() {
            return unfit("it has no mark".to_owned());
        }
        let labels = |column: &RowColumn| -> Vec<String> {
            let rows = column.groups.iter().flat_map(|g| &g.rows);
            rows.map(|r| r.label.clone()).collect()
        };
        if self
            .columns
            .iter()
            .any(|c| labels(c) != labels(&self.columns[0]))
        {
            return unfit("its columns do not have the same rows".to_owned());
        }
        if self.form == RowForm::Percentiles && self.series().len() > PERCENTILE_LOOKS.len() {
            return unfit(format!(
                "it has more than {} percentiles",
                PERCENTILE_LOOKS.len()
            ));
        }
        let least = match self.form {
            RowForm::Differences => f64::NEG_INFINITY,
            RowForm::Percentiles => f64::MIN_POSITIVE,
            RowForm::Stacks => 0.0,
        };
        for (_, group, row, mark) in self.marks() {
            let numbers = [mark.value_ns, mark.low_ns, mark.high_ns];
            if numbers.iter().any(|n| !n.is_finite() || *n < least) || mark.low_ns > mark.high_ns {
                return unfit(format!(
                    "{} of `{}` in `{}` is {} ns ({} to {}); it needs numbers that the axis has, with low below high",
                    mark.series, row.label, group.title, mark.value_ns, mark.low_ns, mark.high_ns
                ));
            }
        }
        match self
            .floors_ns()
            .find(|(_, floor)| !floor.is_finite() || *floor < 0.0)
        {
            Some((series, floor)) => unfit(format!(
                "the noise floor of {series} is {floor} ns; it must be zero or more"
            )),
            None => Ok(()),
        }
    }

    /// Names of the series with their looks, in order of first appearance, in the longest row first.
    pub(super) fn series(&self) -> Vec<(&str, SeriesLook)> {
        let mut rows: Vec<&Row> = self.rows().map(|(_, _, r)| r).collect();
        if self.form == RowForm::Percentiles {
            rows.sort_by_key(|r| std::cmp::Reverse(r.marks.len()));
        }
        let mut names: Vec<&str> = Vec::new();
        for mark in rows.iter().flat_map(|r| &r.marks) {
            if !names.contains(&mark.series.as_str()) {
                names.push(&mark.series);
            }
        }
        let look = |(i, name)| match self.form {
            RowForm::Percentiles => (name, PERCENTILE_LOOKS[i % PERCENTILE_LOOKS.len()]),
            RowForm::Differences | RowForm::Stacks => (name, series_look(name, i)),
        };
        names.into_iter().enumerate().map(look).collect()
    }

    pub(super) fn axis(&self, width: f64) -> Axis {
        let low = self.marks().map(|m| m.3.low_ns.min(m.3.value_ns));
        let high = self.marks().map(|m| m.3.high_ns.max(m.3.value_ns));
        match self.form {
            RowForm::Differences => {
                let floors = self.floors_ns().flat_map(|(_, floor)| [-floor, *floor]);
                // The series with the smallest reach decides where the axis turns linear.
                let reach = |name: &str| {
                    let of_series = self.marks().filter(|m| m.3.series == name);
                    of_series
                        .map(|m| m.3.low_ns.abs().max(m.3.high_ns.abs()))
                        .fold(0.0, f64::max)
                };
                let reaches = self
                    .series()
                    .into_iter()
                    .map(|(name, _)| reach(name))
                    .filter(|r| *r > 0.0);
                let smallest = reaches.fold(f64::MAX, f64::min);
                let extents: Vec<f64> = low.chain(high).chain(floors).collect();
                Axis::signed(&extents, if smallest == f64::MAX { 1.0 } else { smallest })
            }
            RowForm::Percentiles => {
                let range = (low.fold(f64::MAX, f64::min), high.fold(0.0, f64::max));
                Axis::logarithmic(range, Unit::Time, width, 46.0)
            }
            RowForm::Stacks => {
                // All-zero bars still need an axis.
                let longest = self.rows().map(|(_, _, r)| total_ns(r)).fold(1.0, f64::max);
                Axis::linear(longest * 1.02, 6.0, Unit::Time)
            }
        }
    }

    /// Rows with their places, headings with their tops, and the height of all.
    pub(super) fn places<'a>(
        &self,
        column: &'a RowColumn,
    ) -> (Vec<Placed<'a>>, Vec<(&'a str, f64)>, f64) {
        let (mut placed, mut headings, mut y) = (Vec::new(), Vec::new(), 0.0);
        for group in &column.groups {
            if !group.title.is_empty() {
                headings.push((group.title.as_str(), y));
                y += HEADING;
            }
            for row in &group.rows {
                let height = self.form.row_height(row.marks.len());
                let middle = y + (height - self.form.lanes().1) / 2.0;
                placed.push(Placed { group, row, middle });
                y += height;
            }
        }
        (placed, headings, y + 4.0)
    }

    /// A row's label, with its signs where its marks have none of their own.
    pub(super) fn label(&self, row: &Row) -> String {
        row.signs
            .signed(&text::fit(&row.label, LABEL_SIZE, LONGEST_LABEL))
    }

    /// What stands right of a row in figures: of a mark, or of the whole bar.
    pub(super) fn value_text(&self, row: &Row, mark: &RowMark) -> String {
        match self.form {
            RowForm::Differences => {
                let [value, low, high] =
                    [mark.value_ns, mark.low_ns, mark.high_ns].map(time_label::signed);
                mark.signs.signed(&format!("{value} ({low} … {high})"))
            }
            RowForm::Percentiles => String::new(),
            RowForm::Stacks => time_label::measured(total_ns(row)),
        }
    }

    pub(super) fn foot(&self) -> Foot {
        let series = self.series();
        let mut key: Vec<(Swatch, String)> = series
            .iter()
            .map(|(name, look)| match self.form {
                RowForm::Stacks => (Swatch::Fill(look.colour), (*name).to_owned()),
                _ => (Swatch::Mark(*look), format!("{name}, {}", self.interval)),
            })
            .collect();
        let floors = self.rows().flat_map(|(_, g, _)| &g.floors_ns);
        let floors: Vec<&str> = floors.map(|f| f.0.as_str()).collect();
        for (name, look) in series.iter().filter(|(name, _)| floors.contains(name)) {
            key.push((Swatch::Lane(look.colour), format!("noise floor, {name}")));
        }
        let signs = self.rows().map(|(_, _, r)| &r.signs);
        let all = signs.chain(
            self.rows()
                .flat_map(|(_, _, r)| r.marks.iter().map(|m| &m.signs)),
        );
        key.extend(sign_keys(Swatch::StruckMark, all, false));
        let mut notes = Vec::new();
        // A row's signs are the same in every column.
        for group in self.columns.first().iter().flat_map(|c| &c.groups) {
            let many = self.columns[0].groups.len() > 1;
            let place = if many { group.title.as_str() } else { "" };
            for row in &group.rows {
                notes.extend(row.signs.notes(place, &row.label));
                for mark in &row.marks {
                    let comma = if place.is_empty() { "" } else { ", " };
                    notes.extend(
                        mark.signs
                            .notes(&format!("{}{comma}{place}", mark.series), &row.label),
                    );
                }
            }
        }
        let mut notes = merge_notes(&notes);
        for column in &self.columns {
            let rows = column.groups.iter().flat_map(|g| &g.rows);
            let counts = sample_counts(rows.map(|r| (r.label.as_str(), r.samples)));
            if !counts.is_empty() {
                notes.push(format!("Samples, {}: {counts}", column.title));
            }
        }
        Foot::new(key, &notes, &self.footer)
    }
}

pub(super) fn total_ns(row: &Row) -> f64 {
    row.marks.iter().map(|m| m.value_ns).sum()
}
