//! Real servers: started, used, killed, removed.
//!
//! They need a Docker engine (or `PROCBENCH_TESTS_NO_DOCKER=1`) and local PostgreSQL and PgBouncer
//! (or `PROCBENCH_TESTS_NO_SERVER=1`, which deselects every test that starts a server).

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use procbench::config::{EndpointHost, ServerChoice};
use procbench::factor::PgSource;
use procbench::factor::Transport;
use procbench::procfs;
use procbench::server::provision::{
    Endpoint, OwnImage, PgBouncerSpec, RunningServer, ServerKind, ServerSpec, find_local_binaries,
    init_pgbench_accounts, provision, start_pgbouncer, sweep_stale,
};

mod provisioning;

use provisioning::{query, start, wanted, wanted_choices};

/// Everything a server of ours occupies outside of this process.
#[derive(Debug)]
struct Footprint {
    scratch: PathBuf,
    container: Option<String>,
    processes: Vec<u32>,
    postmaster: u32,
    shm: Vec<PathBuf>,
}

impl Footprint {
    fn of(server: &RunningServer) -> Self {
        let EndpointHost::Unix(sockets) = &server.admin_endpoint().unwrap().host else {
            panic!("the superuser comes through the socket");
        };
        let postmaster = server.pid().unwrap();
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let mut processes: Vec<u32> = children
            .unwrap()
            .split_ascii_whitespace()
            .map(|p| p.parse().unwrap())
            .collect();
        assert!(
            !processes.is_empty(),
            "a postmaster has auxiliary processes"
        );
        processes.push(postmaster);
        let maps = fs::read_to_string(format!("/proc/{postmaster}/maps")).unwrap_or_default();
        let shm = maps
            .lines()
            .filter_map(|l| l.split_once("/dev/shm/PostgreSQL."))
            .map(|(_, n)| PathBuf::from(format!("/dev/shm/PostgreSQL.{n}")))
            .collect();
        Self {
            scratch: sockets.parent().unwrap().to_owned(),
            container: server.container().map(|(name, _)| name.to_owned()),
            processes,
            postmaster,
            shm,
        }
    }

    fn assert_there(&self) {
        assert!(self.scratch.is_dir());
        if let Some(name) = &self.container {
            assert!(container_exists(name));
        }
    }

