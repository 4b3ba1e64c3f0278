//! What is shown: a caption, a table and notes; made once, printed for the terminal or as Markdown, or as HTML in `html`.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table as Grid, presets};
use itertools::Itertools;

use super::format::count;
use crate::factor::{Factor, Factors};

/// What stands in a cell without a value.
const NONE: &str = "-";
/// The terminal shows no more rows of a table than this.
const MOST_ROWS: usize = 40;
/// And of the table that goes with the answer.
pub(super) const MOST_ROWS_OF_ANSWER: usize = 8;

/// A cell whose value may be missing.
pub(super) fn cell(value: Option<String>) -> String {
    value.unwrap_or_else(|| NONE.to_owned())
}

/// What stands behind a number that a guard struck out.
pub(super) fn struck_mark(is_struck: bool) -> &'static str {
    if is_struck { " [x]" } else { "" }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) title: String,
    pub(super) is_number: bool,
}

/// A header and rows of as many cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
    /// What tells levels apart beside their standing connections.
    varying: Vec<Factor>,
}

impl Table {
    /// Columns of words, then columns of numbers, which are aligned to the right.
    pub(crate) fn new<W: ToString, N: ToString>(
        words: impl IntoIterator<Item = W>,
        numbers: impl IntoIterator<Item = N>,
    ) -> Self {
        let column = |title, is_number| Column { title, is_number };
        let words = words.into_iter().map(|w| column(w.to_string(), false));
        let numbers = numbers.into_iter().map(|n| column(n.to_string(), true));
        Table {
            columns: words.chain(numbers).collect(),
            ..Table::default()
        }
    }

    /// Further columns of words, after the numbers.
    pub(super) fn and_words<W: ToString>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        let column = |title: W| Column {
            title: title.to_string(),
            is_number: false,
        };
        self.columns.extend(words.into_iter().map(column));
        self
    }

    /// One whose rows are about levels: what tells them apart stands first.
    pub(super) fn by_level<N: ToString>(
        varying: &[Factor],
        words: &[&str],
        numbers: impl IntoIterator<Item = N>,
    ) -> Self {
        let factors = varying.iter().map(|f| f.title());
        let levels = std::iter::once("standing").chain(factors);
        Table {
            varying: varying.to_vec(),
            ..Table::new(levels.chain(words.iter().copied()), numbers)
        }
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Appends a row about a level.
    pub(super) fn push_level(&mut self, level: &Factors, cells: impl IntoIterator<Item = String>) {
        let mut row = vec![count(u64::from(level.standing))];
        let values = self.varying.iter().map(|&f| level.get(f));
        row.extend(values.map(Option::unwrap_or_default));
        row.extend(cells);
        self.push(row);
    }

    /// Leaves out the columns in which no row has a value.
    fn shown(mut self) -> Self {
        fn keep<T>(items: &mut Vec<T>, has: &[bool]) {
            let mut has = has.iter();
            items.retain(|_| has.next() == Some(&true));
        }
        let has = |i: usize| self.rows.iter().any(|row| row[i] != NONE);
        let has = (0..self.columns.len()).map(has).collect_vec();
        keep(&mut self.columns, &has);
        self.rows.iter_mut().for_each(|row| keep(row, &has));
        self
    }

    fn grid(&self, most_rows: usize) -> Grid {
        let mut grid = Grid::new();
        grid.set_header(self.columns.iter().map(|c| Cell::new(&c.title)));
        for row in self.rows.iter().take(most_rows) {
            grid.add_row(self.columns.iter().zip(row).map(|(column, text)| {
                let cell = Cell::new(text);
                if column.is_number {
                    cell.set_alignment(CellAlignment::Right)
                } else {
                    cell
                }
            }));
        }
        grid
    }

    fn terminal(&self) -> String {
        let grid = self.grid(MOST_ROWS);
        match self.rows.len().saturating_sub(MOST_ROWS) {
            0 => format!("{grid}\n"),
            more => format!("{grid}\n{more} more rows are in analysis.json.\n"),
        }
    }

    fn markdown(&self) -> String {
        let line = |cells: String| format!("| {cells} |\n");
        let rule = |c: &Column| if c.is_number { "---:|" } else { "---|" };
        let titles = line(self.columns.iter().map(|c| &c.title).join(" | "));
        let rules: String = self.columns.iter().map(rule).collect();
        let rows: String = self.rows.iter().map(|row| line(row.join(" | "))).collect();
        format!("{titles}|{rules}\n{rows}")
    }
}

