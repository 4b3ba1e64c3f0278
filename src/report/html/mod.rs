//! A report as one HTML page that needs nothing else: the third printer of sections, and the figures inline.
//!
//! The templates are in `templates/`, with the style and the script that are put into the page.

mod claim;
mod error;
mod inline_figure;
mod markup;
mod page;
#[cfg(test)]
mod page_tests;
mod part;
mod table;

pub(crate) use error::PageError;
pub(crate) use page::{Group, REPORT_FILE_NAME, of_chapter, of_groups, of_presented};
pub(crate) use part::Presented;
