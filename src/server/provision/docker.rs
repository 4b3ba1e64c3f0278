//! Containers through the `docker` program.

use std::process::Command;
use std::time::{Duration, Instant};

use super::command::{Finished, run, tail};
use super::error::ProvisionError;
use super::owner::{Owner, pid_space};
use crate::server::procfs;

/// Marks everything this tool starts.
pub(crate) const LABEL: &str = "procbench=1";

/// Bound on one `docker` call; a busy engine on a slow disk takes seconds.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a removal may take; on a slow disk that is seconds.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// A `docker` command without our passwords in its environment.
pub(crate) fn docker() -> Command {
    let mut command = Command::new("docker");
    command.env_remove("PGPASSWORD");
    command
}

/// One `docker` call that must succeed; its stdout, trimmed.
pub(crate) fn call(args: &[&str]) -> Result<String, ProvisionError> {
    let finished = attempt(args)?;
    if finished.success {
        Ok(finished.stdout.trim().to_owned())
    } else {
        Err(ProvisionError::Command {
            what: format!("docker {}", args.first().unwrap_or(&"")),
            detail: finished.last_words(),
        })
    }
}

fn attempt(args: &[&str]) -> Result<Finished, ProvisionError> {
    run(docker().args(args), CALL_LIMIT)
        .map_err(|e| ProvisionError::DockerUnavailable(format!("docker: {e}")))
}

/// The engine's version, when one answers.
///
/// # Errors
/// When there is no `docker` program, or no engine answers it.
pub fn engine_version() -> Result<String, ProvisionError> {
    let finished = attempt(&["version", "--format", "{{.Server.Version}}"])?;
    if finished.success {
        Ok(finished.stdout.trim().to_owned())
    } else {
        Err(ProvisionError::DockerUnavailable(finished.last_words()))
    }
}

/// The id (digest of the configuration) of a local image, when it is there.
pub fn image_id(tag: &str) -> Option<String> {
    call(&["image", "inspect", "--format", "{{.Id}}", tag]).ok()
}

/// A running container; removed on drop.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image_id: String,
    process: Option<(u32, u64)>,
    removed: bool,
}

impl Container {
    /// `docker run -d` on the host's network, labelled with its owner.
    pub(crate) fn start(
        image: &str,
        options: &[String],
        arguments: &[String],
    ) -> Result<Self, ProvisionError> {
        let owner = Owner::me();
        let name = format!(
            "procbench-{}-{}-{:08x}",
            owner.pid,
            owner.start_ticks,
            random()
        );
        let fixed = [
            "run",
            "--detach",
            "--name",
            &name,
            "--network",
            "host",
            "--label",
            LABEL,
            "--label",
            &format!("procbench.owner={owner}"),
            "--label",
            &format!("procbench.pidspace={}", pid_space()),
        ];
        let files = nofile_option();
        let mut args: Vec<&str> = fixed.to_vec();
        args.extend(files.iter().map(String::as_str));
        args.extend(options.iter().map(String::as_str));
        args.push(image);
        args.extend(arguments.iter().map(String::as_str));
        // Exists before the call: a failed or interrupted `docker run` may leave a created container.
        let mut container = Self {
            name: name.clone(),
            image_id: image_id(image).unwrap_or_default(),
            process: None,
            removed: false,
        };
        call(&args)?;
        container.process = container.main_process();
        Ok(container)
    }

    /// PID and start time of the container's first process, where the host's `/proc` shows it.
    fn main_process(&self) -> Option<(u32, u64)> {
        let pid: u32 = call(&["inspect", "--format", "{{.State.Pid}}", &self.name])
            .ok()?
            .parse()
            .ok()?;
        (pid != 0).then_some(())?;
        Some((pid, procfs::process_stat(pid)?.start_ticks))
    }

    /// Host PID of the first process; `None` where it cannot be seen (remote engine, other namespace).
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.map(|(pid, _)| pid)
    }

    pub(crate) fn is_alive(&self) -> bool {
        if self.removed {
            return false;
        }
        match self.process {
            Some((pid, start)) => procfs::is_running(pid, start),
            None => call(&["inspect", "--format", "{{.State.Running}}", &self.name])
                .is_ok_and(|r| r == "true"),
        }
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        match attempt(&["logs", "--tail", "20", &self.name]) {
            Ok(done) => tail(&format!("{}{}", done.stdout, done.stderr), 20),
            Err(e) => format!("(no log: {e})"),
        }
    }

    /// What the postmaster and its children have written to their log, from a byte on.
    pub(crate) fn log_from(&self, byte: usize) -> Vec<u8> {
        let log = attempt(&["logs", &self.name]).map_or_else(|_| String::new(), |l| l.stderr);
        log.as_bytes().get(byte..).unwrap_or_default().to_vec()
    }

    pub(crate) fn remove(&mut self) -> Result<(), ProvisionError> {
        if !self.removed {
            remove_container(&self.name)?;
            self.removed = true;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            crate::console::tell(&format!(
                "procbench: container {} was not removed: {error}",
                self.name
            ));
        }
    }
}

/// Kills and removes a container; one that is gone already is no error.
pub(crate) fn remove_container(name: &str) -> Result<(), ProvisionError> {
    // A killed engine helper may refuse the first attempt; a removal already under way takes its time.
    let mut last = String::new();
    let began = Instant::now();
    while began.elapsed() < REMOVAL_LIMIT {
        let done = attempt(&["rm", "--force", "--volumes", name])?;
        let gone = done.stderr.contains("No such container");
        if gone
            || (done.success
                && attempt(&["inspect", "--type", "container", name]).is_ok_and(|i| !i.success))
        {
            return Ok(());
        }
        last = done.last_words();
        std::thread::sleep(Duration::from_millis(300));
    }
    Err(ProvisionError::Command {
        what: format!("docker rm {name}"),
        detail: last,
    })
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
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Enough to tell names of one process apart.
fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mixed = RandomState::new().build_hasher().finish();
    u32::try_from(mixed & 0xffff_ffff).unwrap_or(0)
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
