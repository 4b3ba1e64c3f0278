//! A report as sections: the answer, how sure it is, what does not follow, the numbers.

use itertools::Itertools;

use super::accounting::{accounting_table, accounts_beside};
use super::across_table::across_table;
use super::arm_table::{arm_table, guard_notes};
use super::busy_table::busy_table;
use super::contrast_table::contrast_table;
use super::cost_table::cost_table;
use super::cpu_table::cpu_table;
use super::dose_table::dose_table;
use super::findings::{answer, place};
use super::grouped::grouped;
use super::lock_part_table::lock_part_table;
use super::lock_table::lock_tables;
use super::phases::phase_tables;
use super::section::{self, Section};
use super::split::split_table;
use super::sweep_beside::table_beside;
use super::sweep_words::sweep_tables;
use crate::arm::Mode;
use crate::experiment::Experiment;
use crate::factor::{Factor, Factors, in_common};
use crate::names::counted;
use crate::procarray::MappingKind;
use crate::record::RunHead;
use crate::stats::{Analysis, ContenderSummary, Guard};

/// `DETAILS.md` of an experiment's runs.
pub fn markdown(experiment: &Experiment, items: &[&Analysis], figures: &[String]) -> String {
    let declared = vec![
        format!("Prediction: {}", experiment.prediction),
        format!("What would refute it: {}", experiment.refuted_by),
        format!("Primary outcome: {}", experiment.primary_outcome),
    ];
    let sections = [
        answer(items),
        Section::list("What may not be concluded", limits(Some(experiment), items)),
        Section::list("How sure this is", certainty(items)),
        Section::list("Declared beforehand", declared),
    ];
    let (name, question) = (experiment.name, experiment.question);
    let title = format!("{name}\n\n**Question.** {question}");
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
    out += &section::markdown(side_by_side(items).iter());
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
    let of_arms =
        [contrast_table, across_table, arm_table, cost_table].map(|table| table(analysis));
    let of_arms = of_arms.into_iter().flatten();
    of_arms
        .chain(phase_tables(analysis))
        .chain(sweep_tables(analysis))
        .chain(busy_table(analysis))
        .chain(dose_table(analysis))
        .chain(lock_tables(analysis))
        .chain(lock_part_table(analysis))
        .chain(split_table(analysis))
        .chain(accounting_table(analysis))
        .chain(cpu_table(analysis))
        .collect()
}

/// What is counted or swept in every run, a column for each of them.
pub(super) fn side_by_side(items: &[&Analysis]) -> Vec<Section> {
    if items.len() < 2 {
        return Vec::new();
    }
    table_beside(items)
        .into_iter()
        .chain(accounts_beside(items))
        .collect()
}

