//! Choosing, starting and stopping a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::authentication::Credentials;
use super::bootstrap::{self, NotReady};
use super::certificate::ServerCertificate;
use super::docker::{Container, engine_version};
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::local::{LocalCluster, choose_binaries};
use super::obtain::ensure_image;
use super::scratch::{Scratch, ServerUser, check_socket_path};
use super::server_files::{self, IN_CONTAINER};
use super::spec::ServerSpec;
use super::{DATABASE, ROLE, SUPERUSER, endpoint};
use crate::config::EndpointHost;
use crate::config::{ServerChoice, ServerUrl};
use crate::factor::Tls;
use crate::factor::Transport;

/// Bound on the time from start to the first connection; generous, since the machine may be busy.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// A free port may be taken before the server binds it; how often another one is tried.
const PORT_ATTEMPTS: usize = 4;

/// Shared memory of a container: dynamic segments only, the main area is anonymous.
const SHM_SIZE: &str = "--shm-size=256m";

/// What kind of server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// A container.
    Docker,
    /// A throw-away local cluster.
    Local,
    /// Not ours.
    Url,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerKind::Docker => "docker",
            ServerKind::Local => "local",
            ServerKind::Url => "url",
        })
    }
}

/// A place in a server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMark(usize);

#[derive(Debug)]
enum Backend {
    // The container before the directory whose sockets it uses.
    Docker {
        container: Container,
        scratch: Option<Scratch>,
        socket_dir: PathBuf,
    },
    Local(LocalCluster),
    Url,
}

/// A server that answers. Everything this tool started for it goes with [`stop`](Self::stop) or drop.
#[derive(Debug)]
pub struct RunningServer {
    backend: Backend,
    endpoint: Endpoint,
    admin: Option<Endpoint>,
    certificate: Option<ServerCertificate>,
    server_version: String,
    chosen_because: String,
}

impl RunningServer {
    /// For the arms: the role and database `procbench`, or what the URL says.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The superuser, through the Unix socket; `None` for a server that is not ours.
    pub fn admin_endpoint(&self) -> Option<&Endpoint> {
        self.admin.as_ref()
    }

    /// The postmaster's PID on this host, where it can be seen; for [`crate::server::procfs`].
    /// For a URL on this machine's Unix socket or loopback nothing is guessed.
    pub fn postmaster_pid(&self) -> Option<u32> {
        match &self.backend {
            Backend::Docker { container, .. } => container.pid(),
            Backend::Local(cluster) => Some(cluster.pid()),
            Backend::Url => None,
        }
    }

    /// Which server this is and why it was taken, one sentence for the user.
    pub fn chosen_because(&self) -> &str {
        &self.chosen_because
    }

    /// Docker, local or URL.
    pub fn kind(&self) -> ServerKind {
        match self.backend {
            Backend::Docker { .. } => ServerKind::Docker,
            Backend::Local(_) => ServerKind::Local,
            Backend::Url => ServerKind::Url,
        }
    }

    /// The id (`sha256:...`) of the image it runs from.
    pub fn image_id(&self) -> Option<&str> {
        match &self.backend {
            Backend::Docker { container, .. } => Some(&container.image_id),
            _ => None,
        }
    }

    /// The folder of the binaries it runs from, for a local cluster.
    pub fn bin_dir(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Local(cluster) => Some(&cluster.bin_dir),
            _ => None,
        }
    }

    /// The container's name, for `docker logs` and its cgroup.
    pub fn container_name(&self) -> Option<&str> {
        match &self.backend {
            Backend::Docker { container, .. } => Some(&container.name),
            _ => None,
        }
    }

    /// `server_version` with the package suffix, e.g. `15.18 (Debian 15.18-0+deb12u1)`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Major version.
    pub fn pg_major(&self) -> Option<u32> {
        bootstrap::major_of(&self.server_version)
    }

    /// Whether the postmaster runs. A URL counts as alive: only a connection could tell.
    pub fn is_alive(&self) -> bool {
        match &self.backend {
            Backend::Docker { container, .. } => container.is_alive(),
            Backend::Local(cluster) => cluster.is_alive(),
            Backend::Url => true,
        }
    }

    /// The end of the server's log; empty for a URL.
    pub fn log_tail(&self) -> String {
        self.backend.log_tail()
    }

    /// Where the server's log ends now, for [`log_since`](Self::log_since).
    pub fn log_mark(&self) -> LogMark {
        LogMark(self.backend.log_from(0).len())
    }

    /// What the server has logged since `mark`; empty for a URL, and where the log cannot be read.
    pub fn log_since(&self, mark: LogMark) -> String {
        String::from_utf8_lossy(&self.backend.log_from(mark.0)).into_owned()
    }

    /// Removes everything started for it.
    ///
    /// # Errors
    /// When Docker does not remove the container; the next run's sweep tries again.
    pub fn stop(mut self) -> Result<(), ProvisionError> {
        match &mut self.backend {
            Backend::Docker {
                container, scratch, ..
            } => {
                container.remove()?;
                *scratch = None;
            }
            Backend::Local(cluster) => cluster.remove(),
            Backend::Url => {}
        }
        Ok(())
    }

    /// Host directory of the server's socket, for a server of ours.
    pub(crate) fn socket_dir(&self) -> Option<&PathBuf> {
        match &self.backend {
            Backend::Docker { socket_dir, .. } => Some(socket_dir),
            Backend::Local(cluster) => Some(&cluster.socket_dir),
            Backend::Url => None,
        }
    }

    /// Its certificate, where its TCP connections are encrypted.
    pub(crate) fn certificate(&self) -> Option<&ServerCertificate> {
        self.certificate.as_ref()
    }

    /// The user the local server runs as, when that is not us.
    pub(crate) fn server_user(&self) -> Option<&ServerUser> {
        match &self.backend {
            Backend::Local(cluster) => cluster.user.as_ref(),
            _ => None,
        }
    }
}

