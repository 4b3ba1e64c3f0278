//! `SUMMARY.md`: one page with the answer, one figure, what does not follow, and the command.

use itertools::Itertools;

use super::argument::argument_section;
use super::brief::Brief;
use super::section::{Section, markdown};
use crate::experiment::Experiment;
use crate::record::Provenance;
use crate::stats::Analysis;

/// Of an experiment's runs.
pub fn of_experiment(experiment: &Experiment, items: &[&Analysis], figures: &[String]) -> String {
    let brief = Brief::of(Some(experiment), items);
    let limits = experiment.limits.iter().map(|l| (*l).to_owned());
    page_of(experiment.name, &brief, limits.collect(), items, figures)
}

/// Of an answer on one screen.
pub(super) fn page_of(
    title: &str,
    brief: &Brief,
    limits: Vec<String>,
    items: &[&Analysis],
    figures: &[String],
) -> String {
    let doses = figures.iter().find(|f| f.ends_with("dose-response"));
    let sections = [
        answer(brief) + &markdown(&brief.table),
        figure(doses.or(figures.first()).map(String::as_str)),
        limited(limits, brief),
        again(items),
        "All tables and figures, and how sure each number is: [DETAILS.md](DETAILS.md).\n"
            .to_owned(),
    ];
    format!("# {title}\n\n{}", sections.concat())
}

/// Of a chapter: its argument sentence by sentence, then where each experiment's own page is.
pub fn of_chapter(runs: &[&Analysis]) -> String {
    let brief = Brief::of_chapter(runs);
    let names = runs.iter().map(|r| r.run.experiment.as_str()).unique();
    let links = names
        .clone()
        .map(|name| format!("[{name}]({name}/SUMMARY.md)"));
    let links = Section::list("Each experiment on its own page", links.collect());
    let drawn = names
        .clone()
        .contains(&"churn-tail")
        .then_some("churn-tail/server/response-time");
    let limits = vec![
        "Not other machines than the one that is named in each experiment's DETAILS.md.".to_owned(),
    ];
    let sections = [
        answer(&brief),
        markdown(&[argument_section(runs)]),
        figure(drawn),
        limited(limits, &brief),
        again(&runs.iter().copied().take(1).collect_vec()),
        markdown(&[links]),
    ];
    let text = sections.concat();
    format!(
        "# What churn does to running queries\n\n{}\n",
        text.trim_end()
    )
}

fn answer(brief: &Brief) -> String {
    let (question, answer) = (&brief.question, brief.answer.join("\n\n"));
    format!("**Question.** {question}\n\n## Answer\n\n{answer}\n\n")
}

fn figure(stem: Option<&str>) -> String {
    stem.map_or(String::new(), |stem| format!("![{stem}]({stem}.png)\n\n"))
}

fn limited(mut limits: Vec<String>, brief: &Brief) -> String {
    limits.extend(brief.caution.clone());
    markdown(&[Section::list("What it does not show", limits)])
}

fn again(items: &[&Analysis]) -> String {
    let lines = commands(items).into_iter();
    let lines = lines.map(|line| format!("    {line}\n"));
    format!("## The same again\n\n{}\n", lines.format(""))
}

/// The command lines, without this machine's paths: of the program, and of where results went.
pub(super) fn commands(items: &[&Analysis]) -> Vec<String> {
    let lines = items
        .iter()
        .map(|analysis| command(&analysis.run.provenance));
    lines.unique().collect()
}

/// What measured a run, without where it was written.
pub(crate) fn command(provenance: &Provenance) -> String {
    let mut given = provenance.command_line.clone();
    if let Some(at) = given.iter().position(|word| word == "--out") {
        given.drain(at..(at + 2).min(given.len()));
    }
    format!("procbench {}", given.iter().skip(1).join(" "))
}
