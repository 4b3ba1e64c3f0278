//! What a run lets one say.

use itertools::Itertools;

use super::arms::{Aim, Obstacle, Removal, USUAL_MS};
use super::record::{PartitionDetach, Trial};
use super::sections::sections;
use crate::chapter7::assessment::{Assessment, Check, Claim, ClaimVerdict, Must};
use crate::report::format::duration;

/// What an obstacle must do to a removal's gap at least, as a share of its length.
const SHOWN_SHARE: f64 = 0.9;
/// A gap that nobody would feel, in ns.
const UNFELT_NS: u64 = 100_000_000;
/// The exclusive lock of a table.
const EXCLUSIVE: &str = "parent:AccessExclusiveLock";

impl Trial {
    /// `DROP, nothing in front, round 1`.
    fn name(&self) -> String {
        format!("{}, round {}", self.arm.label(), self.round + 1)
    }

    /// For how long the obstacle stood behind the begin of the removal, in ns.
    pub(super) fn remaining_ns(&self) -> u64 {
        let until = self.obstacle_ns.map_or(0, |(_, until)| until);
        until.saturating_sub(self.removal_ns.0)
    }

    fn stops_inserts(&self) -> bool {
        matches!(self.arm.removal, Removal::Drop | Removal::Detach)
            && self.arm.obstacle != Obstacle::None
    }

    fn most_waiting(&self) -> u32 {
        self.samples
            .iter()
            .map(|s| s.writers_waiting)
            .max()
            .unwrap_or_default()
    }

    fn holds(&self, lock: &str) -> bool {
        self.samples
            .iter()
            .any(|s| s.locks.iter().any(|l| l.trim_end_matches('*') == lock))
    }
}

/// The gaps of an arm: the longest, or `None` where it was not measured.
fn worst(run: &PartitionDetach, is_it: impl Fn(&Trial) -> bool) -> Option<u64> {
    run.trials
        .iter()
        .filter(|t| is_it(t))
        .map(|t| t.worst_gap_ns)
        .max()
}

fn best(run: &PartitionDetach, is_it: impl Fn(&Trial) -> bool) -> Option<u64> {
    run.trials
        .iter()
        .filter(|t| is_it(t))
        .map(|t| t.worst_gap_ns)
        .min()
}

fn in_words(ns: Option<u64>) -> String {
    ns.map_or_else(|| "not measured".to_owned(), |ns| duration(ns as f64))
}

fn is(removal: Removal, obstacle: Obstacle) -> impl Fn(&Trial) -> bool {
    move |t| {
        let usual = obstacle == Obstacle::None || t.arm.obstacle_ms == USUAL_MS;
        t.arm.removal == removal && t.arm.obstacle == obstacle && t.arm.aim == Aim::Newest && usual
    }
}

/// Sentences, claims, checks and tables.
pub fn assess(run: &PartitionDetach) -> Assessment {
    Assessment {
        answer: answer(run),
        claims: claims(run),
        checks: checks(run),
        tables: sections(run),
    }
}

fn answer(run: &PartitionDetach) -> Vec<String> {
    use Obstacle::{None, OnParent, OnPartition};
    use Removal::{Concurrently, Detach, Drop, DropAgain};
    let behind = |removal| in_words(best(run, is(removal, OnParent)));
    let of_child = |removal| in_words(best(run, is(removal, OnPartition)));
    let concurrently = |t: &Trial| t.arm.removal == Concurrently && t.arm.aim == Aim::Newest;
    let alone =
        |t: &Trial| matches!(t.arm.removal, Drop | Detach | Concurrently) && t.arm.obstacle == None;
    let concurrently = worst(run, concurrently).map(|ns| {
        format!(
            "DETACH CONCURRENTLY stops them for at most {} in any case; ",
            duration(ns as f64)
        )
    });
    vec![
        format!(
            "Behind a transaction that stays open for {USUAL_MS} ms, DROP stops all inserts for {} and DETACH for {}; behind a reader of the old partition alone for {} and {}.",
            behind(Drop),
            behind(Detach),
            of_child(Drop),
            of_child(Detach)
        ),
        format!(
            "{}DROP with a lock_timeout of 100 ms, tried again, stops them for at most {} at a time.",
            concurrently.unwrap_or_default(),
            in_words(worst(run, |t| t.arm.removal == DropAgain))
        ),
        format!(
            "With nothing in front of it no removal stops inserts for longer than {}.",
            in_words(worst(run, alone))
        ),
    ]
}

