//! What the cluster experiments are all tried by: a run to its end, and one that is stopped in the middle.

use nix::sys::signal::Signal;
use procbench::chapter7::{Assessment, ClusterRun, Must, of, read_cluster_run};
use procbench::record::RunStatus;

use super::place::Place;
use super::procbench_process::{Procbench, wait_for};

fn start<'a>(place: &'a Place, experiment: &str) -> Procbench<'a> {
    let options = format!("{experiment} --quick --server local -v");
    Procbench::start_run(place, "out", &options)
}

fn run(place: &Place) -> ClusterRun {
    read_cluster_run(&place.path("out").join("cluster-run.json")).unwrap()
}

/// Every rule is looked at, what must always hold holds, these pages and figures are there, and nothing is left.
pub(crate) fn to_its_end(experiment: &str, pages: &[&str]) -> (ClusterRun, Assessment) {
    let place = Place::new();
    let mut procbench = start(&place, experiment);
    procbench.ended().assert_code(0);
    procbench.assert_nothing_left();
    let run = run(&place);
    assert_eq!(run.status, RunStatus::Complete);
    let assessment = (of(&run.measured).assess)(&run.measured);
    for check in &assessment.checks {
        assert!(check.looked_at > 0, "{} was not looked at", check.rule);
        if check.must == Must::Hold {
            assert!(check.violations.is_empty(), "{check:?}");
        }
    }
    for page in ["SUMMARY.md", "DETAILS.md", "analysis.json"]
        .iter()
        .chain(pages)
    {
        assert!(place.path("out").join(page).is_file(), "{page}");
    }
    (run, assessment)
}

/// What was measured before is kept and marked, and nothing is left; so many parts have begun then.
pub(crate) fn stopped_in_the_middle(experiment: &str, begun: usize) {
    let place = Place::new();
    let mut procbench = start(&place, experiment);
    let log = place.path("log/out.stderr");
    wait_for("the next part", || {
        let said = std::fs::read_to_string(&log).unwrap();
        (said.matches("round 1: ").count() >= begun).then_some(())
    });
    procbench.signal(Signal::SIGINT);
    let ended = procbench.ended();
    ended.assert_code(1);
    let said = &ended.stderr;
    assert!(said.contains("PARTIAL RUN: interrupted"), "{said}");
    let reason = "interrupted".to_owned();
    assert_eq!(run(&place).status, RunStatus::Partial { reason });
    procbench.assert_nothing_left();
}
