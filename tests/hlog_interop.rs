//! The interval log as another tool reads it: HdrHistogram's Python port.

use std::process::Command;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use procbench::report::export::{LogInterval, hlog};
use serde_json::json;

/// Run with `PROCBENCH_PYTHON=python cargo test --test hlog_interop -- --ignored`.
#[test]
#[ignore = "needs a Python with hdrhistogram 0.10.8, named by PROCBENCH_PYTHON"]
fn python_reads_the_same_counts_per_bucket() {
    let python = std::env::var("PROCBENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let histograms: Vec<Histogram<u64>> = (1..=4u64)
        .map(|seed| {
            let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
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
    let intervals: Vec<LogInterval<'_, u64>> = histograms
        .iter()
        .zip(&tags)
        .zip(0u64..)
        .map(|((histogram, tag), i)| LogInterval {
            tag,
            start: Duration::from_millis(250 + 2_500 * i),
            length: Duration::from_millis(2_250),
            histogram,
        })
        .collect();
    let start_time = SystemTime::UNIX_EPOCH + Duration::from_millis(start_ms);
    let log = hlog(
        start_time,
        &["interoperability test".to_owned()],
        &intervals,
    )
    .unwrap();
    let expected: Vec<_> = intervals
        .iter()
        .map(|interval| {
            let buckets: serde_json::Map<_, _> = interval
                .histogram
                .iter_recorded()
                .map(|step| {
                    (
                        step.value_iterated_to().to_string(),
                        json!(step.count_at_value()),
                    )
                })
                .collect();
            json!({
                "tag": interval.tag,
                "start_ms": start_ms + interval.start.as_millis() as u64,
                "length_ms": interval.length.as_millis() as u64,
                "count": interval.histogram.len(),
                "buckets": buckets,
            })
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let (log_path, expected_path) = (
        dir.path().join("run.hlog"),
        dir.path().join("expected.json"),
    );
    std::fs::write(&log_path, log).unwrap();
    std::fs::write(&expected_path, json!({ "intervals": expected }).to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/read_hlog.py");
    let read = Command::new(&python)
        .arg(script)
        .arg(&log_path)
        .arg(&expected_path)
        .output();
    let read = read.unwrap_or_else(|e| panic!("cannot start {python}: {e}"));
    let said =
        String::from_utf8_lossy(&read.stdout).into_owned() + &String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}");
    assert!(
        said.contains("4 intervals, 200000 samples: equal"),
        "{said}"
    );
}
