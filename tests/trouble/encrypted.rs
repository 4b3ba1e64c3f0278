//! Somebody's server over TLS: measured as in clear, and what happens to it in between is counted.

use std::fs;

use nix::sys::signal::Signal;
use procbench::config::{EndpointHost, ServerChoice};
use procbench::factor::Tls;
use procbench::record::{Between, Run};
use procbench::server::provision::{RunningServer, ServerSpec, provision};

use super::passwords::execute;
use super::place::{Place, send};
use super::procbench_process::{Procbench, SHORT, assert_conserved};
use super::wanted;

/// Its role comes in over TLS only.
fn server() -> RunningServer {
    let spec = ServerSpec {
        max_connections: 60,
        tls: Tls::On,
        settings: vec![
            ("log_statement".to_owned(), "all".to_owned()),
            ("log_line_prefix".to_owned(), "<%u> ".to_owned()),
        ],
        ..ServerSpec::default()
    };
    provision(&ServerChoice::Local, &spec, &|_| {}).unwrap()
}

fn samples(run: &Run, series: &str) -> u64 {
    let counts = run.blocks.iter().flat_map(|block| &block.series);
    let counts = counts.filter(|(key, _)| key.to_string() == series);
    counts.map(|(_, histogram)| histogram.len()).sum()
}

#[test]
fn every_arm_and_phase_works_over_tls_and_nothing_is_changed() {
    if !wanted::local_server() {
        return;
    }
    let server = server();
    let EndpointHost::Unix(sockets) = &server.admin_endpoint().unwrap().host else {
        panic!("the superuser comes through the socket");
    };
    let scratch = sockets.parent().unwrap();
    let place = Place::new();
    // Its own certificate is the root: only root and the server's user may read it where it lies.
    let root = place.path("root.crt");
    fs::copy(scratch.join("pgdata/server.crt"), &root).unwrap();
    let port = server.endpoint().port;
    let url = format!(
        "postgres://procbench@127.0.0.1:{port}/procbench?sslmode=verify-full&sslrootcert={}",
        root.display()
    );
    let arms = "quiet,kept-open,unpooled,pool,fork-only,failed-login";
    let options = format!("{SHORT} --server {url} --arms {arms}");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    let ended = procbench.ended();
    ended.assert_code(0);
    let run = procbench.run();
    assert_eq!(run.partial_reason(), None);
    assert_conserved(&run);
    let facts = run.provenance.server.as_ref().unwrap();
    assert!(
        facts.chosen_because.contains("over TLS"),
        "{}",
        facts.chosen_because
    );
    let survey = facts.survey.as_ref().unwrap();
    assert_eq!(survey.between, Ok(Between::Nothing));
    let handshakes = samples(&run, "client.connect.tls.service");
    assert!(handshakes > 0);
    // Every login, refused or not, has had one.
    let logins = [
        "client.connect.total.service",
        "client.failed-login.total.service",
    ];
    assert_eq!(
        handshakes,
        logins
            .iter()
            .map(|series| samples(&run, series))
            .sum::<u64>()
    );
    let log = fs::read_to_string(scratch.join("log")).unwrap();
    let sent = log
        .lines()
        .filter_map(|l| l.strip_prefix("<procbench> LOG:  statement: "));
    let (mut looks, mut others) = (0, Vec::new());
    for statement in sent {
        match statement.starts_with("SELECT ") || statement == "SHOW server_version" {
            true => looks += 1,
            false => others.push(statement),
        }
    }
    assert!(looks > 50 && others.is_empty(), "{looks} {others:?}");
    procbench.assert_nothing_left();
    server.stop().unwrap();
}

#[test]
fn a_server_that_wants_tls_says_so_in_one_line() {
    if !wanted::local_server() {
        return;
    }
    let server = server();
    let port = server.endpoint().port;
    let place = Place::new();
    for (query, says) in [
        ("sslmode=disable", "in clear: sslmode=disable"),
        ("sslmode=verify-ca", "needs root certificates"),
        (
            "sslmode=require&sslrootcert=/etc/hostname",
            "no certificate in /etc/hostname",
        ),
    ] {
        let url = format!("postgres://procbench@127.0.0.1:{port}/procbench?{query}");
        let options = format!("{SHORT} --server {url} --arms quiet");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        let ended = procbench.ended();
        ended.assert_code(1);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        procbench.assert_nothing_kept(says);
    }
    server.stop().unwrap();
}

#[test]
fn a_certificate_replaced_and_backends_killed_in_between_are_not_fatal() {
    if !wanted::local_server() {
        return;
    }
    let (server, other) = (server(), server());
    let dir = |server: &RunningServer| match &server.admin_endpoint().unwrap().host {
        EndpointHost::Unix(sockets) => sockets.parent().unwrap().join("pgdata"),
        EndpointHost::Tcp(_) => panic!("the superuser comes through the socket"),
    };
    let place = Place::new();
    let port = server.endpoint().port;
    let url = format!("postgres://procbench@127.0.0.1:{port}/procbench?sslmode=require");
    let options = format!(
        "--standing 0 --starts 1 --blocks 10 --duration 3s --warmup 20ms --readers 2 --clients 2 --client-rate 50 \
         --reader-rate 100 --keep-awake off --server {url} --arms kept-open,unpooled"
    );
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.wait_until_it_says(": 0/");
    for name in ["server.crt", "server.key"] {
        // Written over, so that owner and mode stay.
        fs::write(
            dir(&server).join(name),
            fs::read(dir(&other).join(name)).unwrap(),
        )
        .unwrap();
    }
    let admin = server.admin_endpoint().unwrap();
    execute(admin, "SELECT pg_reload_conf()").unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'procbench'";
    execute(admin, kill).unwrap();
    let ended = procbench.ended();
    ended.assert_code(0);
    let run = procbench.run();
    assert_conserved(&run);
    assert_eq!(run.partial_reason(), None);
    procbench.assert_nothing_left();
    server.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn a_stopped_server_is_waited_for_over_tls_too() {
    if !wanted::local_server() {
        return;
    }
    let server = server();
    let postmaster = server.pid().unwrap();
    send(postmaster, Signal::SIGSTOP);
    let place = Place::new();
    let port = server.endpoint().port;
    let url = format!(
        "postgres://procbench@127.0.0.1:{port}/procbench?sslmode=require&connect_timeout=2"
    );
    let options = format!("{SHORT} --server {url} --arms quiet");
    let mut procbench = Procbench::start(&place, "out", &options, &[]);
    procbench.ended().assert_code(1);
    procbench.assert_nothing_kept("did not come within 2 s");
    send(postmaster, Signal::SIGCONT);
    server.stop().unwrap();
}
