//! Which tests run here.

use std::io::Write;

use procbench::server::provision::{engine_version, find_local_binaries, find_on_path};
use procbench::server::trace::missing;

/// A line that is shown of tests that pass, too: the test runner takes only what the print macros write.
fn say(line: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{test}: {line}").unwrap();
}

fn set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| v == "1")
}

/// Whether tests with a local server run; fails with the instruction when they should and cannot.
pub fn local_server() -> bool {
    if set("PROCBENCH_TESTS_NO_SERVER") {
        say("deselected by PROCBENCH_TESTS_NO_SERVER=1");
        return false;
    }
    assert!(
        !find_local_binaries().is_empty() && find_on_path("pgbouncer").is_some(),
        "local PostgreSQL or PgBouncer missing: procbench doctor --install, or set PROCBENCH_TESTS_NO_SERVER=1"
    );
    true
}

/// Whether tests may use Docker at all.
pub fn docker_selected() -> bool {
    !set("PROCBENCH_TESTS_NO_SERVER") && !set("PROCBENCH_TESTS_NO_DOCKER")
}

/// Whether tests with a container run; fails with the instruction when they should and cannot.
pub fn docker_server() -> bool {
    if !docker_selected() {
        say("deselected by PROCBENCH_TESTS_NO_DOCKER=1 or PROCBENCH_TESTS_NO_SERVER=1");
        return false;
    }
    let engine = engine_version();
    assert!(
        engine.is_ok(),
        "no Docker engine answers ({engine:?}): procbench doctor --install and start it, or set PROCBENCH_TESTS_NO_DOCKER=1"
    );
    true
}

/// Whether tests that trace a server run; fails with the instruction when they should and cannot.
pub fn trace() -> bool {
    if set("PROCBENCH_TESTS_NO_TRACE") {
        say("deselected by PROCBENCH_TESTS_NO_TRACE=1");
        return false;
    }
    if let Some(missing) = missing() {
        panic!("{missing}, or set PROCBENCH_TESTS_NO_TRACE=1");
    }
    true
}
