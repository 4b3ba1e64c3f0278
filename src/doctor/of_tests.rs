//! What only the tests of this repository need: other readers of the interval log.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::check::{Check, Status};
use crate::server::provision::{find_on_path, run_bounded};

/// HdrHistogram in Java, as Debian has it.
const JAR: &str = "/usr/share/java/hdrhistogram.jar";

/// Looks at what only the tests need.
pub fn checks_of_tests() -> Vec<Check> {
    let lacks = |what: &str, package| Check::not_installed(Status::Caution, what, package);
    let mut venv = Command::new("python3");
    let venv = run_bounded(
        venv.args(["-c", "import ensurepip"]),
        Duration::from_secs(10),
    );
    let python = match venv {
        Some(_) => Check::ok("python3 with venv"),
        None => lacks("no python3 with venv", "python3-venv"),
    };
    let java = match find_on_path("java") {
        Some(path) => Check::ok(path.display().to_string()),
        None => lacks("no Java", "default-jre-headless"),
    };
    let jar = match Path::new(JAR).exists() {
        true => Check::ok(JAR),
        false => lacks("not here", "libhdrhistogram-java"),
    };
    vec![
        python.named("tests: Python"),
        java.named("tests: Java"),
        jar.named("tests: HdrHistogram"),
    ]
}
