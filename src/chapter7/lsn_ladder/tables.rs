//! The numbers in full.

use super::arms::Fault;
use super::record::{LsnLadder, POSITIONS};
use super::summing::{gap, lag_ns, noise, p50, per_second, service, stale};
use crate::chapter7::level::Level;
use crate::report::format::{count, duration, rate};
use crate::report::section::{Section, Table};

fn or_dash<T>(value: Option<T>, words: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), words)
}

/// Every fault that was measured, as the head of a row.
fn measured(run: &LsnLadder) -> impl Iterator<Item = Fault> {
    let faults = Fault::ALL.iter().copied();
    faults.filter(|fault| run.blocks.iter().any(|b| b.fault == *fault))
}

pub(super) fn tables(run: &LsnLadder) -> Vec<Section> {
    let sections = [
        commits(run),
        gaps(run),
        lags(run),
        loops(run),
        reads(run),
        Some(place(run)),
    ];
    sections.into_iter().flatten().collect()
}

/// p50 beside what is expected: the control's p50, and what the fault adds.
fn commits(run: &LsnLadder) -> Option<Section> {
    let mut table = Table::new(
        ["slow", "level"],
        ["p50", "expected", "p90", "longest", "commits"],
    );
    for fault in measured(run) {
        for &level in Level::ALL {
            let service = service(run, fault, level);
            let of = |p| or_dash(service.percentile_ns(p), |ns| duration(ns as f64));
            let added = match fault.is_felt_at(level) {
                true => fault.injected_ns(),
                false => 0.0,
            };
            let expected = p50(run, Fault::None, level).filter(|_| fault != Fault::None);
            table.push(vec![
                fault.to_string(),
                level.to_string(),
                of(50.0),
                or_dash(expected, |control| duration(control + added)),
                of(90.0),
                of(100.0),
                count(service.len()),
            ]);
        }
    }
    let noise = Level::ALL
        .iter()
        .map(|&l| format!("{l} {}", duration(noise(run, l))));
    let noise: Vec<String> = noise.collect();
    Section::table(
        "Service times of single commits of one connection",
        table,
        [
            "Expected: the control's p50, and what the fault adds at levels that wait for it."
                .to_owned(),
            format!(
                "The control's blocks differ from each other (A/A) by: {}.",
                noise.join(", ")
            ),
        ],
    )
}

fn gaps(run: &LsnLadder) -> Option<Section> {
    let mut pairs = POSITIONS.windows(2);
    let columns: Vec<String> = pairs
        .by_ref()
        .map(|pair| format!("{} to {}", pair[0], pair[1]))
        .collect();
    let mut table = Table::new(["slow"], columns);
    for fault in measured(run) {
        let gaps =
            (0..POSITIONS.len() - 1).map(|step| or_dash(gap(run, fault, step, step + 1), count));
        table.push([fault.to_string()].into_iter().chain(gaps).collect());
    }
    Section::table(
        "Bytes of WAL between one position and the next (p50)",
        table,
        [format!(
            "Beside {} inserts per second at local, 50 looks per second.",
            run.rate_per_second
        )],
    )
}

fn lags(run: &LsnLadder) -> Option<Section> {
    let mut table = Table::new(["slow"], ["write_lag", "flush_lag", "replay_lag"]);
    for fault in measured(run) {
        let lags = (0..3).map(|column| or_dash(lag_ns(run, fault, column), duration));
        table.push([fault.to_string()].into_iter().chain(lags).collect());
    }
    Section::table("The lag columns meanwhile (p50)", table, [""; 0])
}

fn loops(run: &LsnLadder) -> Option<Section> {
    by_level(
        "Commits per second of four connections without a pause",
        |fault, level| per_second(run, fault, level).map(rate),
    )
}

fn reads(run: &LsnLadder) -> Option<Section> {
    let words = |(stale, all)| format!("{stale} of {all}");
    by_level(
        "Acknowledged rows that were not there yet on the standby",
        |fault, level| stale(run, fault, level).map(words),
    )
}

/// A row per fault that has numbers.
fn by_level(caption: &str, of: impl Fn(Fault, Level) -> Option<String>) -> Option<Section> {
    let mut table = Table::new(["slow"], Level::ALL);
    for &fault in Fault::ALL {
        let cells: Vec<_> = Level::ALL.iter().map(|&level| of(fault, level)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| or_dash(cell, |words| words));
            table.push([fault.to_string()].into_iter().chain(cells).collect());
        }
    }
    Section::table(caption, table, [""; 0])
}

fn place(run: &LsnLadder) -> Section {
    Section::list(
        "Where the clusters lie",
        vec![format!(
            "On {}, with fsync=on: both are copies of each other on one disk of one machine.",
            run.file_system
        )],
    )
}
