//! Nobody listens, or nobody answers.

use std::net::TcpListener;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::place::Place;
use super::procbench_process::{Procbench, SHORT};

/// A port of this machine that nobody listens on.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_refused_connection_is_one_line_and_leaves_nothing() {
    let place = Place::new();
    let url = format!("postgres://me@127.0.0.1:{}/x", closed_port());
    for arms in ["quiet,unpooled", "quiet,unpooled,pgbouncer"] {
        let options = format!("{SHORT} --server {url} --arms {arms}");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        let ended = procbench.ended();
        ended.assert_code(1);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        procbench.assert_nothing_kept("127.0.0.1");
        procbench.assert_nothing_kept("Connection refused");
    }
}

/// Takes connections and never says a word, as a paused pooler does once it has let somebody in.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("postgres://me@127.0.0.1:{port}/x"))
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_asked() {
    let place = Place::new();
    let (_listener, url) = silent();
    let options = format!("{SHORT} --server {url} --arms quiet --connect-timeout 1500ms");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.ended().assert_code(1);
    procbench.assert_nothing_kept("did not come within 1.5 s (--connect-timeout)");
}

#[test]
fn one_ctrl_c_ends_a_wait_that_was_announced() {
    let place = Place::new();
    let (_listener, url) = silent();
    // An hour, of which nothing may be waited for.
    let options = format!("{SHORT} --server {url} --arms quiet --connect-timeout 1h");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_it_says("waiting for a connection, up to 3600 s");
    let asked = Instant::now();
    procbench.signal(Signal::SIGINT);
    procbench.ended().assert_code(1);
    assert!(asked.elapsed().as_secs() < 600, "it went on waiting");
    procbench.assert_nothing_kept("interrupted");
}