impl Backend {
    fn is_alive(&self) -> bool {
        match self {
            Backend::Docker { container, .. } => container.is_alive(),
            Backend::Local(cluster) => cluster.is_alive(),
            Backend::Url => true,
        }
    }

    fn log_from(&self, byte: usize) -> Vec<u8> {
        match self {
            Backend::Docker { container, .. } => container.log_from(byte),
            Backend::Local(cluster) => cluster.log_from(byte),
            Backend::Url => Vec::new(),
        }
    }

    fn log_tail(&self) -> String {
        match self {
            Backend::Docker { container, .. } => container.log_tail(),
            Backend::Local(cluster) => cluster.log_tail(),
            Backend::Url => String::new(),
        }
    }
}

/// Starts (or, for a URL, reaches) the server to be measured.
///
/// `auto` takes Docker when an engine answers and the image is there or can be built, else local
/// binaries. `progress` gets one line per step that may take seconds.
///
/// # Errors
/// When no server can be had; the message says what to install or change.
pub fn provision(
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    match choice {
        ServerChoice::Docker => start_docker(spec, "--server docker", progress),
        ServerChoice::Local => start_local(spec, "--server local", progress),
        ServerChoice::Url(url) => reach(url, spec),
        ServerChoice::Auto => {
            let docker = match start_docker(spec, "auto: a Docker engine answers", progress) {
                Ok(server) => return Ok(server),
                Err(error) => error.to_string(),
            };
            progress(&format!("Docker not taken: {docker}"));
            let why = format!("auto: Docker not taken ({docker})");
            start_local(spec, &why, progress).map_err(|local| ProvisionError::NothingAvailable {
                docker,
                local: local.to_string(),
            })
        }
    }
}

/// PostgreSQL's words for a connection that it would take only encrypted, or not at all (auth.c
/// `ClientAuthentication`: "no encryption", to 13 "SSL off"), and PgBouncer's ("SSL required").
fn with_tls_hint(error: ProvisionError) -> ProvisionError {
    match error {
        ProvisionError::Connect { endpoint, reason }
            if ["no encryption", "SSL off", "SSL required"]
                .iter()
                .any(|words| reason.contains(words)) =>
        {
            ProvisionError::Connect {
                endpoint,
                reason: format!(
                    "{reason} (if it asks for TLS: procbench connects to a server by URL without)"
                ),
            }
        }
        other => other,
    }
}

fn reach(url: &ServerUrl, spec: &ServerSpec) -> Result<RunningServer, ProvisionError> {
    let endpoint = Endpoint::of_url(url)?;
    let server_version = bootstrap::server_version(&endpoint).map_err(with_tls_hint)?;
    let major = bootstrap::major_of(&server_version);
    if let Some(wanted) = spec.pg_major()
        && major != Some(wanted)
    {
        return Err(ProvisionError::Connect {
            endpoint: endpoint.to_string(),
            reason: format!(
                "it is PostgreSQL {server_version}, and version {wanted} was asked for"
            ),
        });
    }
    Ok(RunningServer {
        backend: Backend::Url,
        chosen_because: format!(
            "PostgreSQL {server_version} at {url}: given by URL, nothing is created on it"
        ),
        endpoint,
        admin: None,
        certificate: None,
        server_version,
    })
}

/// A certificate, where the server is to have one.
fn certificate_for(spec: &ServerSpec) -> Result<Option<ServerCertificate>, ProvisionError> {
    (spec.tls == Tls::On)
        .then(ServerCertificate::make)
        .transpose()
}