    fn assert_gone(&self) {
        assert!(!self.scratch.exists(), "{} is left", self.scratch.display());
        if let Some(name) = &self.container {
            assert!(!container_exists(name), "container {name} is left");
        } else {
            for file in &self.shm {
                assert!(!file.exists(), "{} is left", file.display());
            }
            let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap();
            let pid = self.postmaster.to_string();
            let left = segments
                .lines()
                .any(|l| l.split_ascii_whitespace().nth(4) == Some(&pid));
            assert!(!left, "a SysV segment of {pid} is left");
        }
        // Orphans die a moment later; wait for that, bounded.
        let deadline = Instant::now() + Duration::from_secs(20);
        for pid in &self.processes {
            while is_postgres(*pid) {
                assert!(Instant::now() < deadline, "process {pid} is left");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn is_postgres(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(postgres)") && !stat.contains(") Z ")
}

fn container_exists(name: &str) -> bool {
    let output = Command::new("docker")
        .args([
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &format!("name=^{name}$"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    !output.stdout.is_empty()
}

fn start_use_stop(choice: &ServerChoice, kind: ServerKind) {
    for transport in [Transport::Tcp, Transport::Unix] {
        let spec = ServerSpec {
            transport,
            max_connections: 37,
            ..ServerSpec::default()
        };
        let server = start(choice, &spec);
        let footprint = Footprint::of(&server);
        footprint.assert_there();
        assert_eq!(server.kind(), kind);
        assert_eq!(server.endpoint().transport(), transport);
        assert!(server.is_alive());
        assert_eq!(
            server
                .container()
                .is_some_and(|(_, id)| id.starts_with("sha256:")),
            kind == ServerKind::Docker
        );
        assert!(server.chosen_because().contains(server.server_version()));
        let ask = |sql: &str| query(server.endpoint(), sql).unwrap();
        assert_eq!(ask("SHOW max_connections"), ["37"]);
        assert_eq!(
            ask("SELECT current_user || '/' || current_database()"),
            ["procbench/procbench"]
        );
        assert_eq!(
            ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"),
            ["f"]
        );
        let client = ask("SELECT coalesce(host(inet_client_addr()), 'socket')");
        assert_eq!(
            client,
            [if transport == Transport::Tcp {
                "127.0.0.1"
            } else {
                "socket"
            }]
        );
        // One more child while a session is open: counted from /proc, not asked from the server.
        assert!(procfs::child_count(server.pid().unwrap()).unwrap() >= 1);
        let comm = fs::read_to_string(format!("/proc/{}/comm", server.pid().unwrap()));
        assert_eq!(comm.unwrap().trim(), "postgres");
        server.stop().unwrap();
        footprint.assert_gone();
    }
}

#[test]
fn docker_server_starts_answers_and_leaves_nothing() {
    if wanted(&ServerChoice::Docker) {
        start_use_stop(&ServerChoice::Docker, ServerKind::Docker);
    }
}

#[test]
fn local_server_starts_answers_and_leaves_nothing() {
    if wanted(&ServerChoice::Local) {
        start_use_stop(&ServerChoice::Local, ServerKind::Local);
    }
}

#[test]
fn a_panic_removes_the_server_too() {
    for choice in wanted_choices() {
        let mut footprint = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let server = start(&choice, &ServerSpec::default());
            footprint = Some(Footprint::of(&server));
            assert!(!server.is_alive(), "this panic is intended");
        }));
        assert!(outcome.is_err());
        footprint.unwrap().assert_gone();
    }
}

#[test]
fn a_killed_postmaster_is_noticed_and_cleaned_up_after() {
    for choice in wanted_choices() {
        let server = start(&choice, &ServerSpec::default());
        let footprint = Footprint::of(&server);
        signal(server.pid().unwrap(), nix::sys::signal::Signal::SIGKILL);
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.is_alive() {
            assert!(Instant::now() < deadline, "death was not noticed");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(query(server.endpoint(), "SELECT 1").is_err());
        server.stop().unwrap();
        footprint.assert_gone();
    }
}

fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

/// Another process holding a server; see [`helper_holds_a_server`].
struct Holder {
    child: Child,
    said: BTreeMap<String, String>,
}

impl Holder {
    fn start(mode: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "helper_holds_a_server",
                "--nocapture",
            ])
            .env("PROCBENCH_TEST_HOLD", mode)
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BTreeMap::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            if line == "READY" {
                break;
            }
            if let Some((key, value)) = line.split_once('\t') {
                said.insert(key.to_owned(), value.to_owned());
            }
        }
        assert!(
            said.contains_key("scratch"),
            "the helper did not get a server: {said:?}"
        );
        Self { child, said }
    }

    fn scratch(&self) -> &Path {
        Path::new(&self.said["scratch"])
    }

    fn container(&self) -> Option<&str> {
        self.said.get("container").map(String::as_str)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PASSWORD: &str = "hunter2-never-shown";

#[test]
#[ignore = "started by other tests as a process of its own"]
fn helper_holds_a_server() {
    let Ok(mode) = std::env::var("PROCBENCH_TEST_HOLD") else {
        panic!("only other tests start this one");
    };
    let choice: ServerChoice = mode.parse().unwrap();
    let server = provision(&choice, &ServerSpec::default(), &|_| {}).unwrap();
    let footprint = Footprint::of(&server);
    println!("\nscratch\t{}", footprint.scratch.display());
    println!("postmaster\t{}", footprint.postmaster);
    if let Some(name) = &footprint.container {
        println!("container\t{name}");
    }
    println!("READY");
    // Until killed, or until the parent goes away.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn sweep_removes_what_a_killed_run_left_and_spares_the_living() {
    for mode in ["docker", "local"] {
        if !wanted(&mode.parse().unwrap()) {
            continue;
        }
        let live = Holder::start(mode);
        let mut stale = Holder::start(mode);
        let postmaster: u32 = stale.said["postmaster"].parse().unwrap();
        assert!(is_postgres(postmaster));
        stale.child.kill().unwrap();
        stale.child.wait().unwrap();
        assert!(
            is_postgres(postmaster),
            "a killed owner leaves its server running"
        );
        // A test beside this one may sweep at the same moment, so look at the outcome, not at the list.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let swept = sweep_stale();
            assert_eq!(swept.failures, Vec::<String>::new());
            let container_left = stale.container().is_some_and(container_exists);
            if !stale.scratch().exists() && !container_left && !is_postgres(postmaster) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "stale things are left: {swept:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(
            live.scratch().is_dir(),
            "a live owner's directory was swept"
        );
        assert!(is_postgres(live.said["postmaster"].parse().unwrap()));
        if let Some(name) = live.container() {
            assert!(container_exists(name), "a live owner's container was swept");
        }
        drop(live);
        sweep_stale();
    }
}

#[test]
fn the_environment_password_reaches_no_process_title_and_no_server() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let holder = Holder::start("local");
    let environ = fs::read(format!("/proc/{}/environ", holder.said["postmaster"])).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains(PASSWORD));
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let title = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&title).contains(PASSWORD));
    }
    for name in ["log", "pgdata/postgresql.conf", "pgdata/pg_hba.conf"] {
        let text = fs::read_to_string(holder.scratch().join(name)).unwrap();
        assert!(!text.contains(PASSWORD), "{name}");
    }
    drop(holder);
    sweep_stale();
}