/// A piece of a report. Without a table its notes are a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// What it is about.
    pub caption: String,
    /// The numbers; empty in a list of sentences.
    pub table: Table,
    /// Sentences, which may have `**bold**` and `` `code` `` words.
    pub notes: Vec<String>,
}

impl Section {
    /// A list of sentences.
    pub(crate) fn list(caption: impl Into<String>, notes: Vec<String>) -> Self {
        Section {
            caption: caption.into(),
            table: Table::default(),
            notes,
        }
    }

    /// A table without its empty columns; `None` if there is no row or no number.
    pub(crate) fn table(
        caption: impl Into<String>,
        table: Table,
        notes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Option<Self> {
        let table = table.shown();
        table.columns.iter().any(|c| c.is_number).then(|| Section {
            caption: caption.into(),
            table,
            notes: notes.into_iter().map(Into::into).collect(),
        })
    }

    /// Caption and table in so many columns and lines, without rules between the rows.
    pub(super) fn fitting(&self, columns: usize, lines: usize, most_rows: usize) -> String {
        let mut grid = self.table.grid(most_rows);
        grid.load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns.try_into().unwrap_or(u16::MAX));
        let caption = format!("{}:", self.caption);
        let grid = grid.to_string();
        let all = std::iter::once(caption.as_str()).chain(grid.lines());
        all.map(str::trim_end).take(lines).join("\n")
    }

    /// Its first rows, as many as go with an answer.
    pub(super) fn shortened(mut self) -> Self {
        self.table.rows.truncate(MOST_ROWS_OF_ANSWER);
        self
    }

    fn is_list(&self) -> bool {
        self.table.columns.is_empty()
    }

    fn terminal(&self) -> String {
        let mut out = format!("{}\n", self.caption);
        if self.is_list() {
            out.extend(self.notes.iter().map(|note| format!("  - {note}\n")));
        } else {
            out += &self.table.terminal();
            out.extend(self.notes.iter().map(|note| format!("{note}\n")));
        }
        out.replace("**", "") + "\n"
    }

    fn markdown(&self) -> String {
        let (caption, notes) = (&self.caption, self.notes.iter());
        if self.is_list() {
            let notes: String = notes.map(|note| format!("- {note}\n")).collect();
            return format!("## {caption}\n\n{notes}\n");
        }
        let notes: String = notes.map(|note| format!("\n{note}\n")).collect();
        format!("### {caption}\n\n{}{notes}\n", self.table.markdown())
    }
}

/// Sections for the terminal.
pub fn terminal<'a>(sections: impl IntoIterator<Item = &'a Section>) -> String {
    sections.into_iter().map(Section::terminal).collect()
}

/// Sections as Markdown.
pub fn markdown<'a>(sections: impl IntoIterator<Item = &'a Section>) -> String {
    sections.into_iter().map(Section::markdown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> Section {
        let mut table = Table::new(["arm"], ["samples", "p99"]);
        for i in 0..rows {
            table.push(vec![format!("arm {i}"), i.to_string(), cell(None)]);
        }
        let notes = vec!["A **note**.".to_owned()];
        Section::table("Times", table, notes).unwrap()
    }

    #[test]
    fn one_section_has_two_printers_and_no_column_without_a_value() {
        let section = table(1);
        assert_eq!(
            markdown([&section]),
            "### Times\n\n| arm | samples |\n|---|---:|\n| arm 0 | 0 |\n\nA **note**.\n\n"
        );
        let text = terminal([&section]);
        assert!(text.starts_with("Times\n+"), "{text}");
        assert!(text.contains("| arm 0 |       0 |"), "{text}");
        assert!(text.ends_with("A note.\n\n") && !text.contains("p99"));
    }

    #[test]
    fn a_list_is_a_heading_with_points() {
        let list = Section::list("Limits", vec!["Not this.".to_owned()]);
        assert_eq!(markdown([&list]), "## Limits\n\n- Not this.\n\n");
        assert_eq!(terminal([&list]), "Limits\n  - Not this.\n\n");
    }

    #[test]
    fn without_rows_or_numbers_there_is_no_table_and_long_ones_end_on_the_terminal() {
        let empty = Table::new(["arm"], ["samples"]);
        assert_eq!(Section::table("Times", empty, [""]), None);
        let text = terminal([&table(MOST_ROWS + 2)]);
        assert!(text.contains("2 more rows") && !text.contains("arm 41"));
        assert!(markdown([&table(MOST_ROWS + 2)]).contains("arm 41"));
    }
}
