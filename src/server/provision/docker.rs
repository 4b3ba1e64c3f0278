//! Containers through the `docker` program.

use std::process::Command;
use std::time::Duration;

use super::command::{Finished, poll, run};
use super::error::ProvisionError;
use super::owner::pid_space;
use crate::procfs;

/// Marks everything this tool starts.
pub(crate) const LABEL: &str = "procbench=1";

/// Label naming the owner's boot and PID namespace; its PID is in the container's name.
pub(crate) const PID_SPACE_LABEL: &str = "procbench.pidspace";

/// Bound on one `docker` call; a busy engine on a slow disk takes seconds.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a removal may take; on a slow disk that is seconds.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// One `docker` call that must succeed; its stdout, trimmed.
pub(crate) fn call(args: &[&str]) -> Result<String, ProvisionError> {
    let what = format!("docker {} failed", args.first().unwrap_or(&""));
    let outcome = attempt(args)?.into_result();
    outcome.map_err(ProvisionError::when(what))
}

fn attempt(args: &[&str]) -> Result<Finished, ProvisionError> {
    run(Command::new("docker").args(args), CALL_LIMIT)
        .map_err(|e| no_docker(format!("docker: {e}")))
}

/// No Docker engine answers.
fn no_docker(reason: String) -> ProvisionError {
    ProvisionError::new(format!(
        "Docker cannot be used: {reason}. Start the engine (package docker.io), or use --server local"
    ))
}

/// The engine's version, when one answers.
///
/// # Errors
/// When there is no `docker` program, or no engine answers it.
pub fn engine_version() -> Result<String, ProvisionError> {
    let answer = attempt(&["version", "--format", "{{.Server.Version}}"])?;
    answer.into_result().map_err(no_docker)
}

/// The id (digest of the configuration) of a local image, when it is there.
pub fn image_id(tag: &str) -> Option<String> {
    call(&["image", "inspect", "--format", "{{.Id}}", tag]).ok()
}

/// `docker run -d` on the host's network, labelled with the PIDs that its name's owner belongs to.
pub(crate) fn run_container(
    name: &str,
    image: &str,
    options: &[String],
    arguments: &[String],
) -> Result<(), ProvisionError> {
    let mut args = vec![
        "run".to_owned(),
        "--detach".to_owned(),
        format!("--name={name}"),
        "--network=host".to_owned(),
        format!("--label={LABEL}"),
        format!("--label={PID_SPACE_LABEL}={}", pid_space()),
    ];
    args.extend(nofile_option());
    args.extend_from_slice(options);
    args.push(image.to_owned());
    args.extend_from_slice(arguments);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    call(&args).map(drop)
}

/// A field of what the engine says of a container's state.
pub(crate) fn container_state(name: &str, field: &str) -> Option<String> {
    let format = format!("{{{{.State.{field}}}}}");
    call(&["inspect", "--format", &format, name]).ok()
}

/// What a container has written to its stderr, as PostgreSQL and PgBouncer do; empty where that cannot be read.
pub(crate) fn container_log(name: &str) -> String {
    attempt(&["logs", name]).map_or_else(|_| String::new(), |logs| logs.stderr)
}

/// Kills and removes a container; one that is gone already is no error.
pub(crate) fn remove_container(name: &str) -> Result<(), ProvisionError> {
    // A killed engine helper may refuse the first attempt; a removal already under way takes its time.
    let mut last = String::new();
    let removed = poll(REMOVAL_LIMIT, 300, || {
        let done = match attempt(&["rm", "--force", "--volumes", name]) {
            Ok(done) => done,
            Err(error) => return Some(Err(error)),
        };
        let inspect = || attempt(&["inspect", "--type", "container", name]);
        if done.stderr.contains("No such container")
            || (done.success && inspect().is_ok_and(|found| !found.success))
        {
            return Some(Ok(()));
        }
        last = done.last_words();
        None
    });
    let what = format!("docker rm {name} failed");
    removed.unwrap_or_else(|| Err(ProvisionError::failed(what, last)))
}

/// `--ulimit nofile` as high as the engine may grant: an engine inside a container has a hard limit of its
/// own, and asking for more than it has makes `docker run` fail. Unset where the engine is not visible.
fn nofile_option() -> Option<String> {
    let engine = procfs::all_pids().into_iter().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|c| c.trim_end() == "dockerd")
    })?;
    let limits = std::fs::read_to_string(format!("/proc/{engine}/limits")).ok()?;
    let hard = hard_nofile(&limits)?.min(65_536);
    Some(format!("--ulimit=nofile={hard}:{hard}"))
}

/// The hard limit in the line `Max open files  SOFT  HARD  files` of `/proc/PID/limits`.
fn hard_nofile(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"))?;
    let hard = line.split_ascii_whitespace().nth(1)?;
    // Or "unlimited".
    Some(hard.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::hard_nofile;

    #[test]
    fn the_engines_hard_limit_is_read() {
        let line = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files     \n";
        assert_eq!(hard_nofile(line), Some(4096));
        assert_eq!(hard_nofile("Max processes 1 2"), None);
    }
}
