//! What a server can be asked for: its version, somebody's image, own builds, passwords, TLS.
//!
//! They need what `tests/provision.rs` needs. The images of all versions are made where they are missing.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use procbench::config::{EndpointHost, ServerChoice};
use procbench::factor::Transport;
use procbench::factor::{Auth, PgSource, Tls};
use procbench::record::Run;
use procbench::secret::Secret;
use procbench::server::provision::{
    Endpoint, IMAGES, PgBouncerSpec, RunningServer, ServerSpec, find_local_binaries,
    start_pgbouncer,
};

mod provisioning;

use provisioning::{query, start, wanted, wanted_choices};

/// What procbench sets, by name: in `docker/postgresql.conf` and on the command line.
fn settings(server: &RunningServer) -> BTreeMap<String, String> {
    let conf = include_str!("../docker/postgresql.conf");
    let mut names: Vec<&str> = conf
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once(" = ").map(|(name, _)| name))
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    names.extend([
        "max_connections",
        "shared_buffers",
        "huge_pages",
        "data_checksums",
        "lc_messages",
        "server_encoding",
        "block_size",
        "ssl",
    ]);
    let list = names.join("','");
    let sql = format!(
        "SELECT lower(name) || '=' || setting FROM pg_settings WHERE lower(name) IN ('{list}') ORDER BY 1"
    );
    let rows = query(server.admin_endpoint().unwrap(), &sql).unwrap();
    assert_eq!(rows.len(), names.len(), "{rows:?}");
    rows.iter()
        .map(|r| r.split_once('=').unwrap())
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

#[test]
fn every_version_starts_in_docker_with_the_same_settings() {
    if !wanted(&ServerChoice::Docker) {
        return;
    }
    let mut first: Option<BTreeMap<String, String>> = None;
    for major in IMAGES.into_iter().filter_map(|image| image.major) {
        let spec = ServerSpec {
            source: Some(PgSource::Major(major)),
            ..ServerSpec::default()
        };
        let server = start(&ServerChoice::Docker, &spec);
        assert_eq!(server.pg_major(), Some(major));
        assert_eq!(query(server.endpoint(), "SELECT 1").unwrap(), ["1"]);
        let mut these = settings(&server);
        // A list of what is logged since 18; nothing is, in all of them.
        let logged = these.insert("log_connections".to_owned(), "off".to_owned());
        assert!(matches!(logged.as_deref(), Some("off" | "")), "{logged:?}");
        match &first {
            Some(first) => assert_eq!(&these, first, "PostgreSQL {major}"),
            None => first = Some(these),
        }
        server.stop().unwrap();
    }
}

/// Every text that another user, or a reader of the run, could come upon.
fn seen_by_others(server: &RunningServer) -> String {
    let mut seen = format!("{server:?}{}{}", server.log_tail(), server.chosen_because());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let title = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        seen.push_str(&String::from_utf8_lossy(&title));
    }
    if let Some((name, _)) = server.container() {
        for command in ["inspect", "logs"] {
            let output = Command::new("docker")
                .args([command, name])
                .output()
                .unwrap();
            assert!(output.status.success());
            seen.push_str(&String::from_utf8_lossy(&output.stdout));
            seen.push_str(&String::from_utf8_lossy(&output.stderr));
        }
    }
    let EndpointHost::Unix(sockets) = &server.admin_endpoint().unwrap().host else {
        panic!("the superuser comes through the socket");
    };
    add_files(sockets.parent().unwrap(), &mut seen);
    seen
}

/// The text files of procbench's own in a directory: everything but the cluster's tables and WAL.
fn add_files(dir: &Path, seen: &mut String) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let ours = !matches!(
            entry.file_name().to_str(),
            Some("base" | "global" | "pg_wal")
        );
        if path.is_dir() && ours {
            add_files(&path, seen);
        } else if path.is_file() {
            seen.push_str(&String::from_utf8_lossy(
                &fs::read(&path).unwrap_or_default(),
            ));
        }
    }
}

