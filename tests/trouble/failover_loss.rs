//! `run failover-loss` on three clusters of its own: to its end, and stopped in the middle.

use procbench::chapter7::{ClaimVerdict, Measured};

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
}

#[test]
fn stopped_in_the_middle_it_keeps_what_there_is_and_leaves_nothing() {
    if wanted::local_server() {
        // The first primary has died when the second trial begins.
        cluster::stopped_in_the_middle("failover-loss", 2);
    }
}
