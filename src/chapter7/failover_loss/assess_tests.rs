//! Verdicts on made-up trials.

use super::*;
use crate::chapter7::assessment::{ClaimVerdict, Must};
use crate::chapter7::failover_loss::arms::Group;
use crate::chapter7::failover_loss::drawings::drawings;
use crate::chapter7::failover_loss::record::{Outcome, PageCache, Trial};
use crate::chapter7::failover_loss::summing::predicted;
use crate::experiment::Scale;

const MS: u64 = 1_000_000;

/// What PostgreSQL makes of a group: it loses what is predicted.
pub(super) fn outcome(arm: Arm, group: Group) -> Outcome {
    let Group { level, client } = group;
    let unknown = match level {
        Level::Off if arm == Arm::InPlaceOff => 80.0,
        Level::RemoteWrite => 4.0,
        _ => 65.0,
    };
    let lost = predicted(arm, level, client).unwrap_or(unknown) as u64;
    let waits = level.is_remote();
    let warned = if client == Client::Cancelled { lost } else { 0 };
    Outcome {
        level,
        client,
        acked: 300 + lost,
        lost,
        warned,
        warned_lost: warned,
        unacked_present: u64::from(waits),
        unacked_missing: 1,
        holes: 0,
        first_lost_ns: (lost > 0).then_some(1_500 * MS),
        on_old: arm.opens_old().then_some(lost),
        acks: vec![4; 75],
        lost_acks: vec![0; 75],
    }
}

fn trial(arm: Arm) -> Trial {
    let cut_ms = arm.cut().as_millis() as u64;
    Trial {
        arm,
        round: 0,
        void: None,
        cut_ns: (cut_ms > 0).then_some(1_500 * MS),
        kill_ns: (1_500 + cut_ms) * MS,
        back_ns: 200 * MS,
        outcomes: arm.groups().into_iter().map(|g| outcome(arm, g)).collect(),
        foreign: 0,
        twice: 0,
        missing_bytes: arm.opens_old().then_some(100_000),
        page_cache: (arm == Arm::PageCache).then_some(PageCache {
            written: 200,
            flushed: 100,
        }),
    }
}

pub(super) fn run() -> FailoverLoss {
    FailoverLoss {
        server_version: "17.2".to_owned(),
        file_system: "ext4".to_owned(),
        checksums: Some("on".to_owned()),
        defaults: ("on".to_owned(), String::new()),
        trials: Arm::of_scale(Scale::Full).into_iter().map(trial).collect(),
        patroni: Vec::new(),
    }
}

/// The run, with every trial changed.
fn with(change: impl Fn(&mut Trial)) -> FailoverLoss {
    let mut run = run();
    run.trials.iter_mut().for_each(change);
    run
}

/// The run, with every outcome of one arm and level changed.
fn with_outcomes(arm: Arm, level: Level, change: fn(&mut Outcome)) -> FailoverLoss {
    with(|trial| {
        let own = trial.outcomes.iter_mut().filter(|o| o.level == level);
        if trial.arm == arm {
            own.for_each(change);
        }
    })
}

pub(super) fn broken(must: Must, run: &FailoverLoss) -> Vec<&'static str> {
    let checks = checks(run).into_iter();
    let broken = checks.filter(|c| c.must == must && !c.violations.is_empty());
    broken.map(|c| c.rule).collect()
}

pub(super) fn verdicts(run: &FailoverLoss) -> Vec<ClaimVerdict> {
    claims(run).into_iter().map(|c| c.verdict).collect()
}

#[test]
fn every_rule_holds_in_a_run_as_postgresql_makes_it() {
    let run = run();
    for check in checks(&run) {
        assert!(check.looked_at > 0, "{}", check.rule);
        assert_eq!(check.violations, [""; 0], "{}", check.rule);
    }
    let answer = assess(&run).answer;
    assert!(
        answer[0].contains("local loses 100 of 400")
            && answer[0].contains("0 of 2,700 (95 % bound"),
        "{answer:?}"
    );
    assert!(answer[2].contains("cancelled (20 of 320)"), "{answer:?}");
    let stems: Vec<String> = drawings(&run, &[]).into_iter().map(|d| d.0).collect();
    assert_eq!(stems, ["loss", "one-trial", "waits"]);
}