#[test]
fn the_role_needs_its_password_and_nothing_shows_it() {
    for choice in wanted_choices() {
        for (auth, transport, method) in [
            (Auth::Md5, Transport::Tcp, "md5"),
            (Auth::Scram, Transport::Unix, "SCRAM-SHA-256$4096:"),
        ] {
            let spec = ServerSpec {
                auth,
                transport,
                ..ServerSpec::default()
            };
            let server = start(&choice, &spec);
            let endpoint = server.endpoint();
            let password = endpoint.password.clone().unwrap();
            assert_eq!(query(endpoint, "SELECT 1").unwrap(), ["1"]);
            let admin = server.admin_endpoint().unwrap();
            let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'procbench'";
            assert!(query(admin, stored).unwrap()[0].starts_with(method));
            for wrong in [None, Some(Secret::new("wrong"))] {
                let other = Endpoint {
                    password: wrong,
                    ..endpoint.clone()
                };
                assert!(query(&other, "SELECT 1").is_err());
            }
            let unknown = Endpoint {
                user: "nosuchrole".into(),
                ..endpoint.clone()
            };
            let error = query(&unknown, "SELECT 1").unwrap_err();
            assert!(error.contains("does not exist"), "{error}");
            assert!(!seen_by_others(&server).contains(password.expose()));
            server.stop().unwrap();
        }
    }
}

#[test]
fn iterations_are_the_servers_own() {
    if !wanted(&ServerChoice::Docker) {
        return;
    }
    let spec = ServerSpec {
        source: Some(PgSource::Major(17)),
        auth: Auth::Scram,
        scram_iterations: Some(7),
        ..ServerSpec::default()
    };
    let server = start(&ServerChoice::Docker, &spec);
    let ask = |sql: &str| query(server.admin_endpoint().unwrap(), sql).unwrap();
    assert_eq!(ask("SHOW scram_iterations"), ["7"]);
    let stored = "SELECT left(rolpassword, 16) FROM pg_authid WHERE rolname = 'procbench'";
    assert_eq!(ask(stored), ["SCRAM-SHA-256$7:"]);
    assert_eq!(query(server.endpoint(), "SELECT 1").unwrap(), ["1"]);
}

#[test]
fn encrypted_connections_accept_one_certificate_and_the_server_nothing_in_clear() {
    for choice in wanted_choices() {
        let spec = ServerSpec {
            tls: Tls::On,
            auth: Auth::Scram,
            ..ServerSpec::default()
        };
        let server = start(&choice, &spec);
        let encrypted =
            "SELECT ssl || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(
            query(server.endpoint(), encrypted).unwrap(),
            ["true TLSv1.3"]
        );
        let in_clear = Endpoint {
            tls: None,
            ..server.endpoint().clone()
        };
        let error = query(&in_clear, "SELECT 1").unwrap_err();
        assert!(
            error.contains("28000") && error.contains("rejects"),
            "{error}"
        );
        let another = start(&choice, &spec);
        let mistaken = Endpoint {
            tls: another.endpoint().tls.clone(),
            ..server.endpoint().clone()
        };
        let error = query(&mistaken, "SELECT 1").unwrap_err();
        assert!(
            error.starts_with("TLS: the server's certificate is not signed"),
            "{error}"
        );
    }
}

