//! Servers as people have them: limits of a role, statements that fail, looks that are forbidden, what is no server.

use std::io::{Read, Write};
use std::net::TcpListener;

use procbench::config::ServerChoice;
use procbench::record::{Run, Survey};
use procbench::server::Target;
use procbench::server::provision::{
    Endpoint, PgBouncerSpec, RunningServer, ServerSpec, provision, start_pgbouncer,
};

use super::passwords::execute;
use super::place::Place;
use super::procbench_process::{Ended, Procbench, SHORT};
use super::wanted;

/// A cluster of this test's own; none where such tests are deselected.
fn server() -> Option<RunningServer> {
    wanted::local_server()
        .then(|| provision(&ServerChoice::Local, &ServerSpec::default(), &|_| {}).unwrap())
}

/// The superuser, in the database that is measured.
fn admin(server: &RunningServer) -> Endpoint {
    let mut admin = server.admin_endpoint().unwrap().clone();
    admin.dbname = "procbench".to_owned();
    admin
}

fn url(role: &str, endpoint: &Endpoint) -> String {
    format!("postgres://{role}@127.0.0.1:{}/procbench", endpoint.port)
}

/// A run from which nothing comes but one line.
fn refused(options: &str, environment: &[(&str, &str)], says: &[&str]) {
    let place = Place::new();
    let mut procbench = Procbench::start(&place, "out", options, environment);
    procbench.ended().assert_code(1);
    says.iter()
        .for_each(|part| procbench.assert_nothing_kept(part));
}

/// A run that keeps what it measured, and how it ended.
fn measured(place: &Place, options: &str) -> (Run, Ended) {
    let mut procbench = Procbench::start(place, "out", &format!("{SHORT} {options}"), &[]);
    let ended = procbench.ended();
    procbench.assert_nothing_left();
    (procbench.run(), ended)
}

fn survey(run: &Run) -> &Survey {
    let server = run.provenance.server.as_ref().unwrap();
    server.survey.as_ref().expect("it was looked at")
}

#[test]
fn each_look_stands_alone_and_no_name_is_looked_up_in_the_search_path() {
    let Some(server) = server() else { return };
    execute(
        &admin(&server),
        "CREATE ROLE limited LOGIN; CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; \
         CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text'; \
         CREATE FUNCTION evil.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 1/0'; \
         CREATE VIEW evil.pg_stat_database AS SELECT 7 AS sessions; GRANT SELECT ON evil.pg_stat_database TO PUBLIC; \
         ALTER ROLE limited SET search_path = evil, pg_catalog; \
         REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC; \
         REVOKE EXECUTE ON FUNCTION pg_catalog.pg_is_in_recovery() FROM PUBLIC",
    )
    .unwrap();
    let place = Place::new();
    let address = url("limited", server.endpoint());
    let arms = "quiet,kept-open,unpooled";
    let (run, ended) = measured(&place, &format!("--server {address} --arms {arms}"));
    ended.assert_code(0);
    let survey = survey(&run);
    let denied = |why: &String| why.contains("SQLSTATE 42501");
    assert!(survey.census.as_ref().is_err_and(denied), "{survey:?}");
    assert!(survey.standby.as_ref().is_err_and(denied), "{survey:?}");
    assert!(survey.is_direct() && survey.settings.is_ok(), "{survey:?}");
    if survey.pg_major >= 14 {
        assert!(survey.others.is_ok(), "{survey:?}");
    }
    assert!(ended.stdout.contains("Should I pool?"), "{}", ended.stdout);
    assert!(ended.stdout.contains("not known"), "{}", ended.stdout);
    let details = std::fs::read_to_string(place.path("out/DETAILS.md")).unwrap();
    let details: Vec<&str> = details.split_whitespace().collect();
    let details = details.join(" ");
    assert!(
        details.contains("who is connected is not known"),
        "{details}"
    );
    server.stop().unwrap();
}

#[test]
fn a_limit_is_named_as_what_it_is() {
    let Some(server) = server() else { return };
    let address = url("procbench", server.endpoint());
    let many = format!(
        "{} --server {address} --arms quiet",
        SHORT.replace("--readers 2", "--readers 8")
    );
    for (limit, lift, says) in [
        (
            "ALTER ROLE procbench CONNECTION LIMIT 3",
            "ALTER ROLE procbench CONNECTION LIMIT -1",
            "the role's own limit",
        ),
        (
            "ALTER DATABASE procbench CONNECTION LIMIT 3",
            "ALTER DATABASE procbench CONNECTION LIMIT -1",
            "the database's own limit",
        ),
    ] {
        execute(&admin(&server), limit).unwrap();
        refused(&many, &[], &["SQLSTATE 53300", says]);
        execute(&admin(&server), lift).unwrap();
    }
    server.stop().unwrap();
}

