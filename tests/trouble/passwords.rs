//! Passwords: wrong, right, and nowhere to be seen.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use procbench::config::Disconnect;
use procbench::config::{EndpointHost, ServerChoice};
use procbench::secret::Secret;
use procbench::server::provision::{Endpoint, RunningServer, ServerSpec, provision};
use procbench::server::{Frontend, Startup, Target};

use super::place::{Place, all_pids, children, title};
use super::procbench_process::{Procbench, SHORT, assert_conserved, wait_for};
use super::wanted;

const RIGHT: &str = "Xq7-right-never-shown";
const WRONG: &str = "Zk4-wrong-never-shown";

/// Programs that the program under test may start. Each notes the environment it was given.
const PROGRAMS: [&str; 4] = ["docker", "pg_config", "pgbouncer", "ipcrm"];

fn note_environments(place: &Place) {
    for program in PROGRAMS {
        let note = place.path(&format!("log/env.{program}"));
        // PgBouncer starts as the server's user.
        fs::write(&note, "").unwrap();
        fs::set_permissions(&note, fs::Permissions::from_mode(0o666)).unwrap();
        let line = format!("env >> '{}'", note.display());
        place.stand_in(program, &line);
    }
}

/// Runs one statement on a connection of its own.
pub fn execute(endpoint: &Endpoint, sql: &str) -> Result<(), String> {
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

/// A server of ours whose role needs a password, asked for by `method` of pg_hba.conf.
fn server_that_asks(method: &str) -> RunningServer {
    let server = provision(&ServerChoice::Local, &ServerSpec::default(), &|_| {}).unwrap();
    let admin = server.admin_endpoint().unwrap();
    let stored = if method == "md5" {
        "md5"
    } else {
        "scram-sha-256"
    };
    execute(
        admin,
        &format!("SET password_encryption = '{stored}'; ALTER ROLE procbench PASSWORD '{RIGHT}'"),
    )
    .unwrap();
    let EndpointHost::Unix(sockets) = &admin.host else {
        panic!("the superuser comes through the socket");
    };
    let hba = sockets.parent().unwrap().join("pgdata/pg_hba.conf");
    fs::write(
        &hba,
        format!("local all postgres trust\nhost all all 127.0.0.1/32 {method}\n"),
    )
    .unwrap();
    execute(admin, "SELECT pg_reload_conf()").unwrap();
    wait_for("pg_hba.conf to be read", || {
        execute(server.endpoint(), "SELECT 1").err()
    });
    server
}

/// Looks at every process title while the program runs; returns how many looks saw the program itself, and
/// the titles with a password.
fn watch_titles(done: &AtomicBool, pid: u32) -> (u64, BTreeSet<String>) {
    let (mut looks, mut found) = (0, BTreeSet::new());
    while !done.load(Ordering::Relaxed) {
        // Not a core of its own: others run beside it.
        std::thread::sleep(std::time::Duration::from_millis(1));
        for other in all_pids() {
            let title = title(other);
            looks += u64::from(other == pid && title.contains("server"));
            if title.contains(RIGHT) || title.contains(WRONG) {
                found.insert(title);
            }
        }
        // Children inherit an environment; the program's own is only its user's to read.
        for child in children(pid) {
            // The program first: one that has begun another program keeps its environment, while
            // a fork that has not yet begun one still shows procbench's own.
            let is_helper = Path::new(&format!("/proc/{child}/exe"))
                .read_link()
                .is_ok_and(|exe| !exe.to_string_lossy().contains("procbench"));
            let environment = fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            if is_helper && (environment.contains(RIGHT) || environment.contains(WRONG)) {
                found.insert(format!("environment of {}", super::place::title(child)));
            }
        }
    }
    (looks, found)
}

fn watched(procbench: &mut Procbench<'_>) -> super::procbench_process::Ended {
    let done = AtomicBool::new(false);
    let pid = procbench.pid();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_titles(&done, pid));
        let ended = procbench.ended();
        done.store(true, Ordering::Relaxed);
        let (looks, found) = watcher.join().unwrap();
        assert!(looks > 0, "the watcher saw nothing");
        assert_eq!(found, BTreeSet::new());
        ended
    })
}

fn assert_no_password(place: &Place, name: &str) {
    for text in [RIGHT, WRONG] {
        // The output directory, both streams, and what every helper program was given.
        for files in [name, "log"] {
            assert_eq!(
                place.files_with(files, text),
                Vec::<std::path::PathBuf>::new()
            );
        }
    }
}