#[test]
fn the_claims_are_judged_by_what_was_lost() {
    use ClaimVerdict::{Confirmed, InPart, NotMeasured, Refuted};
    let usual = [
        Refuted,
        Confirmed,
        InPart,
        Refuted,
        InPart,
        NotMeasured,
        Confirmed,
        Refuted,
        InPart,
    ];
    assert_eq!(verdicts(&run()), usual);
    let nothing = with(|t| {
        for outcome in &mut t.outcomes {
            (outcome.lost, outcome.unacked_present) = (0, 0);
            outcome.on_old = outcome.on_old.map(|_| 0);
        }
    });
    let kept = [
        Refuted,
        Refuted,
        Confirmed,
        Confirmed,
        Confirmed,
        NotMeasured,
        NotMeasured,
        Confirmed,
        NotMeasured,
    ];
    assert_eq!(verdicts(&nothing), kept);
    let lost_at_on = with_outcomes(Arm::Healthy, Level::On, |o| o.lost = 1);
    assert_eq!(verdicts(&lost_at_on)[2], Refuted);
    assert_eq!(verdicts(&FailoverLoss::default()), [NotMeasured; 9]);
    assert_eq!(assess(&FailoverLoss::default()).answer.len(), 3);
    assert!(drawings(&FailoverLoss::default(), &[]).is_empty());
}

#[test]
fn each_rule_that_must_always_hold_finds_what_breaks_it() {
    let one = |run: &FailoverLoss, words: &str| {
        let rules = broken(Must::Hold, run);
        assert_eq!(rules.len(), 1, "{rules:?}");
        assert!(rules[0].contains(words), "{rules:?}");
        assert!(assess(run).violation().is_some());
    };
    let lose: fn(&mut Outcome) = |o| {
        o.lost += 1;
        o.on_old = o.on_old.map(|n| n + 1);
    };
    for (arm, level) in [
        (Arm::Healthy, Level::On),
        (Arm::Cut1000, Level::RemoteApply),
        (Arm::PageCache, Level::On),
        (Arm::StandbyCrash, Level::RemoteApply),
        (Arm::InPlace, Level::On),
    ] {
        one(&with_outcomes(arm, level, lose), "at on and remote_apply");
    }
    for arm in [Arm::Delay25, Arm::StandbyCrash] {
        one(
            &with_outcomes(arm, Level::RemoteWrite, lose),
            "remote_write",
        );
    }
    for arm in [Arm::InPlace, Arm::InPlaceLocal] {
        one(&with_outcomes(arm, Level::Local, lose), "in place");
    }
    // Patient and terminated clients lose nothing where others are cancelled.
    let patient = with(|t| {
        let own = t.outcomes.iter_mut();
        own.filter(|o| o.client == Client::Terminated)
            .for_each(lose);
    });
    one(&patient, "no wait was ended");
    let holes = with_outcomes(Arm::Cut500, Level::Off, |o| o.holes = 1);
    one(&holes, "comes after");
    let not_on_old = with_outcomes(Arm::NoList, Level::Local, |o| o.on_old = Some(3));
    one(&not_on_old, "opened alone");
    let warned = with_outcomes(Arm::Healthy, Level::On, |o| o.warned = 1);
    one(&warned, "warning");
    one(&with(|t| t.foreign = 1), "no client has sent");
    one(&with(|t| t.twice = 1), "twice");
}

#[test]
fn a_void_trial_says_nothing_about_loss_and_is_named() {
    let void = with(|t| {
        if t.arm == Arm::Healthy {
            t.void = Some("not promoted after 20 s".to_owned());
            t.outcomes.iter_mut().for_each(|o| o.lost = 9);
        }
    });
    assert_eq!(broken(Must::Hold, &void), [""; 0]);
    let rules = broken(Must::Show, &void);
    assert!(rules.len() == 1 && rules[0].contains("promoted in time"));
    let tables = assess(&void).tables;
    let last = tables.last().unwrap();
    assert!(last.notes[0].contains("healthy link, round 1: not promoted"));
}

#[test]
fn what_must_show_and_does_not_is_found() {
    let one = |run: &FailoverLoss, words: &str| {
        let rules = broken(Must::Show, run);
        assert_eq!(rules.len(), 1, "{rules:?}");
        assert!(rules[0].contains(words), "{rules:?}");
    };
    let keep: fn(&mut Outcome) = |o| {
        o.lost = 0;
        o.on_old = o.on_old.map(|_| 0);
    };
    one(&with_outcomes(Arm::Cut2000, Level::Local, keep), "0.8");
    one(
        &with_outcomes(Arm::NoList, Level::On, keep),
        "list is empty",
    );
    one(
        &with_outcomes(Arm::InPlaceOff, Level::Off, keep),
        "off alone",
    );
    let kept = with_outcomes(Arm::PageCache, Level::RemoteWrite, keep);
    one(&kept, "page cache");
    for arm in [Arm::OtherStandby, Arm::Waiting, Arm::Emptied] {
        one(&with_outcomes(arm, Level::On, keep), "another standby");
    }
}

#[test]
fn none_lost_is_said_with_what_it_bounds() {
    let of = |lost, acked| super::super::summing::Tally { acked, lost }.words();
    assert_eq!(of(20, 1_320), "20 of 1,320");
    assert_eq!(of(0, 3_000), "0 of 3,000 (95 % bound 3/N: 0.10 %)");
    assert_eq!(of(0, 40), "0 of 40, too few");
    assert_eq!(of(0, 0), "none acknowledged");
}
