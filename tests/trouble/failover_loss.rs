//! `run failover-loss` on three clusters of its own: to its end, and stopped in the middle.

use procbench::chapter7::{ClaimVerdict, Measured, PatroniArm, measure_patroni, of};

use super::procbench_process::docker;
use super::{cluster, wanted};

#[test]
fn every_rule_holds_and_the_crash_bites() {
    if !wanted::local_server() {
        return;
    }
    let figures = ["loss.png", "one-trial.pdf", "waits.csv"];
    let (run, assessment) = cluster::to_its_end("failover-loss", &figures);
    // With the empty list a cut is a loss at every level, at any speed of this machine.
    let empty = assessment.checks.iter().find(|c| c.rule.contains("empty"));
    assert_eq!(empty.unwrap().violations, [""; 0]);
    for (claim, verdict) in [(0, ClaimVerdict::Refuted), (1, ClaimVerdict::Confirmed)] {
        assert_eq!(assessment.claims[claim].verdict, verdict);
    }
    let Measured::FailoverLoss(loss) = &run.measured else {
        panic!("another experiment");
    };
    assert_eq!(loss.trials.len(), 13);
    assert_eq!(loss.checksums.as_deref(), Some("on"));
}

#[test]
fn stopped_in_the_middle_it_keeps_what_there_is_and_leaves_nothing() {
    if wanted::local_server() {
        // The first primary has died when the second trial begins.
        cluster::stopped_in_the_middle("failover-loss", 2);
    }
}

/// Of Patroni's arms the one that loses, promotes and rewinds: the others take as long, and differ in the cut.
#[test]
fn with_patroni_a_cut_loses_and_pg_rewind_takes_what_was_lost() {
    if !wanted::docker_server() {
        return;
    }
    let loss = measure_patroni(PatroniArm::Off, 13).unwrap();
    let own = format!("name=procbench-{}-", std::process::id());
    let image = "ancestor=procbench-patroni:1";
    let left = docker(&["ps", "-aq", "--filter", &own, "--filter", image]);
    assert_eq!(left, "");
    let [trial] = &loss.patroni[..] else {
        panic!("one trial");
    };
    assert_eq!(trial.promoted.as_deref(), Some("n2"));
    let measured = Measured::FailoverLoss(loss.clone());
    let assessment = (of(&measured).assess)(&measured);
    let looked_at = assessment.checks.iter().filter(|c| c.looked_at > 0);
    let looked_at: Vec<_> = looked_at.collect();
    assert_eq!(looked_at.len(), 7, "{looked_at:?}");
    for check in looked_at {
        assert!(check.violations.is_empty(), "{check:?} in {trial:?}");
    }
}
