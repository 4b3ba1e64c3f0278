//! The interval log as other tools read it: HdrHistogram itself, in Java, and its ports in Python and C.
//!
//! Needs Debian's libhdrhistogram-java and a Java (`PROCBENCH_TESTS_NO_JAVA=1` deselects its test). Makes a Python
//! environment of its own below the temporary directory: python3 with venv, and PyPI, are needed
//! (`PROCBENCH_TESTS_NO_PYTHON=1` deselects it). The C reader comes in an image (`PROCBENCH_TESTS_NO_DOCKER=1`).

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use procbench::record::{Block, MERGED_MAX_NS, Run, SeriesHistogram, read_run};
use procbench::report::export::{LogInterval, hlog};
use serde_json::{Value, json};
use tempfile::TempDir;

const HELP: &str = "procbench doctor --install --tests, and let pip reach PyPI, or set PROCBENCH_TESTS_NO_PYTHON=1";

/// Where Debian has HdrHistogram.
const JAR: &str = "/usr/share/java/hdrhistogram.jar";

/// A Python that has HdrHistogram's port, for as long as the directory lives;
/// `None` when deselected.
fn python() -> Option<(TempDir, PathBuf)> {
    if deselected("PYTHON") {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let environment = dir.path().join("venv");
    let python = environment.join("bin/python");
    succeed(
        Command::new("python3")
            .arg("-m")
            .arg("venv")
            .arg(&environment),
        HELP,
    );
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    succeed(
        Command::new(&python).args(pip).arg("hdrhistogram==0.10.8"),
        HELP,
    );
    Some((dir, python))
}

/// Runs a command to its end; what it said on stdout.
fn succeed(command: &mut Command, help: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}: {help}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed: {errors}{help}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What the port reads, or with `expected` how it compares.
fn read_hlog(python: &Path, log: &Path, expected: Option<&Path>) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/read_hlog.py");
    succeed(Command::new(python).arg(script).arg(log).args(expected), "")
}

fn buckets(histogram: &Histogram<u64>) -> Value {
    let counts = histogram.iter_recorded().map(|step| {
        (
            step.value_iterated_to().to_string(),
            json!(step.count_at_value()),
        )
    });
    Value::Object(counts.collect())
}

#[test]
fn python_reads_the_same_counts_per_bucket() {
    let Some((dir, python)) = python() else {
        return;
    };
    made_histograms(dir.path(), &python);
    a_run_through_the_binary(dir.path(), &python);
}

fn deselected(what: &str) -> bool {
    std::env::var(format!("PROCBENCH_TESTS_NO_{what}")).is_ok_and(|v| v == "1")
}

fn merged<'a>(histograms: impl Iterator<Item = &'a SeriesHistogram>) -> Histogram<u64> {
    let mut merged = Histogram::new_with_bounds(1, MERGED_MAX_NS, 3).unwrap();
    for histogram in histograms {
        merged.add(histogram.hdr()).unwrap();
    }
    merged
}

/// Every row of a table of percentiles names a value with so many of the samples at or below it, the last one all of
/// them; how many rows there are. Columns: value in ns, share at or below, samples at or below.
fn rows_hold(table: &str, separator: &[char], of: &Histogram<u64>) -> usize {
    let (mut rows, mut last) = (0, 0);
    for line in table.lines() {
        let columns = line.split(separator).filter(|column| !column.is_empty());
        let columns: Vec<f64> = columns.map_while(|c| c.parse().ok()).collect();
        let [value, _, count, ..] = columns[..] else {
            continue;
        };
        let at_or_below = of.count_between(0, value as u64);
        assert_eq!(at_or_below, count as u64, "{line}");
        (rows, last) = (rows + 1, at_or_below);
    }
    assert_eq!(last, of.len(), "{table}");
    rows
}

#[test]
fn java_reads_the_same_percentiles() {
    if deselected("JAVA") {
        return;
    }
    assert!(
        Path::new(JAR).exists(),
        "no {JAR}: procbench doctor --install --tests, or set PROCBENCH_TESTS_NO_JAVA=1"
    );
    let dir = tempfile::tempdir().unwrap();
    let (log, run) = exported(dir.path());
    let block = &run.blocks[0];
    let mut rows = 0;
    for key in block.series.keys() {
        let tag = format!("{}/{}/{key}", block.factors.standing, block.arm);
        let same = |b: &&Block| {
            !b.twin && b.arm == block.arm && b.factors.standing == block.factors.standing
        };
        let blocks = run.blocks.iter().filter(same);
        let merged = merged(blocks.filter_map(|b| b.series.get(key)));
        // In ns, as they are.
        let said = succeed(
            Command::new("java")
                .args(["-cp", JAR, "org.HdrHistogram.HistogramLogProcessor", "-csv"])
                .args(["-outputValueUnitRatio", "1", "-tag", &tag, "-i"])
                .arg(&log),
            "",
        );
        // Below the table of the intervals.
        let table = said.find("\"Value\"").map_or("", |at| &said[at..]);
        rows += rows_hold(table, &[','], &merged);
    }
    assert!(rows > 20, "{rows} rows");
}

/// It adds each interval to those before it, whatever the tag, and prints a table after each.
#[test]
fn c_reads_the_same_percentiles() {
    if deselected("DOCKER") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (log, run) = exported(dir.path());
    let image = hdr_decoder();
    let said = succeed(
        Command::new("docker")
            .args(["run", "--rm", "--network", "none", "-i", &image])
            .stdin(std::fs::File::open(log).unwrap()),
        "",
    );
    let histograms = || run.blocks.iter().flat_map(|b| b.series.values());
    let (last, tables) = said
        .split("Value ")
        .skip(1)
        .fold(("", 0), |(_, n), table| (table, n + 1));
    assert_eq!(tables, histograms().count());
    let rows = rows_hold(last, &[' '], &merged(histograms()));
    assert!(rows > 20, "{rows} rows");
}

