//! What is started for a server or for PgBouncer: one process, on this host or in a container, and its directory.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{poll, tail};
use super::connect::{free_port, wait_until_ready};
use super::docker::{container_log, container_state, image_id, remove_container, run_container};
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::owner::ProcessId;
use super::scratch::Scratch;

/// A free port may be taken before the server binds it; how often another one is tried.
const PORT_ATTEMPTS: usize = 4;

/// How long an immediate shutdown may take before the process is killed.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Where a process on this host writes to, in its scratch directory.
const LOG: &str = "log";

/// A postmaster or PgBouncer of ours; ended by drop too, and its directory goes with it.
#[derive(Debug)]
pub(crate) struct Process {
    runs: Runs,
    /// Where this host's `/proc` shows it: not with a remote engine or in another namespace.
    id: Option<ProcessId>,
    ended: bool,
    pub(crate) scratch: Scratch,
}

#[derive(Debug)]
enum Runs {
    /// Our child, and the signal for its immediate shutdown.
    Here(Child, Signal),
    /// In a container with the name of its scratch directory.
    Container { name: String, image_id: String },
}

impl Process {
    /// Starts a command in its own process group (Ctrl-C in a terminal must not reach it), its output in
    /// the log.
    pub(crate) fn start(
        scratch: Scratch,
        command: &mut Command,
        shutdown: Signal,
    ) -> Result<Self, ProvisionError> {
        let log = scratch.path().join(LOG);
        let open = || {
            let file = fs::OpenOptions::new().create(true).append(true).open(&log);
            file.map_err(ProvisionError::at("cannot write", &log))
        };
        let (stdout, stderr) = (open()?, open()?);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = command.process_group(0).spawn();
        let program = Path::new(command.get_program());
        let child = child.map_err(ProvisionError::at("cannot start", program))?;
        Ok(Self {
            // Our child: it cannot be reaped by others, so the PID is certainly its own.
            id: ProcessId::of(child.id()),
            runs: Runs::Here(child, shutdown),
            ended: false,
            scratch,
        })
    }

    /// Starts a container.
    pub(crate) fn start_container(
        scratch: Scratch,
        image: &str,
        options: &[String],
        arguments: &[String],
    ) -> Result<Self, ProvisionError> {
        let name = scratch.name();
        // Exists before the call: a failed or interrupted `docker run` may leave a created container.
        let mut process = Self {
            runs: Runs::Container {
                name: name.clone(),
                image_id: image_id(image).unwrap_or_default(),
            },
            id: None,
            ended: false,
            scratch,
        };
        run_container(&name, image, options, arguments)?;
        let pid = container_state(&name, "Pid").and_then(|pid| pid.parse().ok());
        process.id = pid.filter(|pid| *pid != 0).and_then(ProcessId::of);
        Ok(process)
    }

    /// Its PID on this host, where it can be seen.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.id.map(|id| id.pid)
    }

    /// Name of its container and id of the image, where it runs in one.
    pub(crate) fn container(&self) -> Option<(&str, &str)> {
        match &self.runs {
            Runs::Here(..) => None,
            Runs::Container { name, image_id } => Some((name, image_id)),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        match (self.id, self.container()) {
            (Some(id), _) => id.is_alive(),
            (None, Some((name, _))) => {
                container_state(name, "Running").is_some_and(|r| r == "true")
            }
            (None, None) => false,
        }
    }

    /// All that it and its children have logged; empty where that cannot be read.
    pub(crate) fn log(&self) -> Vec<u8> {
        match self.container() {
            Some((name, _)) => container_log(name).into_bytes(),
            None => fs::read(self.scratch.path().join(LOG)).unwrap_or_default(),
        }
    }

    /// The last 20 lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&String::from_utf8_lossy(&self.log()), 20)
    }

    /// Ends it, and removes its container. A child is asked, then killed, and always reaped.
    pub(crate) fn end(&mut self) -> Result<(), ProvisionError> {
        if self.ended {
            return Ok(());
        }
        match &mut self.runs {
            Runs::Container { name, .. } => remove_container(name)?,
            Runs::Here(child, shutdown) => {
                if let Ok(None) = child.try_wait()
                    && let Ok(pid) = i32::try_from(child.id())
                {
                    // Not reaped yet, so the PID is still this child's.
                    let _ = kill(Pid::from_raw(pid), *shutdown);
                }
                if poll(SHUTDOWN_LIMIT, 5, || child.try_wait().transpose()).is_none() {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        }
        self.ended = true;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            let name = self.scratch.name();
            crate::console::complain(&format!(
                "procbench: container {name} was not removed: {error}"
            ));
        }
    }
}

/// Starts something and waits until its endpoint answers, on another port when the first was taken meanwhile.
/// `what` names it in an error.
pub(crate) fn start_on_free_port(
    what: &str,
    limit: Duration,
    start: impl Fn(u16) -> Result<(Process, Endpoint), ProvisionError>,
) -> Result<(Process, Endpoint), ProvisionError> {
    let mut attempt = 1;
    loop {
        let (process, endpoint) = start(free_port()?)?;
        let Some(why) = wait_until_ready(&endpoint, limit, || process.is_alive()) else {
            return Ok((process, endpoint));
        };
        let log = process.log_tail();
        let taken = [
            "Address already in use",
            "could not create any TCP/IP sockets",
        ];
        if attempt == PORT_ATTEMPTS || !taken.iter().any(|words| log.contains(words)) {
            // A message is one line everywhere (stderr, run file, tables).
            let end = tail(&log, 6);
            let end: Vec<&str> = end.lines().map(str::trim).collect();
            let end = end.join(" / ");
            return Err(ProvisionError::new(format!(
                "{what} {why}; the end of its log: {end}"
            )));
        }
        attempt += 1;
    }
}
