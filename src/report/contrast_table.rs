//! What churn and its controls add to the time of running statements: a row for each contrast and level.

use std::cmp::Reverse;

use itertools::Itertools;

use super::format::{change, detectable, duration, quantity};
use super::grouped::grouped;
use super::section::{Section, Table, cell};
use crate::arm::{Arm, Mode};
use crate::factor::Factor;
use crate::names::counted;
use crate::stats::{
    Analysis, CAP, Contrast, ERROR_RATE, Found, LevelSummary, ROUNDS_NEEDED, STARTS_NEEDED,
    Statistic, Unit, Verdict,
};

/// What is told of every level, as far as the arms ran: churn against the same transactions without it, against
/// the same with the array mapped before joining, a bare fork, and the same CPU without the ProcArray.
pub(super) fn pairs(analysis: &Analysis) -> impl Iterator<Item = (Arm, Arm)> {
    let arms = analysis.run.config.arms.clone();
    let controls = [Arm::KeptOpen, Arm::Premapped, Arm::ForkOnly, Arm::CpuBurn];
    // The arm is new: runs without it are not said to lack it.
    let ran = move |arm: &Arm| *arm != Arm::Premapped || arms.contains(arm);
    controls
        .into_iter()
        .filter(ran)
        .map(|arm| (Arm::Unpooled, arm))
}

/// With no more levels than this every contrast of each is shown.
const FEW_LEVELS: usize = 2;

/// Whether a run of `unpooled` and `kept-open` has many combinations of factors beside the lock.
pub(super) fn has_many_levels(analysis: &Analysis) -> bool {
    let arms = &analysis.run.config.arms;
    analysis.levels.len() > FEW_LEVELS
        && !analysis.varying.contains(&Factor::Lock)
        && [Arm::Unpooled, Arm::KeptOpen]
            .iter()
            .all(|a| arms.contains(a))
}

/// The contrasts that are shown of each level.
fn shown(analysis: &Analysis) -> Vec<(Arm, Arm, Statistic)> {
    let mut shown = pairs_shown(analysis);
    // Where the control itself lies, from the middle to the tail.
    let itself = |p| (Arm::CpuBurn, Arm::ForkOnly, Statistic::Percentile(p));
    shown.extend([50.0, 90.0, 99.0].map(itself));
    shown
}

fn pairs_shown(analysis: &Analysis) -> Vec<(Arm, Arm, Statistic)> {
    let run = &analysis.run;
    let quoted = run.quoted_statistic();
    if has_many_levels(analysis) {
        return pairs(analysis).map(|(a, b)| (a, b, quoted)).collect();
    }
    let percentile = Statistic::Percentile(run.config.quoted_percentile);
    let mean = match quoted {
        Statistic::SlowShare => Statistic::CappedMean,
        _ => Statistic::Mean,
    };
    let mut all = vec![
        (Arm::Unpooled, Arm::KeptOpen, quoted),
        (Arm::Unpooled, Arm::Premapped, quoted),
        (Arm::Unpooled, Arm::KeptOpen, mean),
        (Arm::Unpooled, Arm::Premapped, mean),
        (Arm::Unpooled, Arm::KeptOpen, percentile),
        (Arm::Unpooled, Arm::KeptOpen, Statistic::Percentile(50.0)),
        (Arm::ForkOnly, Arm::KeptOpen, mean),
        (Arm::Unpooled, Arm::PremappedFew, quoted),
        (Arm::Premapped, Arm::ForkOnly, quoted),
        (Arm::Unpooled, Arm::ForkOnly, quoted),
        (Arm::Unpooled, Arm::CpuBurn, quoted),
        (Arm::Unpooled, Arm::Quiet, quoted),
        (Arm::Quiet, Arm::KeptOpen, quoted),
        (Arm::Pool, Arm::KeptOpen, quoted),
        (Arm::Pgbouncer, Arm::KeptOpen, quoted),
    ];
    if percentile == quoted {
        all.remove(4);
    }
    all
}

/// The contrasts with their verdicts; `None` for runs that are not arms against each other.
pub(super) fn contrast_table(analysis: &Analysis) -> Option<Section> {
    if !analysis.is_contrast() {
        return None;
    }
    let numbers = ["difference (95 %)", "detectable", "p", "rounds", "starts"];
    let words = ["contrast", "at", "verdict"];
    let mut table = Table::by_level(&analysis.varying, &words, numbers);
    let quoted = analysis.run.quoted_statistic();
    let mut waits_before = 0;
    for level in &analysis.levels {
        let mut push = |what: String, c: &Contrast, verdict: String| {
            let row = [
                what,
                c.statistic.to_string(),
                verdict,
                change(c),
                detectable(c),
                cell(c.p_value.map(|p| format!("{p:.3}"))),
                c.rounds.to_string(),
                c.starts.to_string(),
            ];
            table.push_level(&level.factors, row);
        };
        for (first, second, statistic) in shown(analysis) {
            if let Some((c, verdict)) = level.found(first, second, statistic) {
                push(format!("{first} minus {second}"), &c, verdict.words());
            }
        }
        if let Some((c, verdict)) = service(analysis, level, quoted) {
            let what = "unpooled minus kept-open, service time".to_owned();
            push(what, &c, verdict.words());
            waits_before += usize::from(is_wait_before(level, quoted, &c));
        }
        if let Some(c) = level.check(quoted) {
            let verdict = match level.alarm(quoted) {
                Some(_) => "check: alarm",
                None => "check: passed",
            };
            push(
                "A/A: the baseline minus its twin".to_owned(),
                c,
                verdict.to_owned(),
            );
        }
    }
    let run = format!("{} run `{}`", analysis.run.mode, analysis.run.run_id);
    let clock = analysis.clock();
    let caption = format!("{run}: differences in {clock} time of running statements");
    Section::table(caption, table, notes(analysis, waits_before))
}