fn claims(run: &PartitionDetach) -> Vec<Claim> {
    use Obstacle::{OnParent, OnPartition};
    use Removal::{Concurrently, CutOff, Detach, Drop};
    let verdict = |known: bool, holds: bool, otherwise| match (known, holds) {
        (false, _) => ClaimVerdict::NotMeasured,
        (true, true) => ClaimVerdict::Confirmed,
        (true, false) => otherwise,
    };
    let concurrently = worst(run, |t| {
        t.arm.removal == Concurrently && t.arm.aim == Aim::Newest
    });
    let archived = run.archive.as_ref();
    let gap = concurrently.max(archived.map(|a| a.worst_gap_ns));
    let alone = worst(run, |t| {
        matches!(t.arm.removal, Drop | Detach) && t.arm.obstacle == Obstacle::None
    });
    let behind = best(run, |t| is(Drop, OnParent)(t) || is(Detach, OnParent)(t));
    let of_child = best(run, |t| {
        is(Drop, OnPartition)(t) || is(Detach, OnPartition)(t)
    });
    let cut_off = run
        .trials
        .iter()
        .filter(|t| t.arm.removal == CutOff)
        .collect_vec();
    let pending = cut_off.iter().filter(|t| t.seen_pending).count();
    let mut claims = vec![
        Claim {
            said: "DETACH CONCURRENTLY, then archive, does not interrupt inserts.",
            verdict: verdict(
                concurrently.is_some() && archived.is_some(),
                gap < Some(UNFELT_NS),
                ClaimVerdict::Refuted,
            ),
            found: format!(
                "the longest time without an insert is {}, the dump included",
                in_words(gap)
            ),
        },
        Claim {
            said: "DROP and plain DETACH are the dangerous ones.",
            verdict: match (behind, alone) {
                (Some(behind), Some(alone)) if behind > UNFELT_NS && alone > UNFELT_NS => {
                    ClaimVerdict::Confirmed
                }
                (Some(behind), Some(_)) if behind > UNFELT_NS => ClaimVerdict::InPart,
                (Some(_), Some(_)) => ClaimVerdict::Refuted,
                _ => ClaimVerdict::NotMeasured,
            },
            found: format!(
                "behind an open transaction at least {}; with nothing in front at most {}",
                in_words(behind),
                in_words(alone)
            ),
        },
        Claim {
            said: "Who only reads the old partition, as a dump does, is in nobody's way.",
            verdict: verdict(
                of_child.is_some(),
                of_child < Some(UNFELT_NS),
                ClaimVerdict::Refuted,
            ),
            found: format!(
                "DROP and DETACH then hold the parent while they wait: at least {} without an insert",
                in_words(of_child)
            ),
        },
        Claim {
            said: "DETACH CONCURRENTLY either succeeds or leaves everything as it was.",
            verdict: verdict(!cut_off.is_empty(), pending == 0, ClaimVerdict::Refuted),
            found: format!(
                "cut off by lock_timeout, it was half done in {pending} of {} cases, until FINALIZE",
                cut_off.len()
            ),
        },
    ];
    for claim in &mut claims {
        if claim.verdict == ClaimVerdict::NotMeasured {
            "-".clone_into(&mut claim.found);
        }
    }
    claims
}

fn checks(run: &PartitionDetach) -> Vec<Check> {
    let each = |so: fn(&Trial) -> bool, of: fn(&Trial) -> bool| {
        let trials = run.trials.iter().filter(move |t| of(t));
        trials.map(|t| (t.name(), so(t))).collect_vec()
    };
    let all: fn(&Trial) -> bool = |_| true;
    let concurrent: fn(&Trial) -> bool = |t| t.arm.is_concurrent();
    let archive = run.archive.as_ref();
    vec![
        Check::of(
            Must::Hold,
            "every acknowledged insert is there, and no other",
            each(|t| t.acknowledged == t.rows, all)
                .into_iter()
                .chain(archive.map(|a| ("archive".to_owned(), a.acknowledged == a.rows))),
        ),
        Check::of(
            Must::Hold,
            "what was restored is what was detached",
            archive.map(|a| {
                (
                    "archive".to_owned(),
                    a.source == a.restored && a.source.0 > 0,
                )
            }),
        ),
        Check::of(
            Must::Hold,
            "no insert fails unless it goes to the partition that is removed",
            each(|t| t.failed.is_empty(), |t| t.arm.aim == Aim::Newest)
                .into_iter()
                .chain(archive.map(|a| ("archive".to_owned(), a.failed == 0))),
        ),
        Check::of(
            Must::Hold,
            "behind DETACH CONCURRENTLY no insert waits for a relation's lock",
            each(
                |t| t.most_waiting() == 0,
                |t| t.arm.is_concurrent() && t.arm.aim == Aim::Newest,
            ),
        ),
        Check::of(
            Must::Hold,
            "DETACH CONCURRENTLY does not lock the parent exclusively",
            each(|t| !t.holds(EXCLUSIVE), concurrent),
        ),
        Check::of(
            Must::Hold,
            "no partition is left half detached",
            each(|t| !t.left_pending, all),
        ),
        Check::of(
            Must::Hold,
            "the partition is removed at the end, unless lock_timeout was to cut that off",
            each(
                |t| t.removal_error.is_none(),
                |t| t.arm.removal != Removal::CutOff,
            ),
        ),
        Check::of(
            Must::Show,
            "DROP and DETACH stop inserts for 0.9 of the obstacle's time at least",
            each(
                |t| t.worst_gap_ns as f64 >= SHOWN_SHARE * t.remaining_ns() as f64,
                Trial::stops_inserts,
            ),
        ),
        Check::of(
            Must::Show,
            "a writer is seen to wait behind DROP and DETACH",
            each(|t| t.most_waiting() > 0, Trial::stops_inserts),
        ),
        Check::of(
            Must::Show,
            "the obstacle stood when the removal began",
            each(
                |t| {
                    t.obstacle_ns
                        .is_some_and(|(from, until)| (from..until).contains(&t.removal_ns.0))
                },
                |t| t.arm.obstacle != Obstacle::None,
            ),
        ),
        Check::of(
            Must::Show,
            "a removal that lock_timeout cuts off is seen half done",
            each(|t| t.seen_pending, |t| t.arm.removal == Removal::CutOff),
        ),
    ]
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;
