//! Wrong requests: exit code 2, one line on stderr that says what is wrong and what to do, nothing on
//! stdout, nothing written, nothing started. No server is needed.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use procbench::record::read_run;
use serde_json::{Value, json};

/// Programs that a measuring command would start.
const PROGRAMS: [&str; 7] = [
    "docker",
    "postgres",
    "initdb",
    "pg_config",
    "pgbouncer",
    "mmdebstrap",
    "apt-get",
];

/// Stands in a wrong request for a password, which must not come back.
const PASSWORD: &str = "hunter2";

/// A place where everything that a command writes or starts shows.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cwd", "tmp", "bin"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for program in PROGRAMS {
            let path = dir.path().join("bin").join(program);
            let started = dir.path().join("started");
            fs::write(
                &path,
                format!(
                    "#!/bin/sh\necho {program} >> '{}'\nexit 1\n",
                    started.display()
                ),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Place { dir }
    }

    fn cwd(&self) -> PathBuf {
        self.dir.path().join("cwd")
    }

    fn procbench(&self, arguments: &[String]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_procbench"))
            .args(arguments)
            .current_dir(self.cwd())
            .env("PATH", self.dir.path().join("bin"))
            .env("TMPDIR", self.dir.path().join("tmp"))
            .env("HOME", self.dir.path().join("cwd"))
            .env_remove("PGPASSWORD")
            .env_remove("PGPASSFILE")
            // A request that is taken after all would measure for minutes.
            .timeout(Duration::from_secs(30))
            .output()
            .unwrap()
    }

    /// Every file and directory here, with contents: a refused request changes none.
    fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(dir: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    all.insert(path.clone(), Vec::new());
                    walk(&path, all);
                } else {
                    all.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut all = BTreeMap::new();
        walk(self.dir.path(), &mut all);
        all
    }

    fn assert_refused(&self, arguments: &[String], says: &[&str]) {
        let before = self.everything();
        let output = self.procbench(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let context = format!("{arguments:?}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{context}");
        assert!(output.stdout.is_empty(), "{context}");
        assert!(
            stderr.ends_with('\n') && stderr.lines().count() == 1,
            "one line: {context}"
        );
        assert!(stderr.starts_with("procbench: "), "{context}");
        assert!(!stderr.contains("panicked"), "{context}");
        assert!(!stderr.contains(PASSWORD), "{context}");
        for text in says {
            assert!(stderr.contains(text), "no '{text}' in {context}");
        }
        let after = self.everything();
        let changed: Vec<_> = after
            .iter()
            .filter(|(path, contents)| before.get(*path) != Some(contents))
            .map(|(path, _)| path)
            .collect();
        assert!(changed.is_empty(), "{changed:?} written by {context}");
        assert_eq!(before.len(), after.len(), "{context}");
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

#[test]
fn wrong_values_are_refused() {
    let place = Place::new();
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        // What is wrong, and what to give instead.
        ("model --lock mutex", &["mutex", "choose from", "parking_lot", "std", "sharded"]),
        ("model --lock", &["--lock", "value"]),
        ("model --lock std,mutex", &["'mutex'", "choose from", "+reuse-check"]),
        ("model --lock std,", &["choose from"]),
        ("run locks --mode server", &["'locks'", "--mode model"]),
        ("model --slot-order front,sideways", &["sideways", "behind"]),
        ("model --standing 1..1000:500 --slot-order front,behind,spread", &["1500 combinations", "at most 1000"]),
        ("model --readers 0", &["--readers", "at least 1"]),
        ("server --readers 0", &["--readers", "at least 1"]),
        ("model --readers -1", &["--readers", "-1"]),
        ("model --readers 1001", &["--readers", "1000"]),
        ("model --clients 0", &["--clients", "at least 1"]),
        ("server --isolate sometimes", &["sometimes", "off", "on"]),
        ("server --server postgres://u@h/d --isolate on", &["--isolate", "--server URL"]),
        ("model --isolate on", &["--isolate"]),
        ("server --clients 0", &["--clients", "at least 1"]),
        ("server --pool-size 0", &["--pool-size", "at least 1"]),
        ("model --client-rate -5", &["--client-rate", "greater than zero"]),
        ("model --client-rate 0", &["--client-rate", "greater than zero"]),
        ("model --reader-rate -0.5", &["--reader-rate", "greater than zero"]),
        ("model --reader-rate 0", &["--reader-rate", "greater than zero"]),
        ("model --reader-rate nan", &["--reader-rate", "greater than zero"]),
        ("model --reader-rate inf", &["--reader-rate", "greater than zero"]),
        ("model --reader-rate fast", &["fast", "'max'"]),
        ("model --reader-rate 1e300", &["--reader-rate"]),
        ("server --duration 0s", &["--duration", "longer than zero"]),
        ("model --duration 0.1ns", &["--duration", "longer than zero"]),
        ("model --duration 5", &["--duration", "'5' is not a duration", "30s"]),
        ("model --duration 5parsecs", &["not a duration", "30s"]),
        ("model --duration -3s", &["--duration", "negative"]),
        ("model --duration 900h", &["more than a week"]),
        ("model --warmup -1ms", &["--warmup", "negative"]),
        ("model --warmup soon", &["'soon' is not a duration", "30s"]),
        ("model --warmup 2h", &["one hour"]),
        ("model --duration 1ms --blocks 10", &["less than 1 ms", "fewer blocks"]),
        ("model --blocks 0", &["--blocks", "at least 1"]),
        ("model --blocks 4000000000", &["--blocks", "at most"]),
        ("model --starts 0", &["--starts", "at least 1"]),
        ("model --blocks 2 --starts 3", &["--starts 3", "--blocks 2", "every start needs a block"]),
        ("server --blocks 2 --starts 3", &["--starts 3", "--blocks 2"]),
        ("model --standing many", &["'many' is not a number or range", "0,100,1000"]),
        ("model --standing -1", &["'-1' is not a number or range"]),
        ("model --standing 5..1:3", &["'5..1:3' is not a number or range"]),
        ("model --standing 0..10:log3", &["not a number or range"]),
        ("model --standing ,", &["not a number or range"]),
        ("model --standing 100001", &["--standing 100001", "at most 100000"]),
        ("model --standing 99999999999", &["not a number or range"]),
        ("model --slot-order sideways", &["sideways", "front", "behind", "spread"]),
        ("model --arrivals sometimes", &["sometimes", "poisson", "even"]),
        ("model --keep-awake coffee", &["coffee", "auto"]),
        ("model --quote 30", &["'30' is not a percentile", "99.9"]),
        ("model --seed x", &["--seed"]),
        ("model --arms quiet,keptopen", &["unknown arm 'keptopen'", "kept-open"]),
        ("model --arms quiet,", &["unknown arm ''"]),
        ("model --arms pgbouncer", &["the model has no arm 'pgbouncer'", "choose from quiet"]),
        ("server --server postgres://me@h/x --arms quiet,commit", &["arm 'commit' is for servers that procbench starts", "a table of its own"]),
        ("run failover-loss --server postgres://u@h/d", &["--server URL", "kill servers"]),
        ("run failover-loss --with-patroni --server local", &["--with-patroni", "leave out --server local"]),
        ("run lsn-ladder --with-patroni", &["--with-patroni", "lsn-ladder has no part with Patroni"]),
        ("run pool --with-patroni", &["--with-patroni", "pool has no part with Patroni"]),
        ("server --server postgres://me@h/x --arms vacuum", &["arm 'vacuum' is for servers that procbench starts"]),
        ("server --server postgres://me@h/x --arms cpu-burn", &["arm 'cpu-burn' is for", "CPU time of the server's processes"]),
        ("model --arms quiet,pgbouncer-kept", &["the model has no arm 'pgbouncer-kept'"]),
        ("run churn-tail --mode model --arms pgbouncer", &["no arm 'pgbouncer'"]),
        ("model --fork-cpu cheap", &["'cheap' is not a duration"]),
        ("server --transport udp", &["udp", "tcp, unix"]),
        ("server --pg new", &["--pg"]),
        ("server --pg -15", &["--pg"]),
        ("model --pg 14", &["--pg", "say 15"]),
        ("model --pg 12", &["--pg", "13, 15, 16, 17, 18"]),
        ("run membership-hold --pg 15,", &["--pg"]),
        ("model --mapping private", &["private", "shared, fresh, forked"]),
        ("model --mapping forked --lock std", &["between processes", "std"]),
        ("model --page-size 1g", &["1g", "4k, 2m"]),
        ("model --without locks", &["locks", "group-clear"]),
        ("model --without ,", &["unknown mechanism"]),
        ("model --pgxactoff elsewhere", &["elsewhere", "own-array"]),
        ("model --commit-rate often", &["'often' is not a number or range"]),
        ("model --commit-rate 10 --committers 0", &["--commit-rate", "--committers"]),
        ("model --committers 2000", &["--committers", "at most"]),
        ("model --subtransactions 1 --rolled-back-subtransactions 2", &["--rolled-back-subtransactions 2", "--subtransactions 2"]),
        ("model --monitor-rate -1", &["--monitor-rate"]),
        ("model --horizon-rate inf", &["--horizon-rate"]),
        ("model --parallel-rate nan", &["--parallel-rate"]),
        ("run anatomy --mode model", &["anatomy", "--mode server"]),
        ("server --protocol extended", &["extended", "simple", "prepared"]),
        ("server --protocol prepared", &["--protocol", "pgbouncer", "--arms"]),
        ("server --disconnect never", &["never", "wait", "close"]),
        ("model --server local", &["--server", "--help"]),
        ("run nosuch", &["nosuch", "churn-tail"]),
        ("run", &["EXPERIMENT", "--help"]),
        ("run churn-tail --mode sideways", &["sideways", "model"]),
        ("model --format xml", &["unknown format 'xml'", "text, json, csv"]),
        ("server --format xml", &["unknown format 'xml'", "text, json, csv"]),
        ("chapter --format xml", &["unknown format 'xml'", "text, json, csv"]),
        ("chapter --readers 0", &["--readers", "at least 1"]),
        ("chapter --install --blocks 2 --starts 3", &["--starts 3"]),
        ("run churn-tail --clients 0", &["--clients", "at least 1"]),
        ("measure", &["measure", "--help"]),
        ("modell", &["modell", "--help"]),
        ("--frobnicate", &["--frobnicate", "--help"]),
        ("model --frobnicate", &["--frobnicate", "--help"]),
        ("model extra", &["extra", "--help"]),
        ("compare", &["RUN", "--help"]),
        ("figures", &["DIR", "--help"]),
        ("figures . --width wide", &["--width", "column, page, or 70 to 400"]),
        ("figures . --width 8", &["--width", "70 to 400"]),
        ("figures . --theme slides --width column", &["--width is for print"]),
        ("export", &["RUN", "--help"]),
        ("report", &["DIR", "--help"]),
    ];
    for (line, says) in cases {
        place.assert_refused(&words(line), says);
    }
    place.assert_refused(
        &["server".into(), "--query".into(), "  ".into()],
        &["empty"],
    );
}

#[test]
fn a_request_is_refused_before_its_directory_is_made() {
    let place = Place::new();
    for line in [
        "model --out made --readers 0",
        "server --out made --blocks 1 --starts 2",
        "run churn-tail --out made --clients 0",
        "run nosuch --out made",
        "chapter --out made --readers 0",
    ] {
        place.assert_refused(&words(line), &[]);
    }
}

#[test]
fn wrong_server_urls_are_refused_and_passwords_not_repeated() {
    let place = Place::new();
    let form = "postgres://user@host:port/dbname";
    for url in [
        "postgres//me@h/x",
        "postgres:/me@h/x",
        "postgres://me@h:notaport/x",
        "postgres://me@h:0/x",
        "postgres://me@h/a%zz",
        "postgres://me@[::1/x",
        "postgres://a@b@h/x",
        "host=h port=x",
        "mysql://me@h/x",
        "dockr",
    ] {
        for line in [
            "server --server",
            "run churn-tail --server",
            "chapter --server",
        ] {
            let mut arguments = words(line);
            arguments.push(url.to_owned());
            place.assert_refused(&arguments, &["--server", form]);
        }
    }
    place.assert_refused(&words("server --pgbouncer h:6432"), &["--pgbouncer", form]);
    place.assert_refused(
        &words("server --server postgres://me@h/x?sslmode=on"),
        &["sslmode", "disable", "verify-full"],
    );
    place.assert_refused(
        &words("server postgres://me@h/x?sslcrl=f"),
        &["sslcrl", "revoked"],
    );
    place.assert_refused(
        &words("server --url-from-env --server local"),
        &["--url-from-env", "cannot be used with"],
    );
    place.assert_refused(&words("server service=none"), &["'none'"]);
    place.assert_refused(
        &words("server postgres://me@h/x --connect-timeout 0s"),
        &["--connect-timeout", "longer than zero"],
    );

    let with_password = [
        format!("postgres://me:{PASSWORD}@h/x"),
        format!("postgres://me:{PASSWORD},more@h/x"),
        format!("postgres://me:a b {PASSWORD}@h/x"),
        format!("postgres://me@h/x?password={PASSWORD}"),
        format!("postgresql://me:{PASSWORD}@[::1]:5432/x?sslmode=disable"),
    ];
    for url in &with_password {
        for option in ["--server", "--pgbouncer"] {
            let says = [option, "password", "PGPASSWORD", "~/.pgpass"];
            place.assert_refused(&["server".into(), option.into(), url.clone()], &says);
            place.assert_refused(&["server".into(), format!("{option}={url}")], &says);
        }
        // In the wrong place it is still not repeated.
        for before in [
            vec!["server"],
            vec!["model", "--server"],
            vec!["server", "--sever"],
            vec!["model", "--arms"],
            vec!["server", "--transport"],
            vec!["run"],
            vec![],
        ] {
            let mut arguments: Vec<String> = before.into_iter().map(str::to_owned).collect();
            arguments.push(url.clone());
            place.assert_refused(&arguments, &[]);
        }
    }
    // Other notations of a password.
    for text in [
        format!("me:{PASSWORD}@h/x"),
        format!("mysql://me:{PASSWORD}@h/x"),
    ] {
        place.assert_refused(&["server".into(), "--server".into(), text], &[form]);
    }
    // What could be one.
    for (text, says) in [
        (
            format!("host=h user=me password={PASSWORD}"),
            "contains a password",
        ),
        (format!("host=h user=me:{PASSWORD}"), "':'"),
        (format!("postgres://me%3A{PASSWORD}@h/x"), "':'"),
        (format!("postgres://me@h:5432/{PASSWORD}@b"), "%40"),
        (format!("host=h {PASSWORD}"), "without '='"),
    ] {
        for before in ["server", "server --server", "server --pgbouncer"] {
            let mut arguments = words(before);
            arguments.push(text.clone());
            place.assert_refused(&arguments, &[says]);
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_at_once() {
    let place = Place::new();
    fs::write(place.cwd().join("file"), "in the way").unwrap();
    // Neither of them can be written by root either.
    for out in ["file", "file/below", "/proc/procbench", "/proc/self/fdinfo"] {
        for line in [
            "model --quick",
            "server --quick",
            "chapter --quick",
            "run churn-tail --quick",
        ] {
            let mut arguments = words(line);
            arguments.extend(["--out".to_owned(), out.to_owned()]);
            place.assert_refused(&arguments, &["cannot write to", out]);
        }
    }
}

/// The smallest measured run.
fn measure(place: &Place, out: &str) -> PathBuf {
    let mut arguments = words(
        "model --arms quiet,kept-open,unpooled --standing 0 --blocks 2 --starts 1 --duration 20ms \
         --warmup 1ms --client-rate 50 --reader-rate 500 --readers 1 --clients 1 --keep-awake off \
         --fork-cpu 1us --session-cpu 1us --out",
    );
    arguments.push(out.to_owned());
    let output = place.procbench(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    place.cwd().join(out).join("run.json")
}

/// Writes an edited copy of a run file.
fn edited(place: &Place, run: &Path, name: &str, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(run).unwrap()).unwrap();
    edit(&mut value);
    fs::write(place.cwd().join(name), value.to_string()).unwrap();
}

#[test]
fn unreadable_run_files_are_refused() {
    let place = Place::new();
    let run = measure(&place, "good");
    let cwd = place.cwd();
    let text = fs::read(&run).unwrap();
    fs::write(cwd.join("truncated.json"), &text[..text.len() / 2]).unwrap();
    fs::write(cwd.join("empty.json"), "").unwrap();
    fs::write(cwd.join("text.json"), "not\njson\n").unwrap();
    fs::write(cwd.join("binary.json"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    fs::write(cwd.join("other.json"), r#"{"name": "package"}"#).unwrap();
    fs::create_dir(cwd.join("hollow")).unwrap();
    edited(&place, &run, "newer.json", |v| {
        v["schema_version"] = 999.into()
    });
    edited(&place, &run, "shape.json", |v| v["blocks"] = "none".into());
    edited(&place, &run, "histogram.json", |v| {
        for series in v["blocks"][0]["series"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            *series = json!({"v2": "!!!"});
        }
    });
    let cases: &[(&str, &[&str])] = &[
        ("missing.json", &["cannot read", "No such file"]),
        ("hollow", &["hollow"]),
        ("truncated.json", &["not a run file"]),
        ("empty.json", &["not a run file"]),
        ("text.json", &["not a run file"]),
        ("binary.json", &["binary.json"]),
        ("other.json", &["not a run file"]),
        ("shape.json", &["not a run file"]),
        ("histogram.json", &["not a run file"]),
        (
            "newer.json",
            &["schema version 999", "use the procbench that wrote it"],
        ),
    ];
    for (file, says) in cases {
        let mut says = says.to_vec();
        says.push(file);
        for line in ["export --format json", "figures", "report", "compare good"] {
            let mut arguments = words(line);
            arguments.push((*file).to_owned());
            // These look for runs below a directory: they say there are none.
            place.assert_refused(
                &arguments,
                if ["figures", "report"].contains(&line) {
                    &says[says.len() - 1..]
                } else {
                    &says
                },
            );
        }
    }
    place.assert_refused(
        &words("export good --format xml"),
        &["xml", "json", "csv", "hgrm", "hlog"],
    );
    place.assert_refused(&words("export good"), &["--format"]);
    place.assert_refused(
        &words("export good --format csv --out good/run.json/x"),
        &["good/run.json"],
    );
    place.assert_refused(
        &words("report good --out good/run.json/x"),
        &["good/run.json"],
    );
    place.assert_refused(&words("compare good"), &["name another"]);
    place.assert_refused(
        &words("compare good good --format xml"),
        &["xml", "text, json, csv"],
    );
    // The same commands take the file they were derived from.
    let output = place.procbench(&words("export good --format json"));
    assert_eq!(output.status.code(), Some(0));
}

/// The page is written all the same.
#[test]
fn without_a_browser_a_report_says_where_it_is() {
    let place = Place::new();
    measure(&place, "good");
    let output = place.procbench(&words("report good --open"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"good/report.html\n");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("open good/report.html in a browser"),
        "{stderr}"
    );
    let page = fs::read_to_string(place.cwd().join("good/report.html")).unwrap();
    assert!(page.ends_with("</html>\n"), "the end is missing");
}

#[test]
fn incomparable_runs_are_refused_with_the_reason() {
    let place = Place::new();
    let run = measure(&place, "good");
    let original = read_run(&run).unwrap();
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 9] = [
        ("different experiments", |v| {
            v["experiment"] = "ceiling".into()
        }),
        ("different reader_rate", |v| {
            v["config"]["reader_rate"] = json!({"per-second": 700.0});
        }),
        ("different client rates", |v| {
            v["client_rate_per_second"] = 70.0.into();
        }),
        ("closed loop", |v| {
            v.as_object_mut().unwrap().remove("client_rate_per_second");
        }),
        ("different keep_awake", |v| {
            v["config"]["keep_awake"] = "spin".into()
        }),
        ("no common number of standing connections", |v| {
            for block in v["blocks"].as_array_mut().unwrap() {
                block["factors"]["standing"] = 10.into();
            }
        }),
        ("no arm in common", |v| {
            for block in v["blocks"].as_array_mut().unwrap() {
                block["arm"] = "pool".into();
            }
        }),
        ("different readers", |v| v["config"]["readers"] = 7.into()),
        ("no measured block", |v| v["blocks"] = json!([])),
    ];
    for (index, (reason, edit)) in cases.into_iter().enumerate() {
        edited(&place, &run, "other.json", |v| {
            v["run_id"] = format!("edit{index}").into();
            edit(v);
        });
        // The edit makes another valid run, not an unreadable one.
        assert_ne!(read_run(&place.cwd().join("other.json")).unwrap(), original);
        let says = ["not comparable", reason];
        place.assert_refused(&words("compare good other.json --out figures"), &says);
        place.assert_refused(
            &words("compare other.json good/run.json --out figures"),
            &says,
        );
    }
    place.assert_refused(
        &words("compare good good"),
        &["not comparable", "both are run"],
    );
    // Without any of these edits the pair is taken.
    edited(&place, &run, "other.json", |v| v["run_id"] = "edit".into());
    let output = place.procbench(&words("compare good other.json --out figures"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

/// Children inherit the cores of the thread that starts them.
#[test]
fn isolation_on_a_single_core_is_refused() {
    std::thread::spawn(|| {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let mut one = rustix::thread::CpuSet::new();
        one.set((0..).find(|&core| allowed.is_set(core)).unwrap());
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let place = Place::new();
        for command in [
            "server --quick --isolate off,on",
            "run churn-tail --mode server --isolate on",
        ] {
            place.assert_refused(
                &words(command),
                &["--isolate on", "at least two cores", "may use 1"],
            );
        }
    })
    .join()
    .unwrap();
}