#[test]
fn pgbouncer_asks_for_what_the_server_asks_for() {
    for choice in wanted_choices() {
        for (auth, tls) in [(Auth::Md5, Tls::Off), (Auth::Scram, Tls::On)] {
            let spec = ServerSpec {
                auth,
                tls,
                ..ServerSpec::default()
            };
            let server = start(&choice, &spec);
            let pool = PgBouncerSpec {
                pool_size: 2,
                auth,
                ..PgBouncerSpec::default()
            };
            let pooler = start_pgbouncer(&server, &pool, &|line| eprintln!("{line}")).unwrap();
            let endpoint = pooler.endpoint();
            assert_eq!(query(endpoint, "SELECT 1").unwrap(), ["1"]);
            let to_server = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            let expected = if tls == Tls::On { "t" } else { "f" };
            assert_eq!(query(endpoint, to_server).unwrap(), [expected]);
            let wrong = Endpoint {
                password: Some(Secret::new("wrong")),
                ..endpoint.clone()
            };
            assert!(query(&wrong, "SELECT 1").is_err());
            if tls == Tls::On {
                let in_clear = Endpoint {
                    tls: None,
                    ..endpoint.clone()
                };
                assert!(query(&in_clear, "SELECT 1").is_err());
            }
            // What it was configured with is gone, and it goes on without.
            let password = endpoint.password.clone().unwrap();
            let seen = format!("{}{}{pooler:?}", seen_by_others(&server), pooler.log_tail());
            assert!(!seen.contains(password.expose()));
            let left: Vec<PathBuf> = scratch_files("pooler");
            for file in left {
                let text = fs::read(&file).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&text).contains(password.expose()));
            }
            assert_eq!(query(endpoint, "SELECT 1").unwrap(), ["1"]);
            pooler.stop().unwrap();
            server.stop().unwrap();
        }
    }
}

/// Files in such a directory of any of this process's scratch directories.
fn scratch_files(name: &str) -> Vec<PathBuf> {
    let ours = format!("procbench-{}-", std::process::id());
    let scratches = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    scratches
        .filter(|e| e.file_name().to_string_lossy().starts_with(&ours))
        .filter_map(|e| fs::read_dir(e.path().join(name)).ok())
        .flat_map(|dir| dir.flatten().map(|e| e.path()))
        .collect()
}

/// `procbench server` with few and short blocks; the run it wrote, whether complete or not.
fn run(arguments: &[&str]) -> (Output, Option<Run>) {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_procbench"))
        .args(["server", "--arms", "kept-open,unpooled", "--standing", "0"])
        .args(["--page-size", "4k"])
        .args([
            "--blocks",
            "2",
            "--starts",
            "1",
            "--duration",
            "200ms",
            "--warmup",
            "10ms",
        ])
        .args([
            "--client-rate",
            "20",
            "--clients",
            "2",
            "--keep-awake",
            "off",
        ])
        .args(arguments)
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let run = procbench::record::read_run(out.path()).ok();
    (output, run)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_version_that_cannot_be_had_is_one_absent_level() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let have = find_local_binaries()[0].major;
    let (output, run) = run(&["--server", "local", "--pg", &format!("{have},99")]);
    let run = run.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(run.absent_levels.len(), 1);
    let absent = &run.absent_levels[0];
    assert_eq!(absent.factors.pg, Some(PgSource::Major(99)));
    assert!(absent.reason.contains("version 99"), "{}", absent.reason);
    assert!(!absent.reason.contains('\n'));
    let partial = run.partial_reason().unwrap();
    assert!(partial.contains("99"), "{partial}");
    let measured = format!("{have}");
    assert!(!run.blocks.is_empty());
    assert!(
        run.blocks
            .iter()
            .all(|b| b.factors.pg.as_ref().map(ToString::to_string).as_ref() == Some(&measured))
    );
}

#[test]
fn own_builds_are_levels_of_one_run_and_told_apart() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let installed = find_local_binaries()[0].bin_dir.clone();
    let builds = tempfile::tempdir().unwrap();
    // The server's user has to reach them.
    fs::set_permissions(builds.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let build = |name: &str| {
        let dir = builds.path().join(name);
        fs::create_dir(&dir).unwrap();
        for program in ["postgres", "initdb"] {
            std::os::unix::fs::symlink(installed.join(program), dir.join(program)).unwrap();
        }
        dir.display().to_string()
    };
    let (patched, unpatched) = (build("patched"), build("unpatched"));
    let nowhere = builds.path().join("nowhere").display().to_string();
    let list = [patched.as_str(), &unpatched, &nowhere].join(",");
    let (output, run) = run(&["--pg-bin", &list]);
    let run = run.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let server = run.provenance.server.as_ref().unwrap();
    assert_eq!(server.kind, "local");
    let mut named: Vec<&str> = server.servers.iter().map(|s| s.pg.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, [patched.as_str(), &unpatched]);
    for source in &server.servers {
        assert!(source.source.starts_with(&source.pg), "{source:?}");
        assert!(source.source.contains("sha256 "), "{source:?}");
    }
    assert_eq!(run.absent_levels.len(), 1);
    assert_eq!(
        run.absent_levels[0].factors.pg,
        Some(nowhere.parse().unwrap())
    );
}

