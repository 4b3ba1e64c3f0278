//! `procbench server URL`: somebody's own server, here a throw-away one that the program knows by its URL only.
//! What it may see, what it must not do, what it says about a pooler.
//!
//! Needs local PostgreSQL and PgBouncer: `procbench doctor --install`, or `PROCBENCH_TESTS_NO_SERVER=1` to
//! deselect all tests that start a server.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::copy;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use procbench::arm::Arm;
use procbench::config::{EndpointHost, ServerChoice};
use procbench::factor::Transport;
use procbench::record::{Between, PoolMode, Run, Survey, read_run};
use procbench::server::Target;
use procbench::server::provision::{
    Endpoint, PgBouncerSpec, RunningServer, ServerSpec, find_local_binaries, find_on_path,
    provision, start_pgbouncer,
};

/// A run of which only the look at the server matters.
const BRIEF: &str =
    "--arms kept-open,unpooled --blocks 1 --duration 500ms --warmup 20ms --keep-awake off";

/// Short blocks; everything else as for any own server.
const SHORT: &str = "--quick --duration 1200ms --warmup 20ms --reader-rate 200 --keep-awake off";

/// Whether server tests run; fails with the instruction when they should and cannot.
fn wanted() -> bool {
    if std::env::var("PROCBENCH_TESTS_NO_SERVER").is_ok_and(|v| v == "1") {
        return false;
    }
    assert!(
        !find_local_binaries().is_empty() && find_on_path("pgbouncer").is_some(),
        "local PostgreSQL or PgBouncer missing: procbench doctor --install, or set PROCBENCH_TESTS_NO_SERVER=1"
    );
    true
}

/// A throw-away server that logs every statement with the role that sent it.
fn server(transport: Transport) -> RunningServer {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let spec = ServerSpec {
        max_connections: 60,
        transport,
        settings: vec![
            setting("log_statement", "all"),
            setting("log_line_prefix", "<%u> "),
        ],
        ..ServerSpec::default()
    };
    provision(&ServerChoice::Local, &spec, &|_| {}).unwrap()
}

/// The directory of the throw-away server, with `pgdata` and the file `log`.
fn scratch(server: &RunningServer) -> PathBuf {
    let EndpointHost::Unix(sockets) = &server.admin_endpoint().unwrap().host else {
        panic!("the superuser comes through the socket");
    };
    sockets.parent().unwrap().to_owned()
}

/// Runs SQL on a connection of its own.
fn execute(endpoint: &Endpoint, sql: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(endpoint).map_err(|e| e.to_string())?;
        let mut connection = target.connect().await.map_err(|e| e.to_string())?;
        connection.query(sql).await.map_err(|e| e.to_string())
    })
}

/// Puts `lines` in the place of the server's pg_hba.conf, after the superuser's; `serves` says when it is read.
fn set_hba(server: &RunningServer, lines: &str, serves: impl Fn(Result<(), String>) -> bool) {
    let text = format!("local all postgres trust\n{lines}\n");
    fs::write(scratch(server).join("pgdata/pg_hba.conf"), text).unwrap();
    execute(server.admin_endpoint().unwrap(), "SELECT pg_reload_conf()").unwrap();
    wait_for("pg_hba.conf to be read", || {
        serves(execute(server.endpoint(), "SELECT 1")).then_some(())
    });
}

fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `procbench server` with these words; nothing of the environment that could let it in.
fn procbench(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procbench"));
    command
        .arg("server")
        .args(words.split_ascii_whitespace())
        .env_remove("PGPASSWORD")
        .env("PGPASSFILE", "/nonexistent");
    command
}

fn code(output: &Output) -> Option<i32> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    output.status.code()
}

/// Above the cap of 100 or below; high enough that no arm goes without.
fn brief(client_rate: u32) -> String {
    format!("{BRIEF} --client-rate {client_rate}")
}

