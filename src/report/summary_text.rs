//! What was found, in plain words: for the terminal and for SUMMARY.md.

use std::collections::BTreeSet;

use super::accounting::accounting_markdown;
use super::agreement::agreement;
use super::cells::cell_table_markdown;
use super::costs::cost_tables_markdown;
use super::cpu_table::cpu_tables_markdown;
use super::findings::{findings, place};
use super::format::{count, difference, duration};
use super::level_title::{factor_cells, listed, short_title};
use super::lock_table::lock_tables_markdown;
use super::phases::phase_tables_markdown;
use super::prediction;
use super::sweep_words::sweep_tables_markdown;
use super::table::level_pacing;
use crate::arm::Arm;
use crate::arm::Mode;
use crate::experiment::Experiment;
use crate::factor::{Factor, Factors, in_common};
use crate::procarray::MappingKind;
use crate::record::{ClockKind, RunHead};
use crate::stats::{Analysis, Severity, Statistic};

/// More arms and levels than this are counted instead of named.
const MOST_NAMED: usize = 8;

/// The Markdown summary of an experiment's runs.
pub fn markdown(experiment: &Experiment, items: &[&Analysis], figures: &[String]) -> String {
    let mut out = format!(
        "# {}\n\n**Question.** {}\n\n",
        experiment.name, experiment.question
    );
    out += &format!("**Prediction.** {}\n\n", experiment.prediction);
    out += &format!("**What would refute it.** {}\n\n", experiment.refuted_by);
    out += &format!(
        "**Primary outcome, declared beforehand.** {}\n\n",
        experiment.primary_outcome
    );
    out += "## What was found\n\n";
    for analysis in items {
        for line in findings(analysis) {
            out += &format!("- {line}\n");
        }
    }
    for analysis in items {
        let run = &analysis.run;
        for line in prediction::sentences(analysis) {
            out += &format!("- {}: {line}\n", place(run));
        }
    }
    if let Some(line) = agreement(items) {
        out += &format!("- {line}\n");
    }
    out += "\n## How sure this is\n\n";
    for analysis in items {
        for line in certainty(analysis) {
            out += &format!("- {line}\n");
        }
    }
    out += "\n## What may not be concluded\n\n";
    let own = experiment.limits.iter().map(|l| (*l).to_owned());
    for line in own.chain(limits(items)) {
        out += &format!("- {line}\n");
    }
    out += "\n## Numbers\n\n";
    for analysis in items {
        if analysis.is_contrast() {
            out += &cell_table_markdown(analysis);
            out += &number_table(analysis);
        }
        out += &cost_tables_markdown(analysis);
        out += &phase_tables_markdown(analysis);
        out += &sweep_tables_markdown(analysis);
        out += &lock_tables_markdown(analysis);
        out += &accounting_markdown(analysis);
        out += &cpu_tables_markdown(analysis);
    }
    if !figures.is_empty() {
        out += "## Figures\n\n";
        for figure in figures {
            out += &format!("![{figure}]({figure}.png)\n\n");
        }
    }
    out += "## Where it comes from\n\n";
    for analysis in items {
        let run = &analysis.run;
        out += &provenance(run);
    }
    out
}