fn start_docker(
    spec: &ServerSpec,
    why: &str,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    let engine = engine_version()?;
    let image = ensure_image(spec, progress)?;
    progress(&format!(
        "starting a container of {image} on Docker {engine}"
    ));
    let certificate = certificate_for(spec)?;
    let server = with_free_port(|port| {
        // Private: the server's user comes in through the bind mount, others of this host must not.
        let scratch = Scratch::new(false)?;
        let socket_dir = scratch.subdir("sockets", 0o777, None)?;
        check_socket_path(&endpoint::socket_file(&socket_dir, port))?;
        let files = scratch.subdir("files", 0o755, None)?;
        server_files::write(&files, spec, certificate.as_ref())?;
        let options = [
            "--tmpfs=/procbench:rw,mode=1777".to_owned(),
            SHM_SIZE.to_owned(),
            format!("--volume={}:/sockets", socket_dir.display()),
            format!("--volume={}:{IN_CONTAINER}:ro", files.display()),
            // The images' own users differ; this one is in all of them.
            format!("--user={SUPERUSER}"),
            "--entrypoint=sh".to_owned(),
        ];
        let mut arguments = vec![format!("{IN_CONTAINER}/entrypoint.sh")];
        arguments.extend(spec.postgres_args(port));
        let container = Container::start(&image, &options, &arguments)?;
        Ok((
            Backend::Docker {
                container,
                scratch: Some(scratch),
                socket_dir: socket_dir.clone(),
            },
            socket_dir,
        ))
    })?;
    finish(server, spec, certificate, |version| {
        format!("PostgreSQL {version} in a container of {image}, Docker {engine} ({why})")
    })
}

fn start_local(
    spec: &ServerSpec,
    why: &str,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    let binaries = choose_binaries(spec)?;
    let certificate = certificate_for(spec)?;
    let server = with_free_port(|port| {
        let cluster = LocalCluster::start(&binaries, spec, certificate.as_ref(), port, progress)?;
        let socket_dir = cluster.socket_dir.clone();
        Ok((Backend::Local(cluster), socket_dir))
    })?;
    if let Backend::Local(cluster) = &server.0 {
        cluster.note_shared_memory();
    }
    finish(server, spec, certificate, |version| {
        format!(
            "PostgreSQL {version} of {} in a throw-away cluster ({why})",
            binaries.bin_dir.display()
        )
    })
}

/// Starts a server and waits for it, on another port when the first was taken meanwhile.
fn with_free_port(
    start: impl Fn(u16) -> Result<(Backend, PathBuf), ProvisionError>,
) -> Result<(Backend, Endpoint), ProvisionError> {
    let mut attempt = 1;
    loop {
        let port = bootstrap::free_port()?;
        let (backend, socket_dir) = start(port)?;
        let admin = Endpoint {
            host: EndpointHost::Unix(socket_dir),
            port,
            user: SUPERUSER.to_owned(),
            dbname: "postgres".to_owned(),
            password: None,
            tls: None,
        };
        match bootstrap::wait_until_ready(&admin, READY_LIMIT, &|| backend.is_alive())? {
            Ok(()) => return Ok((backend, admin)),
            Err(outcome) => {
                let log = backend.log_tail();
                let taken = log.contains("Address already in use")
                    || log.contains("could not create any TCP/IP sockets");
                if taken && attempt < PORT_ATTEMPTS {
                    attempt += 1;
                    continue;
                }
                let what = match backend {
                    Backend::Docker { .. } => "the PostgreSQL container",
                    _ => "the local postgres",
                }
                .to_owned();
                return Err(match outcome {
                    NotReady::Exited => ProvisionError::EarlyExit { what, log },
                    NotReady::Timeout(last) => ProvisionError::NotReady {
                        what,
                        seconds: READY_LIMIT.as_secs(),
                        last,
                        log,
                    },
                });
            }
        }
    }
}

/// Role, database, version; the endpoint the arms use is tried before it is handed out.
fn finish(
    (backend, admin): (Backend, Endpoint),
    spec: &ServerSpec,
    certificate: Option<ServerCertificate>,
    because: impl FnOnce(&str) -> String,
) -> Result<RunningServer, ProvisionError> {
    let credentials = Credentials::make(spec)?;
    let verifier = credentials.as_ref().map(|c| &c.verifier);
    bootstrap::create_role_and_database(&admin, verifier)?;
    let endpoint = Endpoint {
        host: match spec.transport {
            Transport::Tcp => EndpointHost::Tcp("127.0.0.1".to_owned()),
            Transport::Unix => admin.host.clone(),
        },
        port: admin.port,
        user: ROLE.to_owned(),
        dbname: DATABASE.to_owned(),
        password: credentials.map(|c| c.password),
        tls: certificate.as_ref().map(|c| c.pinned.clone()),
    };
    let server_version = bootstrap::server_version(&endpoint)?;
    Ok(RunningServer {
        chosen_because: because(&server_version),
        backend,
        endpoint,
        admin: Some(admin),
        certificate,
        server_version,
    })
}
