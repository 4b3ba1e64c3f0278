//! Every arm at every level: the times of running statements, and what the guards found.

use itertools::Itertools;

use super::format::{change, count, duration, quantity};
use super::grouped::grouped;
use super::section::{Section, Table, cell, struck_mark};
use crate::arm::Arm;
use crate::record::{ClockKind, SeriesKey};
use crate::stats::{Analysis, ContenderSummary, Guard, LevelSummary, Severity, Statistic};

/// What the guards found, each once, with the number of arms and levels that it is about.
pub(super) fn guard_notes(
    analysis: &Analysis,
    concerns: impl Fn(&Guard) -> bool,
) -> Vec<(String, usize)> {
    let guards = analysis.contenders().flat_map(|(_, c)| &c.guards);
    let guards = guards.filter(|guard| concerns(guard));
    let notes = grouped(guards.map(|guard| (guard_text(analysis, guard), ())));
    let counted = notes.into_iter().map(|(text, about)| (text, about.len()));
    counted.collect()
}

fn guard_text(analysis: &Analysis, guard: &Guard) -> String {
    let kind = match guard.severity() {
        Severity::Strike => "Struck out",
        Severity::Caution => "Caution",
    };
    match analysis.is_contrast() {
        true => format!("{kind}: {guard}"),
        false => format!("{kind}: {}", guard.gist()),
    }
}

/// A row for each arm and level; `None` for runs that are not arms against each other.
pub fn arm_table(analysis: &Analysis) -> Option<Section> {
    if !analysis.is_contrast() {
        return None;
    }
    let quoted = analysis.run.quoted_statistic();
    let statistics: Vec<Statistic> = analysis.run.statistics().collect();
    let excess = format!("excess at {quoted} (95 %)");
    let last = [
        &excess,
        "clients/s",
        "pacing error p50",
        "pacing error p99",
        "guards",
    ];
    let mut header = vec!["samples".to_owned()];
    header.extend(statistics.iter().map(ToString::to_string));
    header.extend(last.map(str::to_owned));
    let words = ["arm", "verdict", "errors"];
    let mut table = Table::by_level(&analysis.varying, &words, header);
    let guards = guard_notes(analysis, |_| true);
    for (level, c) in analysis.contenders() {
        let mut row = arm_row(analysis, level, c, &statistics);
        let found = c.guards.iter().filter_map(|guard| {
            let text = guard_text(analysis, guard);
            Some(guards.iter().position(|n| n.0 == text)? + 1)
        });
        row.push(cell(listed(found)));
        table.push_level(&level.factors, row);
    }
    let clock = analysis.clock();
    let closed = match clock {
        ClockKind::Service => " (closed loop: nothing was due at a given instant)",
        _ => "",
    };
    let run = format!("{} run `{}`", analysis.run.mode, analysis.run.run_id);
    let caption = format!("{run}: {clock} time of running statements{closed}");
    let notes = guards.iter().zip(1..);
    let notes = notes.map(|((text, _), i)| format!("[{i}] {text}."));
    Section::table(caption, table, notes)
}

fn arm_row(
    analysis: &Analysis,
    level: &LevelSummary,
    contender: &ContenderSummary,
    statistics: &[Statistic],
) -> Vec<String> {
    let run = &analysis.run;
    let quoted = run.quoted_statistic();
    let contrast = Arm::baseline(&run.config.arms)
        .filter(|_| !contender.twin)
        .and_then(|base| level.found(contender.arm, base, quoted));
    let struck = struck_mark(contender.struck().is_some());
    let mut row = vec![
        format!("{}{struck}", contender.label()),
        cell(contrast.map(|(_, v)| v.words())),
        cell(errors(contender)),
        count(contender.samples),
    ];
    row.extend(statistics.iter().map(|s| {
        let estimate = contender.estimate(*s);
        cell(estimate.map(|e| quantity(e.value_ns, s.unit())))
    }));
    let excess = contrast.map(|(c, _)| change(&c));
    row.push(cell(excess));
    row.push(format!("{:.0}", contender.client_per_second));
    let pacing = contender.merged.get(&SeriesKey {
        clock: ClockKind::Pacing,
        ..SeriesKey::READER_RESPONSE
    });
    row.extend([50.0, 99.0].map(|p| {
        let ns = pacing.and_then(|histogram| histogram.percentile_ns(p));
        cell(ns.map(|ns| duration(ns as f64)))
    }));
    row
}

/// `client: 3 timeout, 2 cut off of 500`.
fn errors(contender: &ContenderSummary) -> Option<String> {
    let roles = contender.tallies.iter().filter_map(|(role, tally)| {
        let errors = tally.errors.iter();
        let errors = errors.map(|(class, n)| format!("{n} {class}"));
        let cut_off = (tally.cut_off > 0).then(|| format!("{} cut off", tally.cut_off));
        let classes = listed(errors.chain(cut_off))?;
        Some(format!("{role}: {classes} of {}", count(tally.scheduled)))
    });
    let roles = roles.collect_vec();
    (!roles.is_empty()).then(|| roles.join("; "))
}

/// With commas between them; `None` without any.
fn listed(items: impl Iterator<Item = impl ToString>) -> Option<String> {
    let items = items.map(|item| item.to_string()).collect_vec();
    (!items.is_empty()).then(|| items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    #[test]
    fn a_guard_is_said_once_and_its_number_stands_with_every_arm_it_is_about() {
        let mut run = sample_run(8);
        run.provenance.debug_build = true;
        let analysis = analyse(&run);
        let arms: usize = analysis.levels.iter().map(|l| l.contenders.len()).sum();
        let notes = guard_notes(&analysis, |_| true);
        let build = notes
            .iter()
            .position(|n| n.0.contains("debug build"))
            .unwrap();
        assert_eq!(notes[build].1, arms);
        let text = markdown(&arm_table(&analysis));
        assert_eq!(text.matches("debug build").count(), 1, "{text}");
        assert_eq!(text.matches(" [x] |").count(), arms, "{text}");
        let row = text.lines().find(|l| l.contains("| quiet [x] |")).unwrap();
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let number = (build + 1).to_string();
        assert!(last.split(", ").any(|n| n == number), "{row}");
    }
}
