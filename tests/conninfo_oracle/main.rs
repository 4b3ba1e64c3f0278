//! What psql connects to, procbench connects to: the same connection strings in the same environments, tried by both
//! against servers with and without TLS. Both get in as the same user, to the same database, encrypted or not
//! alike, or both are refused. Deviations on purpose are listed with their reasons.
//!
//! Needs local PostgreSQL with psql: `procbench doctor --install`, or `PROCBENCH_TESTS_NO_SERVER=1` to deselect it.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

mod certificates;
mod files;
mod servers;
mod table;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use procbench::conninfo::{Conninfo, Environment};
use procbench::server::Target;
use procbench::server::provision::{find_local_binaries, find_server};

use table::{CASES, Expected};

/// Right everywhere a password is asked for.
const PASSWORD: &str = "Xq7-right-never-shown";

/// Who is in, where, how: what both must agree on.
const QUESTION: &str = "SELECT current_user || ' ' || current_database() || ' ' || \
     coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) || ' ' || current_setting('port') || ' ' || \
     replace(current_setting('application_name'), 'psql', 'procbench') || ' ' || current_setting('work_mem')";

type Variables = Vec<(String, String)>;

/// What psql says: the answer, or its complaint.
fn by_psql(psql: &Path, text: &str, variables: &Variables) -> Result<String, String> {
    let output = Command::new(psql)
        .args(["-X", "-w", "-A", "-t", "-c", QUESTION, "-d", text])
        .env_clear()
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => Err(said(&output.stderr)),
    }
}

/// What procbench says.
fn by_procbench(text: &str, variables: &Variables) -> Result<String, String> {
    let environment: Environment = variables.iter().cloned().collect();
    let asked = text.parse::<Conninfo>()?.with_environment(&environment)?;
    // As a run file has it.
    let stored: Conninfo = asked.to_string().parse().unwrap();
    assert_eq!(stored, asked, "{asked}");
    let endpoint = find_server(&stored, &environment).map_err(|e| e.to_string())?;
    let shown = format!("{asked} {asked:?} {endpoint} {endpoint:?}");
    assert!(!shown.contains(PASSWORD), "{text}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(&endpoint).map_err(|e| e.to_string())?;
        let mut session = target.connect().await.map_err(|e| e.to_string())?;
        let rows = session.rows(QUESTION).await.map_err(|e| e.to_string())?;
        Ok(rows[0][0].clone().unwrap())
    })
}

/// The smallest run against a server that is somebody's own.
const TINY: &str = "--arms quiet,unpooled --blocks 1 --starts 1 --duration 100ms --warmup 1ms --client-rate 20 --reader-rate 20 \
     --keep-awake off --connect-timeout 5s";

/// The program itself, measuring or refused: nothing that it says or leaves has the password in it.
fn assert_secret_in_a_run(text: &str, variables: &Variables, out: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_procbench"))
        .args(["server", text])
        .args(TINY.split_ascii_whitespace())
        .arg("--out")
        .arg(out)
        .env_clear()
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    let mut all = [output.stdout, output.stderr].concat();
    for entry in std::fs::read_dir(out).into_iter().flatten() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let all = String::from_utf8_lossy(&all);
    assert!(!all.contains("panicked"), "{text}: {all}");
    assert!(!all.contains(PASSWORD), "{text} with {variables:?}");
}

#[test]
fn psql_and_procbench_agree() {
    if std::env::var("PROCBENCH_TESTS_NO_SERVER").is_ok_and(|v| v == "1") {
        return;
    }
    let binaries = find_local_binaries();
    let psql = binaries
        .first()
        .expect("local PostgreSQL: procbench doctor --install");
    let psql = psql.bin_dir.join("psql");
    let place = tempfile::tempdir().unwrap();
    let servers = servers::start(place.path());
    files::write(place.path(), &servers);
    let fill = |text: &str| {
        let text = text.replace("{d}", place.path().to_str().unwrap());
        servers.fill(&text.replace("{password}", PASSWORD))
    };
    let mut wrong = Vec::new();
    // All that are refused, and of the others those in which a password is sent.
    let mut of_the_program = Vec::new();
    for (expected, text, variables) in CASES {
        let text = fill(text);
        let mut all: Variables = vec![
            ("HOME".to_owned(), fill("{d}/home")),
            ("PGSYSCONFDIR".to_owned(), fill("{d}/nothing")),
            ("LANG".to_owned(), "C".to_owned()),
        ];
        for variable in variables.split(';').filter(|v| !v.is_empty()) {
            let (name, value) = variable.split_once('=').unwrap();
            all.retain(|(other, _)| other != name);
            all.push((name.to_owned(), fill(value)));
        }
        let holds_password = all.iter().any(|(_, value)| value.contains(PASSWORD));
        if !matches!(expected, Expected::In) || holds_password || text.contains("pass") {
            of_the_program.push((text.clone(), all.clone()));
        }
        let (theirs, ours) = (by_psql(&psql, &text, &all), by_procbench(&text, &all));
        if let Err(reason) = &ours {
            let is_shown = reason.contains(PASSWORD) || reason.contains('\n');
            assert!(!is_shown, "{text}: {reason}");
        }
        let agreed = match expected {
            Expected::In => theirs.is_ok() && theirs == ours,
            Expected::Out => theirs.is_err() && ours.is_err(),
            Expected::Deviates(why) => theirs.is_ok() && ours.is_err() && !why.is_empty(),
        };
        if !agreed {
            wrong.push(format!(
                "{expected:?} '{text}' with {variables}\n  psql: {theirs:?}\n  procbench: {ours:?}"
            ));
        }
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((text, variables)) = of_the_program.get(number) else {
                        return;
                    };
                    let out = place.path().join(format!("run-{number}"));
                    assert_secret_in_a_run(text, variables, &out);
                }
            });
        }
    });
    assert!(CASES.len() >= 80);
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
    servers.stop();
}
