//! Containers through the `docker` program.

use std::process::Command;
use std::time::{Duration, Instant};

use super::command::{Finished, run};
use super::error::ProvisionError;
use super::kind::ServerKind;
use super::owner::{Owner, pid_space};
use super::started::Process;
use crate::procfs;

/// Marks everything this tool starts.
pub(crate) const LABEL: &str = "procbench=1";

/// Bound on one `docker` call; a busy engine on a slow disk takes seconds.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a removal may take; on a slow disk that is seconds.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// One `docker` call that must succeed; its stdout, trimmed.
pub(crate) fn call(args: &[&str]) -> Result<String, ProvisionError> {
    let finished = attempt(args)?;
    if finished.success {
        Ok(finished.stdout.trim().to_owned())
    } else {
        let what = format!("docker {} failed", args.first().unwrap_or(&""));
        Err(ProvisionError::failed(what, finished.last_words()))
    }
}

fn attempt(args: &[&str]) -> Result<Finished, ProvisionError> {
    run(Command::new("docker").args(args), CALL_LIMIT)
        .map_err(|e| ProvisionError::no_docker(format!("docker: {e}")))
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
        Err(ProvisionError::no_docker(finished.last_words()))
    }
}

/// The id (digest of the configuration) of a local image, when it is there.
pub fn image_id(tag: &str) -> Option<String> {
    call(&["image", "inspect", "--format", "{{.Id}}", tag]).ok()
}

/// A running container; removed on drop.
#[derive(Debug)]
pub(crate) struct Container {
    name: String,
    image_id: String,
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
        let (pid, ticks) = (owner.pid, owner.start_ticks);
        let name = format!("procbench-{pid}-{ticks}-{:08x}", random());
        let mut args = vec![
            "run".to_owned(),
            "--detach".to_owned(),
            format!("--name={name}"),
            "--network=host".to_owned(),
            format!("--label={LABEL}"),
            format!("--label=procbench.owner={owner}"),
            format!("--label=procbench.pidspace={}", pid_space()),
        ];
        args.extend(nofile_option());
        args.extend_from_slice(options);
        args.push(image.to_owned());
        args.extend_from_slice(arguments);
        // Exists before the call: a failed or interrupted `docker run` may leave a created container.
        let mut container = Self {
            name,
            image_id: image_id(image).unwrap_or_default(),
            process: None,
            removed: false,
        };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        call(&args)?;
        container.process = container.main_process();
        Ok(container)
    }

    /// PID and start time of the container's first process, where the host's `/proc` shows it (not with a
    /// remote engine or in another namespace).
    fn main_process(&self) -> Option<(u32, u64)> {
        let pid = self.state("Pid")?.parse().ok().filter(|pid| *pid != 0)?;
        Some((pid, procfs::process_stat(pid)?.start_ticks))
    }

    /// A field of what the engine says of its state.
    fn state(&self, field: &str) -> Option<String> {
        let format = format!("{{{{.State.{field}}}}}");
        call(&["inspect", "--format", &format, &self.name]).ok()
    }
}

impl Process for Container {
    fn kind(&self) -> ServerKind {
        ServerKind::Docker
    }

    fn pid(&self) -> Option<u32> {
        self.process.map(|(pid, _)| pid)
    }

    fn is_alive(&self) -> bool {
        let running = || match self.process {
            Some((pid, start)) => procfs::is_running(pid, start),
            None => self.state("Running").is_some_and(|r| r == "true"),
        };
        !self.removed && running()
    }

    fn log(&self) -> Vec<u8> {
        attempt(&["logs", &self.name]).map_or_else(|_| Vec::new(), |l| l.stderr.into_bytes())
    }

    fn end(&mut self) -> Result<(), ProvisionError> {
        if !self.removed {
            remove_container(&self.name)?;
            self.removed = true;
        }
        Ok(())
    }

    fn container(&self) -> Option<(&str, &str)> {
        Some((&self.name, &self.image_id))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            let name = &self.name;
            crate::console::tell(&format!(
                "procbench: container {name} was not removed: {error}"
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
    let what = format!("docker rm {name} failed");
    Err(ProvisionError::failed(what, last))
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