#[test]
fn readers_that_the_server_ends_are_said_to_end_by_its_timeout() {
    let Some(server) = server() else { return };
    // idle_session_timeout came with 14.
    if server.pg_major().is_some_and(|major| major >= 14) {
        let idle = "ALTER ROLE procbench SET idle_session_timeout = '20ms'";
        execute(&admin(&server), idle).unwrap();
        let address = url("procbench", server.endpoint());
        // Each waits longer than that for its next statement.
        let options = format!(
            "--standing 0 --starts 1 --blocks 2 --duration 2s --warmup 50ms --readers 1 --clients 1 --client-rate 20 \
             --reader-rate 5 --arrivals even --keep-awake off --server {address} --arms quiet"
        );
        refused(
            &options,
            &[],
            &["no reader statement succeeded", "idle_session_timeout"],
        );
    }
    server.stop().unwrap();
}

#[test]
fn a_statement_that_fails_or_waits_is_not_a_connection_that_does() {
    let Some(server) = server() else { return };
    execute(
        &admin(&server),
        "CREATE TABLE t (n int); GRANT SELECT ON t TO PUBLIC",
    )
    .unwrap();
    let address = url("procbench", server.endpoint());
    let asking = |sql: &str| format!("{SHORT} --server {address} --arms quiet --query={sql}");
    refused(
        &asking("SELECT/**/n/**/FROM/**/nosuch"),
        &[],
        &["the readers' statement failed", "SQLSTATE 42P01", "nosuch"],
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _held = runtime.block_on(async {
        let mut session = Target::new(&admin(&server))
            .unwrap()
            .connect()
            .await
            .unwrap();
        session.query("BEGIN; LOCK TABLE t").await.unwrap();
        session
    });
    let waiting = format!(
        "{} --connect-timeout 1500ms",
        asking("SELECT/**/n/**/FROM/**/t")
    );
    refused(
        &waiting,
        &[],
        &["statement failed", "did not come within 1.5 s"],
    );
    server.stop().unwrap();
}

#[test]
fn what_answers_and_is_no_server_is_named() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = [0; 4096];
            let _ = client.read(&mut request);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    for mode in ["prefer", "disable"] {
        let url = format!("postgres://me@127.0.0.1:{port}/x?sslmode={mode}");
        let options = format!("{SHORT} --server {url} --arms quiet");
        let mut procbench = Procbench::start(&place, "out", &options, &[]);
        procbench.ended().assert_code(1);
        procbench.assert_nothing_kept("what answers is no PostgreSQL");
    }
}

#[test]
fn a_temporary_directory_that_will_not_do_is_named_with_the_user() {
    if !wanted::local_server() {
        return;
    }
    let local = &format!("{SHORT} --server local --arms quiet");
    refused(
        local,
        &[("TMPDIR", "/nonexistent/dir")],
        &["/nonexistent/dir", "set TMPDIR"],
    );
    if nix::unistd::geteuid().is_root() {
        let private = tempfile::tempdir().unwrap();
        let nobody_else = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(private.path(), nobody_else).unwrap();
        let below = private.path().join("below");
        std::fs::create_dir(&below).unwrap();
        let below = below.display().to_string();
        refused(
            local,
            &[("TMPDIR", &below)],
            &["user postgres, who cannot enter", &below, "set TMPDIR"],
        );
    }
}

#[test]
fn poolers_are_told_from_servers_and_their_errors_explained() {
    let Some(server) = server() else { return };
    let pooler = start_pgbouncer(&server, &PgBouncerSpec::default(), &|_| {}).unwrap();
    let address = url("procbench", server.endpoint());
    let pooled = url("procbench", pooler.endpoint());

    // The pooler's own console.
    let port = pooler.endpoint().port;
    let console = format!("postgres://procbench@127.0.0.1:{port}/pgbouncer");
    refused(
        &format!("{SHORT} --server {console} --arms quiet"),
        &[],
        &["PgBouncer's own console"],
    );
    // Statements that stay behind in a connection that goes to somebody else; from 1.21 on poolers can follow them.
    if pooler.server_version().contains("1.1") {
        refused(
            &format!("{SHORT} --server {pooled} --arms quiet,kept-open --protocol prepared"),
            &[],
            &["--protocol simple"],
        );
    }
    // No pooler, and one that has no such database: said before anything is measured.
    for (named, says) in [
        (
            address.as_str(),
            "is no pooler, PostgreSQL itself answers there",
        ),
        (
            &format!("postgres://procbench@127.0.0.1:{port}/nosuch"),
            "nosuch",
        ),
    ] {
        let options =
            format!("{SHORT} --server {address} --pgbouncer {named} --arms quiet,pgbouncer");
        refused(&options, &[], &[says]);
    }
    pooler.stop().unwrap();
    server.stop().unwrap();
}
