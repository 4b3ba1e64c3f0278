//! Tails side by side: one row a case, one column a quantity, marks with
//! intervals at a few percentiles on a common logarithmic time axis.

use plotters::prelude::*;

use super::axis::LogTimeAxis;
use super::canvas::{self, Frame, Rule, SCALE, chart_error};
use super::furniture::{
    Foot, Header, LABEL_SIZE, MARGIN, NOTE_SIZE, Swatch, WIDTH, draw_axis_lines, draw_bottom_ticks,
    merge_notes, sign_notes, signed_label,
};
use super::ink::Anchor;
use super::style::{Colour, GRID, LIGHT_GRID, SOFT_TEXT, SeriesLook, Shape, TEXT};
use super::{Figure, FigureError, text, time_label};
use crate::report::export::csv_line;

/// One percentile with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct TailMark {
    /// Such as `p99`; the same name always looks alike within a figure.
    pub statistic: String,
    /// Time in ns, above zero.
    pub value_ns: f64,
    /// Lower end of its interval in ns, above zero.
    pub low_ns: f64,
    /// Upper end of its interval in ns.
    pub high_ns: f64,
}

/// One case of one column; without marks it is drawn as not measured.
#[derive(Debug, Clone, PartialEq)]
pub struct TailRow {
    /// The case, for instance a lock; every column has the same cases.
    pub label: String,
    /// Its percentiles, ascending.
    pub marks: Vec<TailMark>,
    /// Number of samples behind them.
    pub sample_count: u64,
    /// Why the row must not be quoted; it is then drawn hollow.
    pub struck: Option<String>,
    /// Why the row is to be read with care; its label gets a dagger.
    pub caution: Option<String>,
}

/// One quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct TailColumn {
    /// Whose time, for instance `Readers: response time of a running statement`.
    pub title: String,
    /// The cases, from top to bottom.
    pub rows: Vec<TailRow>,
}

/// One or two columns of tails on a common time axis.
#[derive(Debug, Clone, PartialEq)]
pub struct TailFigure {
    /// Title.
    pub title: String,
    /// Line under the title: what to look at.
    pub subtitle: String,
    /// What the intervals are, for instance `95 % bootstrap interval over 10 blocks`.
    pub interval: String,
    /// The columns, from left to right.
    pub columns: Vec<TailColumn>,
    /// Lines under the figure: machine, versions, run id, redraw command.
    /// Sample counts, strikes and cautions are added from the rows.
    pub footer: Vec<String>,
}

const ROW: f64 = 30.0;
/// Between two percentiles of one row.
const LANE: f64 = 6.5;
const LONGEST_LABEL: f64 = 160.0;
/// Between two columns: room for the tick labels at their ends.
const GUTTER: f64 = 30.0;

/// Looks of the percentiles in order of first appearance: told apart by shape
/// and by their lane, too.
const LOOKS: [SeriesLook; 4] = [
    SeriesLook {
        colour: Colour(0x6e, 0x6e, 0x6e),
        shape: Shape::Disc,
    },
    SeriesLook {
        colour: Colour(0x00, 0x87, 0x62),
        shape: Shape::Triangle,
    },
    SeriesLook {
        colour: Colour(0x00, 0x5a, 0x9c),
        shape: Shape::Square,
    },
    SeriesLook {
        colour: Colour(0xd5, 0x5e, 0x00),
        shape: Shape::Diamond,
    },
];

impl TailFigure {
    fn check(&self) -> Result<(), FigureError> {
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
        let labels = |column: &TailColumn| -> Vec<String> {
            column.rows.iter().map(|r| r.label.clone()).collect()
        };
        if self
            .columns
            .iter()
            .any(|c| labels(c) != labels(&self.columns[0]))
        {
            return unfit("its columns do not have the same rows".to_owned());
        }
        if self.statistics().len() > LOOKS.len() {
            return unfit(format!("it has more than {} percentiles", LOOKS.len()));
        }
        for (column, row, mark) in self.marks() {
            let times = [mark.value_ns, mark.low_ns, mark.high_ns];
            if times.iter().any(|t| !t.is_finite() || *t <= 0.0) || mark.low_ns > mark.high_ns {
                return unfit(format!(
                    "{} of `{}` in `{}` is {} ns ({} to {}); a logarithmic axis needs times above zero and low below high",
                    mark.statistic,
                    row.label,
                    column.title,
                    mark.value_ns,
                    mark.low_ns,
                    mark.high_ns
                ));
            }
        }
        Ok(())
    }