/// A run that must end well.
fn measured(url: &str, load: &str, out: &Path) -> (Run, String) {
    let output = procbench(&format!("{url} {load} --out {}", out.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(&output), Some(0), "{said}\n{complaints}");
    (read_run(out).unwrap(), said)
}

fn survey(run: &Run) -> &Survey {
    run.provenance
        .server
        .as_ref()
        .unwrap()
        .survey
        .as_ref()
        .expect("the server was looked at")
}

fn url(role: &str, port: u16) -> String {
    format!("postgres://{role}@127.0.0.1:{port}/procbench")
}

/// A role that may connect and nothing else.
fn visitor(server: &RunningServer) {
    execute(
        server.admin_endpoint().unwrap(),
        "CREATE ROLE visitor LOGIN NOINHERIT",
    )
    .unwrap();
    let mut admin = server.admin_endpoint().unwrap().clone();
    admin.dbname = "procbench".to_owned();
    execute(
        &admin,
        "REVOKE ALL ON DATABASE procbench FROM PUBLIC; GRANT CONNECT ON DATABASE procbench TO visitor; \
         REVOKE ALL ON SCHEMA public FROM PUBLIC",
    )
    .unwrap();
}

/// What a role sent, as the server logged it.
fn statements_of(server: &RunningServer, role: &str) -> Vec<String> {
    let log = fs::read_to_string(scratch(server).join("log")).unwrap();
    let prefix = format!("<{role}> LOG:  ");
    log.lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_role_that_may_only_connect_gets_an_answer_and_sends_nothing_but_selects() {
    if !wanted() {
        return;
    }
    const OTHERS: u64 = 7;
    let server = server(Transport::Tcp);
    visitor(&server);
    let out = tempfile::tempdir().unwrap();
    let address = url("visitor", server.endpoint().port);
    let ((run, said), ()) = std::thread::scope(|scope| {
        let running = scope.spawn(|| measured(&address, SHORT, out.path()));
        // Other users come while it runs: after the server has been asked for its sessions once.
        wait_for("the look before the load", || {
            statements_of(&server, "visitor")
                .iter()
                .any(|s| s.contains("sum(sessions)"))
                .then_some(())
        });
        // The line is written before the statement is done.
        std::thread::sleep(Duration::from_secs(2));
        for _ in 0..OTHERS {
            execute(server.endpoint(), "SELECT 1").unwrap();
        }
        (running.join().unwrap(), ())
    });
    assert_eq!(
        run.config.arms,
        [Arm::Quiet, Arm::KeptOpen, Arm::Unpooled, Arm::ForkOnly]
    );
    assert_eq!(run.client_rate_per_second, Some(20.0));
    assert_eq!(run.config.factors.standing, [0]);
    let survey = survey(&run);
    assert_eq!(survey.between, Ok(Between::Nothing));
    assert_eq!(survey.reads_all_stats, Ok(false));
    assert_eq!(survey.standby, Ok(false));
    // Nobody else was there when it looked, and procbench's own do not count.
    assert_eq!(survey.census.as_ref().unwrap().connections, 0);
    assert_eq!(survey.settings.as_ref().unwrap().max_connections, 60);
    assert_eq!(survey.free_connections(), Some(60));
    if survey.pg_major >= 14 {
        let others = survey.others.as_ref().unwrap();
        assert_eq!((others.count, others.without_ours), (OTHERS, true));
    }
    assert!(said.lines().count() <= 24, "{said}");
    assert!(said.lines().all(|l| l.chars().count() <= 80), "{said}");
    for part in ["Should I pool?", "A transaction takes", "DETAILS.md"] {
        assert!(said.contains(part), "'{part}' in:\n{said}");
    }
    let summary = fs::read_to_string(out.path().join("SUMMARY.md")).unwrap();
    assert!(summary.contains("**Question.** Should I pool?") && summary.lines().count() <= 60);
    let details = fs::read_to_string(out.path().join("DETAILS.md")).unwrap();
    let details: Vec<&str> = details.split_whitespace().collect();
    let details = details.join(" ");
    for part in [
        "From nothing to the server's first ReadyForQuery",
        "unpooled minus kept-open at 20 per second",
        "not in this server",
        "With more rights it could add",
    ] {
        assert!(details.contains(part), "'{part}' in:\n{details}");
    }

    // Redrawn from the file alone, to the letter.
    fs::remove_file(out.path().join("SUMMARY.md")).unwrap();
    let redrawn = Command::new(env!("CARGO_BIN_EXE_procbench"))
        .arg("figures")
        .arg(out.path())
        .output()
        .unwrap();
    assert_eq!(code(&redrawn), Some(0));
    let again = fs::read_to_string(out.path().join("SUMMARY.md")).unwrap();
    assert_eq!(again, summary);

    let sent = statements_of(&server, "visitor");
    let statements: Vec<&str> = sent
        .iter()
        .filter_map(|line| line.strip_prefix("statement: "))
        .collect();
    assert_eq!(statements.len(), sent.len(), "only simple statements");
    // The readers' and clients' own are among them.
    assert!(statements.len() > 50, "{} statements", statements.len());
    for statement in statements {
        assert!(
            statement.starts_with("SELECT ") || statement == "SHOW server_version",
            "{statement}"
        );
    }
    server.stop().unwrap();
}

/// A postmaster that is ended with the test.
struct Standby(Child);

impl Drop for Standby {
    fn drop(&mut self) {
        // A fast shutdown.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ = self.0.wait();
    }
}

/// A standby of `server`, on this port, with the files in `dir`; the server's own user runs it.
fn standby_of(server: &RunningServer, dir: &Path, port: u16) -> Standby {
    let sockets = scratch(server).join("sockets");
    let owner = fs::metadata(scratch(server).join("pgdata")).unwrap();
    std::os::unix::fs::chown(dir, Some(owner.uid()), Some(owner.gid())).unwrap();
    let program = |name: &str| {
        let mut command = Command::new(server.bin_dir().unwrap().join(name));
        command
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        command
    };
    let copied = program("pg_basebackup")
        .args(["-R", "-X", "stream", "-c", "fast", "-U", "postgres", "-p"])
        .arg(server.endpoint().port.to_string())
        .arg("-h")
        .arg(sockets)
        .arg("-D")
        .arg(dir.join("copy"))
        .status()
        .unwrap();
    assert!(copied.success());
    let started = program("postgres")
        .args(["-c", "max_connections=60", "-p", &port.to_string(), "-k"])
        .arg(dir)
        .arg("-D")
        .arg(dir.join("copy"))
        .spawn();
    Standby(started.unwrap())
}

#[test]
fn a_hot_standby_is_measured_and_said_to_be_one() {
    if !wanted() {
        return;
    }
    let server = server(Transport::Tcp);
    let lets_in = "local replication postgres trust\nhost all all 127.0.0.1/32 trust";
    set_hba(&server, lets_in, |r| r.is_ok());
    let dir = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let standby = standby_of(&server, dir.path(), port);
    let mut endpoint = server.endpoint().clone();
    endpoint.port = port;
    wait_for("the standby", || execute(&endpoint, "SELECT 1").ok());
    let out = tempfile::tempdir().unwrap();
    let place = out.path().join("run");
    let words = format!(
        "{} {} --out {}",
        url("procbench", port),
        brief(90),
        place.display()
    );
    let output = procbench(&words).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(&output), Some(0), "{stderr}");
    assert!(stderr.contains("hot standby"), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("hot standby"));
    assert!(survey(&read_run(&place).unwrap()).is_standby());
    drop(standby);
    server.stop().unwrap();
}

/// A relay that passes bytes on and nothing else; it ends with the test process.
fn relay(to: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let _ = copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    port
}

#[test]
fn pgbouncer_is_recognised_in_every_mode_and_a_relay_is_not_taken_for_it() {
    if !wanted() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let tcp = server(Transport::Tcp);
    for mode in [
        PoolMode::Session,
        PoolMode::Transaction,
        PoolMode::Statement,
    ] {
        let spec = PgBouncerSpec {
            pool_mode: mode,
            ..PgBouncerSpec::default()
        };
        let pooler = start_pgbouncer(&tcp, &spec, &|_| {}).unwrap();
        let address = url("procbench", pooler.endpoint().port);
        let (run, said) = measured(&address, &brief(90), &out.path().join(mode.to_string()));
        let Ok(Between::Pooler { mode: seen, .. }) = &survey(&run).between else {
            panic!("{mode}: {:?}", survey(&run).between);
        };
        assert_eq!(*seen, mode);
        assert!(said.contains("You already do") && said.contains(&format!("in {mode} mode")));
        pooler.stop().unwrap();
    }
    let relayed = url("procbench", relay(tcp.endpoint().port));
    let (run, said) = measured(&relayed, &brief(90), &out.path().join("relay"));
    assert_eq!(survey(&run).between, Ok(Between::Relay));
    assert!(!said.contains("You already do") && said.contains("something passes the bytes on"));

    // What is on loopback by name and is not the server itself keeps the cap.
    let words = format!(
        "{relayed} {SHORT} --client-rate 200 --out {}",
        out.path().join("capped").display()
    );
    let output = procbench(&words).output().unwrap();
    assert_eq!(code(&output), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-cap"));
    assert!(!out.path().join("capped").exists());

    // Beside the server's own address: it takes part unasked, and who came is counted all the same.
    let pooler = start_pgbouncer(&tcp, &PgBouncerSpec::default(), &|_| {}).unwrap();
    let address = url("procbench", tcp.endpoint().port);
    let beside = format!(
        "{SHORT} --pgbouncer {}",
        url("procbench", pooler.endpoint().port)
    );
    let place = out.path().join("beside");
    let (run, said) = measured(&address, &beside, &place);
    assert!(run.config.arms.contains(&Arm::Pgbouncer));
    if survey(&run).pg_major >= 14 {
        let others = survey(&run).others.as_ref().unwrap();
        assert!(others.count <= 4 && !others.without_ours, "{others:?}");
    }
    let summary = fs::read_to_string(place.join("SUMMARY.md")).unwrap();
    for text in [&said, &summary] {
        for part in ["connecting to PgBouncer, p50", "the pooler saves"] {
            assert!(text.contains(part), "'{part}' in:\n{text}");
        }
    }
    pooler.stop().unwrap();
    tcp.stop().unwrap();

    let unix = server(Transport::Unix);
    let pooler = start_pgbouncer(&unix, &PgBouncerSpec::default(), &|_| {}).unwrap();
    for (endpoint, is_pooler) in [(unix.endpoint(), false), (pooler.endpoint(), true)] {
        let EndpointHost::Unix(dir) = &endpoint.host else {
            panic!("a Unix socket was asked for");
        };
        let dir = dir.display().to_string().replace('/', "%2F");
        let address = format!("postgres://procbench@{dir}:{}/procbench", endpoint.port);
        // The cap is for what is not here; a pooler's server may be anywhere.
        let load = if is_pooler { brief(90) } else { brief(150) };
        let place = out.path().join(format!("unix-{is_pooler}"));
        let (run, _) = measured(&address, &load, &place);
        assert_eq!(survey(&run).is_pooler(), is_pooler);
    }
    pooler.stop().unwrap();
    unix.stop().unwrap();
}

#[test]
fn what_keeps_it_out_is_one_line_and_leaves_nothing() {
    if !wanted() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let refused = |name: &str, words: &str, password: Option<&str>, says: &[&str]| {
        let dir = out.path().join(name);
        let mut command = procbench(&format!("{words} {SHORT} --out {}", dir.display()));
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), Some(1), "{name}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = stderr
            .lines()
            .filter(|l| l.contains("nothing was measured"))
            .collect();
        assert_eq!(lines.len(), 1, "{name}: {stderr}");
        assert!(!dir.exists(), "{name}");
        for part in says {
            assert!(lines[0].contains(part), "{name}: '{part}' in {}", lines[0]);
        }
    };
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = nobody.local_addr().unwrap().port();
    drop(nobody);
    refused("closed", &url("me", closed), None, &["Connection refused"]);

    let server = server(Transport::Tcp);
    let address = url("procbench", server.endpoint().port);
    refused(
        "crowded",
        &format!("{address} --standing 56"),
        None,
        &[
            "too few free connections: 61 are needed",
            "max_connections = 60",
        ],
    );
    let dead = url("me", closed);
    refused(
        "dead-pooler",
        &format!("{address} --pgbouncer {dead}"),
        None,
        &["--pgbouncer: cannot connect", "Connection refused"],
    );
    refused(
        "no-pooler",
        &format!("{address} --arms kept-open,pgbouncer"),
        None,
        &["--pgbouncer URL"],
    );
    set_hba(&server, "host all somebody 127.0.0.1/32 trust", |r| {
        r.is_err()
    });
    refused(
        "not-let-in",
        &address,
        None,
        &["no pg_hba.conf entry", "TLS"],
    );
    execute(
        server.admin_endpoint().unwrap(),
        "SET password_encryption = 'scram-sha-256'; ALTER ROLE procbench PASSWORD 'right-one'",
    )
    .unwrap();
    set_hba(&server, "host all all 127.0.0.1/32 scram-sha-256", |r| {
        r.is_err_and(|e| e.contains("password"))
    });
    refused(
        "wrong-password",
        &address,
        Some("wrong-one"),
        &["password authentication failed"],
    );
    refused("no-password", &address, None, &["password"]);
    server.stop().unwrap();
}

#[test]
fn a_wrong_request_is_one_line_and_exit_code_2() {
    for (words, says) in [
        (
            "postgres://me@192.0.2.1/x --client-rate 101",
            "above the cap of 100/s",
        ),
        (
            "postgres://me@192.0.2.1/x --reader-rate max",
            "above the cap of 500/s",
        ),
        (
            "--server postgres://me@192.0.2.1/x --standing 50",
            "above the cap of 50",
        ),
        ("postgres://me@h/x --server local", "cannot be used with"),
        ("db.example", "postgres://user@host:port/dbname"),
        ("postgres://me:secret@h/x", "PGPASSWORD"),
        ("--their-rate 5", "name it by URL"),
        ("postgres://me@h/x --their-rate=-1", "--their-rate -1"),
        ("postgres://me@h/x --auth scram", "--auth is for servers"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let output = procbench(words).current_dir(place.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), Some(2), "{words}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{words}: {stderr}");
        assert!(stderr.contains(says), "{words}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{words}");
    }
}
