//! ThreadSanitizer: its program is built with it, then must be silent about the sound locks and
//! report the planted races.
//!
//! The sanitizer's runtime comes with the Rust toolchain, its compiler flag is an unstable one:
//! RUSTC_BOOTSTRAP lets the toolchain that is there take it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn build() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A target directory of its own: the flags would rebuild everything else.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tsan");
    let output = Command::new(env!("CARGO"))
        .current_dir(here)
        .args([
            "build",
            "--locked",
            "--bin",
            "tsan",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "RUSTFLAGS",
            "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the program for ThreadSanitizer cannot be built: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join(TARGET).join("debug/tsan")
}

fn run(program: &Path, name: &str) -> Output {
    Command::new(program)
        .arg(name)
        .env("TSAN_OPTIONS", "exitcode=66 halt_on_error=1")
        .output()
        .expect("the program that was just built runs")
}

/// How often a planted race is given the chance to show.
const RUNS_OF_A_RACE: u32 = 20;

#[test]
fn the_sound_locks_are_silent_and_the_planted_races_are_reported() {
    let program = build();
    for name in ["bravo", "fair", "lwlock-17", "lwlock-18", "lwlock-19"] {
        let output = run(&program, name);
        let report = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {report}");
    }
    for name in [
        "missing_fence",
        "barging_writer",
        "relaxed_release",
        "writer_does_not_drain",
    ] {
        // It sees what happened: on a busy machine the threads may not meet in one run.
        let reported = (0..RUNS_OF_A_RACE).any(|_| {
            let output = run(&program, name);
            let report = String::from_utf8_lossy(&output.stderr);
            output.status.code() == Some(66)
                && report.contains("WARNING: ThreadSanitizer: data race")
        });
        assert!(
            reported,
            "{name}: no data race was reported in {RUNS_OF_A_RACE} runs"
        );
    }
}
