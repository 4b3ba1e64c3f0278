//! Fetching what is missing with apt-get.
//!
//! `docker/install.sh` does it, and says how the services of PostgreSQL and PgBouncer are kept from starting.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::Uid;

use super::check::{Check, packages_wanted};
use crate::server::provision::run_bounded;

/// Why nothing was installed: not Debian, or not allowed, which leaves the command to the user; or apt-get
/// failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InstallError(String);

/// The script that does it; `.ci/run` runs it too.
const SCRIPT: &str = include_str!("../../docker/install.sh");

/// Bound on the time sudo takes to say whether it asks for a password.
const SUDO_LIMIT: Duration = Duration::from_secs(10);

/// Shows and runs apt-get for what the checks miss, on Debian or Ubuntu as root or with `sudo -n`.
/// Gives the packages installed; empty when nothing was missing.
///
/// # Errors
/// Elsewhere, and without the right to, with the command to run; when apt-get fails.
pub fn install(
    checks: &[Check],
    progress: &dyn Fn(&str),
) -> Result<Vec<&'static str>, InstallError> {
    let packages = packages_wanted(checks);
    if packages.is_empty() {
        return Ok(packages);
    }
    let command = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    let by_hand = |reason| InstallError(format!("{reason}; run this yourself: {command}"));
    if !Path::new("/etc/debian_version").exists() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(by_hand(
            "this is not Debian or Ubuntu (package names may differ)",
        ));
    }
    let (shell, words): (&str, &[&str]) = if Uid::effective().is_root() {
        ("sh", &[])
    } else {
        let sudo = run_bounded(Command::new("sudo").args(["-n", "true"]), SUDO_LIMIT);
        sudo.ok_or_else(|| by_hand("installing needs root, and sudo asks for a password"))?;
        ("sudo", &["-n", "sh"])
    };
    progress(&format!("installing: {command}"));
    let failed = |how: &dyn std::fmt::Display| {
        InstallError(format!("apt-get failed ({how}); its messages stand above"))
    };
    // apt-get's output goes to stderr: stdout is for results.
    let status = Command::new(shell)
        .args(words)
        .args(["-c", SCRIPT, "install.sh"])
        .args(&packages)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    match status {
        Ok(status) if status.success() => Ok(packages),
        Ok(status) => Err(failed(&status)),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script with every program it calls replaced by one that says how it was called.
    fn calls(packages: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("said");
        for name in ["apt-get", "rm", "mkdir", "chmod", "dirname"] {
            let program = dir.path().join(name);
            let text = format!("#!/bin/sh\necho {name} \"$@\" >>{}\n", said.display());
            std::fs::write(&program, text).unwrap();
            let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&program, executable).unwrap();
        }
        // Its two files go where nobody misses them.
        let script = SCRIPT
            .replace("/usr/sbin", &dir.path().display().to_string())
            .replace(
                "/etc/postgresql-common/createcluster.d",
                &dir.path().display().to_string(),
            );
        let status = Command::new("/bin/sh")
            .args(["-c", &script, "install.sh"])
            .args(packages)
            .env("PATH", dir.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let said = std::fs::read_to_string(said).unwrap();
        said.replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn only_servers_are_held_back_and_the_guard_is_taken_away() {
        let said = calls(&["docker.io", "pgbouncer", "postgresql-18"]);
        let lines: Vec<&str> = said.lines().collect();
        let get = "apt-get install -y -q --no-install-recommends";
        let place = |line: String| lines.iter().position(|l| *l == line).unwrap();
        assert_eq!(lines[0], "apt-get update -q");
        let free = place(format!("{get} docker.io"));
        let guard = place("chmod 755 DIR/policy-rc.d".to_owned());
        let held = place(format!("{get} pgbouncer postgresql-18"));
        assert!(free < guard && guard < held);
        let end = &lines[lines.len() - 2..];
        assert_eq!(end, ["rm -f DIR/procbench.conf", "rm -f DIR/policy-rc.d"]);
        assert!(!calls(&["mmdebstrap"]).contains("policy-rc.d"));
    }

    #[test]
    fn nothing_missing_installs_nothing() {
        assert!(
            install(&[Check::ok("a")], &|_| panic!("silent"))
                .unwrap()
                .is_empty()
        );
    }
}
