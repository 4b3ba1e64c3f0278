//! A run on a cluster on one screen, on one page, and drawn.

use super::assessment::{Assessment, Check, Must};
use super::definition::ClusterExperiment;
use super::registry::of;
use super::run_file::ClusterRun;
use crate::report::brief::Brief;
use crate::report::drawings::Drawing;
use crate::report::html::{self, PageError, Presented};
use crate::report::one_page::{advised, command, when_and_where};
use crate::report::section::{Section, Table, markdown};

/// The claims as a table.
fn claims(assessment: &Assessment, section: &str) -> Section {
    let mut table = Table::new(["sentence", "verdict", "measured"], [""; 0]);
    for claim in &assessment.claims {
        table.push(vec![
            claim.said.to_owned(),
            claim.verdict.to_string(),
            claim.found.clone(),
        ]);
    }
    Section {
        caption: format!("Sentences about {section}"),
        table,
        notes: Vec::new(),
    }
}

/// Whether it is so.
fn is_so(check: &Check) -> String {
    match (&check.violations[..], check.looked_at) {
        (_, 0) => "not looked at".to_owned(),
        ([], _) => "so everywhere".to_owned(),
        (not, _) => format!("not so: {}", not.join("; ")),
    }
}

/// What had to be so, and whether it was.
fn checks(assessment: &Assessment) -> Section {
    let mut table = Table::new(["kind", "what must be so", "it is"], ["looked at"]);
    for check in &assessment.checks {
        table.push(vec![
            check.must.to_string(),
            check.rule.to_owned(),
            is_so(check),
            check.looked_at.to_string(),
        ]);
    }
    Section {
        caption: "What had to be so".to_owned(),
        table,
        notes: Vec::new(),
    }
}

/// What stands under every figure.
fn footer(experiment: &ClusterExperiment, run: &ClusterRun) -> Vec<String> {
    let p = &run.provenance;
    let mut lines = vec![format!("{} run {}", experiment.name, run.run_id)];
    let server = p.server.as_ref().map_or("", |s| &s.version);
    lines.push(format!("PostgreSQL {server}; {}", run.started_at));
    let partial = run.partial_reason();
    lines.extend(partial.map(|reason| format!("PARTIAL: {reason}")));
    lines.push(format!(
        "{}; procbench {} ({})",
        p.machine(),
        p.tool_version,
        p.tool_revision
    ));
    lines
}

/// Its figures, with the names of their files.
pub fn drawings(experiment: &ClusterExperiment, run: &ClusterRun) -> Vec<Drawing> {
    (experiment.drawings)(&run.measured, &footer(experiment, run))
}

fn caution(assessment: &Assessment, run: &ClusterRun) -> Option<String> {
    let partial = run
        .partial_reason()
        .map(|why| format!("Caution: the run is partial: {why}."));
    let mut shown = assessment.checks.iter().filter(|c| c.must == Must::Show);
    let void = || {
        let check = shown.find(|c| !c.violations.is_empty())?;
        Some(format!(
            "Caution: void where it was not seen that {}: {}.",
            check.rule,
            check.violations.join("; ")
        ))
    };
    partial.or_else(void)
}

/// For the terminal: one screen; every table before it, if asked for.
pub fn terminal(
    experiment: &ClusterExperiment,
    run: &ClusterRun,
    assessment: &Assessment,
    rest: &str,
) -> String {
    brief(experiment, run, assessment).terminal(rest)
}

fn brief(experiment: &ClusterExperiment, run: &ClusterRun, assessment: &Assessment) -> Brief {
    let verdicts = claims(assessment, experiment.section);
    let mut table = Table::new(["sentence", "verdict"], [""; 0]);
    for claim in &assessment.claims {
        table.push(vec![claim.said.to_owned(), claim.verdict.to_string()]);
    }
    Brief {
        title: experiment.name.to_owned(),
        question: experiment.question.to_owned(),
        answer: assessment.answer.clone(),
        table: Some(Section { table, ..verdicts }),
        caution: caution(assessment, run),
        what_to_do: Some(experiment.what_to_do),
    }
}

/// One HTML page of these runs.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn html(runs: &[ClusterRun]) -> Result<String, PageError> {
    let presented = runs.iter().map(|run| {
        let experiment = of(&run.measured);
        let assessment = (experiment.assess)(&run.measured);
        let checks = assessment.checks.iter();
        let brief = brief(experiment, run, &assessment);
        Presented {
            name: experiment.name,
            question: experiment.question,
            declared: [
                experiment.prediction,
                experiment.refuted_by,
                experiment.primary_outcome,
            ],
            caution: brief.bare_caution().map(str::to_owned),
            claims: claims(&assessment, experiment.section),
            checks: checks
                .map(|c| format!("{}: {}: {}.", c.must, c.rule, is_so(c)))
                .collect(),
            limits: experiment.limits.iter().map(|l| (*l).to_owned()).collect(),
            origin: footer(experiment, run),
            drawings: drawings(experiment, run),
            command: command(&run.provenance),
            answer: brief.paragraphs(),
            tables: assessment.tables,
        }
    });
    html::of_presented(presented.collect())
}

/// `SUMMARY.md` and `DETAILS.md`.
pub fn summary(
    experiment: &ClusterExperiment,
    run: &ClusterRun,
    assessment: &Assessment,
    figures: &[String],
) -> (String, String) {
    let figure = |stem: &String| format!("![{stem}]({stem}.png)\n\n");
    let mut limits: Vec<String> = experiment.limits.iter().map(|l| (*l).to_owned()).collect();
    limits.extend(caution(assessment, run));
    let p = &run.provenance;
    let version = p.server.as_ref().map_or("", |s| &s.version);
    let version = version.split(' ').next().unwrap_or_default();
    let day = run.started_at.split('T').next().unwrap_or_default();
    let page = [
        format!("# {}\n\n", experiment.name),
        when_and_where(day, &format!("PostgreSQL {version}"), &p.machine()),
        format!("**Question.** {}\n\n", experiment.question),
        format!("## Answer\n\n{}\n\n", assessment.answer.join("\n\n")),
        markdown(&[claims(assessment, experiment.section)]),
        advised(&brief(experiment, run, assessment)),
        figures.first().map(figure).unwrap_or_default(),
        markdown(&[Section::list("What it does not show", limits)]),
        format!("## The same again\n\n    {}\n\n", command(&run.provenance)),
        "All tables and figures: [DETAILS.md](DETAILS.md).\n".to_owned(),
    ];
    let declared = vec![
        format!("**Prediction.** {}", experiment.prediction),
        format!("**Refuted by.** {}", experiment.refuted_by),
        format!("**Primary outcome.** {}", experiment.primary_outcome),
    ];
    let details = [
        format!("# {}: details\n\n", experiment.name),
        markdown(&[Section::list("Declared beforehand", declared)]),
        markdown(&[checks(assessment)]),
        markdown(&assessment.tables),
        figures.iter().map(figure).collect(),
        markdown(&[Section::list(
            "Where it was measured",
            footer(experiment, run),
        )]),
    ];
    let details = details.concat();
    (page.concat(), format!("{}\n", details.trim_end()))
}
