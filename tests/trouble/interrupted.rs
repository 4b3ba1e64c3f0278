//! The user's Ctrl-C, and a supervisor's SIGTERM. The first one ends the run in good order: exit code 1, as
//! for every partial run. The second one ends the program at once, with 128 + the signal's number.

use nix::sys::signal::Signal;

use super::place::{Place, send, state};
use super::procbench_process::{
    LONG, Procbench, SHORT, assert_earlier_blocks_whole, assert_partial, wait_for,
};
use super::refused::closed_port;
use super::wanted;

/// How a signal is sent.
#[derive(Debug, Clone, Copy)]
enum To {
    /// By `kill`.
    Process,
    /// By the terminal.
    Group,
}

impl To {
    fn send(self, procbench: &Procbench<'_>, signal: Signal) {
        match self {
            To::Process => procbench.signal(signal),
            To::Group => procbench.signal_group(signal),
        }
    }
}

fn in_mid_run(server: &str, arms: &str, cases: &[(Signal, To)]) {
    for (signal, to) in cases {
        let place = Place::new();
        let options = format!("{LONG} --server {server} --arms {arms}");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        procbench.wait_until_mid_run();
        to.send(&procbench, *signal);
        let ended = procbench.ended();
        ended.assert_code(1);
        let run = procbench.run();
        assert_partial(&run, "interrupted after");
        assert_earlier_blocks_whole(&run);
        assert!(
            ended.stderr.contains("PARTIAL RUN: interrupted"),
            "{}",
            ended.stderr
        );
        procbench.assert_nothing_left();
    }
}

#[test]
fn in_mid_run_with_a_local_server() {
    if wanted::local_server() {
        let arms = "quiet,unpooled,pgbouncer,pool";
        in_mid_run(
            "local",
            arms,
            &[
                (Signal::SIGINT, To::Process),
                (Signal::SIGQUIT, To::Group),
                (Signal::SIGTERM, To::Process),
            ],
        );
    }
}

#[test]
fn in_mid_run_with_containers() {
    if wanted::docker_server() {
        let arms = "quiet,unpooled,pgbouncer-kept";
        in_mid_run("docker", arms, &[(Signal::SIGINT, To::Group)]);
    }
}

fn while_provisioning(server: &str, begun: &dyn Fn(&mut Procbench<'_>, &Place)) {
    for (signal, to) in [
        (Signal::SIGINT, To::Process),
        (Signal::SIGINT, To::Group),
        (Signal::SIGTERM, To::Group),
    ] {
        let place = Place::new();
        let options = format!("{LONG} --server {server} --arms quiet,unpooled,pgbouncer");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        begun(&mut procbench, &place);
        to.send(&procbench, signal);
        procbench.ended().assert_code(1);
        procbench.assert_nothing_kept("interrupted");
    }
}

#[test]
fn while_a_local_server_is_made() {
    if wanted::local_server() {
        while_provisioning("local", &|_, place| {
            wait_for("initdb", || (!place.in_tmp().is_empty()).then_some(()));
        });
    }
}

#[test]
fn while_a_container_is_made() {
    if wanted::docker_server() {
        while_provisioning("docker", &|procbench, _| {
            wait_for("a container", || {
                (!procbench.containers().is_empty()).then_some(())
            });
        });
    }
}

/// SIGQUIT, the immediate shutdown that ends a postmaster, is waiting for it.
fn shutdown_is_pending(postmaster: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{postmaster}/status")).unwrap();
    let pending = status
        .lines()
        .filter_map(|l| {
            l.strip_prefix("ShdPnd:")
                .or_else(|| l.strip_prefix("SigPnd:"))
        })
        .map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap())
        .fold(0, |all, mask| all | mask);
    pending & (1 << (Signal::SIGQUIT as u64 - 1)) != 0
}

#[test]
fn a_second_ctrl_c_ends_the_clean_up_and_the_next_start_sweeps() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{LONG} --server local --arms quiet,unpooled");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    let postmaster = procbench.wait_until_mid_run();
    // It cannot shut down while it is stopped: the clean-up lasts.
    send(postmaster, Signal::SIGSTOP);
    wait_for("the stop", || {
        (state(postmaster) == Some('T')).then_some(())
    });
    procbench.signal(Signal::SIGINT);
    wait_for("the clean-up", || {
        shutdown_is_pending(postmaster).then_some(())
    });
    procbench.signal(Signal::SIGINT);
    procbench.ended().assert_code(128 + Signal::SIGINT as i32);
    assert!(!place.in_tmp().is_empty(), "the clean-up was not cut short");
    let url = format!("postgres://me@127.0.0.1:{}/x", closed_port());
    let options = format!("{SHORT} --arms quiet --server {url}");
    let mut next = Procbench::start(&place, "next", &options, &[]);
    let ended = next.ended();
    assert!(
        ended.stderr.contains("left by an earlier run: removed"),
        "{}",
        ended.stderr
    );
    procbench.assert_nothing_left();
}

#[test]
fn a_server_that_hangs_does_not_hold_the_user_up() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    // One block of half an hour, in which nothing is answered any more.
    let options = "--standing 0 --starts 1 --blocks 1 --duration 30m --warmup 20ms --readers 2 --clients 2 \
         --client-rate 100 --reader-rate 100 --keep-awake off --server local --arms unpooled";
    let mut procbench = Procbench::start(&place, "out", options, &[]);
    let postmaster = procbench.wait_until_mid_run();
    for process in super::place::children(postmaster)
        .into_iter()
        .chain([postmaster])
    {
        send(process, Signal::SIGSTOP);
    }
    procbench.signal(Signal::SIGINT);
    procbench.ended().assert_code(1);
    // The only block was not ended.
    procbench.assert_nothing_kept("interrupted");
}

/// The terminal window is closed: SIGHUP, and nobody reads what the program says.
#[test]
fn in_mid_run_with_the_terminal_gone() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let options = format!("{LONG} --server local --arms quiet,unpooled");
    let mut procbench = Procbench::start_unheard(&place, "out", &options);
    let postmaster = procbench.child_named("postgres");
    // Start-up forks less than a third of this, even if it is seen from its beginning.
    procbench.wait_until_forked(postmaster, 150);
    procbench.signal(Signal::SIGHUP);
    procbench.ended().assert_code(1);
    let run = procbench.run();
    assert_partial(&run, "interrupted after");
    assert_earlier_blocks_whole(&run);
    procbench.assert_nothing_left();
}