#[test]
fn a_wrong_password_leaves_nothing_and_no_password_is_ever_shown() {
    if !wanted::local_server() {
        return;
    }
    let server = server_that_asks("scram-sha-256");
    let place = Place::new();
    note_environments(&place);
    let url = format!(
        "postgres://procbench@127.0.0.1:{}/procbench",
        server.endpoint().port
    );
    let options = format!("{SHORT} --server {url} --arms quiet,kept-open,unpooled,pool");

    let mut procbench = Procbench::start(&place, "wrong", &options, &[("PGPASSWORD", WRONG)]);
    watched(&mut procbench).assert_code(1);
    procbench.assert_nothing_kept("password authentication failed");
    assert_no_password(&place, "log");

    let mut procbench = Procbench::start(&place, "none", &options, &[]);
    procbench.ended().assert_code(1);
    procbench.assert_nothing_kept("PGPASSWORD is not set");

    let mut procbench = Procbench::start(&place, "right", &options, &[("PGPASSWORD", RIGHT)]);
    watched(&mut procbench).assert_code(0);
    let run = procbench.run();
    assert_eq!(run.partial_reason(), None);
    assert_conserved(&run);
    assert!(run.provenance.command_line.iter().any(|a| a == &url));
    assert_no_password(&place, "right");
    procbench.assert_nothing_left();

    // From a password file too.
    let file = place.path("pgpass");
    fs::write(&file, format!("127.0.0.1:*:procbench:procbench:{RIGHT}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, mode).unwrap();
    let file = file.display().to_string();
    let mut procbench = Procbench::start(&place, "file", &options, &[("PGPASSFILE", &file)]);
    watched(&mut procbench).assert_code(0);
    assert_no_password(&place, "file");
    procbench.assert_nothing_left();
    server.stop().unwrap();
}

#[test]
fn a_password_file_that_others_can_read_is_said_once_and_not_used() {
    if !wanted::local_server() {
        return;
    }
    let server = provision(&ServerChoice::Local, &ServerSpec::default(), &|_| {}).unwrap();
    let place = Place::new();
    let file = place.path("pgpass");
    fs::write(&file, format!("*:*:*:*:{WRONG}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&file, mode).unwrap();
    let file = file.display().to_string();
    let port = server.endpoint().port;
    let url = format!("postgres://procbench@127.0.0.1:{port}/procbench");
    let options = format!("{SHORT} --server {url} --arms quiet,unpooled");
    let mut procbench = Procbench::start(&place, "open", &options, &[("PGPASSFILE", &file)]);
    let ended = procbench.ended();
    ended.assert_code(0);
    let warnings = ended
        .stderr
        .matches("is readable by others and was not used: chmod 600")
        .count();
    assert_eq!(warnings, 1, "{}", ended.stderr);
    assert_no_password(&place, "open");
    procbench.assert_nothing_left();
    server.stop().unwrap();
}

/// Logs in as the load does, and runs one statement.
fn log_in(endpoint: &Endpoint, password: Option<&str>) -> Result<Startup, String> {
    let endpoint = Endpoint {
        password: password.map(Secret::new),
        ..endpoint.clone()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(&endpoint).unwrap();
        let mut frontend = Frontend::new(target.open_socket().await.unwrap());
        let startup = frontend.start_up(target.login()).await;
        let startup = startup.map_err(|e| format!("{}: {e}", e.class().0))?;
        // Prepared is what was prepared: with none, this divides by zero.
        let sql = "SELECT $1::int";
        frontend.execute(sql, Some("7")).await.unwrap();
        let count = "SELECT 1 / count(*) FROM pg_prepared_statements";
        frontend.query(count).await.unwrap();
        let failed = frontend.execute(sql, Some("seven")).await.unwrap_err();
        assert_eq!(failed.class().0, "sqlstate-22P02");
        frontend.query(count).await.unwrap();
        frontend.terminate(Disconnect::Wait).await.unwrap();
        Ok(startup)
    })
}

#[test]
fn the_load_logs_in_by_every_password_method() {
    if !wanted::local_server() {
        return;
    }
    for method in ["password", "md5", "scram-sha-256"] {
        let server = server_that_asks(method);
        let endpoint = server.endpoint();
        let startup = log_in(endpoint, Some(RIGHT)).unwrap();
        // Asked and answered: more than one flight.
        let asked = startup.asked.unwrap();
        assert!(asked.challenge_ns + asked.exchange_ns <= startup.total_ns);
        let wrong = log_in(endpoint, Some(WRONG)).unwrap_err();
        assert!(wrong.starts_with("sqlstate-28P01: FATAL"), "{wrong}");
        assert!(!wrong.contains(WRONG));
        let none = log_in(endpoint, None).unwrap_err();
        assert!(none.contains("password missing"), "{none}");
        server.stop().unwrap();
    }
}

#[test]
fn the_environments_password_reaches_no_helper_program() {
    if !wanted::local_server() {
        return;
    }
    let place = Place::new();
    note_environments(&place);
    let options = format!("{SHORT} --server local --arms quiet,kept-open,pgbouncer");
    let mut procbench = Procbench::start(&place, "out", &options, &[("PGPASSWORD", RIGHT)]);
    watched(&mut procbench).assert_code(0);
    assert_no_password(&place, "out");
    for program in ["docker", "pg_config", "pgbouncer"] {
        let note = fs::read_to_string(place.path(&format!("log/env.{program}"))).unwrap();
        assert!(note.contains("PATH="), "{program} was started and noted");
    }
    procbench.assert_nothing_left();
}
