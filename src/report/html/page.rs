//! The page: the claims and the answer first, then each experiment.

use std::cmp::Reverse;

use askama::Template;

use super::claim::{self, Claim};
use super::error::PageError;
use super::markup::Markup;
use super::part::{Part, Presented};
use crate::experiment::registry;
use crate::report::argument::CAPTION;
use crate::report::brief::Brief;
use crate::report::grouped::grouped;
use crate::stats::Analysis;

/// Runs of one experiment, or a free run.
pub struct Group<'a> {
    /// Where they lie below the page's directory; empty where that is their own.
    pub dir: String,
    /// The runs.
    pub runs: Vec<&'a Analysis>,
}

/// Name of the page in its directory.
pub const REPORT_FILE_NAME: &str = "report.html";

/// A whole page.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    question: Option<Markup>,
    /// The argument's title and its sentences, in a chapter.
    claims: Option<(&'static str, Vec<Claim>)>,
    answer: Vec<Markup>,
    caution: Option<Markup>,
    parts: Vec<Part>,
    style: &'static str,
    script: &'static str,
}

const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");

/// The page of a chapter: its argument, then each experiment.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn of_chapter(runs: &[&Analysis]) -> Result<String, PageError> {
    let by_name = runs.iter().map(|run| (run.run.experiment.clone(), *run));
    let groups = grouped(by_name).into_iter();
    let groups = in_order(groups.map(|(dir, runs)| Group { dir, runs }).collect());
    let runs: Vec<&Analysis> = groups.iter().flat_map(|g| g.runs.iter().copied()).collect();
    let parts = parts(&groups)?;
    let brief = Brief::of_chapter(&runs);
    let has_figure = |id: &str| parts.iter().any(|part| part.has_figure(id));
    let claims = claim::of_runs(&runs, has_figure);
    render(Page {
        question: Some(Markup::of(&brief.question)),
        claims: Some((CAPTION, claims)),
        answer: Markup::all(brief.paragraphs()),
        caution: brief.bare_caution().map(Markup::of),
        ..Page::new("What churn does to running queries".to_owned(), parts)
    })
}

/// The page of runs that are no chapter.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn of_groups(groups: Vec<Group<'_>>) -> Result<String, PageError> {
    of_parts(parts(&in_order(groups))?)
}

/// The page of experiments that present themselves.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn of_presented(experiments: Vec<Presented>) -> Result<String, PageError> {
    let parts = experiments.into_iter().map(Part::of_presented);
    of_parts(parts.collect::<Result<_, _>>()?)
}

fn of_parts(mut parts: Vec<Part>) -> Result<String, PageError> {
    if let [alone] = &mut parts[..] {
        alone.is_alone = true;
        return render(Page {
            question: Some(alone.question.clone()),
            answer: alone.answer.clone(),
            caution: alone.caution.clone(),
            ..Page::new(alone.name.clone(), parts)
        });
    }
    render(Page::new("Stored runs".to_owned(), parts))
}

impl Page {
    fn new(title: String, parts: Vec<Part>) -> Self {
        Page {
            title,
            question: None,
            claims: None,
            answer: Vec::new(),
            caution: None,
            parts,
            style: STYLE,
            script: SCRIPT,
        }
    }
}

fn render(page: Page) -> Result<String, PageError> {
    // A template ends without its last line end.
    Ok(page.render()? + "\n")
}

/// In the order of the chapter, the server before the model.
fn in_order(mut groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    for group in &mut groups {
        group.runs.sort_by_key(|run| Reverse(run.run.mode));
    }
    let place = |group: &Group<'_>| {
        let name = group.runs.first().map(|a| &a.run.experiment);
        let known = registry()
            .iter()
            .position(|e| Some(e.name) == name.map(String::as_str));
        known.unwrap_or(usize::MAX)
    };
    groups.sort_by_key(|group| (place(group), group.dir.clone()));
    groups
}

fn parts(groups: &[Group<'_>]) -> Result<Vec<Part>, PageError> {
    groups.iter().map(|g| Part::of(&g.dir, &g.runs)).collect()
}
