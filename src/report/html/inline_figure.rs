//! A figure inside the page: drawn with live text, its numbers under the pointer and as a table.

use askama::Template;
use itertools::Itertools;

use super::error::PageError;
use super::table::TableHtml;
use crate::report::drawings::Drawing;
use crate::report::figure::{Drawn, Look, Told};
use crate::report::section::{Section, Table, cell};

/// A figure with its caption and its numbers.
#[derive(Template)]
#[template(path = "figure.html")]
pub(super) struct InlineFigure {
    pub(super) id: String,
    /// Its files' name.
    name: String,
    /// Title and what to look at: what it is to who cannot see it.
    title: String,
    subtitle: String,
    /// What its picture does not say.
    notes: Vec<String>,
    drawn: Drawn,
    /// Where each row of the table is drawn: left, top, width and height in pixels.
    places: String,
    numbers: Option<TableHtml>,
}

/// An id from a name.
pub(super) fn id_of(name: &str) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric();
    let kept = name.split(|c| !is_kept(c)).filter(|word| !word.is_empty());
    kept.format("-").to_string()
}

impl InlineFigure {
    /// Draws a figure; lines of its caption in `said` stand elsewhere in the part.
    pub(super) fn of(
        part: &str,
        (name, figure): &Drawing,
        said: &[String],
    ) -> Result<Self, PageError> {
        let mut caption = figure.caption().into_iter();
        let mut next = || caption.next().unwrap_or_default();
        let (title, subtitle) = (next(), next());
        let drawn = figure.drawn(Look::Screen)?;
        Ok(InlineFigure {
            id: id_of(&format!("{part}/{name}")),
            name: name.clone(),
            notes: caption.filter(|line| !said.contains(line)).collect(),
            places: drawn.told.iter().map(place).join(" "),
            numbers: numbers(&title, &drawn.told).map(TableHtml::of),
            title,
            subtitle,
            drawn,
        })
    }
}

/// `12,34,0,5`.
fn place(told: &Told) -> String {
    let [left, top, width, height] = told.place();
    format!("{left:.0},{top:.0},{width:.0},{height:.0}")
}

/// What the marks say, a row each.
fn numbers(title: &str, told: &[Told]) -> Option<Section> {
    let table = Table::new(["series", "at"], ["value", "95 % interval", "samples"]);
    let mut table = table.and_words(["panel", "remark"]);
    for mark in told {
        let cells = [
            &mark.series,
            &mark.at,
            &mark.value,
            &mark.interval,
            &mark.samples,
            &mark.panel,
            &mark.remark,
        ];
        let has_text = |text: &String| (!text.is_empty()).then(|| text.clone());
        table.push(cells.map(|text| cell(has_text(text))).to_vec());
    }
    let caption = format!("Numbers of the figure \"{title}\"");
    Section::table(caption, table, std::iter::empty::<String>())
}