/// The same without the wait before the statement, where that wait is part of the quoted time.
fn service(analysis: &Analysis, level: &LevelSummary, quoted: Statistic) -> Found {
    let is_part = analysis.clock().name() != "service";
    level.effect(Arm::Unpooled, Arm::KeptOpen)?;
    level.service_at(quoted).filter(|_| is_part)
}

/// A reader that is kept from its core waits before its statement, and no lock is involved.
fn is_wait_before(level: &LevelSummary, quoted: Statistic, service: &Contrast) -> bool {
    let response = level.found(Arm::Unpooled, Arm::KeptOpen, quoted);
    response.is_some_and(|(c, _)| {
        let response = c.difference.value_ns;
        response > 0.0 && service.difference.value_ns < response / 2.0
    })
}

fn notes(analysis: &Analysis, waits_before: usize) -> Vec<String> {
    let beyond_fork = match analysis.run.mode {
        Mode::Server => "what logging in, the ProcArray, the catalogue and exit add to a bare fork",
        Mode::Model => {
            "what the array, its locks and the rest of a connection's CPU add to the fork's"
        }
    };
    let slow = analysis.run.slow_over_ns.map_or(String::new(), |ns| {
        let (over, cap) = (duration(ns as f64), duration((CAP * ns) as f64));
        format!(" Slow is over {over}; the capped mean counts no statement for more than {cap}.")
    });
    let alarms = alarms(analysis);
    let mut notes = vec![format!(
        "unpooled minus fork-only is {beyond_fork}; unpooled minus premapped is the lock's part at equal work. Detectable: an effect that would be shown in four of five such runs. A claim needs {ROUNDS_NEEDED} rounds over {STARTS_NEEDED} starts. All rows but the primary outcome are exploratory.{slow}"
    )];
    if alarms > 0 {
        let n = analysis.levels.len();
        notes.push(format!("A/A check: at {alarms} of {n} levels the baseline differs from its twin at p = {ERROR_RATE} (one in twenty is expected): be careful there."));
    }
    if waits_before > 0 {
        let n = analysis.levels.len();
        notes.push(format!("At {waits_before} of {n} levels most of the change is waiting before the statement began, for the CPU or behind an earlier statement: service time changed by less than half as much."));
    }
    notes
}

/// At how many levels the test reports a difference between two sets of blocks of one arm.
fn alarms(analysis: &Analysis) -> usize {
    let quoted = analysis.run.quoted_statistic();
    let alarms = analysis.levels.iter().filter_map(|l| l.alarm(quoted));
    alarms.count()
}

/// One sentence for each pair: at how many levels each verdict was found, and how large the differences are.
pub(super) fn sentences(analysis: &Analysis) -> Vec<String> {
    let quoted = analysis.run.quoted_statistic();
    let pairs = pairs(analysis).filter_map(|(first, second)| {
        let levels = analysis.levels.iter();
        let found = levels.filter_map(|level| level.found(first, second, quoted));
        let found = found.collect_vec();
        let (levels, judged) = (counted(found.len(), "level"), verdicts(&found));
        (!found.is_empty())
            .then(|| format!("{first} minus {second} at {quoted}, {levels}: {judged}."))
    });
    pairs.collect()
}

fn verdicts(found: &[(Contrast, Verdict)]) -> String {
    let unit = found.first().map_or(Unit::NsDifference, |f| f.0.unit);
    let difference = |value| quantity(value, unit);
    let found = found.iter();
    let groups = grouped(found.map(|(c, verdict)| (*verdict, c.difference.value_ns)));
    let groups = groups.into_iter().sorted_by_key(|g| Reverse(g.1.len()));
    let words = groups.map(|(verdict, mut values)| {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        let range = match values.len() {
            1 => difference(low),
            _ => format!("{} to {}", difference(low), difference(high)),
        };
        format!("{} at {} ({range})", verdict.words(), values.len())
    });
    words.collect_vec().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::section::markdown;
    use crate::testing::{sample_run, sample_run_with_versions};

    #[test]
    fn many_levels_have_a_row_each_and_one_sentence() {
        let analysis = analyse(&sample_run_with_versions(&["13", "15"]));
        let text = markdown(&contrast_table(&analysis));
        assert_eq!(
            text.matches("| unpooled minus kept-open | p99 |").count(),
            4,
            "{text}"
        );
        assert!(text.contains("| 10 | 15 | unpooled minus kept-open | p99 | higher |"));
        let told = sentences(&analysis);
        assert!(
            told[0].contains("4 levels: higher at 4 (+2.99 µs to"),
            "{told:?}"
        );
    }

    #[test]
    fn the_cpu_alone_is_held_against_a_bare_fork_from_the_middle_to_the_tail() {
        let mut run = sample_run(12);
        let arms = run.head.config.arms.iter_mut();
        for arm in arms.chain(run.blocks.iter_mut().map(|b| &mut b.arm)) {
            *arm = match arm {
                Arm::Quiet => Arm::ForkOnly,
                Arm::Unpooled => Arm::CpuBurn,
                _ => *arm,
            };
        }
        let text = markdown(&contrast_table(&analyse(&run)));
        for at in ["p50", "p90", "p99"] {
            let row = format!("| cpu-burn minus fork-only | {at} | higher |");
            assert!(text.contains(&row), "{text}");
        }
    }

    #[test]
    fn few_levels_have_all_their_contrasts() {
        let analysis = analyse(&sample_run(12));
        let text = markdown(&contrast_table(&analysis));
        for part in [
            "| p50 |",
            "| mean |",
            "quiet minus kept-open",
            "service time |",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
