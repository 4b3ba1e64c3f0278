//! Verdicts on made-up trials.

use super::*;
use crate::chapter7::assessment::{ClaimVerdict, Must};
use crate::chapter7::failover_loss::arms::{Group, PatroniArm};
use crate::chapter7::failover_loss::drawings::drawings;
use crate::chapter7::failover_loss::record::{
    AtKill, Looks, Outcome, PageCache, PatroniTrial, Rejoined, Trial,
};
use crate::chapter7::failover_loss::summing::predicted;
use crate::experiment::Scale;

const MS: u64 = 1_000_000;

/// What PostgreSQL makes of a group: it loses what is predicted.
fn outcome(arm: Arm, group: Group) -> Outcome {
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

fn run() -> FailoverLoss {
    FailoverLoss {
        server_version: "17.2".to_owned(),
        file_system: "ext4".to_owned(),
        defaults: ("on".to_owned(), String::new()),
        trials: Arm::of_scale(Scale::Full).into_iter().map(trial).collect(),
        patroni: Vec::new(),
    }
}

fn with_patroni(arm: PatroniArm) -> PatroniTrial {
    let like = match arm {
        PatroniArm::Off | PatroniArm::StalePosition => Arm::NoList,
        PatroniArm::On => Arm::Cut1000,
        PatroniArm::Behind | PatroniArm::NotStrict => Arm::Healthy,
    };
    let outcome = |level: Level| {
        let group = Group {
            level,
            client: Client::Patient,
        };
        Outcome {
            on_old: None,
            ..outcome(like, group)
        }
    };
    let mut outcomes = [Level::Local, Level::On].map(outcome);
    if arm.rejoins() {
        outcomes.iter_mut().for_each(|o| o.on_old = Some(o.lost));
    }
    let in_sync = match arm {
        PatroniArm::On => Some(vec!["n2".to_owned()]),
        PatroniArm::NotStrict => Some(Vec::new()),
        _ => None,
    };
    let rejoined = arm.rejoins().then(|| Rejoined {
        before: 800,
        after: 600,
        rewound: arm
            .promotes()
            .then(|| "running pg_rewind from n2".to_owned()),
        rows: vec!["600 77".to_owned(); 2],
        back_ns: 5_000 * MS,
    });
    PatroniTrial {
        version: "patroni 4".to_owned(),
        server_version: "17.2".to_owned(),
        arm,
        void: None,
        kill_ns: 2_500 * MS,
        behind_bytes: (arm == PatroniArm::Behind).then_some(75_000),
        promoted: arm.promotes().then(|| "n2".to_owned()),
        leader_ns: Some(20_000 * MS),
        outcomes: outcomes.to_vec(),
        foreign: 0,
        twice: 0,
        at_kill: Some(AtKill {
            leader: 9_000_000,
            standby: 5_000_000,
            stored: Some(5_000_100),
            list: String::new(),
            in_sync,
        }),
        on_one_node: (!arm.promotes()).then_some(400),
        looks: Some(Looks {
            count: 150,
            most_leaders: 1,
        }),
        rejoined,
    }
}

#[test]
fn patroni_is_judged_where_it_ran() {
    let patroni = PatroniArm::ALL.iter().map(|arm| with_patroni(*arm));
    let ran = FailoverLoss {
        patroni: patroni.collect(),
        ..run()
    };
    for check in checks(&ran) {
        assert!(check.looked_at > 0, "{}", check.rule);
        assert_eq!(check.violations, [""; 0], "{}", check.rule);
    }
    assert_eq!(verdicts(&ran)[5], ClaimVerdict::InPart);
    let with = |arm: Option<PatroniArm>, change: fn(&mut PatroniTrial)| {
        let mut other = ran.clone();
        let trials = other.patroni.iter_mut();
        trials
            .filter(|t| arm.is_none_or(|arm| t.arm == arm))
            .for_each(change);
        other
    };
    use PatroniArm::{Behind, NotStrict, Off, On, StalePosition};
    type Case = (Must, PatroniArm, fn(&mut PatroniTrial), &'static str);
    let cases: [Case; 16] = [
        (Must::Hold, On, |t| t.outcomes[1].lost = 3, "at on is lost"),
        (Must::Hold, Behind, |t| t.foreign = 1, "none twice"),
        (Must::Hold, Off, |t| t.twice = 1, "none twice"),
        (
            Must::Hold,
            StalePosition,
            |t| t.looks.as_mut().unwrap().most_leaders = 2,
            "never two",
        ),
        (
            Must::Hold,
            On,
            |t| t.promoted = Some("n3".to_owned()),
            "not in /sync",
        ),
        (
            Must::Hold,
            Off,
            |t| t.rejoined.as_mut().unwrap().rows[1] = "600 78".to_owned(),
            "the same rows",
        ),
        (
            Must::Hold,
            Off,
            |t| t.outcomes[0].on_old = Some(1),
            "on the old leader",
        ),
        (
            Must::Hold,
            NotStrict,
            |t| t.outcomes[0].lost = 1,
            "promotes nobody",
        ),
        (Must::Show, On, |t| t.outcomes[0].lost = 0, "a cut loses"),
        (
            Must::Show,
            Off,
            |t| t.rejoined.as_mut().unwrap().rewound = None,
            "pg_rewind",
        ),
        (
            Must::Show,
            Off,
            |t| t.rejoined.as_mut().unwrap().after = 800,
            "pg_rewind",
        ),
        (
            Must::Show,
            StalePosition,
            |t| t.at_kill.as_mut().unwrap().standby = 8_500_000,
            "maximum_lag_on_failover",
        ),
        (
            Must::Show,
            StalePosition,
            |t| t.promoted = None,
            "maximum_lag_on_failover",
        ),
        (
            Must::Show,
            NotStrict,
            |t| t.on_one_node = Some(0),
            "the leader was alone",
        ),
        (
            Must::Show,
            Behind,
            |t| t.behind_bytes = Some(0),
            "behind the other",
        ),
        (
            Must::Show,
            On,
            |t| t.void = Some("no new leader after 60 s".to_owned()),
            "a new leader",
        ),
    ];
    for (must, arm, change, words) in cases {
        let rules = broken(must, &with(Some(arm), change));
        assert_eq!(rules.len(), 1, "{words}: {rules:?}");
        assert!(rules[0].contains(words), "{words}: {rules:?}");
    }
    let promoted = with(Some(NotStrict), |t| t.promoted = Some("n2".to_owned()));
    assert!(broken(Must::Hold, &promoted)[0].contains("not in /sync"));
    assert!(broken(Must::Show, &promoted)[0].contains("the leader was alone"));
    let third = with(Some(Behind), |t| t.promoted = Some("n3".to_owned()));
    assert_eq!(verdicts(&third)[5], ClaimVerdict::Refuted);
    let void = with(None, |t| {
        t.void = Some("no new leader after 60 s".to_owned())
    });
    assert_eq!(verdicts(&void)[5], ClaimVerdict::NotMeasured);
    let stems: Vec<String> = drawings(&ran, &[]).into_iter().map(|d| d.0).collect();
    assert_eq!(stems, ["loss", "one-trial", "waits", "patroni"]);
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

fn broken(must: Must, run: &FailoverLoss) -> Vec<&'static str> {
    let checks = checks(run).into_iter();
    let broken = checks.filter(|c| c.must == must && !c.violations.is_empty());
    broken.map(|c| c.rule).collect()
}

fn verdicts(run: &FailoverLoss) -> Vec<ClaimVerdict> {
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
