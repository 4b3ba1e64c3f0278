//! PgBouncer before a server of ours: in a container or from local binaries, like the server itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::bootstrap::server_version;
use super::command::{find_on_path, run_bounded};
use super::docker::{Container, call};
use super::endpoint::{Endpoint, check_socket_path, socket_file};
use super::error::ProvisionError;
use super::image::ensure_pgbouncer_image;
use super::kind::ServerKind;
use super::local_process::LocalProcess;
use super::pgbouncer_config::{PgBouncerSpec, config_files};
use super::running::RunningServer;
use super::scratch::Scratch;
use super::server_user::{ServerUser, ids_of};
use super::shipped::write_file;
use super::started::{Process, Started, start_on_free_port};
use crate::config::{EndpointHost, ServerUrl};
use crate::factor::Transport;

/// Bound on the time to the first connection through it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Its directory within the scratch directory.
const DIR: &str = "pooler";

/// A PgBouncer that answers. Goes with [`stop`](Self::stop) or drop; stop it before its server.
#[derive(Debug)]
pub struct RunningPgBouncer {
    /// `None` for one by URL.
    started: Option<Started>,
    endpoint: Endpoint,
    version: Option<String>,
}

impl RunningPgBouncer {
    /// The address to use instead of the server's; nothing else differs.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its PID on this host, where it can be seen; it is one process with one thread.
    pub fn pid(&self) -> Option<u32> {
        self.started.as_ref()?.process.pid()
    }

    /// Where it runs.
    pub fn kind(&self) -> ServerKind {
        let started = self.started.as_ref();
        started.map_or(ServerKind::Url, |s| s.process.kind())
    }

    /// First line of `pgbouncer --version`; `None` for one given by URL.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whether it runs. One given by URL counts as alive.
    pub fn is_alive(&self) -> bool {
        let started = self.started.as_ref();
        started.is_none_or(|s| s.process.is_alive())
    }

    /// The end of its log; empty for one given by URL.
    pub fn log_tail(&self) -> String {
        let started = self.started.as_ref();
        started.map_or_else(String::new, Started::log_tail)
    }

    /// Removes everything started for it.
    ///
    /// # Errors
    /// When Docker does not remove the container.
    pub fn stop(mut self) -> Result<(), ProvisionError> {
        self.started.as_mut().map_or(Ok(()), |s| s.process.end())
    }
}

/// A local `pgbouncer`.
pub fn find_pgbouncer_binary() -> Option<PathBuf> {
    find_on_path("pgbouncer")
}

/// What a PgBouncer is started from.
enum Source {
    Image(String),
    Program(PathBuf),
}

/// Starts a PgBouncer (transaction pooling unless asked for another mode, for the one role, loopback only)
/// before a server. It uses the server's transport, authentication and certificate on both sides.
///
/// # Errors
/// Says why there is none and what to do; its arms are then absent, the rest can run.
pub fn start_pgbouncer(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    progress: &dyn Fn(&str),
) -> Result<RunningPgBouncer, ProvisionError> {
    let program = find_pgbouncer_binary();
    let started = match (&spec.url, server.kind(), program) {
        (Some(url), ..) => reach(url),
        (None, ServerKind::Url, _) => {
            return Err(ProvisionError::new(
                "no PgBouncer before a server given by URL: name one of your own with a URL",
            ));
        }
        (None, ServerKind::Docker, _) => ensure_pgbouncer_image(progress)
            .and_then(|image| launch(server, spec, &Source::Image(image), progress)),
        (None, ServerKind::Local, Some(program)) => {
            launch(server, spec, &Source::Program(program), progress)
        }
        (None, ServerKind::Local, None) => {
            return Err(ProvisionError::new(
                "pgbouncer is not installed: apt-get install pgbouncer",
            ));
        }
    };
    started.map_err(|e| ProvisionError::failed("PgBouncer could not be started", e))
}

