//! `run lsn-ladder` on a pair of its own: to its end, and stopped in the middle.

use procbench::chapter7::{ClaimVerdict, Measured};

use super::{cluster, wanted};

#[test]
fn every_rule_holds_and_every_sentence_is_judged() {
    if !wanted::local_server() {
        return;
    }
    let figures = ["staircase.png", "gaps.pdf", "frozen.csv"];
    let (run, assessment) = cluster::to_its_end("lsn-ladder", &figures);
    // What takes the delay at least does so at any speed of this machine.
    let delayed = assessment.checks.iter().find(|c| c.rule.contains("0.9"));
    assert_eq!(delayed.unwrap().violations, [""; 0]);
    let unclear = |v| v == ClaimVerdict::NotMeasured;
    assert!(!assessment.claims.iter().any(|c| unclear(c.verdict)));
    // sent_lsn, the default, one's own writes, the lag columns.
    for claim in &assessment.claims[1..5] {
        assert_eq!(claim.verdict, ClaimVerdict::Refuted, "{claim:?}");
    }
    let Measured::LsnLadder(ladder) = &run.measured else {
        panic!("another experiment");
    };
    assert_eq!(ladder.blocks.len(), 6);
    assert!(ladder.blocks.iter().all(|b| b.cells.len() == 5));
}

#[test]
fn stopped_in_the_middle_it_keeps_what_there_is_and_leaves_nothing() {
    if wanted::local_server() {
        // The first block is over when the second begins, with something slow.
        cluster::stopped_in_the_middle("lsn-ladder", 2);
    }
}
