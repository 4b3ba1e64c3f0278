//! `run failover-loss` on three clusters of its own: to its end, and stopped in the middle.

use nix::sys::signal::Signal;
use procbench::chapter7::{
    ClaimVerdict, ClusterRun, Measured, Must, PatroniArm, measure_patroni, of, read_cluster_run,
};
use procbench::record::RunStatus;

use super::place::Place;
use super::procbench_process::{Procbench, docker, wait_for};
use super::wanted;

fn start<'a>(place: &'a Place, name: &str) -> Procbench<'a> {
    let options = "failover-loss --quick --server local -v";
    Procbench::start_run(place, name, options)
}

fn run(place: &Place, name: &str) -> ClusterRun {
    read_cluster_run(&place.path(name).join("cluster-run.json")).unwrap()
}

#[test]
fn every_rule_holds_and_the_crash_bites() {
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
    for page in [
        "SUMMARY.md",
        "DETAILS.md",
        "analysis.json",
        "loss.png",
        "one-trial.pdf",
        "waits.csv",
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
    // The first primary has died when the second trial begins.
    let log = place.path("log/stopped.stderr");
    wait_for("the second trial", || {
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
