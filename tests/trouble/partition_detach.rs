//! `run partition-detach` on a cluster of its own: to its end, and stopped in the middle.

use procbench::chapter7::ClaimVerdict;

use super::{cluster, wanted};

#[test]
fn every_rule_holds_and_what_must_show_shows() {
    if !wanted::local_server() {
        return;
    }
    let figures = ["completions.png", "gaps.pdf"];
    let (_, assessment) = cluster::to_its_end("partition-detach", &figures);
    let unclear = |v| v == ClaimVerdict::NotMeasured;
    assert!(!assessment.claims.iter().any(|c| unclear(c.verdict)));
    // What a transaction in front does is a matter of seconds, not of this machine's speed.
    assert_eq!(assessment.claims[2].verdict, ClaimVerdict::Refuted);
    assert_eq!(assessment.claims[3].verdict, ClaimVerdict::Refuted);
}

#[test]
fn stopped_in_the_middle_it_keeps_what_there_is_and_leaves_nothing() {
    if wanted::local_server() {
        // Two of them are over when the third begins.
        cluster::stopped_in_the_middle("partition-detach", 3);
    }
}