/// The image of the C reader, made if it is not here.
fn hdr_decoder() -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_here = |image: &str| {
        let mut inspect = Command::new("docker");
        inspect.args(["image", "inspect", image]);
        inspect.output().is_ok_and(|o| o.status.success())
    };
    let (base, image) = ("procbench-base:forky", "procbench-hdr-decoder:1");
    let help = "procbench doctor --install and start Docker, or set PROCBENCH_TESTS_NO_DOCKER=1";
    // One builder at a time on this machine, as `server::provision` has it.
    let lock = std::fs::File::open(std::env::temp_dir()).unwrap();
    lock.lock().unwrap();
    if !is_here(base) {
        let script = manifest.join("docker/base-image.sh");
        succeed(Command::new("sh").arg(script).arg("forky"), help);
    }
    if !is_here(image) {
        let context = manifest.join("tests/interop");
        let mut build = Command::new("docker");
        build.args(["build", "-q", "--network", "host", "-t", image, "-f"]);
        build
            .arg(context.join("hdr-decoder.Dockerfile"))
            .arg(&context);
        succeed(&mut build, help);
    }
    image.to_owned()
}

fn made_histograms(dir: &Path, python: &Path) {
    let histograms: Vec<Histogram<u64>> = (1..=4u64)
        .map(|seed| {
            let mut histogram = Histogram::new_with_bounds(1, MERGED_MAX_NS, 3).unwrap();
            for i in 0..50_000u64 {
                histogram
                    .record(1 + (i * i * seed * 7_919) % 10u64.pow(6 + seed as u32))
                    .unwrap();
            }
            histogram
        })
        .collect();
    let start_ms = 1_790_000_000_125u64;
    let tags: Vec<String> = (0..4)
        .map(|i| format!("unpooled/reader.select.response.{i}"))
        .collect();
    let intervals: Vec<LogInterval<'_>> = histograms
        .iter()
        .zip(&tags)
        .zip(0u64..)
        .map(|((histogram, tag), i)| LogInterval {
            tag: tag.clone(),
            start: Duration::from_millis(250 + 2_500 * i),
            length: Duration::from_millis(2_250),
            histogram: Cow::Borrowed(histogram),
        })
        .collect();
    let start_time = SystemTime::UNIX_EPOCH + Duration::from_millis(start_ms);
    let comments = ["interoperability test".to_owned()];
    let log = hlog(start_time, &comments, &intervals).unwrap();
    let expected: Vec<_> = intervals
        .iter()
        .map(|interval| {
            json!({
                "tag": interval.tag,
                "start_ms": start_ms + interval.start.as_millis() as u64,
                "length_ms": interval.length.as_millis() as u64,
                "count": interval.histogram.len(),
                "buckets": buckets(&interval.histogram),
            })
        })
        .collect();
    let (log_path, expected_path) = (dir.join("made.hlog"), dir.join("expected.json"));
    std::fs::write(&log_path, log).unwrap();
    std::fs::write(&expected_path, json!({ "intervals": expected }).to_string()).unwrap();
    let said = read_hlog(python, &log_path, Some(&expected_path));
    assert!(
        said.contains("4 intervals, 200000 samples: equal"),
        "{said}"
    );
}

/// A tiny run of the model, measured and exported by the binary: its log, and itself.
fn exported(dir: &Path) -> (PathBuf, Run) {
    let binary = env!("CARGO_BIN_EXE_procbench");
    let (run_dir, log) = (dir.join("run"), dir.join("run.hlog"));
    let load = "--arms kept-open,unpooled --standing 0,20 --blocks 2 --starts 1 --duration 100ms";
    let rates = "--reader-rate 2000 --client-rate 200 --fork-cpu 20us --session-cpu 20us";
    succeed(
        Command::new(binary)
            .arg("model")
            .args(load.split(' ').chain(rates.split(' ')))
            .args(["--warmup", "10ms", "--keep-awake", "off", "--out"])
            .arg(&run_dir),
        "",
    );
    succeed(
        Command::new(binary)
            .arg("export")
            .arg(&run_dir)
            .args(["--format", "hlog", "--out"])
            .arg(&log),
        "",
    );
    (log, read_run(&run_dir).unwrap())
}

fn a_run_through_the_binary(dir: &Path, python: &Path) {
    let (log, run) = exported(dir);
    // Two arms and the twin, twice, at two numbers of standing connections.
    assert_eq!(run.blocks.len(), 12);
    let sorted = |mut found: Vec<(String, Value)>| {
        found.sort_by_key(|(tag, buckets)| (tag.clone(), buckets.to_string()));
        found
    };
    let mut expected = Vec::new();
    for block in &run.blocks {
        let twin = if block.twin { "-twin" } else { "" };
        for (key, histogram) in &block.series {
            let tag = format!("{}/{}{twin}/{key}", block.factors.standing, block.arm);
            expected.push((tag, buckets(&histogram.hdr())));
        }
    }
    let read: Value = serde_json::from_str(&read_hlog(python, &log, None)).unwrap();
    let found = read["intervals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interval| {
            let tag = interval["tag"].as_str().unwrap().to_owned();
            (tag, interval["buckets"].clone())
        });
    assert_eq!(sorted(found.collect()), sorted(expected));
}
