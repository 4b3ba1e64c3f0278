//! One experiment of the page: question, prediction, what was found, figures, tables, guards, origin, command.

use askama::Template;
use itertools::Itertools;

use super::error::PageError;
use super::inline_figure::{InlineFigure, id_of};
use super::markup::Markup;
use super::table::TableHtml;
use crate::experiment::find;
use crate::report::brief::Brief;
use crate::report::drawings::{self, Drawing};
use crate::report::findings::{findings, place};
use crate::report::footer::footer;
use crate::report::one_page::commands;
use crate::report::section::Section;
use crate::report::summary_text::{certainty, limits, provenance, side_by_side, tables};
use crate::report::{advice, prediction};
use crate::stats::Analysis;

/// One experiment's runs on the page.
#[derive(Template)]
#[template(path = "part.html")]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether the page is about it alone, and says name, question and answer at its top.
    pub(super) is_alone: bool,
    pub(super) question: Markup,
    /// What became of the prediction in each run.
    pub(super) outcomes: Vec<String>,
    declared: Option<Declared>,
    /// Whether to pool, for somebody's own server.
    advice: Vec<TableHtml>,
    pub(super) answer: Vec<Markup>,
    pub(super) caution: Option<Markup>,
    found: Vec<Markup>,
    figure: Option<InlineFigure>,
    more_figures: Vec<InlineFigure>,
    numbers: Option<TableHtml>,
    tables: Vec<TableHtml>,
    certainty: Vec<Markup>,
    limits: Vec<Markup>,
    origin: Vec<Markup>,
    commands: Vec<String>,
}

/// An experiment without arms and levels, in the words of its own module.
pub struct Presented {
    /// Name on the command line.
    pub name: &'static str,
    /// Question.
    pub question: &'static str,
    /// Prediction, what refutes it, primary outcome.
    pub declared: [&'static str; 3],
    /// At most three sentences.
    pub answer: Vec<String>,
    /// The one that matters, without the word.
    pub caution: Option<String>,
    /// The table that goes with the answer.
    pub claims: Section,
    /// The others.
    pub tables: Vec<Section>,
    /// What had to be so, and whether it was.
    pub checks: Vec<String>,
    /// What may not be concluded.
    pub limits: Vec<String>,
    /// Run, server, machine, program; under each figure, too.
    pub origin: Vec<String>,
    /// The figures, the most telling first.
    pub drawings: Vec<Drawing>,
    /// The same again.
    pub command: String,
}

/// What was declared beforehand.
struct Declared {
    prediction: Markup,
    refuted_by: Markup,
    primary_outcome: Markup,
}

impl Part {
    /// The part of these runs, the server's first; `place` is where they lie below the page's directory.
    pub(super) fn of(dir: &str, runs: &[&Analysis]) -> Result<Self, PageError> {
        let measured = runs.first().map_or("", |a| a.run.experiment.as_str());
        let experiment = find(measured).ok();
        let id = id_of(if dir.is_empty() { measured } else { dir });
        let (figure, more_figures) = figures(&id, runs)?;
        let mut brief = Brief::of(experiment, runs);
        let advised = runs.iter().filter_map(|a| advice::advice(a)).flatten();
        let mut advised = advised.collect_vec();
        if !advised.is_empty() {
            let first = advised.remove(0);
            (brief.question, brief.answer) = (first.caption, first.notes);
        }
        let of_runs = runs.iter().flat_map(|a| tables(a));
        // What the figures' captions say of the load; the runs and the machine are there already.
        let load = footer(runs).into_iter().dropping(1).dropping_back(1);
        let origin = runs.iter().flat_map(|a| provenance(&a.run));
        let outcome = |a: &&Analysis| {
            let outcome = prediction::outcome(a)?;
            Some(format!("{}: {outcome}", place(&a.run)))
        };
        let name = match (experiment, runs) {
            (None, [run, ..]) => place(&run.run),
            _ => measured.to_owned(),
        };
        let declared = experiment.map(|e| Declared {
            prediction: Markup::of(e.prediction),
            refuted_by: Markup::of(e.refuted_by),
            primary_outcome: Markup::of(e.primary_outcome),
        });
        Ok(Part {
            name: match dir.ends_with(&name) || dir.is_empty() {
                true => name,
                false => format!("{name} ({dir})"),
            },
            id,
            is_alone: false,
            outcomes: runs.iter().filter_map(outcome).collect(),
            declared,
            advice: advised.into_iter().map(TableHtml::of).collect(),
            answer: Markup::all(brief.paragraphs()),
            caution: brief.bare_caution().map(Markup::of),
            question: Markup::of(&brief.question),
            found: Markup::all(runs.iter().flat_map(|a| findings(a))),
            figure,
            more_figures,
            numbers: brief.table.map(TableHtml::of),
            tables: of_runs
                .chain(side_by_side(runs))
                .map(TableHtml::of)
                .collect(),
            certainty: Markup::all(certainty(runs)),
            limits: Markup::all(limits(experiment, runs)),
            origin: Markup::all(origin.chain(load)),
            commands: commands(runs),
        })
    }

    /// The part of an experiment that presents itself.
    pub(super) fn of_presented(presented: Presented) -> Result<Self, PageError> {
        let id = id_of(presented.name);
        let drawings = presented.drawings.iter();
        let drawn = drawings.map(|drawing| InlineFigure::of(&id, drawing, &presented.origin));
        let mut more_figures = drawn.collect::<Result<Vec<_>, _>>()?;
        let figure = (!more_figures.is_empty()).then(|| more_figures.remove(0));
        let [prediction, refuted_by, primary_outcome] = presented.declared.map(Markup::of);
        Ok(Part {
            id,
            name: presented.name.to_owned(),
            is_alone: false,
            question: Markup::of(presented.question),
            outcomes: Vec::new(),
            declared: Some(Declared {
                prediction,
                refuted_by,
                primary_outcome,
            }),
            advice: Vec::new(),
            answer: Markup::all(&presented.answer),
            caution: presented.caution.as_deref().map(Markup::of),
            found: Vec::new(),
            figure,
            more_figures,
            numbers: Some(TableHtml::of(presented.claims)),
            tables: presented.tables.into_iter().map(TableHtml::of).collect(),
            certainty: Markup::all(&presented.checks),
            limits: Markup::all(&presented.limits),
            origin: Markup::all(&presented.origin),
            commands: vec![presented.command],
        })
    }

    /// Whether one of its figures has this id.
    pub(super) fn has_figure(&self, id: &str) -> bool {
        let mut figures = self.figure.iter().chain(&self.more_figures);
        figures.any(|figure| figure.id == id)
    }
}

/// The figure that shows most, and the others.
fn figures(
    id: &str,
    runs: &[&Analysis],
) -> Result<(Option<InlineFigure>, Vec<InlineFigure>), PageError> {
    let drawings = drawings::of_experiment(runs);
    let doses = drawings.iter();
    let doses = doses
        .map(|d| &d.0)
        .find_position(|name| name.ends_with("dose-response"));
    let first = doses.map_or(0, |(at, _)| at);
    // Runs, load and machine are said once, at the end of the part.
    let of_each = runs.iter().flat_map(|run| footer(&[run]));
    let said = of_each.chain(footer(runs)).collect_vec();
    let drawn = drawings.iter();
    let drawn = drawn.map(|drawing| InlineFigure::of(id, drawing, &said));
    let mut drawn = drawn.collect::<Result<Vec<_>, _>>()?;
    let figure = (first < drawn.len()).then(|| drawn.remove(first));
    Ok((figure, drawn))
}
