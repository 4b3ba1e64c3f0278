//! What is shown: a caption, a table and notes; made once, printed for the terminal or as Markdown.

use comfy_table::{Cell, CellAlignment, Table as Grid};

use super::format::count;
use super::level_title::factor_cells;
use crate::factor::{Factor, Factors};

/// What stands in a cell without a value.
const NONE: &str = "-";
/// The terminal shows no more rows of a table than this.
const MOST_ROWS: usize = 40;

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
struct Column {
    title: String,
    is_number: bool,
}

/// A header and rows of as many cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns of words, then columns of numbers, which are aligned to the right.
    pub(super) fn new<W: ToString, N: ToString>(
        words: impl IntoIterator<Item = W>,
        numbers: impl IntoIterator<Item = N>,
    ) -> Self {
        let column = |title, is_number| Column { title, is_number };
        let words = words.into_iter().map(|w| column(w.to_string(), false));
        let numbers = numbers.into_iter().map(|n| column(n.to_string(), true));
        Table {
            columns: words.chain(numbers).collect(),
            rows: Vec::new(),
        }
    }

    /// One whose rows are about levels: what tells them apart stands first.
    pub(super) fn by_level<N: ToString>(
        varying: &[Factor],
        words: &[&str],
        numbers: impl IntoIterator<Item = N>,
    ) -> Self {
        let factors = varying.iter().map(|f| f.title());
        let words = std::iter::once("standing")
            .chain(factors)
            .chain(words.iter().copied());
        Table::new(words, numbers)
    }

    /// Appends a row.
    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Appends a row about a level.
    pub(super) fn push_level(
        &mut self,
        level: &Factors,
        varying: &[Factor],
        cells: impl IntoIterator<Item = String>,
    ) {
        let mut row = vec![count(u64::from(level.standing))];
        row.extend(factor_cells(level, varying));
        row.extend(cells);
        self.push(row);
    }

    /// Leaves out the columns in which no row has a value.
    fn shown(self) -> Self {
        let has: Vec<bool> = (0..self.columns.len())
            .map(|i| self.rows.iter().any(|row| row[i] != NONE))
            .collect();
        fn keep<T>(items: Vec<T>, has: &[bool]) -> Vec<T> {
            let kept = items.into_iter().zip(has).filter(|(_, has)| **has);
            kept.map(|(item, _)| item).collect()
        }
        Table {
            columns: keep(self.columns, &has),
            rows: self.rows.into_iter().map(|r| keep(r, &has)).collect(),
        }
    }

    fn terminal(&self) -> String {
        let mut grid = Grid::new();
        grid.set_header(self.columns.iter().map(|c| Cell::new(&c.title)));
        for row in self.rows.iter().take(MOST_ROWS) {
            grid.add_row(self.columns.iter().zip(row).map(|(column, text)| {
                let cell = Cell::new(text);
                if column.is_number {
                    cell.set_alignment(CellAlignment::Right)
                } else {
                    cell
                }
            }));
        }
        match self.rows.len().saturating_sub(MOST_ROWS) {
            0 => format!("{grid}\n"),
            more => format!("{grid}\n{more} more rows are in analysis.json.\n"),
        }
    }

    fn markdown(&self) -> String {
        let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let rule = |c: &Column| if c.is_number { "---:|" } else { "---|" };
        let titles = self.columns.iter().map(|c| c.title.as_str()).collect();
        let rules: String = self.columns.iter().map(rule).collect();
        let rows = self.rows.iter();
        let rows = rows.map(|row| line(row.iter().map(String::as_str).collect()));
        format!("{}|{rules}\n{}", line(titles), rows.collect::<String>())
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
    pub(super) fn list(caption: impl Into<String>, notes: Vec<String>) -> Self {
        Section {
            caption: caption.into(),
            table: Table::default(),
            notes,
        }
    }

    /// A table without its empty columns; `None` if there is no row or no number.
    pub(super) fn table(
        caption: impl Into<String>,
        table: Table,
        notes: Vec<String>,
    ) -> Option<Self> {
        let table = table.shown();
        table.columns.iter().any(|c| c.is_number).then(|| Section {
            caption: caption.into(),
            table,
            notes,
        })
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
        if self.is_list() {
            let notes = self.notes.iter().map(|note| format!("- {note}\n"));
            return format!("## {}\n\n{}\n", self.caption, notes.collect::<String>());
        }
        let notes = self.notes.iter().map(|note| format!("\n{note}\n"));
        format!(
            "### {}\n\n{}{}\n",
            self.caption,
            self.table.markdown(),
            notes.collect::<String>()
        )
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
        assert_eq!(Section::table("Times", empty, Vec::new()), None);
        let text = terminal([&table(MOST_ROWS + 2)]);
        assert!(text.contains("2 more rows") && !text.contains("arm 41"));
        assert!(markdown([&table(MOST_ROWS + 2)]).contains("arm 41"));
    }
}
