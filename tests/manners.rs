//! How the program talks: where to begin, what was meant, quietly or at length, to people and to programs. No server is
//! needed.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::process::Stdio;

use assert_cmd::Command;
use serde_json::Value;

/// The smallest measured run.
const MODEL: &str = "model --arms quiet,kept-open,unpooled --standing 0 --blocks 2 --starts 1 --duration 300ms \
    --warmup 1ms --client-rate 50 --reader-rate 2000 --readers 1 --clients 1 --keep-awake off --fork-cpu 1us \
    --session-cpu 1us --out run";

/// The stored demonstration.
const DEMO: &str = concat!(
    "demo --replay ",
    env!("CARGO_MANIFEST_DIR"),
    "/results/demo"
);

fn procbench(line: &str, cwd: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_procbench"))
        .args(line.split_ascii_whitespace())
        .current_dir(cwd)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn alone_it_says_where_to_begin() {
    let place = tempfile::tempdir().unwrap();
    let output = procbench("", place.path());
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).is_empty());
    for person in ["You write:", "You teach:", "You run a server:", "--help"] {
        assert!(said.contains(person), "{said}");
    }
    assert!(said.lines().all(|l| l.chars().count() <= 80), "{said}");
}

#[test]
fn what_is_nearly_right_is_answered_with_what_was_meant() {
    let place = tempfile::tempdir().unwrap();
    for (line, meant) in [
        ("run churn-tial", "did you mean 'churn-tail'?"),
        ("experiments comit-rate", "did you mean 'commit-rate'?"),
        ("chapter --only annatomy", "did you mean 'anatomy'?"),
        ("run partition-detch", "did you mean 'partition-detach'?"),
        ("experiments x", "locks, lsn-ladder, partition-detach"),
        (
            "chapter --only partition-detach",
            "procbench run partition-detach",
        ),
        ("model --arms kept-opn", "did you mean 'kept-open'?"),
        ("model --lock sharde", "did you mean 'sharded'?"),
        ("figures . --theme slide", "did you mean 'slides'?"),
        ("man experimens", "did you mean 'experiments'?"),
        ("modell", "'model'"),
        ("model --standnig 3", "'--standing'"),
    ] {
        let output = procbench(line, place.path());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(
            said.contains(meant) && said.lines().count() == 1,
            "{line}: {said}"
        );
    }
}

#[test]
fn experiments_are_a_line_each_and_all_of_one_with_its_name() {
    let place = tempfile::tempdir().unwrap();
    let said = |line: &str| stdout(&procbench(line, place.path()));
    let list = said("experiments");
    assert!(list.lines().all(|l| l.chars().count() <= 80), "{list}");
    assert!(list.ends_with("procbench experiments NAME prints all that is declared of one.\n"));
    let listed = list.split("\n\n").next().unwrap().lines();
    let names: Vec<&str> = listed.map(|l| l.split(' ').next().unwrap()).collect();
    assert!(names.contains(&"pool") && names.contains(&"partition-detach"));
    let json: Value = serde_json::from_str(&said("experiments --json")).unwrap();
    let declared = json.as_array().unwrap().iter();
    let declared: Vec<&str> = declared.map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(declared, names);
    let completions = said("completions bash");
    for name in names {
        assert!(said(&format!("experiments {name}")).contains("refuted by:"));
        assert!(completions.contains(name), "{name}");
    }
}

#[test]
fn quietly_only_the_answer_is_said_and_at_length_every_block_and_file() {
    let place = tempfile::tempdir().unwrap();
    let quiet = procbench(&format!("-q {MODEL}"), place.path());
    assert_eq!(quiet.status.code(), Some(0), "{}", stderr(&quiet));
    assert_eq!(stderr(&quiet), "");
    assert!(stdout(&quiet).contains("What does connection churn do"));
    let verbose = procbench(&format!("{MODEL} --verbose --overwrite"), place.path());
    let said = stderr(&verbose);
    for part in [
        "block 1: ",
        "block 6: ",
        "wrote run/run.json",
        "wrote run/response-time.pdf",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let played = procbench(&format!("-q {DEMO}"), place.path());
    assert!(stdout(&played).starts_with("The steps side by side"));
    assert_eq!(stderr(&played), "");
    // Errors are said all the same.
    let wrong = procbench("-q model --readers 0", place.path());
    assert_eq!(stderr(&wrong).lines().count(), 1);
}

#[test]
fn other_programs_get_json_and_no_colours() {
    let place = tempfile::tempdir().unwrap();
    let model = format!("{MODEL} --json");
    let again = model.replace("--out run", "--out again");
    let demo = format!("{DEMO} --json");
    for line in [
        model.as_str(),
        &again,
        &demo,
        "compare run again --json",
        "export run --json",
        "figures run --json",
        "experiments --json",
        "experiments pool partition-detach --json",
        "doctor --json",
    ] {
        let output = procbench(line, place.path());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            json.as_array().is_some_and(|rows| !rows.is_empty()),
            "{line}: {json}"
        );
    }
    let figures = procbench("figures run --width column", place.path());
    assert_eq!(figures.status.code(), Some(0), "{}", stderr(&figures));
    assert!(stdout(&figures).contains("run/response-time-84mm.png\n"));
    assert!(place.path().join("run/response-time-84mm.pdf").exists());
    for line in ["--help", "server --help", "", "experiments", "run nosuch"] {
        let output = procbench(line, place.path());
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains('\u{1b}'), "{line}: {said:?}");
    }
}