#[test]
fn a_url_server_is_used_and_not_touched() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let own = start(&ServerChoice::Local, &ServerSpec::default());
    let url = format!(
        "postgres://procbench@127.0.0.1:{}/procbench",
        own.endpoint().port
    );
    let choice: ServerChoice = url.parse().unwrap();
    let server = start(&choice, &ServerSpec::default());
    assert_eq!((server.kind(), server.pid()), (ServerKind::Url, None));
    assert!(server.admin_endpoint().is_none());
    let refused = init_pgbench_accounts(&server).unwrap_err();
    assert!(refused.to_string().contains("given by URL"));
    assert!(start_pgbouncer(&server, &PgBouncerSpec::default(), &|_| {}).is_err());
    server.stop().unwrap();
    assert!(own.is_alive());
    // A wrong version, an unknown database and a closed port are one line each.
    let newer = ServerSpec {
        source: Some(PgSource::Major(99)),
        ..ServerSpec::default()
    };
    let nowhere = url.replace("/procbench", "/nowhere");
    let port = own.endpoint().port;
    own.stop().unwrap();
    for (text, spec) in [(url, newer), (nowhere, ServerSpec::default())] {
        let error = provision(&text.parse().unwrap(), &spec, &|_| {})
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&port.to_string()) && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn the_superuser_is_not_reachable_over_tcp() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let server = start(&ServerChoice::Local, &ServerSpec::default());
    for dbname in ["postgres", "procbench"] {
        let over_tcp = Endpoint {
            user: "postgres".into(),
            dbname: dbname.into(),
            ..server.endpoint().clone()
        };
        let error = query(&over_tcp, "SELECT 1").unwrap_err();
        assert!(error.contains("pg_hba"), "{error}");
    }
    // The failed-login arm's path: an unknown role passes pg_hba.conf and fails at its look-up.
    let unknown = Endpoint {
        user: "nosuchrole".into(),
        ..server.endpoint().clone()
    };
    assert!(
        query(&unknown, "SELECT 1")
            .unwrap_err()
            .contains("does not exist")
    );
    assert_eq!(
        query(server.admin_endpoint().unwrap(), "SELECT 1").unwrap(),
        ["1"]
    );
}

