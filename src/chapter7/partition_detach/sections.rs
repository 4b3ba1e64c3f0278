//! Its tables.

use std::collections::BTreeMap;

use itertools::Itertools;

use super::arms::{Aim, Arm, Obstacle, USUAL_MS};
use super::record::{PartitionDetach, Trial};
use crate::report::format::{count, duration};
use crate::report::section::{Section, Table};

/// `1.00 to 1.02 s`, of all rounds.
fn range(values: impl Iterator<Item = u64>) -> String {
    match values.minmax().into_option() {
        Some((low, high)) if low == high => duration(low as f64),
        Some((low, high)) => format!("{} to {}", duration(low as f64), duration(high as f64)),
        None => "-".to_owned(),
    }
}

/// All of them; the first goes with the answer.
pub(super) fn sections(run: &PartitionDetach) -> Vec<Section> {
    let mut arms = Table::new(
        ["removal", "in front"],
        ["it takes", "longest gap", "over 100 ms", "tries", "failed"],
    );
    let mut locks = Table::new(
        ["removal", "in front", "locks and waits"],
        ["share of looks"],
    );
    let measured = Arm::all()
        .into_iter()
        .filter(|arm| run.of_arm(*arm).next().is_some());
    for arm in measured {
        let front = match (arm.obstacle, arm.aim) {
            (Obstacle::None | Obstacle::Autovacuum, _) => arm.obstacle.to_string(),
            (obstacle, Aim::Newest) => format!("{obstacle}, {} ms", arm.obstacle_ms),
            (obstacle, Aim::Removed) => format!("{obstacle}; inserts go there"),
        };
        let case = [arm.removal.to_string(), front];
        let sum = |of: fn(&Trial) -> u64| count(run.of_arm(arm).map(of).sum());
        let cells = [
            range(run.of_arm(arm).map(|t| t.removal_ns.1 - t.removal_ns.0)),
            range(run.of_arm(arm).map(|t| t.worst_gap_ns)),
            sum(|t| t.over_100_ms),
            sum(|t| u64::from(t.tries)),
            sum(|t| t.failed.values().sum()),
        ];
        arms.push([&case[..], &cells[..]].concat());
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let samples = || run.of_arm(arm).flat_map(|t| &t.samples);
        for sample in samples() {
            let locks = match &sample.locks[..] {
                [] => "none".to_owned(),
                locks => locks.join(" "),
            };
            let wait = match &sample.wait[..] {
                "" => String::new(),
                wait => format!("; waits for {wait}"),
            };
            *seen.entry(locks + &wait).or_default() += 1;
        }
        let is_usual = arm.obstacle_ms == USUAL_MS || arm.obstacle == Obstacle::Autovacuum;
        if is_usual && arm.aim == Aim::Newest {
            let looks = samples().count().max(1);
            for (what, times) in seen.into_iter().filter(|s| 10 * s.1 >= looks) {
                let share = format!("{} %", 100 * times / looks);
                locks.push([&case[..], &[what, share]].concat());
            }
        }
    }
    let notes = [
        "The gap is the longest time without an acknowledged insert from the begin of the removal to the first one after its end; a range is over the rounds.",
    ];
    let archive = run.archive.as_ref().map(|a| {
        Section::list(
            "From the partition to an archive, beside running inserts",
            vec![
                format!(
                    "DETACH {}, dump {}, restore {}, drop {}.",
                    duration(a.detach_ns as f64),
                    duration(a.dump_ns as f64),
                    duration(a.restore_ns as f64),
                    duration(a.drop_ns as f64)
                ),
                format!(
                    "{} rows went, {} came back, with {} hash.",
                    count(a.source.0),
                    count(a.restored.0),
                    if a.source.1 == a.restored.1 {
                        "the same"
                    } else {
                        "another"
                    }
                ),
                format!(
                    "{} inserts were acknowledged meanwhile, {} are there; the longest gap is {}.",
                    count(a.acknowledged),
                    count(a.rows),
                    duration(a.worst_gap_ns as f64)
                ),
            ],
        )
    });
    let absent = run.absent.iter().into_group_map_by(|(_, why)| *why);
    let absent = absent.into_iter().map(|(why, arms)| {
        let arms = arms.into_iter().map(|(arm, _)| arm.clone()).collect();
        Section::list(format!("Not measured: {why}"), arms)
    });
    let sections = [
        Section::table("Inserts while the oldest partition is removed", arms, notes),
        Section::table(
            "Locks of the session that removes (* is waited for)",
            locks,
            ["In at least a tenth of the looks, one every 20 ms."],
        ),
        archive,
    ];
    sections.into_iter().flatten().chain(absent).collect()
}
