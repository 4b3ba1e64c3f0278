//! PgBouncer before a server of ours: in a container or from local binaries, like the server itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::authentication::method;
use super::bootstrap::{self, NotReady};
use super::command::run;
use super::docker::Container;
use super::endpoint::{self, Endpoint};
use super::error::ProvisionError;
use super::image::{PGBOUNCER_INI, USERLIST, ensure_pgbouncer_image};
use super::local::{ServerProcess, find_on_path};
use super::running::{RunningServer, ServerKind};
use super::scratch::{Scratch, ServerUser, check_socket_path, own_ids};
use super::server_files::{CERTIFICATE, KEY, write_file};
use super::{DATABASE, ROLE};
use crate::config::EndpointHost;
use crate::config::ServerUrl;
use crate::factor::Auth;
use crate::factor::Transport;
use crate::record::PoolMode;

/// Bound on the time to the first connection through it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How often another port is tried.
const PORT_ATTEMPTS: usize = 4;

/// Sizes of the pooler; everything else is in `docker/pgbouncer.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBouncerSpec {
    /// Server connections: `default_pool_size` and `min_pool_size`.
    pub pool_size: u32,
    /// `max_client_conn`.
    pub max_client_conn: u32,
    /// How clients prove who they are, as before the server; a server without a password makes it trust.
    pub auth: Auth,
    /// `pool_mode`.
    pub pool_mode: PoolMode,
    /// A PgBouncer of the user's own, for a server given by URL.
    pub url: Option<ServerUrl>,
}

impl Default for PgBouncerSpec {
    fn default() -> Self {
        Self {
            pool_size: 16,
            max_client_conn: 2000,
            auth: Auth::Trust,
            pool_mode: PoolMode::Transaction,
            url: None,
        }
    }
}

/// Why there is no PgBouncer; its arms are then named as absent.
#[derive(Debug, thiserror::Error)]
pub enum PgBouncerAbsent {
    /// The server is somebody else's and so would the pooler be.
    #[error("no PgBouncer before a server given by URL: name one of your own with a URL")]
    ServerByUrl,
    /// No local binary.
    #[error("pgbouncer is not installed: apt-get install pgbouncer")]
    NotInstalled,
    /// It could not be started or reached.
    #[error("PgBouncer could not be started: {0}")]
    Failed(#[from] ProvisionError),
}

#[derive(Debug)]
enum Backend {
    Docker {
        container: Container,
        scratch: Option<Scratch>,
    },
    Local {
        process: ServerProcess,
        scratch: Option<Scratch>,
    },
    Url,
}

/// A PgBouncer that answers. Goes with [`stop`](Self::stop) or drop; stop it before its server.
#[derive(Debug)]
pub struct RunningPgBouncer {
    backend: Backend,
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
        match &self.backend {
            Backend::Docker { container, .. } => container.pid(),
            Backend::Local { process, .. } => Some(process.pid()),
            Backend::Url => None,
        }
    }

    /// Where it runs.
    pub fn kind(&self) -> ServerKind {
        match self.backend {
            Backend::Docker { .. } => ServerKind::Docker,
            Backend::Local { .. } => ServerKind::Local,
            Backend::Url => ServerKind::Url,
        }
    }

    /// First line of `pgbouncer --version`; `None` for one given by URL.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The id of the image it runs from.
    pub fn image_id(&self) -> Option<&str> {
        match &self.backend {
            Backend::Docker { container, .. } => Some(&container.image_id),
            _ => None,
        }
    }

    /// Whether it runs. One given by URL counts as alive.
    pub fn is_alive(&self) -> bool {
        self.backend.is_alive()
    }

    /// The end of its log; empty for one given by URL.
    pub fn log_tail(&self) -> String {
        self.backend.log_tail()
    }

    /// Removes everything started for it.
    ///
    /// # Errors
    /// When Docker does not remove the container.
    pub fn stop(mut self) -> Result<(), ProvisionError> {
        if let Backend::Docker { container, scratch } = &mut self.backend {
            container.remove()?;
            *scratch = None;
        }
        Ok(())
    }
}