#[test]
fn pgbench_accounts_are_as_pgbench_makes_them() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let server = start(&ServerChoice::Local, &ServerSpec::default());
    init_pgbench_accounts(&server).unwrap();
    let ask = |sql: &str| query(server.endpoint(), sql).unwrap();
    assert_eq!(
        ask(
            "SELECT count(*) || ' ' || min(aid) || ' ' || max(aid) || ' ' || max(bid) FROM pgbench_accounts"
        ),
        ["100000 1 100000 1"]
    );
    assert_eq!(
        ask("SELECT max(octet_length(filler)) FROM pgbench_accounts"),
        ["84"]
    );
    assert_eq!(
        ask("SELECT reltuples FROM pg_class WHERE relname = 'pgbench_accounts'"),
        ["100000"]
    );
    assert_eq!(
        ask(
            "SELECT contype FROM pg_constraint WHERE conrelid = 'pgbench_accounts'::regclass AND contype = 'p'"
        ),
        ["p"]
    );
}

#[test]
fn pgbouncer_answers_and_shares_one_server_connection() {
    for choice in wanted_choices() {
        for transport in [Transport::Tcp, Transport::Unix] {
            let spec = ServerSpec {
                transport,
                ..ServerSpec::default()
            };
            let server = start(&choice, &spec);
            let one = PgBouncerSpec {
                pool_size: 1,
                ..PgBouncerSpec::default()
            };
            let pooler = start_pgbouncer(&server, &one, &|line| eprintln!("{line}")).unwrap();
            assert_eq!(pooler.kind(), server.kind());
            assert!(pooler.is_alive());
            assert!(pooler.server_version().starts_with("PgBouncer "));
            assert_eq!(pooler.endpoint().transport(), transport);
            assert_ne!(pooler.endpoint().port, server.endpoint().port);
            assert_eq!(query(pooler.endpoint(), "SELECT 1").unwrap(), ["1"]);
            let backend = |_| query(pooler.endpoint(), "SELECT pg_backend_pid()").unwrap();
            let seen: Vec<_> = (0..5).map(backend).collect();
            assert!(seen.iter().all(|pid| *pid == seen[0]), "{seen:?}");
            let pid = pooler.pid().unwrap();
            pooler.stop().unwrap();
            let title = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            assert_ne!(title.trim(), "pgbouncer");
            let footprint = Footprint::of(&server);
            server.stop().unwrap();
            footprint.assert_gone();
        }
    }
}

#[test]
fn docker_and_local_have_the_same_settings() {
    if !wanted(&ServerChoice::Docker) || !wanted(&ServerChoice::Local) {
        return;
    }
    // A version that both have.
    let both = find_local_binaries()
        .into_iter()
        .map(|found| found.major)
        .find(|major| OwnImage::of(Some(*major)).is_some());
    let spec = ServerSpec {
        source: Some(PgSource::Major(
            both.expect("local binaries of a version in docker/"),
        )),
        ..ServerSpec::default()
    };
    let settings = |choice: &ServerChoice| -> BTreeMap<String, String> {
        let server = start(choice, &spec);
        // Every setting but those that name a place.
        let sql = "SELECT name || '=' || coalesce(setting, '') FROM pg_settings WHERE name NOT IN \
                   ('port', 'data_directory', 'config_file', 'hba_file', 'ident_file', 'unix_socket_directories')";
        let rows = query(server.admin_endpoint().unwrap(), sql).unwrap();
        rows.iter()
            .map(|r| {
                r.split_once('=')
                    .map(|(n, v)| (n.to_owned(), v.to_owned()))
                    .unwrap()
            })
            .collect()
    };
    let (docker, local) = (
        settings(&ServerChoice::Docker),
        settings(&ServerChoice::Local),
    );
    let differing: Vec<_> = local
        .iter()
        .filter(|(name, value)| docker.get(*name) != Some(value))
        .map(|(name, value)| format!("{name}: docker {:?}, local {value:?}", docker.get(name)))
        .collect();
    assert_eq!(differing, Vec::<String>::new());
    assert_eq!(docker.len(), local.len());
    for (name, value) in [
        ("autovacuum", "off"),
        ("jit", "off"),
        ("huge_pages", "off"),
        ("fsync", "on"),
        ("superuser_reserved_connections", "0"),
        ("listen_addresses", "127.0.0.1"),
        ("shared_buffers", "16384"),
        ("max_connections", "600"),
        ("lc_collate", "C"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(local.get(name).map(String::as_str), Some(value), "{name}");
    }
}
