//! A process of this host that runs in a scratch directory: a postmaster or PgBouncer.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::ProvisionError;
use super::kind::ServerKind;
use super::server_user::ServerUser;
use super::started::Process;
use crate::procfs;

/// How long an immediate shutdown may take before the process is killed.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Our child, with its output in a file.
#[derive(Debug)]
pub(crate) struct LocalProcess {
    child: Child,
    start_ticks: u64,
    log: PathBuf,
    shutdown: Signal,
}

impl LocalProcess {
    /// Starts it in its own process group (Ctrl-C in a terminal must not reach it), as `user` when
    /// given, with an empty environment, its output in `log`. `shutdown` asks it for its immediate end.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        dir: &Path,
        log: PathBuf,
        user: Option<&ServerUser>,
        shutdown: Signal,
    ) -> Result<Self, ProvisionError> {
        let mut open = fs::OpenOptions::new();
        let file = open.create(true).append(true).open(&log);
        let file = file.map_err(ProvisionError::at("cannot write", &log))?;
        let stdout = file.try_clone();
        let stdout = stdout.map_err(ProvisionError::at("cannot write", &log))?;
        let child = as_user(program, user)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(ProvisionError::at("cannot start", program))?;
        // Our child: it cannot be reaped by others, so the PID is certainly its own.
        let start_ticks = procfs::process_stat(child.id()).map_or(0, |s| s.start_ticks);
        Ok(Self {
            child,
            start_ticks,
            log,
            shutdown,
        })
    }
}

impl Process for LocalProcess {
    fn kind(&self) -> ServerKind {
        ServerKind::Local
    }

    fn pid(&self) -> Option<u32> {
        Some(self.child.id())
    }

    fn is_alive(&self) -> bool {
        procfs::is_running(self.child.id(), self.start_ticks)
    }

    fn log(&self) -> Vec<u8> {
        fs::read(&self.log).unwrap_or_default()
    }

    /// Asks, then kills; always reaps.
    fn end(&mut self) -> Result<(), ProvisionError> {
        let deadline = Instant::now() + SHUTDOWN_LIMIT;
        if let Ok(None) = self.child.try_wait()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            // Not reaped yet, so the PID is still this child's.
            let _ = kill(Pid::from_raw(pid), self.shutdown);
        }
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        // It reports nothing.
        let _ = self.end();
    }
}

/// A command with an empty environment, run as another user when one is given. `std` also drops the
/// supplementary groups when it sets a uid as root.
pub(crate) fn as_user(program: &Path, user: Option<&ServerUser>) -> Command {
    let mut command = Command::new(program);
    // PGPASSWORD, PGOPTIONS, PGDATA and the locale would all reach the server otherwise.
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
