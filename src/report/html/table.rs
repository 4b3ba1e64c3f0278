//! A section's table as HTML, in a box of its own that scrolls.

use askama::Template;

use super::markup::{Markup, plain};
use crate::report::section::Section;

/// A section: its table with its notes, or its notes as a list.
#[derive(Template)]
#[template(path = "table.html")]
pub(super) struct TableHtml {
    pub(super) caption: Markup,
    name: String,
    section: Section,
    notes: Vec<Markup>,
}

impl TableHtml {
    pub(super) fn of(section: Section) -> Self {
        TableHtml {
            caption: Markup::of(&section.caption),
            name: plain(&section.caption),
            notes: Markup::all(&section.notes),
            section,
        }
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> usize {
        self.section.table.rows.len()
    }
}