#[test]
fn any_image_with_postgresql_on_its_path_is_started_by_our_own_files() {
    if !wanted(&ServerChoice::Docker) {
        return;
    }
    // Somebody else's: our base and packages, and nothing of docker/.
    let ours = start(&ServerChoice::Docker, &ServerSpec::default());
    let image = format!("procbench-test-foreign:{}", std::process::id());
    let context = tempfile::tempdir().unwrap();
    let dockerfile = "FROM procbench-postgres:15\nUSER root\nRUN rm -rf /etc/procbench /sockets /procbench\nENTRYPOINT [\"false\"]\n";
    fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
    let built = Command::new("docker")
        .args(["build", "--quiet", "--network", "none", "--tag", &image])
        .arg(context.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let removed = Remove(&image);
    let spec = ServerSpec {
        source: Some(PgSource::Image(image.clone())),
        ..ServerSpec::default()
    };
    let theirs = start(&ServerChoice::Docker, &spec);
    let image_id = |server: &RunningServer| server.container().map(|(_, id)| id.to_owned());
    assert_ne!(image_id(&theirs), image_id(&ours));
    assert_eq!(settings(&theirs), settings(&ours));
    theirs.stop().unwrap();
    let missing = "procbench-test-missing.invalid/nothing:1";
    let list = format!("{image},{missing},procbench-base:bookworm");
    let (output, run) = run(&["--pg-image", &list]);
    let run = run.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!run.blocks.is_empty());
    let reasons: Vec<&str> = run
        .absent_levels
        .iter()
        .map(|l| l.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for (reason, words) in reasons.iter().zip([missing, "no PostgreSQL on its PATH"]) {
        assert!(reason.contains(words) && !reason.contains('\n'), "{reason}");
    }
    drop(removed);
}

/// Removes an image of a test.
struct Remove<'a>(&'a str);

impl Drop for Remove<'_> {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rmi", "--force", self.0])
            .output();
    }
}

#[test]
fn a_run_by_password_over_tls_records_its_handshakes() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let (output, run) = run(&["--server", "local", "--auth", "trust,scram", "--tls", "on"]);
    let run = run.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let auths: Vec<_> = run.levels().into_iter().map(|l| l.auth.unwrap()).collect();
    assert_eq!(auths, [Auth::Trust, Auth::Scram]);
    assert_eq!(
        run.provenance.server.as_ref().unwrap().auth,
        "trust or scram"
    );
    for block in &run.blocks {
        let samples = |name: &str| {
            block
                .series
                .get(&name.parse().unwrap())
                .map_or(0, |s| s.len())
        };
        let handshakes = samples("client.connect.tls.service");
        assert_eq!(handshakes, samples("client.connect.startup.service"));
        assert_eq!(handshakes > 0, block.arm == procbench::arm::Arm::Unpooled);
    }
}

#[test]
fn iterations_before_16_are_an_absent_level() {
    if !wanted(&ServerChoice::Local) {
        return;
    }
    let have = find_local_binaries()[0].major;
    let (output, run) = run(&[
        "--server",
        "local",
        "--auth",
        "trust,scram",
        "--scram-iterations",
        "1",
    ]);
    let run = run.unwrap();
    let absent: Vec<_> = run.absent_levels.iter().map(|l| &l.reason).collect();
    if have >= 16 {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(absent.is_empty(), "{absent:?}");
    } else {
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(absent.len(), 1);
        assert!(absent[0].contains("scram_iterations"), "{absent:?}");
    }
}
