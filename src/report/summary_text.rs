//! A report as sections: the answer, how sure it is, what does not follow, the numbers.

use super::accounting::accounting_table;
use super::arm_table::{arm_table, guard_notes};
use super::contrast_table::contrast_table;
use super::cost_table::cost_table;
use super::cpu_table::cpu_table;
use super::findings::{answer, place};
use super::grouped::grouped;
use super::level_title::listed;
use super::lock_table::lock_tables;
use super::phases::phase_tables;
use super::section::{self, Section};
use super::sweep_words::sweep_tables;
use crate::arm::Mode;
use crate::experiment::Experiment;
use crate::factor::{Factor, Factors, in_common};
use crate::procarray::MappingKind;
use crate::record::RunHead;
use crate::stats::Analysis;

/// `SUMMARY.md` of an experiment's runs.
pub fn markdown(experiment: &Experiment, items: &[&Analysis], figures: &[String]) -> String {
    let declared = vec![
        format!("Prediction: {}", experiment.prediction),
        format!("What would refute it: {}", experiment.refuted_by),
        format!("Primary outcome: {}", experiment.primary_outcome),
    ];
    let own = experiment.limits.iter().map(|l| (*l).to_owned());
    let limits = own.chain(limits(items)).collect();
    let sections = [
        answer(items),
        Section::list("What may not be concluded", limits),
        Section::list("How sure this is", certainty(items)),
        Section::list("Declared beforehand", declared),
    ];
    let title = format!(
        "{}\n\n**Question.** {}",
        experiment.name, experiment.question
    );
    page(&title, &sections, items, figures)
}

/// A page: a title, these sections, every table, the figures and where it comes from.
pub(super) fn page(
    title: &str,
    sections: &[Section],
    items: &[&Analysis],
    figures: &[String],
) -> String {
    let mut out = format!("# {title}\n\n{}## Numbers\n\n", section::markdown(sections));
    for analysis in items {
        out += &section::markdown(&tables(analysis));
    }
    if !figures.is_empty() {
        out += "## Figures\n\n";
        for figure in figures {
            out += &format!("![{figure}]({figure}.png)\n\n");
        }
    }
    let origin = items.iter().flat_map(|a| provenance(&a.run)).collect();
    let origin = Section::list("Where it comes from", origin);
    (out + &section::markdown([&origin])).trim_end().to_owned() + "\n"
}

/// Every table of a run.
pub fn tables(analysis: &Analysis) -> Vec<Section> {
    let contrasts = [
        contrast_table(analysis),
        arm_table(analysis),
        cost_table(analysis),
    ];
    contrasts
        .into_iter()
        .flatten()
        .chain(phase_tables(analysis))
        .chain(sweep_tables(analysis))
        .chain(lock_tables(analysis))
        .chain(accounting_table(analysis))
        .chain(cpu_table(analysis))
        .collect()
}

/// What the answer rests on, and what is missing from it.
pub(super) fn certainty(items: &[&Analysis]) -> Vec<String> {
    let mut lines = vec![
        "Intervals are bootstrap 95 % intervals over blocks. The permutation test errs in at most 5 % of cases for one outcome.".to_owned(),
        "Only the primary outcome is confirmatory. Everything else is exploratory and not corrected for multiplicity.".to_owned(),
    ];
    for analysis in items {
        let place = place(&analysis.run);
        let of_run = certainty_of(analysis).into_iter();
        lines.extend(of_run.map(|line| format!("{place}: {line}.")));
    }
    lines
}

fn certainty_of(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    let on = if run.config.server.as_ref().is_some_and(|s| s.is_url()) {
        "on one server, which was not started anew".to_owned()
    } else {
        format!("over {} fresh starts", analysis.starts)
    };
    let mut lines = vec![format!(
        "{} blocks {on}, interleaved in random order (seed {})",
        analysis.blocks, run.config.seed
    )];
    let partial = run.partial_reason();
    lines.extend(partial.map(|reason| format!("**the run is partial**: {reason}")));
    for absent in &run.absent_arms {
        let how = if absent.lost {
            "lost in mid-run"
        } else {
            "absent"
        };
        lines.push(format!("arm {} was {how}: {}", absent.arm, absent.reason));
    }
    lines.extend(absent_levels(analysis));
    let all: usize = analysis.levels.iter().map(|l| l.contenders.len()).sum();
    for (i, (text, about)) in guard_notes(analysis).into_iter().enumerate() {
        let which = if analysis.is_contrast() {
            format!("[{}] ", i + 1)
        } else {
            String::new()
        };
        lines.push(format!("{which}{text} ({about} of {all} arms and levels)"));
    }
    lines.extend(run.remarks.iter().cloned());
    lines
}

/// One line for each reason: which levels are absent for it, named by what they alone have.
fn absent_levels(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    let absent = run.absent_levels.iter();
    let by_reason = grouped(absent.map(|a| (a.reason.as_str(), &a.factors)));
    let had = analysis.level_factors();
    let line = |(reason, absent): (&str, Vec<&Factors>)| {
        let common = in_common(&absent, &had).into_iter();
        let words: Vec<String> = common.map(|(f, v)| format!("{} {v}", f.title())).collect();
        match &words[..] {
            [] => format!("{} levels were absent: {reason}", absent.len()),
            words => format!("levels with {} were absent: {reason}", words.join(", ")),
        }
    };
    by_reason.into_iter().map(line).collect()
}