/// What the answer rests on, and what is missing from it.
pub(super) fn certainty(items: &[&Analysis]) -> Vec<String> {
    let mut lines = vec![
        "Intervals are bootstrap 95 % intervals. The permutation test errs in at most 5 % of cases for one outcome; \"smaller than\" is two one-sided tests.".to_owned(),
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
    let on = if run.config.is_of_others() {
        "on one server, which was not started anew".to_owned()
    } else {
        format!("over {}", counted(analysis.starts, "fresh start"))
    };
    let (blocks, seed) = (counted(analysis.blocks, "block"), run.config.seed);
    let order = format!("interleaved in random order (seed {seed})");
    let mut lines = vec![format!("{blocks} {on}, {order}")];
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
    let all = analysis.contenders().count();
    for ((text, about), i) in guard_notes(analysis, |_| true).into_iter().zip(1..) {
        let which = match analysis.is_contrast() {
            true => format!("[{i}] "),
            false => String::new(),
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
        match &common.map(|(f, v)| format!("{} {v}", f.title())).join(", ")[..] {
            "" => format!("absent: {}: {reason}", counted(absent.len(), "level")),
            words => format!("levels with {words} were absent: {reason}"),
        }
    };
    by_reason.into_iter().map(line).collect()
}

/// What may not be concluded: the experiment's own limits, then those of each run.
pub(super) fn limits(experiment: Option<&Experiment>, items: &[&Analysis]) -> Vec<String> {
    let own = experiment.iter().flat_map(|e| e.limits);
    let own = own.map(|l| (*l).to_owned());
    own.chain(items.iter().copied().flat_map(limits_of))
        .collect()
}

fn limits_of(analysis: &Analysis) -> Vec<String> {
    let mut lines = Vec::new();
    let factors = &analysis.run.config.factors;
    let p = &analysis.run.provenance;
    let (cores, cpu_model) = (counted(p.cores, "core"), &p.cpu_model);
    if analysis.varying.contains(&Factor::Lock) {
        lines.push(format!("Not a ranking of locks: threads of one process stand for backends, the scheduler decides who runs next ({cores}), and each lock's blocks lie in starts of their own. No test is made between two locks."));
    }
    match analysis.run.mode {
        Mode::Server => {
            lines.push(format!("Not other machines: load and server share {cores} ({cpu_model}), so CPU queueing is part of every tail."));
            let mut single = SINGLE.to_vec();
            single.retain(|(factor, _)| !analysis.varying.contains(factor));
            let single = single.iter().map(|(_, words)| words).join(", ");
            let stands = analysis.levels.iter().any(|l| l.factors.standing > 0);
            let unseen = |c: &ContenderSummary| c.guards.contains(&Guard::SlotOrderUnverified);
            let slots = match stands && !analysis.contenders().any(|(_, c)| unseen(c)) {
                true => "and seen in pg_locks",
                false => "but not verified",
            };
            lines.push(format!(
                "Not other {single}: one of each was measured. Slot order was arranged {slots}."
            ));
        }
        Mode::Model => {
            // PostgreSQL's own locks are LWLocks.
            let mut others = factors.lock.iter().map(|l| l.kind.name()).collect_vec();
            others.retain(|name| !name.starts_with("lwlock"));
            let lock = match &others[..] {
                [] => String::new(),
                [one] => format!("{one} is not an LWLock, "),
                many => format!("{} are not LWLocks, ", many.join(", ")),
            };
            let faults = match factors.mapping[..] {
                [MappingKind::Shared] => "share page tables (no page faults under the lock)",
                _ => "share page tables but where the mapping is fresh or forked",
            };
            lines.push(format!("Not PostgreSQL from the model: threads of one process stand for backends and {faults}, {lock}and what a fork costs is burnt as plain CPU."));
        }
    }
    lines
}

/// A server's factors, and what was measured once where they do not vary.
const SINGLE: [(Factor, &str); 5] = [
    (Factor::Pg, "versions"),
    (Factor::SlotOrder, "slot orders"),
    (Factor::PageSize, "page sizes"),
    (Factor::Auth, "authentication"),
    (Factor::Transport, "transports"),
];

/// Where a run comes from: tool, machine, server, calibration.
pub(super) fn provenance(run: &RunHead) -> Vec<String> {
    let (p, clock) = (&run.provenance, &run.clock);
    let name = format!("{} run `{}` of {}", run.mode, run.run_id, run.started_at);
    let build = format!("revision {}, {}", p.tool_revision, p.rustc);
    let tool = format!("procbench {} ({build})", p.tool_version);
    let clock = format!(
        "clock {} ({:.0} ns per read)",
        clock.source, clock.read_cost_ns
    );
    let mut out = vec![format!("{name}: {tool}, {}, {clock}.", p.machine())];
    if let Some(server) = &p.server {
        let names = [
            "huge_pages",
            "max_connections",
            "shared_buffers",
            "autovacuum",
            "jit",
        ];
        let value = |name| Some(format!("{name} = {}", server.settings.get(name)?));
        let settings = names.into_iter().filter_map(value).join(", ");
        let (versions, because) = (server.versions(), &server.chosen_because);
        let what = format!("PostgreSQL {versions} ({because})");
        let reached = format!("{}, auth {}", server.transport, server.auth);
        let pgbouncer = server.pgbouncer.as_deref().unwrap_or("none");
        out.push(format!(
            "Server: {what}, {settings}, {reached}; PgBouncer {pgbouncer}."
        ));
    }
    if let Some(c) = &run.calibration {
        let rates = c.sustained_per_second.iter();
        let rates = rates
            .map(|(arm, rate)| format!("{arm} {rate:.0}/s"))
            .join(", ");
        let (standing, weakest) = (c.standing, c.weakest);
        let ran_at = match &run.config.factors.client_rate[..] {
            [] => format!(
                "half of the weakest ({weakest}), {}/s",
                c.client_rate_per_second
            ),
            shares => format!("{} of the weakest ({weakest})", shares.iter().join(", ")),
        };
        out.push(format!("Calibration at {standing} standing connections, closed loop: {rates}; clients ran at {ran_at}."));
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
                &[&analyse(&sample_run(12))],
                &["a".into()]
            )
            .contains("![a](a.png)")
        );
    }
}
