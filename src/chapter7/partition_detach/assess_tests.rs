//! Verdicts on made-up trials.

use std::collections::BTreeMap;

use super::*;
use crate::chapter7::partition_detach::arms::Arm;
use crate::record::SeriesHistogram;

/// A trial whose worst gap is that of its removal, as PostgreSQL's locks make it.
fn trial(arm: Arm) -> Trial {
    let ms = 1_000_000;
    let front_ns = match arm.obstacle {
        Obstacle::Autovacuum => 1_000 * ms,
        _ => arm.obstacle_ms * ms,
    };
    let stops = matches!(arm.removal, Removal::Drop | Removal::Detach);
    let is_concurrent = arm.is_concurrent();
    Trial {
        arm,
        round: 0,
        obstacle_ns: (arm.obstacle != Obstacle::None).then_some((800 * ms, 1_100 * ms + front_ns)),
        removal_ns: (1_100 * ms, 1_100 * ms + front_ns + 5 * ms),
        tries: 1,
        removal_error: None,
        finalize_ns: None,
        seen_pending: arm.removal == Removal::CutOff,
        left_pending: false,
        acknowledged: 900,
        failed: BTreeMap::new(),
        not_begun: 0,
        rows: 900,
        worst_gap_ns: if stops { front_ns + 10 * ms } else { 12 * ms },
        over_100_ms: 0,
        response: SeriesHistogram::default(),
        completions: vec![8; 100],
        samples: vec![crate::chapter7::partition_detach::record::LockSample {
            at_ns: 1_200 * ms,
            wait: "Lock:virtualxid".to_owned(),
            locks: vec![match is_concurrent {
                true => "parent:ShareUpdateExclusiveLock".to_owned(),
                false => format!("{EXCLUSIVE}*"),
            }],
            writers_waiting: u32::from(stops && arm.obstacle != Obstacle::None),
        }],
    }
}

fn run() -> PartitionDetach {
    PartitionDetach {
        trials: Arm::all().into_iter().map(trial).collect(),
        archive: Some(crate::chapter7::partition_detach::record::Archive {
            source: (64_000, "a".to_owned()),
            restored: (64_000, "a".to_owned()),
            acknowledged: 700,
            rows: 700,
            worst_gap_ns: 20_000_000,
            ..Default::default()
        }),
        ..PartitionDetach::default()
    }
}

fn verdicts(run: &PartitionDetach) -> Vec<ClaimVerdict> {
    claims(run).into_iter().map(|c| c.verdict).collect()
}

fn broken(run: &PartitionDetach) -> Vec<&'static str> {
    let checks = checks(run).into_iter();
    checks
        .filter(|c| !c.violations.is_empty())
        .map(|c| c.rule)
        .collect()
}

#[test]
fn the_claims_are_judged_by_the_gaps() {
    use ClaimVerdict::{Confirmed, InPart, NotMeasured, Refuted};
    let mut run = run();
    assert_eq!(verdicts(&run), [Confirmed, InPart, Refuted, Refuted]);
    assert_eq!(broken(&run), [""; 0]);
    for trial in &mut run.trials {
        trial.worst_gap_ns = 3_000_000_000;
        trial.seen_pending = false;
    }
    assert_eq!(verdicts(&run), [Refuted, Confirmed, Refuted, Confirmed]);
    assert_eq!(verdicts(&PartitionDetach::default()), [NotMeasured; 4]);
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let with = |change: fn(&mut Trial)| {
        let mut run = run();
        run.trials.iter_mut().for_each(change);
        broken(&run).len()
    };
    assert_eq!(with(|_| {}), 0);
    let changes: [fn(&mut Trial); 7] = [
        |t| t.rows -= 1,
        |t| t.failed.extend([("sqlstate-23514".to_owned(), 1)]),
        |t| t.left_pending = true,
        |t| t.removal_error = Some("sqlstate-55P03".to_owned()),
        |t| t.worst_gap_ns = 0,
        |t| t.obstacle_ns = t.obstacle_ns.map(|(from, _)| (from, from)),
        |t| t.seen_pending = false,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert!(with(change) >= 1, "change {number}");
    }
    // A writer behind CONCURRENTLY, and its lock of the parent.
    let changes: [fn(&mut Trial); 3] = [
        |t| t.samples[0].writers_waiting = 1,
        |t| t.samples[0].writers_waiting = 0,
        |t| t.samples[0].locks = vec![EXCLUSIVE.to_owned()],
    ];
    assert_eq!(changes.map(with), [1, 1, 1]);
    let mut other = run();
    other.archive.as_mut().unwrap().restored.1 = "b".to_owned();
    assert_eq!(broken(&other), ["what was restored is what was detached"]);
}

#[test]
fn what_the_server_cannot_do_is_said_and_nothing_is_concluded_from_it() {
    let mut run = run();
    for trial in run.trials.extract_if(.., |t| t.arm.is_concurrent()) {
        run.absent.insert(trial.arm.label(), "too old".to_owned());
    }
    let claims = claims(&run);
    for n in [0, 3] {
        assert_eq!(claims[n].verdict, ClaimVerdict::NotMeasured);
        assert_eq!(claims[n].found, "-");
    }
    let said = crate::report::section::markdown(&sections(&run));
    assert!(said.contains("Not measured: too old"), "{said}");
    assert!(
        said.contains("- DETACH CONCURRENTLY, nothing in front\n"),
        "{said}"
    );
    let answer = answer(&run).join(" ");
    assert!(!answer.contains("CONCURRENTLY"), "{answer}");
    assert!(!answer.contains("not measured"), "{answer}");
}