fn limits(items: &[&Analysis]) -> Vec<String> {
    let mut lines = Vec::new();
    for analysis in items {
        let run = &analysis.run;
        let p = &run.provenance;
        if analysis.varying.contains(&Factor::Lock) {
            lines.push(format!(
                "Not a ranking of locks: threads of one process stand for backends, {} cores decide who runs next, and each lock's blocks lie in starts of their own. No test is made between two locks.",
                p.cores
            ));
        }
        match run.mode {
            Mode::Server => {
                lines.push(format!(
                    "Not other machines: load and server share {} cores ({}), so CPU queueing is part of every tail.",
                    p.cores, p.cpu_model
                ));
                lines.push(one_of_each(analysis));
            }
            Mode::Model => {
                let lock = match other_locks(run).as_slice() {
                    [] => String::new(),
                    [one] => format!("{one} is not an LWLock, "),
                    many => format!("{} are not LWLocks, ", many.join(", ")),
                };
                let faults = match run.config.factors.mapping[..] {
                    [MappingKind::Shared] => "share page tables (no page faults under the lock)",
                    _ => "share page tables but where the mapping is fresh or forked",
                };
                lines.push(format!("Not PostgreSQL from the model: threads of one process stand for backends and {faults}, {lock}and what a fork costs is burnt as plain CPU."));
            }
        }
    }
    lines
}

/// Which of a server's factors did not vary.
fn one_of_each(analysis: &Analysis) -> String {
    let single: Vec<&str> = [
        (Factor::Pg, "versions"),
        (Factor::SlotOrder, "slot orders"),
        (Factor::PageSize, "page sizes"),
        (Factor::Auth, "authentication"),
        (Factor::Transport, "transports"),
    ]
    .iter()
    .filter(|(factor, _)| !analysis.varying.contains(factor))
    .map(|(_, words)| *words)
    .collect();
    format!(
        "Not other {}: one of each was measured. Slot order was arranged but not verified.",
        single.join(", ")
    )
}

/// The run's locks that are not PostgreSQL's.
fn other_locks(run: &RunHead) -> Vec<&'static str> {
    let locks = run.config.factors.lock.iter();
    locks
        .map(|choice| choice.kind.name())
        .filter(|name| !name.starts_with("lwlock"))
        .collect()
}

pub(super) fn provenance(run: &RunHead) -> Vec<String> {
    let p = &run.provenance;
    let mut out = vec![format!(
        "{} run `{}` of {}: procbench {} (revision {}, {}), {}, {} cores, Linux {}, clock {} ({:.0} ns per read).",
        run.mode,
        run.run_id,
        run.started_at,
        p.tool_version,
        p.tool_revision,
        p.rustc,
        p.cpu_model,
        p.cores,
        p.kernel,
        run.clock.source,
        run.clock.read_cost_ns
    )];
    if let Some(server) = &p.server {
        let settings: Vec<String> = [
            "huge_pages",
            "max_connections",
            "shared_buffers",
            "autovacuum",
            "jit",
        ]
        .iter()
        .filter_map(|name| Some(format!("{name} = {}", server.settings.get(*name)?)))
        .collect();
        out.push(format!(
            "Server: PostgreSQL {} ({}), {}, {}, auth {}; PgBouncer {}.",
            server.versions(),
            server.chosen_because,
            settings.join(", "),
            server.transport,
            server.auth,
            server.pgbouncer.as_deref().unwrap_or("none")
        ));
    }
    if let Some(c) = &run.calibration {
        let rates: Vec<String> = c
            .sustained_per_second
            .iter()
            .map(|(arm, rate)| format!("{arm} {rate:.0}/s"))
            .collect();
        out.push(format!(
            "Calibration at {} standing connections, closed loop: {}; clients ran at {}.",
            c.standing,
            rates.join(", "),
            match &run.config.factors.client_rate[..] {
                [] => format!(
                    "half of the weakest ({}), {}/s",
                    c.weakest, c.client_rate_per_second
                ),
                shares => format!("{} of the weakest ({})", listed(shares), c.weakest),
            }
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{analyse, find};
    use crate::record::AbsentLevel;
    use crate::testing::{sample_run, sample_run_with_versions};

    #[test]
    fn an_absent_version_is_named_by_its_version() {
        let mut run = sample_run_with_versions(&["15"]);
        for block in &mut run.blocks {
            block.factors.page_size = Some("4k".parse().unwrap());
        }
        let levels = run.levels();
        run.absent_levels = levels
            .iter()
            .map(|had| AbsentLevel {
                factors: Factors {
                    pg: Some("99".parse().unwrap()),
                    ..had.clone()
                },
                reason: "no such version".to_owned(),
                wanted: true,
            })
            .collect();
        let lines = certainty(&[&analyse(&run)]).join("\n");
        let line = "levels with PostgreSQL 99 were absent: no such version.";
        assert_eq!(lines.matches(line).count(), 1, "{lines}");
        assert!(!lines.contains("pages"), "{lines}");
    }

    #[test]
    fn the_answer_stands_first_and_many_levels_take_rows_not_sentences() {
        let versions = ["13", "14", "15", "16", "17", "18"];
        let analysis = analyse(&sample_run_with_versions(&versions));
        let text = markdown(find("churn-tail").unwrap(), &[&analysis], &[]);
        let (answer, rest) = text.split_once("## What may not").unwrap();
        assert!(answer.contains("## What was found") && rest.contains("## Numbers"));
        assert!(answer.lines().all(|l| l.len() < 500), "{answer}");
        let levels = "| unpooled minus kept-open | p99 |";
        assert_eq!(rest.matches(levels).count(), 12);
        assert!(
            markdown(
                find("churn-tail").unwrap(),
                &[&analyse(&sample_run(8))],
                &["a".into()]
            )
            .contains("![a](a.png)")
        );
    }
}