pub(super) fn certainty(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    let on = if run.config.server.as_ref().is_some_and(|s| s.is_url()) {
        "on one server, which was not started anew".to_owned()
    } else {
        format!("over {} fresh starts", analysis.starts)
    };
    let mut lines = vec![format!(
        "{}: {} blocks {on}, interleaved in random order (seed {}); intervals resample blocks; the permutation test errs in at most 5 % of cases for one outcome. Only the primary outcome is confirmatory; everything else is exploratory and not corrected for multiplicity.",
        place(run),
        analysis.blocks,
        run.config.seed
    )];
    if let Some(reason) = run.partial_reason() {
        lines.push(format!("{}: **the run is partial**: {reason}.", place(run)));
    }
    for absent in &run.absent_arms {
        let how = if absent.lost {
            "lost in mid-run"
        } else {
            "absent"
        };
        lines.push(format!(
            "{}: arm {} was {how}: {}.",
            place(run),
            absent.arm,
            absent.reason
        ));
    }
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for level in &analysis.levels {
        for contender in &level.contenders {
            for guard in &contender.guards {
                let kind = if guard.severity() == Severity::Strike {
                    "Struck out"
                } else {
                    "Caution"
                };
                let text = if analysis.is_contrast() {
                    format!("{kind}: {guard}")
                } else {
                    format!("{kind}: {}", guard.gist())
                };
                let who = format!(
                    "{} at {}",
                    contender.label(),
                    level.factors.label(&analysis.varying)
                );
                match said.iter_mut().find(|s| s.0 == text) {
                    Some(found) => found.1.push(who),
                    None => said.push((text, vec![who])),
                }
            }
        }
    }
    let all: usize = analysis.levels.iter().map(|l| l.contenders.len()).sum();
    for (text, who) in said {
        let who = if who.len() == all {
            "every arm".to_owned()
        } else {
            match who.len() {
                many if many > MOST_NAMED => format!("{many} of {all} arms and levels"),
                _ => who.join(", "),
            }
        };
        lines.push(format!("{}: {text} ({who}).", place(run)));
    }
    let had = analysis.level_factors();
    let reasons: BTreeSet<&str> = run
        .absent_levels
        .iter()
        .map(|a| a.reason.as_str())
        .collect();
    for reason in reasons {
        let absent = run.absent_levels.iter().filter(|a| a.reason == reason);
        let absent: Vec<&Factors> = absent.map(|a| &a.factors).collect();
        let common = in_common(&absent, &had);
        let common: Vec<String> = common
            .iter()
            .map(|(f, v)| format!("{} {v}", f.title()))
            .collect();
        let which = match &common[..] {
            [] => format!("{} levels", absent.len()),
            words => format!("levels with {}", words.join(", ")),
        };
        lines.push(format!("{}: {which} were absent: {reason}.", place(run)));
    }
    for level in analysis.levels.iter().filter(|_| analysis.is_contrast()) {
        let pacing = level_pacing(level);
        if !pacing.is_empty() {
            lines.push(format!(
                "{}, {}: pacing error of the readers, p50 and p99: {pacing}.",
                place(run),
                short_title(&level.factors, &analysis.varying)
            ));
        }
    }
    lines.extend(run.remarks.iter().map(|r| format!("{}: {r}.", place(run))));
    lines
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

pub(super) fn number_table(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let base = Arm::baseline(&run.config.arms);
    let clock = analysis
        .levels
        .iter()
        .flat_map(|l| &l.contenders)
        .map(|c| c.quoted.clock)
        .next()
        .unwrap_or(ClockKind::Response);
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let factors: String = analysis
        .varying
        .iter()
        .map(|f| format!("{} | ", f.title()))
        .collect();
    let rules = "---|".repeat(analysis.varying.len());
    let mut out = format!(
        "{} run `{}`, {clock} time of running statements:\n\n| standing | {factors}arm | samples | mean | p50 | p90 | {quoted} | excess at {quoted} (95 %) | verdict | clients/s |\n|---:|{rules}---|---:|---:|---:|---:|---:|---:|---|---:|\n",
        run.mode, run.run_id
    );
    for level in &analysis.levels {
        for c in &level.contenders {
            let value = |s| {
                c.estimate(s)
                    .map_or("-".to_owned(), |e| duration(e.value_ns))
            };
            let effect = level
                .effects
                .iter()
                .find(|e| e.first == c.arm && Some(e.second) == base && !c.twin)
                .and_then(|e| e.at(quoted));
            out += &format!(
                "| {} | {}{}{} | {} | {} | {} | {} | {} | {} | {} | {:.0} |\n",
                level.factors.standing,
                factor_cells(&level.factors, &analysis.varying)
                    .iter()
                    .map(|value| format!("{value} | "))
                    .collect::<String>(),
                c.label(),
                if c.struck().is_some() {
                    " (struck)"
                } else {
                    ""
                },
                count(c.samples),
                value(Statistic::Mean),
                value(Statistic::Percentile(50.0)),
                value(Statistic::Percentile(90.0)),
                value(quoted),
                effect.map_or(String::new(), |(k, _)| format!(
                    "{} ({} .. {})",
                    difference(k.difference.value_ns),
                    difference(k.difference.low_ns),
                    difference(k.difference.high_ns)
                )),
                effect.map_or("", |(_, v)| v.words()),
                c.client_per_second
            );
        }
    }
    out + "\n"
}

pub(super) fn provenance(run: &RunHead) -> String {
    let p = &run.provenance;
    let mut out = format!(
        "- {} run `{}` of {}: procbench {} (revision {}, {}), {}, {} cores, Linux {}, clock {} ({:.0} ns a read)\n",
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
    );
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
        out += &format!(
            "- server: PostgreSQL {} ({}), {}, {}, auth {}; PgBouncer {}\n",
            server.versions(),
            server.chosen_because,
            settings.join(", "),
            server.transport,
            server.auth,
            server.pgbouncer.as_deref().unwrap_or("none")
        );
    }
    if let Some(c) = &run.calibration {
        let rates: Vec<String> = c
            .sustained_per_second
            .iter()
            .map(|(arm, rate)| format!("{arm} {rate:.0}/s"))
            .collect();
        out += &format!(
            "- calibration at {} standing connections, closed loop: {}; clients ran at {}\n",
            c.standing,
            rates.join(", "),
            match &run.config.factors.client_rate[..] {
                [] => format!(
                    "half of the weakest ({}), {}/s",
                    c.weakest, c.client_rate_per_second
                ),
                shares => format!("{} of the weakest ({})", listed(shares), c.weakest),
            }
        );
    }
    out
}