    fn marks(&self) -> impl Iterator<Item = (&TailColumn, &TailRow, &TailMark)> {
        self.columns.iter().flat_map(|c| {
            c.rows
                .iter()
                .flat_map(move |r| r.marks.iter().map(move |m| (c, r, m)))
        })
    }

    /// The percentiles' names in order of first appearance, in the longest row first.
    fn statistics(&self) -> Vec<&str> {
        let mut rows: Vec<&TailRow> = self.columns.iter().flat_map(|c| &c.rows).collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.marks.len()));
        let mut names: Vec<&str> = Vec::new();
        for mark in rows.iter().flat_map(|r| &r.marks) {
            if !names.contains(&mark.statistic.as_str()) {
                names.push(&mark.statistic);
            }
        }
        names
    }

    fn axis(&self) -> LogTimeAxis {
        let low = self.marks().map(|(_, _, m)| m.low_ns.min(m.value_ns));
        let high = self.marks().map(|(_, _, m)| m.high_ns.max(m.value_ns));
        LogTimeAxis::covering(low.fold(f64::MAX, f64::min), high.fold(0.0, f64::max))
    }

    fn foot(&self) -> Foot {
        let mut key: Vec<(Swatch, String)> = self
            .statistics()
            .into_iter()
            .zip(LOOKS)
            .map(|(name, look)| (Swatch::Mark(look), format!("{name}, {}", self.interval)))
            .collect();
        let rows = || self.columns.iter().flat_map(|c| &c.rows);
        if rows().any(|r| r.struck.is_some()) {
            key.push((
                Swatch::StruckMark,
                "struck out, not to be quoted".to_owned(),
            ));
        }
        if rows().any(|r| r.caution.is_some()) {
            key.push((Swatch::Caution, "read with care".to_owned()));
        }
        // A row's signs are the same in every column.
        let notes: Vec<_> = self.columns[0]
            .rows
            .iter()
            .flat_map(|r| sign_notes("", &r.label, r.struck.as_deref(), r.caution.as_deref()))
            .collect();
        let mut notes = merge_notes(&notes);
        for column in &self.columns {
            let counts: Vec<String> = column
                .rows
                .iter()
                .map(|r| {
                    let label = r.label.replace(' ', "\u{a0}");
                    format!("{label}\u{a0}{}", time_label::grouped(r.sample_count))
                })
                .collect();
            notes.push(format!("Samples, {}: {}", column.title, counts.join("; ")));
        }
        Foot::new(key, &notes, &self.footer)
    }
}

fn row_label(row: &TailRow) -> String {
    let label = text::fit(&row.label, LABEL_SIZE, LONGEST_LABEL);
    signed_label(&label, row.struck.is_some(), row.caution.is_some())
}

