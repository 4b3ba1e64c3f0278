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
use super::docker::{
    call, container_log, container_state, image_id, remove_container, run_container,
};
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::owner::ProcessId;
use super::scratch::{Scratch, end_processes};

/// A free port may be taken before the server binds it; how often another one is tried.
const PORT_ATTEMPTS: usize = 4;

/// How long an immediate shutdown may take before the process is killed.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// How long a killed container may take to be seen as ended.
const END_LIMIT: Duration = Duration::from_secs(30);

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
    /// Our child, the signal for its immediate shutdown, and how it was started.
    Here {
        child: Child,
        shutdown: Signal,
        command: Command,
    },
    /// In a container with the name of its scratch directory.
    Container { name: String, image_id: String },
}

impl Process {
    /// Starts a command in its own process group (Ctrl-C in a terminal must not reach it), its output in
    /// the log.
    pub(crate) fn start(
        scratch: Scratch,
        mut command: Command,
        shutdown: Signal,
    ) -> Result<Self, ProvisionError> {
        let log = scratch.path().join(LOG);
        let open = || {
            let file = fs::OpenOptions::new().create(true).append(true).open(&log);
            file.map_err(ProvisionError::at("cannot write", &log))
        };
        let (stdout, stderr) = (open()?, open()?);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = spawn(command.process_group(0))?;
        Ok(Self {
            // Our child: it cannot be reaped by others, so the PID is certainly its own.
            id: ProcessId::of(child.id()),
            runs: Runs::Here {
                child,
                shutdown,
                command,
            },
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
        process.id = first_in_container(&name);
        Ok(process)
    }

    /// Kills it and all that it has started, at the same moment (SIGKILL), and calls `just_before` right before.
    /// Its files stay, for [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// When a container does not end.
    pub(crate) fn kill(&mut self, just_before: &mut dyn FnMut()) -> Result<(), ProvisionError> {
        match &mut self.runs {
            Runs::Here { child, .. } => {
                end_processes(self.scratch.path(), just_before);
                // Where it had not become a server yet.
                let _ = child.kill();
                let waited = child.wait();
                waited.map_err(ProvisionError::when("cannot wait for a killed server"))?;
            }
            Runs::Container { name, .. } => {
                just_before();
                // With the first process of a PID namespace the kernel kills all others there.
                if !self.id.is_some_and(|id| send(id, Signal::SIGKILL)) {
                    call(&["kill", "--signal=KILL", name])?;
                }
                until_ended(name)?;
            }
        }
        Ok(())
    }

    /// Asks it to end with this signal, and waits until it has.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn ask_to_end(&mut self, signal: Signal) -> Result<(), ProvisionError> {
        let late = || ProvisionError::new("a server does not shut down");
        match &mut self.runs {
            Runs::Here { child, .. } => {
                if let Some(id) = self.id {
                    send(id, signal);
                }
                let ended = poll(END_LIMIT, 5, || child.try_wait().transpose());
                ended.map(drop).ok_or_else(late)
            }
            Runs::Container { name, .. } => {
                call(&["kill", &format!("--signal={signal}"), name])?;
                until_ended(name)
            }
        }
    }

    /// Starts it again as it was started, after it has ended. It need not answer yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start_again(&mut self) -> Result<(), ProvisionError> {
        self.id = match &mut self.runs {
            Runs::Here { child, command, .. } => {
                *child = spawn(command)?;
                ProcessId::of(child.id())
            }
            Runs::Container { name, .. } => {
                call(&["start", name])?;
                first_in_container(name)
            }
        };
        Ok(())
    }

    /// Its PID on this host, where it can be seen.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.id.map(|id| id.pid)
    }

    /// Name of its container and id of the image, where it runs in one.
    pub(crate) fn container(&self) -> Option<(&str, &str)> {
        match &self.runs {
            Runs::Here { .. } => None,
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
            Runs::Here {
                child, shutdown, ..
            } => {
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

fn spawn(command: &mut Command) -> Result<Child, ProvisionError> {
    let child = command.spawn();
    let program = Path::new(command.get_program());
    child.map_err(ProvisionError::at("cannot start", program))
}

/// The first process of a container, where this host's `/proc` shows it.
fn first_in_container(name: &str) -> Option<ProcessId> {
    let pid = container_state(name, "Pid").and_then(|pid| pid.parse().ok());
    pid.filter(|pid| *pid != 0).and_then(ProcessId::of)
}

/// Sends a signal to a process that is still the same; whether it was sent.
fn send(id: ProcessId, signal: Signal) -> bool {
    let pid = i32::try_from(id.pid).ok().filter(|_| id.is_alive());
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
}

/// Waits until the engine has seen a container end.
fn until_ended(name: &str) -> Result<(), ProvisionError> {
    let ended = poll(END_LIMIT, 10, || {
        container_state(name, "Running").filter(|running| running == "false")
    });
    let late = || ProvisionError::new(format!("container {name} does not end"));
    ended.map(drop).ok_or_else(late)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_killed_at_one_moment_can_be_started_again() {
        let scratch = Scratch::new(false).unwrap();
        // A stand-in for a postmaster.
        let program = scratch.path().join("postgres");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut command = Command::new(&program);
        command.arg("60").current_dir(scratch.path());
        let mut process = Process::start(scratch, command, Signal::SIGTERM).unwrap();
        let first = process.pid();
        let mut calls = 0;
        process.kill(&mut || calls += 1).unwrap();
        assert_eq!((calls, process.is_alive()), (1, false));
        process.start_again().unwrap();
        assert!(process.is_alive() && process.pid() != first);
        process.ask_to_end(Signal::SIGTERM).unwrap();
        assert!(!process.is_alive());
    }
}