/// With what is printed going to `stdout`.
fn printing_to(stdout: impl Into<Stdio>, line: &str, cwd: &Path) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_procbench"))
        .args(line.split_ascii_whitespace())
        .current_dir(cwd)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

/// One line, and exit code 1.
fn assert_full(output: &Output, line: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{line}: {said}");
    assert_eq!(said.lines().count(), 1, "{line}: {said}");
    assert_eq!(said.matches("No space left").count(), 1, "{line}: {said}");
}

#[test]
fn output_that_finds_no_space_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let place = tempfile::tempdir().unwrap();
    let measured = procbench(MODEL, place.path());
    assert_eq!(measured.status.code(), Some(0), "{}", stderr(&measured));
    for line in [
        "",
        "--help",
        "--version",
        "experiments",
        "experiments pool",
        "export run --format csv",
        "export run --format hlog",
        "export run --json",
        "figures run",
        "report run",
        "completions bash",
        "man",
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_full(&printing_to(full, line, place.path()), line);
        let gone = std::io::pipe().unwrap().1;
        let unread = printing_to(gone, line, place.path());
        assert_eq!(unread.status.code(), Some(0), "{line}: {}", stderr(&unread));
        assert_eq!(stderr(&unread), "", "{line}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let again = format!("-q {MODEL} --overwrite");
    assert_full(&printing_to(full, &again, place.path()), &again);
}

#[test]
fn a_full_disk_is_a_failure_said_once() {
    let place = tempfile::tempdir().unwrap();
    let measured = procbench(MODEL, place.path());
    assert_eq!(measured.status.code(), Some(0), "{}", stderr(&measured));
    fs::create_dir(place.path().join("full")).unwrap();
    // A file system without room for a file, which goes with its mount namespace.
    let apart = match nix::unistd::geteuid().is_root() {
        true => "-m",
        false => "-rm",
    };
    let model = MODEL.replace("--out run", "--out full");
    for line in [
        &model,
        "run locks --quick --out full",
        "export run --format csv --out full/run.csv",
        "report run --out full/report.html",
    ] {
        let full = "mount -t tmpfs -o nr_inodes=1 none full && exec \"$@\"";
        let output = Command::new("unshare")
            .args([
                apart,
                "sh",
                "-c",
                full,
                "sh",
                env!("CARGO_BIN_EXE_procbench"),
            ])
            .args(line.split_ascii_whitespace())
            .current_dir(place.path())
            .output()
            .unwrap();
        let said = stderr(&output);
        assert!(
            !said.contains("unshare:") && !said.contains("mount:"),
            "root or user namespaces are needed for a file system of its own: {said}"
        );
        assert_full(&output, line);
    }
}

#[test]
fn an_earlier_run_is_written_over_only_on_request() {
    let place = tempfile::tempdir().unwrap();
    let id = || {
        let run = fs::read(place.path().join("run/run.json")).unwrap();
        let run: Value = serde_json::from_slice(&run).unwrap();
        run["run_id"].as_str().unwrap().to_owned()
    };
    let first = procbench(MODEL, place.path());
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let kept = id();
    for line in [
        MODEL,
        "run locks --quick --out run",
        "chapter --quick --out .",
        "demo --out run",
    ] {
        let refused = procbench(line, place.path());
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{line}: {said}");
        assert!(
            said.contains("run/run.json") && said.contains("--overwrite"),
            "{line}: {said}"
        );
        assert_eq!(id(), kept);
    }
    let written_over = procbench(&format!("{MODEL} --overwrite"), place.path());
    assert_eq!(written_over.status.code(), Some(0));
    assert_ne!(id(), kept);
}

/// Rust sources below `dir` that are not tests alone.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let is_source = |path: &Path| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        path.extension().is_some_and(|e| e == "rs") && !stem.ends_with("tests")
    };
    let found = entries.map(|path| match path.is_dir() {
        true => sources(&path),
        false => Some(path).filter(|p| is_source(p)).into_iter().collect(),
    });
    found.flatten().collect()
}

/// Else nobody can build it from a registry, and a changed template makes no build a dirty one.
#[test]
fn what_is_compiled_in_is_packaged_and_makes_a_build_dirty() {
    let root = fs::canonicalize(env!("CARGO_MANIFEST_DIR")).unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut lines = manifest.lines();
    let include = lines.find_map(|l| l.strip_prefix("include = ")).unwrap();
    // A list of strings is written as in JSON.
    let include: Vec<String> = serde_json::from_str(include).unwrap();
    let build = fs::read_to_string(root.join("build.rs")).unwrap();
    let mut seen = 0;
    for file in sources(&root.join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let beside = file.parent().unwrap().to_owned();
        let templates = root.join("templates");
        for (says, base) in [
            ("include_str!(", &beside),
            ("include_bytes!(", &beside),
            ("[template(path = ", &templates),
        ] {
            for rest in text.split(says).skip(1) {
                // What build.rs makes is in no package.
                if rest.trim_start().starts_with("concat!(env!(\"OUT_DIR\")") {
                    continue;
                }
                let path = rest.split('"').nth(1).unwrap();
                let named = fs::canonicalize(base.join(path));
                let named = named.unwrap_or_else(|e| panic!("{}: {path}: {e}", file.display()));
                let named = named.strip_prefix(&root).unwrap();
                let is_in = |i: &String| named.starts_with(i.trim_start_matches('/'));
                assert!(include.iter().any(is_in), "{named:?} is in no package");
                let top = named.iter().next().unwrap().to_string_lossy();
                assert!(build.contains(&format!("\"{top}\"")), "build.rs: {top}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}
