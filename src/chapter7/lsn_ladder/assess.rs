//! What a run lets one say.

use super::arms::Fault;
use super::checks::checks;
use super::claims::claims;
use super::record::LsnLadder;
use super::summing::{first_felt, p50, stale};
use super::tables::tables;
use crate::chapter7::assessment::Assessment;
use crate::chapter7::level::Level;
use crate::report::format::duration;

/// Judges a run.
pub fn assess(run: &LsnLadder) -> Assessment {
    Assessment {
        answer: answer(run),
        claims: claims(run),
        checks: checks(run),
        tables: tables(run),
    }
}

fn takes(run: &LsnLadder, fault: Fault, level: Level) -> String {
    p50(run, fault, level).map_or_else(|| "not measured".to_owned(), duration)
}

fn answer(run: &LsnLadder) -> Vec<String> {
    let waits_for = [
        "nothing",
        "the primary's disk",
        "the standby's kernel",
        "its disk",
        "its replay",
    ];
    let levels = Level::ALL.iter().zip(waits_for).map(|(&level, what)| {
        let takes = takes(run, Fault::None, level);
        format!("{level} for {what} ({takes})")
    });
    let levels: Vec<String> = levels.collect();
    let as_expected = |fault: &Fault| first_felt(run, *fault) == fault.first_level();
    let felt = Fault::FOUR.map(|fault| {
        let level = first_felt(run, fault);
        let what = match fault {
            Fault::Network => "a slow network",
            Fault::StandbyDisk => "a slow disk of the standby",
            Fault::Apply => "a late replay",
            _ => "a slow disk of the primary",
        };
        match level {
            None => format!("{what} at no level"),
            Some(Level::RemoteApply) => {
                let takes = takes(run, fault, Level::RemoteApply);
                format!("{what} at remote_apply alone ({takes})")
            }
            Some(level) => format!("{what} at {level} and above ({})", takes(run, fault, level)),
        }
    });
    let so = match Fault::FOUR.iter().all(as_expected) {
        true => "Each fault is felt at the levels that wait for it",
        false => "The faults are not all felt where they should be",
    };
    let reads = |fault, level| {
        stale(run, fault, level).map_or_else(
            || "not measured".to_owned(),
            |(stale, all)| format!("{stale} of {all}"),
        )
    };
    vec![
        format!("A commit waits at {}.", levels.join(", at ")),
        format!("{so}: {}.", felt.join(", ")),
        format!(
            "Of rows that were read on the standby as soon as they were acknowledged, those not there yet were {} at local, {} at on ({} with a late replay), {} at remote_apply.",
            reads(Fault::None, Level::Local),
            reads(Fault::None, Level::On),
            reads(Fault::Apply, Level::On),
            reads(Fault::None, Level::RemoteApply)
        ),
    ]
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;