impl Backend {
    fn is_alive(&self) -> bool {
        match self {
            Backend::Docker { container, .. } => container.is_alive(),
            Backend::Local { process, .. } => process.is_alive(),
            Backend::Url => true,
        }
    }

    fn log_tail(&self) -> String {
        match self {
            Backend::Docker { container, .. } => container.log_tail(),
            Backend::Local { process, .. } => process.log_tail(),
            Backend::Url => String::new(),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Backend::Local { process, scratch } = self {
            // SIGTERM is PgBouncer's immediate shutdown in every version (1.23 made SIGINT and SIGTERM differ).
            process.end(Signal::SIGTERM);
            *scratch = None;
        }
    }
}

/// A local `pgbouncer`.
pub fn find_pgbouncer_binary() -> Option<PathBuf> {
    find_on_path("pgbouncer")
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
) -> Result<RunningPgBouncer, PgBouncerAbsent> {
    if let Some(url) = &spec.url {
        return Ok(reach(url)?);
    }
    let mut attempt = 1;
    loop {
        let port = bootstrap::free_port()?;
        let Started {
            backend,
            endpoint,
            version,
            files,
        } = match server.kind() {
            ServerKind::Url => return Err(PgBouncerAbsent::ServerByUrl),
            ServerKind::Docker => start_container(server, spec, port, progress)?,
            ServerKind::Local => {
                let program = find_pgbouncer_binary().ok_or(PgBouncerAbsent::NotInstalled)?;
                start_binary(&program, server, spec, port, progress)?
            }
        };
        let outcome = bootstrap::wait_until_ready(&endpoint, READY_LIMIT, &|| backend.is_alive())?;
        let Err(outcome) = outcome else {
            if endpoint.password.is_some() {
                remove_secrets(&files)?;
            }
            return Ok(RunningPgBouncer {
                backend,
                endpoint,
                version,
            });
        };
        let log = backend.log_tail();
        if log.contains("Address already in use") && attempt < PORT_ATTEMPTS {
            attempt += 1;
            continue;
        }
        let what = "PgBouncer".to_owned();
        return Err(PgBouncerAbsent::Failed(match outcome {
            NotReady::Exited => ProvisionError::EarlyExit { what, log },
            NotReady::Timeout(last) => ProvisionError::NotReady {
                what,
                seconds: READY_LIMIT.as_secs(),
                last,
                log,
            },
        }));
    }
}

fn reach(url: &ServerUrl) -> Result<RunningPgBouncer, ProvisionError> {
    let endpoint = Endpoint::of_url(url)?;
    bootstrap::server_version(&endpoint)?;
    Ok(RunningPgBouncer {
        backend: Backend::Url,
        endpoint,
        version: None,
    })
}

/// A PgBouncer that may not answer yet.
struct Started {
    backend: Backend,
    endpoint: Endpoint,
    version: Option<String>,
    files: Vec<PathBuf>,
}

/// Its configuration goes once it is read: a password stands in it, where the server asks for one. PgBouncer
/// keeps what it has; its log notes the missing file once.
fn remove_secrets(files: &[PathBuf]) -> Result<(), ProvisionError> {
    for file in files {
        fs::remove_file(file).map_err(ProvisionError::io(format!(
            "cannot remove {}",
            file.display()
        )))?;
    }
    Ok(())
}

fn start_container(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    port: u16,
    progress: &dyn Fn(&str),
) -> Result<Started, ProvisionError> {
    let image = ensure_pgbouncer_image(progress)?;
    progress(&format!("starting a container of {image}"));
    let scratch = Scratch::new(false)?;
    // Into the container only; the parent keeps other users of the host out.
    let dir = scratch.subdir("pooler", 0o777, None)?;
    let endpoint = endpoint_of(server, &dir, port)?;
    let files = write_config(
        &dir,
        server,
        spec,
        port,
        Path::new("/pooler"),
        Path::new("/sockets"),
    )?;
    // Its configuration may hold a password: readable for its own user only.
    let user = ServerUser::of_container()?;
    for file in &files {
        if let Some(user) = &user {
            user.give(file)?;
        }
    }
    let mut options = vec![
        format!("--volume={}:/pooler", dir.display()),
        format!("--user={}", user.map_or_else(own_ids, |u| u.ids())),
    ];
    if let Some(sockets) = server.socket_dir() {
        options.push(format!("--volume={}:/sockets", sockets.display()));
    }
    let container = Container::start(&image, &options, &["/pooler/pgbouncer.ini".to_owned()])?;
    let version = super::docker::call(&["exec", &container.name, "pgbouncer", "--version"])
        .ok()
        .and_then(|v| v.lines().next().map(str::to_owned));
    let backend = Backend::Docker {
        container,
        scratch: Some(scratch),
    };
    Ok(Started {
        backend,
        endpoint,
        version,
        files,
    })
}

fn start_binary(
    program: &Path,
    server: &RunningServer,
    spec: &PgBouncerSpec,
    port: u16,
    progress: &dyn Fn(&str),
) -> Result<Started, ProvisionError> {
    progress(&format!("starting {}", program.display()));
    // The server's user, so that the server's socket directory is open to it.
    let user: Option<&ServerUser> = server.server_user();
    let scratch = Scratch::new(user.is_some())?;
    let dir = scratch.subdir("pooler", 0o700, user)?;
    let endpoint = endpoint_of(server, &dir, port)?;
    let sockets = server.socket_dir().cloned().unwrap_or_default();
    let files = write_config(&dir, server, spec, port, &dir, &sockets)?;
    for file in &files {
        if let Some(user) = user {
            user.give(file)?;
        }
    }
    let version = run(
        Command::new(program).arg("--version"),
        Duration::from_secs(5),
    )
    .ok()
    .and_then(|v| v.stdout.lines().next().map(str::to_owned));
    let config = dir.join("pgbouncer.ini").display().to_string();
    let log = scratch.path().join("log");
    let process = ServerProcess::start(program, &[config], &dir, log, user)?;
    let backend = Backend::Local {
        process,
        scratch: Some(scratch),
    };
    Ok(Started {
        backend,
        endpoint,
        version,
        files,
    })
}

/// Where clients find it: as with the server, loopback or its own socket directory.
fn endpoint_of(server: &RunningServer, dir: &Path, port: u16) -> Result<Endpoint, ProvisionError> {
    let mut endpoint = server.endpoint().clone();
    endpoint.port = port;
    if endpoint.transport() == Transport::Unix {
        check_socket_path(&endpoint::socket_file(dir, port))?;
        endpoint.host = EndpointHost::Unix(dir.to_owned());
    }
    Ok(endpoint)
}

/// Writes `pgbouncer.ini`, `userlist.txt` and, with TLS, the certificate and its key into `dir`; `own` and `sockets` are the directories as the
/// process will see them. All are readable for their owner only.
fn write_config(
    dir: &Path,
    server: &RunningServer,
    spec: &PgBouncerSpec,
    port: u16,
    own: &Path,
    sockets: &Path,
) -> Result<Vec<PathBuf>, ProvisionError> {
    let lines = varying_lines(spec, server.endpoint(), port, own, sockets);
    let mut wanted = vec![("pgbouncer.ini", config_text(&lines))];
    let password = server.endpoint().password.as_ref();
    wanted.push((
        "userlist.txt",
        password.map_or_else(
            || USERLIST.to_owned(),
            |p| format!("\"{ROLE}\" \"{}\"\n", p.expose()),
        ),
    ));
    if let Some(certificate) = server.certificate() {
        wanted.push((CERTIFICATE, certificate.pem.clone()));
        wanted.push((KEY, certificate.key_pem.expose().to_owned()));
    }
    let mut files = Vec::new();
    for (name, text) in wanted {
        let file = dir.join(name);
        write_file(&file, &text, 0o600)?;
        files.push(file);
    }
    Ok(files)
}

/// The lines that differ from the shipped file. With a password clients give it to PgBouncer as they would to
/// the server, by the server's method, and PgBouncer gives it to the server.
fn varying_lines(
    spec: &PgBouncerSpec,
    server: &Endpoint,
    port: u16,
    own: &Path,
    sockets: &Path,
) -> Vec<(&'static str, String)> {
    let (own_dir, server_host) = match server.transport() {
        Transport::Unix => (own.display().to_string(), sockets.display().to_string()),
        Transport::Tcp => (String::new(), "127.0.0.1".to_owned()),
    };
    let in_own = |name: &str| own.join(name).display().to_string();
    let mut database = format!(
        "host={server_host} port={} dbname={DATABASE} user={ROLE}",
        server.port
    );
    let mut auth_type = method(spec.auth).to_owned();
    if let Some(password) = &server.password {
        // A forced user (its pool is filled without a client) has its password here only.
        database.push_str(&format!(" password={}", password.expose()));
    } else {
        auth_type = method(Auth::Trust).to_owned();
    }
    let mut lines = vec![
        ("listen_port", port.to_string()),
        ("unix_socket_dir", own_dir),
        ("auth_type", auth_type),
        ("auth_file", in_own("userlist.txt")),
        ("default_pool_size", spec.pool_size.to_string()),
        ("min_pool_size", spec.pool_size.to_string()),
        ("max_client_conn", spec.max_client_conn.to_string()),
        ("pool_mode", spec.pool_mode.to_string()),
        (DATABASE, database),
    ];
    if server.tls.is_some() {
        lines.extend([
            ("client_tls_sslmode", "require".to_owned()),
            ("client_tls_cert_file", in_own(CERTIFICATE)),
            ("client_tls_key_file", in_own(KEY)),
            ("client_tls_ca_file", in_own(CERTIFICATE)),
            ("server_tls_sslmode", "verify-full".to_owned()),
            ("server_tls_ca_file", in_own(CERTIFICATE)),
        ]);
    }
    lines
}

/// The shipped file with the lines that vary replaced. Not appended: a second `[pgbouncer]` section
/// makes PgBouncer start again from its defaults.
fn config_text(varying: &[(&str, String)]) -> String {
    let mut text = String::new();
    for line in PGBOUNCER_INI.lines() {
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        match varying.iter().find(|(name, _)| *name == key) {
            Some((name, value)) => text.push_str(&format!("{name} = {value}\n")),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::server::provision::certificate::ServerCertificate;

    #[test]
    fn every_line_that_varies_is_in_the_shipped_file_and_replaced() {
        let spec = PgBouncerSpec {
            pool_size: 3,
            auth: Auth::Scram,
            ..PgBouncerSpec::default()
        };
        let server = Endpoint {
            host: EndpointHost::Unix("/srv".into()),
            port: 7001,
            user: ROLE.to_owned(),
            dbname: DATABASE.to_owned(),
            password: Some(Secret::new("pw")),
            tls: Some(ServerCertificate::make().unwrap().pinned),
        };
        let lines = varying_lines(&spec, &server, 7000, Path::new("/own"), Path::new("/srv"));
        let text = config_text(&lines);
        for (name, value) in &lines {
            assert!(text.contains(&format!("\n{name} = {value}\n")), "{name}");
        }
        assert_eq!(text.lines().count(), PGBOUNCER_INI.lines().count());
        assert!(text.contains("auth_file = /own/userlist.txt"));
        assert_eq!(text.matches("[pgbouncer]").count(), 1);
        let last = |key: &str| {
            text.lines()
                .rfind(|l| l.starts_with(key))
                .map(|l| l.split_once('=').unwrap().1.trim().to_owned())
        };
        assert_eq!(last("listen_port").as_deref(), Some("7000"));
        assert_eq!(last("default_pool_size").as_deref(), Some("3"));
        assert_eq!(last("min_pool_size").as_deref(), Some("3"));
        assert_eq!(last("pool_mode").as_deref(), Some("transaction"));
        assert_eq!(last("auth_type").as_deref(), Some("scram-sha-256"));
        assert_eq!(last("unix_socket_dir").as_deref(), Some("/own"));
        assert!(
            last("procbench ")
                .unwrap()
                .starts_with("host=/srv port=7001")
        );
    }
}
