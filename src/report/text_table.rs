//! A table as text, for the terminal and for Markdown.

use comfy_table::{Cell, CellAlignment, Table};

/// The first row is the header, the first column names; the others are numbers.
pub(super) struct TextTable(pub(super) Vec<Vec<String>>);

impl TextTable {
    /// With rules around every cell.
    pub(super) fn terminal(&self) -> Table {
        let mut table = Table::new();
        for (i, row) in self.0.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(column, text)| {
                let cell = Cell::new(text);
                if column == 0 {
                    cell
                } else {
                    cell.set_alignment(CellAlignment::Right)
                }
            });
            if i == 0 {
                table.set_header(cells);
            } else {
                table.add_row(cells);
            }
        }
        table
    }

    /// As Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        for (i, row) in self.0.iter().enumerate() {
            out += &format!("| {} |\n", row.join(" | "));
            if i == 0 {
                out += &format!("|---|{}\n", "---:|".repeat(row.len() - 1));
            }
        }
        out
    }
}
