//! Verdicts on made-up trials with Patroni.

use super::tests::{broken, outcome, run, verdicts};
use super::*;
use crate::chapter7::assessment::{ClaimVerdict, Must};
use crate::chapter7::failover_loss::arms::{Group, PatroniArm};
use crate::chapter7::failover_loss::drawings::drawings;
use crate::chapter7::failover_loss::record::{AtKill, Looks, Outcome, PatroniTrial, Rejoined};

const MS: u64 = 1_000_000;

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
            leader: if arm == PatroniArm::StalePosition {
                9_000_000
            } else {
                5_100_000
            },
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
    let cases: [Case; 17] = [
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
            NotStrict,
            |t| t.at_kill.as_mut().unwrap().leader = 9_000_000,
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
