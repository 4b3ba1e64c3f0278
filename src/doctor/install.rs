//! Fetching what is missing with apt-get.
//!
//! Debian's postgresql and pgbouncer start a service and make a cluster at installation. procbench needs
//! the programs only, so both are held back meanwhile: `policy-rc.d` answers 101 ("forbidden") and
//! postgresql-common's `createcluster.d` says not to make one. Both files are removed afterwards.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Uid;

use super::{Check, packages_wanted};

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Not Debian, or not allowed: the command is left to the user.
    #[error("{reason}; run this yourself: {command}")]
    ByHand {
        /// Why it was not run.
        reason: &'static str,
        /// What to run.
        command: String,
    },
    /// It was run and failed.
    #[error("apt-get failed ({0}); its messages stand above")]
    Failed(String),
}

/// Packages whose service must not start. docker.io's is wanted.
const HELD_BACK: [&str; 3] = ["postgresql", "pgbouncer", "postgresql-15"];

/// The command a user would type.
pub fn install_command(packages: &[&str]) -> String {
    format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

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
    let by_hand = |reason| InstallError::ByHand {
        reason,
        command: install_command(&packages),
    };
    if !Path::new("/etc/debian_version").exists() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(by_hand(
            "this is not Debian or Ubuntu (package names may differ)",
        ));
    }
    let root = Uid::effective().is_root();
    if !root && !quiet_success(Command::new("sudo").args(["-n", "true"])) {
        return Err(by_hand(
            "installing needs root, and sudo asks for a password",
        ));
    }
    progress(&format!("installing: {}", install_command(&packages)));
    if packages.iter().any(|p| HELD_BACK.contains(p)) {
        progress(
            "meanwhile /usr/sbin/policy-rc.d and /etc/postgresql-common/createcluster.d/procbench.conf \
             keep PostgreSQL and PgBouncer from starting and from making a cluster; both files are removed \
             again. PgBouncer's package enables its service for the next boot: systemctl disable pgbouncer",
        );
    }
    let script = install_script(&packages);
    let mut command = if root {
        Command::new("sh")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    };
    // apt-get's output goes to stderr: stdout is for results.
    let status = command
        .args(["-euc", &script])
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|e| InstallError::Failed(e.to_string()))?;
    if status.success() {
        Ok(packages)
    } else {
        Err(InstallError::Failed(status.to_string()))
    }
}

fn quiet_success(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// The shell script: first what may start its service, then the rest under guard. A `policy-rc.d` or
/// cluster setting of the administrator's own is left as it is.
fn install_script(packages: &[&str]) -> String {
    let (held, free): (Vec<&str>, Vec<&str>) = packages.iter().partition(|p| HELD_BACK.contains(p));
    let get = "apt-get install -y --no-install-recommends";
    let mut script = String::from("export DEBIAN_FRONTEND=noninteractive\napt-get update\n");
    if !free.is_empty() {
        script.push_str(&format!("{get} {}\n", free.join(" ")));
    }
    if !held.is_empty() {
        script.push_str(&format!(
            r#"policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/procbench.conf
mine=
trap 'rm -f "$cluster"; if [ -n "$mine" ]; then rm -f "$policy"; fi' EXIT
trap 'exit 1' INT TERM
if [ ! -e "$policy" ]; then
    mine=1
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
mkdir -p "$(dirname "$cluster")"
echo 'create_main_cluster = false' > "$cluster"
{get} {}
"#,
            held.join(" ")
        ));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_are_held_back_and_the_guard_is_taken_away() {
        let script = install_script(&["docker.io", "pgbouncer", "postgresql"]);
        let free = script.find("recommends docker.io\n").unwrap();
        let guard = script.find("exit 101").unwrap();
        let held = script.find("recommends pgbouncer postgresql\n").unwrap();
        assert!(free < guard && guard < held);
        assert!(script.contains("trap 'rm -f \"$cluster\""));
        assert!(!install_script(&["mmdebstrap"]).contains("policy-rc.d"));
    }

    #[test]
    fn the_script_is_valid_shell() {
        let script = install_script(&["docker.io", "pgbouncer"]);
        let status = Command::new("sh").args(["-nc", &script]).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn nothing_missing_installs_nothing() {
        assert!(
            install(&[Check::ok("a", "b")], &|_| panic!("silent"))
                .unwrap()
                .is_empty()
        );
    }
}
