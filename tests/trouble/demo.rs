//! The demonstration: lines without a terminal, keys on one, and the terminal given back whatever happens.

use std::process::Command;
use std::sync::mpsc::channel;

use nix::sys::signal::Signal;
use procbench::load::Cancel;

use super::place::{Place, send};
use super::procbench_process::{Procbench, assert_conserved, assert_partial, wait_for};
use super::terminal::Terminal;
use super::wanted;

/// Short steps, few standing connections, the machine as it is.
const SHORT: &str = "--server local --seconds 2 --standing 20 --isolate off";
/// Steps that are under way for long.
const LONG: &str = "--server local --seconds 100 --standing 20 --isolate off";

#[test]
fn it_prints_lines_and_is_played_again_with_every_key() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    let mut demo = Procbench::demo(&place, "out", SHORT);
    let ended = demo.ended();
    ended.assert_code(0);
    for number in 1..=7 {
        let step = format!("Step {number} of 7, 2 s:");
        assert!(ended.stdout.contains(&step), "{step}\n{}", ended.stdout);
    }
    assert!(
        ended.stdout.contains("The steps side by side"),
        "{}",
        ended.stdout
    );
    let run = demo.run();
    assert_eq!((run.partial_reason(), run.blocks.len()), (None, 14));
    assert_conserved(&run);
    assert!(
        run.slow_over_ns.is_some() && run.remarks.iter().any(|r| r.contains("not interleaved"))
    );
    demo.assert_nothing_left();

    let lines = Procbench::demo(&place, "lines", &replay(&place)).ended();
    lines.assert_code(0);
    assert_eq!(lines.stdout.matches("transactions/s,").count(), 14);

    for no_colour in ["", "1"] {
        let terminal = Terminal::new(80, 24);
        let environment = [("NO_COLOR", no_colour), ("TERM", "xterm-256color")];
        let mut demo =
            Procbench::demo_on(&terminal, (&place, "again"), &replay(&place), &environment);
        terminal.wait_until_it_shows("1/7");
        every_key(&terminal, &demo);
        demo.ended().assert_code(0);
        terminal.assert_given_back();
        terminal.wait_until_written("The steps side by side");
        assert_eq!(terminal.was_coloured(), no_colour.is_empty());
    }
}

fn replay(place: &Place) -> String {
    format!("--replay {}", place.path("out").display())
}

fn every_key(terminal: &Terminal, demo: &Procbench<'_>) {
    let sees = |keys: &str, text: &str| {
        terminal.press(keys);
        terminal.wait_until_it_shows(text);
    };
    sees(" ", "PAUSED");
    sees("h", "closes this");
    sees("h", "PAUSED");
    wait_for("the help to close", || {
        (!terminal.shown().contains("closes this")).then_some(())
    });
    sees("+", "plays at 2 times");
    sees("-", "plays at its own speed");
    sees("-", "plays at 0.5 times");
    sees(">", "the connections that it has");
    sees("+", "plays at its own speed");
    sees("<", "the connections that it has");
    sees("n", "Reconnecting for each transaction");
    sees("b", "Connections stay open");
    sees(" ", "PAUSED");
    // Only the session of the terminal is told by the kernel.
    terminal.resize(120, 40);
    demo.signal(Signal::SIGWINCH);
    terminal.wait_until_it_shows("CPU of server");
    terminal.resize(60, 20);
    demo.signal(Signal::SIGWINCH);
    terminal.wait_until_it_shows("80 columns");
    terminal.press("q");
}

#[test]
fn a_live_one_does_what_each_key_asks() {
    if !wanted::local_server() {
        return;
    }
    let (place, terminal) = (Place::new(), Terminal::new(80, 24));
    let (mut demo, _) = churning(&place, &terminal);
    let sees = |keys: &str, text: &str| {
        terminal.press(keys);
        terminal.wait_until_it_shows(text);
    };
    // What is changed while it waits starts no server yet.
    sees(" ", "PAUSED");
    sees("+", "160 transactions per second");
    sees("-", "\n80 transactions per second");
    sees(">", "500 standing connections: a fresh start");
    sees("<", "\n0 standing connections: a fresh start");
    sees("b", "1/7 Connections stay open");
    terminal.wait_until_it_shows("s left");
    sees(" ", "PAUSED");
    sees(" ", "s left");
    terminal.press("q");
    demo.ended().assert_code(0);
    terminal.assert_given_back();
    demo.assert_nothing_left();
}

/// A live one in its second step.
fn churning<'a>(place: &'a Place, terminal: &Terminal) -> (Procbench<'a>, u32) {
    let mut demo = Procbench::demo_on(terminal, (place, "out"), LONG, &[("TERM", "xterm")]);
    terminal.wait_until_it_shows("s left");
    terminal.press("n");
    terminal.wait_until_it_shows("2/7");
    let postmaster = demo.child_named("postgres");
    demo.wait_until_forked(postmaster, 30);
    (demo, postmaster)
}

#[test]
fn the_terminal_is_given_back_after_q_ctrl_c_a_signal_and_a_lost_server() {
    if !wanted::local_server() {
        return;
    }
    type Ending = fn(&Terminal, &Procbench<'_>, u32);
    let endings: [(Ending, i32, &str); 4] = [
        (|terminal, _, _| terminal.press("q"), 0, ""),
        (|terminal, _, _| terminal.press("\x03"), 1, "interrupted"),
        (|_, demo, _| demo.signal(Signal::SIGTERM), 1, "interrupted"),
        (
            |_, _, postmaster| send(postmaster, Signal::SIGKILL),
            1,
            "the server died",
        ),
    ];
    for (end, code, says) in endings {
        let (place, terminal) = (Place::new(), Terminal::new(80, 24));
        let (mut demo, postmaster) = churning(&place, &terminal);
        end(&terminal, &demo, postmaster);
        demo.ended().assert_code(code);
        terminal.assert_given_back();
        let run = demo.run();
        assert!(!run.blocks.is_empty());
        match says {
            "" => assert_eq!(run.partial_reason(), None),
            says => assert_partial(&run, says),
        }
        demo.assert_nothing_left();
    }
}

/// What `a_panic_gives_the_terminal_back` runs on a terminal of its own.
#[test]
#[ignore = "panics on purpose"]
fn panics() {
    let (tells, events) = channel();
    let (asks, _commands) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            drop(tells);
            panic!("on purpose");
        });
        let cancel = Cancel::default();
        procbench::demo::show("nowhere", (&events, &asks), (&cancel, &cancel)).unwrap();
    });
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let terminal = Terminal::new(80, 24);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "demo::panics", "--ignored", "--nocapture"])
        .stdin(terminal.stdio())
        .stdout(terminal.stdio())
        .stderr(terminal.stdio());
    let status = command.status().unwrap();
    assert!(!status.success());
    terminal.assert_given_back();
    terminal.wait_until_written("on purpose");
}

#[test]
fn what_is_no_demonstration_is_not_played() {
    let place = Place::new();
    let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/results/pool");
    for (path, says) in [(stored, "is a run of pool"), ("/nowhere", "/nowhere")] {
        let ended = Procbench::demo(&place, "out", &format!("--replay {path}")).ended();
        ended.assert_code(2);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}
