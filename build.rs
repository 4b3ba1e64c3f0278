//! Stamps the binary with the revision it was built from, for provenance.

use std::process::Command;

fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    let revision =
        run("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // Stored results and figures do not change what is measured.
    let dirty = run(
        "git",
        &[
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            "src",
            "Cargo.toml",
            "Cargo.lock",
            "docker",
        ],
    )
    .is_some_and(|s| !s.is_empty());
    let rustc = run(
        &std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()),
        &["--version"],
    )
    .unwrap_or_else(|| "unknown".to_owned());
    println!(
        "cargo:rustc-env=PROCBENCH_REVISION={revision}{}",
        if dirty { "-dirty" } else { "" }
    );
    println!("cargo:rustc-env=PROCBENCH_RUSTC={rustc}");
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/index");
    println!("cargo:rerun-if-changed=src");
}
