//! `run lsn-ladder` on a pair of its own: to its end, and stopped in the middle.

use nix::sys::signal::Signal;
use procbench::chapter7::{ClaimVerdict, ClusterRun, Measured, Must, of, read_cluster_run};
use procbench::record::RunStatus;

use super::place::Place;
use super::procbench_process::{Procbench, wait_for};
use super::wanted;

fn start<'a>(place: &'a Place, name: &str) -> Procbench<'a> {
    let options = "lsn-ladder --quick --server local -v";
    Procbench::start_run(place, name, options)
}

fn run(place: &Place, name: &str) -> ClusterRun {
    read_cluster_run(&place.path(name).join("cluster-run.json")).unwrap()
}

#[test]
fn every_rule_holds_and_every_sentence_is_judged() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let mut procbench = start(&place, "out");
    procbench.ended().assert_code(0);
    procbench.assert_nothing_left();
    let run = run(&place, "out");
    assert_eq!(run.status, RunStatus::Complete);
    let assessment = (of(&run.measured).assess)(&run.measured);
    for check in &assessment.checks {
        assert!(check.looked_at > 0, "{} was not looked at", check.rule);
        if check.must == Must::Hold {
            assert!(check.violations.is_empty(), "{check:?}");
        }
    }
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
    for page in [
        "SUMMARY.md",
        "DETAILS.md",
        "analysis.json",
        "staircase.png",
        "gaps.pdf",
        "frozen.csv",
    ] {
        assert!(place.path("out").join(page).is_file(), "{page}");
    }
}

#[test]
fn stopped_in_the_middle_it_keeps_what_there_is_and_leaves_nothing() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let mut procbench = start(&place, "stopped");
    // The first block is over when the second begins, with something slow.
    let log = place.path("log/stopped.stderr");
    wait_for("the second block", || {
        let said = std::fs::read_to_string(&log).unwrap();
        (said.matches("round 1: ").count() >= 2).then_some(())
    });
    procbench.signal(Signal::SIGINT);
    let ended = procbench.ended();
    ended.assert_code(1);
    assert!(
        ended.stderr.contains("PARTIAL RUN: interrupted"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        run(&place, "stopped").status,
        RunStatus::Partial {
            reason: "interrupted".to_owned()
        }
    );
    procbench.assert_nothing_left();
}
