//! Nobody listens, or nobody answers.

use std::net::TcpListener;
use std::time::Instant;

use nix::sys::signal::Signal;
use procbench::config::ServerChoice;
use procbench::server::Target;
use procbench::server::provision::{PgBouncerSpec, ServerSpec, provision, start_pgbouncer};

use super::place::Place;
use super::procbench_process::{Procbench, SHORT};
use super::wanted;

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

#[test]
fn the_environment_alone_names_a_server() {
    let place = Place::new();
    let port = closed_port().to_string();
    let named = [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", "me"),
        ("PGDATABASE", "app"),
    ];
    let options = format!("{SHORT} --url-from-env --arms quiet");
    let mut procbench = Procbench::start(&place, "out", &options, &named);
    procbench.ended().assert_code(1);
    procbench.assert_nothing_kept(&format!(
        "cannot connect to me@127.0.0.1:{port}/app: Connection refused"
    ));
}

#[test]
fn a_full_pool_is_waited_for_no_longer_than_asked() {
    if !wanted::local_server() {
        return;
    }
    let server = provision(&ServerChoice::Local, &ServerSpec::default(), &|_| {}).unwrap();
    let one = PgBouncerSpec {
        pool_size: 1,
        ..PgBouncerSpec::default()
    };
    let pooler = start_pgbouncer(&server, &one, &|_| {}).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Its only server connection is taken, as by a transaction that somebody has left open.
    let _held = runtime.block_on(async {
        let target = Target::new(pooler.endpoint()).unwrap();
        let mut session = target.connect().await.unwrap();
        session.query("BEGIN; SELECT 1").await.unwrap();
        session
    });
    let place = Place::new();
    let url = format!(
        "postgres://procbench@127.0.0.1:{}/procbench",
        pooler.endpoint().port
    );
    let options = format!("{SHORT} --server {url} --arms quiet --connect-timeout 1500ms");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    let ended = procbench.ended();
    ended.assert_code(1);
    let waited = "waiting for the answer to the first statement, up to 1.5 s";
    assert!(ended.stderr.contains(waited), "{}", ended.stderr);
    procbench.assert_nothing_kept("is a pool full, or paused?");
    pooler.stop().unwrap();
    server.stop().unwrap();
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
