//! Nobody listens.

use std::net::TcpListener;

use super::place::Place;
use super::procbench_process::{Procbench, SHORT, assert_partial};

/// A port of this machine that nobody listens on.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_refused_connection_is_a_partial_run() {
    let place = Place::new();
    let url = format!("postgres://me@127.0.0.1:{}/x", closed_port());
    for arms in ["quiet,unpooled", "quiet,unpooled,pgbouncer"] {
        let options = format!("{SHORT} --server {url} --arms {arms}");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        let ended = procbench.ended();
        ended.assert_code(1);
        let run = procbench.run();
        assert_partial(&run, "Connection refused");
        assert_partial(&run, "127.0.0.1");
        assert!(run.blocks.is_empty());
        let partial: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|l| l.contains("PARTIAL RUN"))
            .collect();
        assert_eq!(partial.len(), 1, "{}", ended.stderr);
        assert!(partial[0].contains("Connection refused") && partial[0].contains("run.json"));
        procbench.assert_nothing_left();
    }
}