fn launch(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    source: &Source,
    progress: &dyn Fn(&str),
) -> Result<RunningPgBouncer, ProvisionError> {
    progress(&match source {
        Source::Image(image) => format!("starting a container of {image}"),
        Source::Program(program) => format!("starting {}", program.display()),
    });
    let (started, endpoint) = start_on_free_port("PgBouncer", READY_LIMIT, |port| {
        start(server, spec, source, port)
    })?;
    if endpoint.password.is_some() {
        remove_config(&started.scratch.path().join(DIR))?;
    }
    Ok(RunningPgBouncer {
        version: version_of(source, &*started.process),
        started: Some(started),
        endpoint,
    })
}

fn reach(url: &ServerUrl) -> Result<RunningPgBouncer, ProvisionError> {
    let endpoint = Endpoint::of_url(url)?;
    server_version(&endpoint)?;
    Ok(RunningPgBouncer {
        started: None,
        endpoint,
        version: None,
    })
}

/// Its configuration goes once it is read: a password stands in it, where the server asks for one. PgBouncer
/// keeps what it has; its log notes the missing file once.
fn remove_config(dir: &Path) -> Result<(), ProvisionError> {
    let entries = fs::read_dir(dir).map_err(ProvisionError::at("cannot read", dir))?;
    // The socket stays.
    for file in entries.flatten().map(|e| e.path()).filter(|p| p.is_file()) {
        fs::remove_file(&file).map_err(ProvisionError::at("cannot remove", &file))?;
    }
    Ok(())
}

/// The first line of what it says of its version.
fn version_of(source: &Source, process: &dyn Process) -> Option<String> {
    let said = match source {
        Source::Image(_) => call(&["exec", process.container()?.0, "pgbouncer", "--version"]).ok(),
        Source::Program(program) => {
            let mut command = Command::new(program);
            run_bounded(command.arg("--version"), Duration::from_secs(5))
        }
    };
    said?.lines().next().map(str::to_owned)
}

fn start(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    source: &Source,
    port: u16,
) -> Result<(Started, Endpoint), ProvisionError> {
    let sockets = server.socket_dir().unwrap_or(Path::new(""));
    let (scratch, dir, user) = match source {
        Source::Image(_) => {
            let scratch = Scratch::new(false)?;
            // Into the container only; the parent keeps other users of the host out.
            let dir = scratch.subdir(DIR, 0o777, None)?;
            (scratch, dir, ServerUser::of_container()?)
        }
        Source::Program(_) => {
            // The server's user, so that the server's socket directory is open to it.
            let user = server.user.clone();
            let scratch = Scratch::new(user.is_some())?;
            let dir = scratch.subdir(DIR, 0o700, user.as_ref())?;
            (scratch, dir, user)
        }
    };
    // Where clients find it: as with the server, loopback or its own socket directory.
    let mut endpoint = server.endpoint().clone();
    endpoint.port = port;
    if endpoint.transport() == Transport::Unix {
        check_socket_path(&socket_file(&dir, port))?;
        endpoint.host = EndpointHost::Unix(dir.clone());
    }
    let (own_seen, sockets_seen) = match source {
        Source::Image(_) => (Path::new("/pooler"), Path::new("/sockets")),
        Source::Program(_) => (&*dir, sockets),
    };
    let certificate = server.certificate.as_ref();
    let files = config_files(
        spec,
        server.endpoint(),
        certificate,
        port,
        own_seen,
        sockets_seen,
    );
    for (name, text) in files {
        // A password may stand in it: readable for its own user only.
        let file = dir.join(name);
        write_file(&file, &text, 0o600)?;
        user.as_ref().map_or(Ok(()), |u| u.give(&file))?;
    }
    let config = [own_seen.join("pgbouncer.ini").display().to_string()];
    let process: Box<dyn Process> = match source {
        Source::Image(image) => {
            let options = [
                format!("--volume={}:/pooler", dir.display()),
                format!("--volume={}:/sockets", sockets.display()),
                format!("--user={}", ids_of(user.as_ref())),
            ];
            Box::new(Container::start(image, &options, &config)?)
        }
        Source::Program(program) => {
            let log = scratch.path().join("log");
            // SIGTERM is PgBouncer's immediate shutdown in every version (1.23 made SIGINT and SIGTERM differ).
            let shutdown = Signal::SIGTERM;
            let user = user.as_ref();
            Box::new(LocalProcess::start(
                program, &config, &dir, log, user, shutdown,
            )?)
        }
    };
    Ok((Started { process, scratch }, endpoint))
}
