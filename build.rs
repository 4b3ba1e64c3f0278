//! Stamps the binary with the revision it was built from, for provenance, and compiles the libraries that
//! postmasters of ours preload.

use std::path::Path;
use std::process::{Command, exit};

/// All that a binary is made of.
const COMPILED: [&str; 6] = [
    "src",
    "templates",
    "assets",
    "docker",
    "Cargo.toml",
    "Cargo.lock",
];

fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `docker/NAME.c`, linked without any library: one build for every image.
fn compile_preloaded(name: &str) {
    let source = format!("docker/{name}.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join(format!("{name}.so"));
    let done = Command::new(&compiler)
        .args(["-O2", "-Wall", "-shared", "-fPIC", "-nostdlib", "-o"])
        .args([&out, Path::new(&source)])
        .status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!(
            "procbench: `{compiler}` did not compile {source}: install gcc and libc6-dev, or set CC"
        );
        exit(1);
    }
}

fn main() {
    compile_preloaded("premap");
    compile_preloaded("sync_delay");
    let revision =
        run("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // Stored results and figures do not change what is measured.
    let status = [
        // Else it may write the index, which would have all of this built again.
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
    ];
    let dirty = run("git", &[&status[..], &COMPILED].concat()).is_some_and(|s| !s.is_empty());
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
    for path in COMPILED {
        println!("cargo:rerun-if-changed={path}");
    }
}