impl Figure for TailFigure {
    fn svg(&self) -> Result<String, FigureError> {
        self.check()?;
        let axis = self.axis();
        let statistics = self.statistics();
        let header = Header::new(&self.title, &self.subtitle);
        let foot = self.foot();
        let labels: Vec<String> = self.columns[0].rows.iter().map(row_label).collect();
        let label_width = labels
            .iter()
            .map(|l| text::width(l, LABEL_SIZE))
            .fold(0.0, f64::max)
            + 12.0;
        let count = self.columns.len() as f64;
        let room = WIDTH - 2.0 * MARGIN - label_width - 20.0 - (count - 1.0) * GUTTER;
        let (width, plot_height) = (room / count, labels.len() as f64 * ROW + 6.0);
        let top = header.height() + 22.0;
        let below = top + plot_height + 24.0;
        let middle = |row: usize| 3.0 + (row as f64 + 0.5) * ROW;
        canvas::draw((WIDTH, below + foot.height()), &self.title, |area, ink| {
            header.draw(ink);
            for (row, label) in labels.iter().enumerate() {
                let at = (
                    MARGIN + label_width - 8.0,
                    top + middle(row) + LABEL_SIZE * 0.36,
                );
                ink.text(at, LABEL_SIZE, Anchor::End, TEXT, label);
            }
            for (i, column) in self.columns.iter().enumerate() {
                let plot = Frame {
                    left: MARGIN + label_width + i as f64 * (width + GUTTER),
                    top,
                    width,
                    height: plot_height,
                };
                let ticks = axis.ticks(plot.width, 46.0);
                let mut chart = ChartBuilder::on(&plot.of(area))
                    .build_cartesian_2d(axis.low..axis.high, plot_height..0.0)
                    .map_err(chart_error)?;
                canvas::rule(
                    &mut chart,
                    Rule::Upright,
                    axis.light_grid(),
                    LIGHT_GRID,
                    0.5,
                )?;
                canvas::rule(
                    &mut chart,
                    Rule::Upright,
                    ticks.iter().map(|t| t.at),
                    GRID,
                    0.7,
                )?;
                let between = (1..column.rows.len()).map(|row| 3.0 + row as f64 * ROW);
                canvas::rule(&mut chart, Rule::Level, between, LIGHT_GRID, 0.7)?;
                let pixel = |at: f64| f64::from(chart.backend_coord(&(at, 0.0)).0) / SCALE;
                let title = text::fit(&column.title, LABEL_SIZE, width + GUTTER - 8.0);
                ink.text(
                    (plot.left, top - 8.0),
                    LABEL_SIZE,
                    Anchor::Start,
                    TEXT,
                    &title,
                );
                draw_axis_lines(ink, &plot);
                for (row, case) in column.rows.iter().enumerate() {
                    let centre = top + middle(row);
                    if case.marks.is_empty() {
                        ink.text(
                            (plot.left + 8.0, centre + NOTE_SIZE * 0.36),
                            NOTE_SIZE,
                            Anchor::Start,
                            SOFT_TEXT,
                            "too few samples",
                        );
                    }
                    for mark in &case.marks {
                        let known = statistics.iter().position(|s| *s == mark.statistic);
                        let place = known.unwrap_or(0).min(LOOKS.len() - 1);
                        let look = LOOKS[place];
                        // Each percentile has a lane, so that intervals never lie over each other.
                        let lanes = statistics.len() as f64 - 1.0;
                        let y = centre + (place as f64 - lanes / 2.0) * LANE;
                        let x = |ns: f64| pixel(axis.position(ns));
                        let (low, high) = (x(mark.low_ns), x(mark.high_ns));
                        ink.line((low, y), (high, y), look.colour, 1.4);
                        for end in [low, high] {
                            ink.line((end, y - 2.2), (end, y + 2.2), look.colour, 1.1);
                        }
                        let at = (x(mark.value_ns), y);
                        ink.mark(at, 2.8, look.shape, look.colour, case.struck.is_some());
                    }
                }
                let ticks: Vec<_> = ticks
                    .iter()
                    .map(|t| (pixel(t.at), t.label.clone()))
                    .collect();
                draw_bottom_ticks(ink, &plot, &ticks);
            }
            foot.draw(ink, below);
            Ok(())
        })
    }

    fn csv(&self) -> String {
        let mut csv = csv_line(&[
            "column",
            "row",
            "statistic",
            "value_ns",
            "low_ns",
            "high_ns",
            "sample_count",
            "struck",
            "caution",
        ]);
        for (column, row, mark) in self.marks() {
            csv += &csv_line(&[
                &column.title,
                &row.label,
                &mark.statistic,
                &format!("{:.1}", mark.value_ns),
                &format!("{:.1}", mark.low_ns),
                &format!("{:.1}", mark.high_ns),
                &row.sample_count.to_string(),
                row.struck.as_deref().unwrap_or(""),
                row.caution.as_deref().unwrap_or(""),
            ]);
        }
        csv
    }
}
