//! `SUMMARY.md`: one page with the answer, one figure, what does not follow, and the command.

use itertools::Itertools;

use super::argument::argument_section;
use super::brief::{Brief, CHURN};
use super::section::{Section, markdown};
use crate::arm::Mode;
use crate::experiment::Experiment;
use crate::record::Provenance;
use crate::stats::Analysis;

/// Of an experiment's runs.
pub fn of_experiment(experiment: &Experiment, items: &[&Analysis], figures: &[String]) -> String {
    let brief = Brief::of(Some(experiment), items);
    let limits = experiment.limits.iter().map(|l| (*l).to_owned());
    page_of(&brief.title, &brief, limits.collect(), items, figures)
}

/// Of an answer on one screen.
pub(super) fn page_of(
    title: &str,
    brief: &Brief,
    limits: Vec<String>,
    items: &[&Analysis],
    figures: &[String],
) -> String {
    // Of arms against each other the server's figure is the answer's; of others the first.
    let is_contrast = items.iter().any(|item| item.is_contrast());
    let ending = |end: &str| figures.iter().find(|f| f.ends_with(end));
    let telling = ["dose-response", "server/response-time"].map(ending);
    let telling = telling.into_iter().flatten().next().filter(|_| is_contrast);
    let sections = [
        measured(items),
        answer(brief) + &markdown(&brief.table),
        advised(brief),
        figure(telling.or(figures.first()).map(String::as_str)),
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
        .contains(&CHURN)
        .then_some("churn-tail/server/response-time");
    let limits = vec!["Not other machines or versions of PostgreSQL than those named above: `procbench run lock-part` has the versions.".to_owned()];
    let sections = [
        measured(runs),
        answer(&brief),
        markdown(&[argument_section(runs)]),
        advised(&brief),
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

/// When it was measured, in what, and where.
fn measured(items: &[&Analysis]) -> String {
    let runs = items.iter().map(|a| &a.run);
    let days = runs.clone().map(|run| run.started_at.split('T').next());
    let servers = runs.clone().filter_map(|r| r.provenance.server.as_ref());
    let versions = servers.flat_map(|s| match &s.servers[..] {
        [] => vec![&s.version],
        several => several.iter().map(|s| &s.version).collect(),
    });
    let versions = versions.filter_map(|v| v.split(' ').next());
    let versions = versions.sorted().dedup().join(", ");
    let mut what = Vec::new();
    what.extend((!versions.is_empty()).then(|| format!("PostgreSQL {versions}")));
    if runs.clone().any(|run| run.mode == Mode::Model) {
        what.push("the model".to_owned());
    }
    let machines = runs.map(|run| run.provenance.machine()).unique();
    match what.is_empty() {
        true => String::new(),
        false => when_and_where(
            &days.flatten().sorted().dedup().join(", "),
            &what.join(" and "),
            &machines.format("; ").to_string(),
        ),
    }
}

/// The first line below a page's title.
pub(crate) fn when_and_where(days: &str, what: &str, machines: &str) -> String {
    format!("Measured {days}: {what}, on {machines}.\n\n")
}

pub(crate) fn advised(brief: &Brief) -> String {
    brief.advice().map_or(String::new(), |line| line + "\n\n")
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

/// What changes nothing of a run: how much is said meanwhile, and whether an old one is replaced.
const TALK: [&str; 6] = [
    "-v",
    "--verbose",
    "-q",
    "--quiet",
    "--overwrite",
    "--details",
];

/// What measured a run, without where it was written and how it was talked of.
pub(crate) fn command(provenance: &Provenance) -> String {
    let mut given = provenance.command_line.clone();
    for place in ["--out", "--resume"] {
        if let Some(at) = given.iter().position(|word| word == place) {
            given.drain(at..(at + 2).min(given.len()));
        }
    }
    given.retain(|word| !TALK.contains(&word.as_str()));
    format!("procbench {}", given.iter().skip(1).join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{analyse, registry};
    use crate::record::ServerProvenance;
    use crate::testing::sample_run;

    #[test]
    fn a_page_says_what_when_where_and_what_to_do() {
        for experiment in registry() {
            let mut server = sample_run(12);
            server.experiment = experiment.name.to_owned();
            server.started_at = "2026-11-24T21:27:02Z".to_owned();
            server.provenance.cpu_model = "Some CPU".to_owned();
            let mut model = server.clone();
            (server.mode, model.mode) = (Mode::Server, Mode::Model);
            server.provenance.server = Some(ServerProvenance {
                version: "15.18 (Debian 15.18-0+deb12u1)".to_owned(),
                ..ServerProvenance::default()
            });
            let items = [analyse(&server), analyse(&model)];
            let page = of_experiment(experiment, &[&items[0], &items[1]], &[]);
            let title = format!("# {}, PostgreSQL 15.18 and Model", experiment.name);
            assert!(page.starts_with(&title), "{page}");
            for part in [
                "Measured 2026-11-24: PostgreSQL 15.18 and the model, on Some CPU",
                "**What to do.** ",
                experiment.what_to_do,
            ] {
                assert!(page.contains(part), "{part} in {page}");
            }
            assert_eq!(experiment.what_to_do.matches('.').count(), 1);
        }
    }

    #[test]
    fn the_command_is_without_places_of_this_machine() {
        let given = "/opt/procbench chapter --resume results/chapter --out /tmp/x --quick -v";
        let provenance = Provenance {
            command_line: given.split(' ').map(str::to_owned).collect(),
            ..sample_run(2).provenance.clone()
        };
        assert_eq!(command(&provenance), "procbench chapter --quick");
    }
}
