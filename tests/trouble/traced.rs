//! A trace's end: bpftrace goes with the run, with a stopped one and with a killed one, and where it is missing the run
//! goes on without.

use nix::sys::signal::Signal;

use super::place::{Place, children, send, state, title};
use super::procbench_process::{LONG, Procbench, SHORT, assert_partial, wait_for};
use super::wanted;

const TRACED: &str = "--server local --arms quiet,unpooled --trace every-block";

/// The bpftrace that a procbench has started.
fn bpftrace_of(procbench: &Procbench<'_>) -> u32 {
    let of = children(procbench.pid());
    let found = of
        .into_iter()
        .find(|pid| title(*pid).starts_with("bpftrace"));
    found.expect("a traced run has a bpftrace")
}

fn is_gone(pid: u32) -> bool {
    state(pid).is_none_or(|s| s == 'Z')
}

#[test]
fn a_stopped_run_takes_its_trace_along() {
    if !wanted::local_server() || !wanted::trace() {
        return;
    }
    let place = Place::new();
    let mut procbench = Procbench::start(&place, "out", &format!("{LONG} {TRACED}"), &[]);
    procbench.wait_until_mid_run();
    let bpftrace = bpftrace_of(&procbench);
    procbench.signal_group(Signal::SIGINT);
    procbench.ended().assert_code(1);
    assert!(is_gone(bpftrace));
    let run = procbench.run();
    assert_partial(&run, "interrupted after");
    assert!(run.blocks[0].counters.contains_key("procarraylock.shared"));
    procbench.assert_nothing_left();
}

#[test]
fn a_killed_procbench_takes_its_trace_along() {
    if !wanted::local_server() || !wanted::trace() {
        return;
    }
    let place = Place::new();
    let mut procbench = Procbench::start(&place, "out", &format!("{LONG} {TRACED}"), &[]);
    procbench.wait_until_mid_run();
    let bpftrace = bpftrace_of(&procbench);
    send(procbench.pid(), Signal::SIGKILL);
    wait_for("bpftrace's end", || is_gone(bpftrace).then_some(()));
}

#[test]
fn a_killed_bpftrace_leaves_what_was_measured_and_the_run_says_so() {
    if !wanted::local_server() || !wanted::trace() {
        return;
    }
    let place = Place::new();
    let options = format!("{SHORT} {TRACED} --blocks 12 --duration 6s")
        .replace("--blocks 6 --duration 600ms", "");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_mid_run();
    send(bpftrace_of(&procbench), Signal::SIGKILL);
    procbench.ended().assert_code(0);
    let run = procbench.run();
    let said = "not traced: bpftrace ended";
    assert!(
        run.remarks.iter().any(|r| r.starts_with(said)),
        "{:?}",
        run.remarks
    );
    // Two arms and the A/A twin, twelve rounds.
    assert_eq!(run.blocks.len(), 36);
    let last = run.blocks.last().unwrap();
    assert!(!last.counters.contains_key("procarraylock.shared"));
}

#[test]
fn without_bpftrace_the_run_goes_on_and_says_what_is_missing() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    // Found first, and of no use: as where probes are not allowed.
    place.stand_in("bpftrace", "echo no probes here; exit 1");
    let mut procbench = Procbench::start(&place, "out", &format!("{SHORT} {TRACED}"), &[]);
    procbench.ended().assert_code(0);
    let run = procbench.run();
    let remark = run.remarks.iter().find(|r| r.starts_with("not traced: "));
    let remark = remark.expect("the run says that it was not traced");
    let root = nix::unistd::Uid::effective().is_root();
    assert!(!root || remark.contains("no probes here"), "{remark}");
    assert!(
        run.blocks
            .iter()
            .all(|b| !b.counters.contains_key("procarraylock.shared"))
    );
    procbench.assert_nothing_left();
}
