//! Which server is taken, and starting it.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::authentication::{Credentials, ServerCertificate, pg_hba};
use super::binaries::{LocalBinaries, choose_binaries};
use super::choose::{Chosen, choose};
use super::connect::{create_role_and_database, major_of, server_version};
use super::docker::engine_version;
use super::encryption::Encryption;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::image::{ensure_foreign_image, ensure_own_image, major_in_image};
use super::pair::{
    CHECKSUMS, DATA_IN_CONTAINER, DISK_IN_CONTAINER, PRIMARY_IN_CONTAINER, PRIMARY_VARIABLE,
    PairRole, Upstream,
};
use super::premap::{self, PremapPage};
use super::process::{Process, start_on_free_port};
use super::running::RunningServer;
use super::scratch::{Scratch, check_temp_dir, write_file};
use super::shipped::{ENTRYPOINT, INITDB_ARGS, PG_HBA, POSTGRESQL_CONF};
use super::spec::{DATABASE, ROLE, SUPERUSER, ServerSpec};
use super::sync_delay::{self, SyncDelay};
use super::user::{OF_SERVER, command_as, to_drop_to};
use crate::config::ServerChoice;
use crate::conninfo::{Conninfo, EndpointHost, Environment};
use crate::factor::{DEFAULT_PG_MAJOR, PgSource, Tls, Transport};
use crate::secret::keep_out_of_cores;
use crate::server::patience::Patience;

/// Bound on the time from start to the first connection; generous, since the machine may be busy.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// Where a container finds the files of its server: over its image's own copies, so that any image with
/// PostgreSQL in it starts in the same way.
const IN_CONTAINER: &str = "/etc/procbench";

/// What a server of ours is started from.
enum Source {
    /// An image that is there, and the engine's version.
    Image { image: String, engine: String },
    /// Installed binaries.
    Binaries(LocalBinaries),
}

/// Makes sure that a server like this can be started, without starting it: its image is there or is
/// built or pulled, its binaries are found. Gives the choice with `auto` decided, and the major version;
/// that of a server by URL is not known.
///
/// # Errors
/// What is missing, and what to install or change.
pub fn obtain(
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<(ServerChoice, Option<u32>), ProvisionError> {
    if let ServerChoice::Url(_) = choice {
        return Ok((choice.clone(), None));
    }
    Ok(match find(choice, spec, progress)? {
        Source::Binaries(found) => (ServerChoice::Local, Some(found.major)),
        Source::Image { image, .. } => {
            let major = match &spec.source {
                Some(PgSource::Image(_)) => major_in_image(&image)?,
                _ => spec.pg_major().unwrap_or(DEFAULT_PG_MAJOR),
            };
            (ServerChoice::Docker, Some(major))
        }
    })
}

/// Starts (or, for a URL, reaches) the server to be measured.
///
/// `auto` takes Docker when an engine answers and the image is there or can be built, else local
/// binaries. `progress` gets one line per step that may take seconds.
///
/// # Errors
/// When no server is available; the message says what to install or change.
pub fn provision(
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    if let ServerChoice::Url(url) = choice {
        return reach(url, spec.pg_major(), &Patience::default(), progress);
    }
    let source = find(choice, spec, progress)?;
    start(&source, choice, spec, progress)
}

/// What to start. `auto`: Docker, or local binaries when there is a reason why not Docker.
fn find(
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<Source, ProvisionError> {
    check_temp_dir(None)?;
    let docker = || {
        let engine = engine_version()?;
        let image = ensure_image(spec, progress)?;
        Ok(Source::Image { image, engine })
    };
    let local = || {
        check_temp_dir(to_drop_to(OF_SERVER)?.as_ref())?;
        choose_binaries(spec).map(Source::Binaries)
    };
    match (choice, &spec.source) {
        (ServerChoice::Docker, _) => docker(),
        (ServerChoice::Local, _) | (_, Some(PgSource::Bin(_))) => local(),
        _ => docker().or_else(|docker: ProvisionError| {
            progress(&format!("Docker not taken: {docker}"));
            local().map_err(|local| {
                ProvisionError::new(format!(
                    "no PostgreSQL to measure. Docker: {docker}. Local: {local}. Run `procbench doctor --install`, or name a server with --server postgres://user@host:port/dbname"
                ))
            })
        }),
    }
}

/// The image of a spec: there, or built or pulled now.
fn ensure_image(spec: &ServerSpec, progress: &dyn Fn(&str)) -> Result<String, ProvisionError> {
    match &spec.source {
        Some(PgSource::Bin(dir)) => Err(ProvisionError::failed(
            format!("cannot make an image of {}", dir.display()),
            "directories of binaries run on this machine, not in Docker",
        )),
        Some(PgSource::Image(image)) => {
            ensure_foreign_image(image, progress)?;
            Ok(image.clone())
        }
        _ => ensure_own_image(spec.pg_major().or(Some(DEFAULT_PG_MAJOR)), progress),
    }
}

/// Reaches somebody's server; of the major version `wanted`, if one is.
///
/// # Errors
/// When none of the places that are named leads to one, or its version is another.
pub(in crate::server) fn reach(
    url: &Conninfo,
    wanted: Option<u32>,
    patience: &Patience,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    keep_out_of_cores();
    let Chosen {
        endpoint,
        version,
        warning,
    } = choose(url, &Environment::of_this_process(), patience)?;
    if let Some(warning) = warning {
        progress(&format!("procbench: {warning}"));
    }
    if let Some(wanted) = wanted
        && major_of(&version) != Some(wanted)
    {
        return Err(ProvisionError::failed(
            endpoint,
            format!("it is PostgreSQL {version}, and version {wanted} was asked for"),
        ));
    }
    let encrypted = match (endpoint.transport(), &endpoint.tls) {
        (Transport::Unix, _) => "",
        (_, Some(_)) => ", over TLS",
        (_, None) => ", in clear",
    };
    Ok(RunningServer {
        chosen_because: format!(
            "PostgreSQL {version} at {endpoint}{encrypted}: given by URL, nothing is created on it"
        ),
        ..RunningServer::by_url(endpoint, version)
    })
}

/// Starts it and makes role and database; the endpoint the arms use is tried before it is handed out.
fn start(
    source: &Source,
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    let (what, origin, bin_dir, user) = match source {
        Source::Image { image, engine } => {
            progress(&format!(
                "starting a container of {image} on Docker {engine}"
            ));
            let origin = format!("in a container of {image}, Docker {engine}");
            ("the PostgreSQL container", origin, None, None)
        }
        Source::Binaries(LocalBinaries { major, bin_dir }) => {
            let (dir, user) = (bin_dir.display(), to_drop_to(OF_SERVER)?);
            let as_whom = user.as_ref().map(|u| format!(" as user {}", u.name));
            let as_whom = as_whom.unwrap_or_default();
            progress(&format!("initdb with PostgreSQL {major} of {dir}{as_whom}"));
            let origin = format!("of {dir} in a throw-away cluster");
            ("the local postgres", origin, Some(bin_dir.clone()), user)
        }
    };
    let certificate = match spec.tls {
        Tls::On => Some(ServerCertificate::make()?),
        Tls::Off => None,
    };
    let (process, admin) = start_on_free_port(what, READY_LIMIT, |port| {
        launch(source, user.as_ref(), spec, certificate.as_ref(), port)
    })?;
    if let (None, Some(pid)) = (process.container(), process.pid()) {
        process.scratch.note_shared_memory(pid);
    }
    let premap = spec
        .premap
        .then(|| PremapPage::of_started(&process.scratch));
    let premap = premap.transpose()?;
    let sync_delay = spec
        .pair
        .is_some()
        .then(|| SyncDelay::of_started(&process.scratch));
    let sync_delay = sync_delay.transpose()?;
    let credentials = Credentials::make(spec)?;
    if upstream(spec).is_none() {
        create_role_and_database(&admin, credentials.as_ref().map(|c| &c.verifier))?;
    }
    let host = match spec.transport {
        Transport::Tcp => EndpointHost::Tcp("127.0.0.1".to_owned()),
        Transport::Unix => admin.host.clone(),
    };
    let endpoint = Endpoint {
        password: credentials.map(|c| c.password),
        tls: certificate
            .as_ref()
            .map(|c| Encryption::pinned(c.der.clone())),
        ..Endpoint::of_ours(host, admin.port, ROLE, DATABASE)
    };
    let server_version = server_version(&endpoint)?;
    Ok(RunningServer {
        chosen_because: format!("PostgreSQL {server_version} {origin} (--server {choice})"),
        server_version,
        process: Some(process),
        endpoint,
        admin: Some(admin),
        certificate,
        bin_dir,
        user,
        premap,
        sync_delay,
    })
}

/// What it is to be a copy of.
fn upstream(spec: &ServerSpec) -> Option<&Upstream> {
    spec.pair.as_ref().and_then(PairRole::upstream)
}

/// Starts the entry point on its files, and says how its superuser will be reached.
fn launch(
    source: &Source,
    user: Option<&User>,
    spec: &ServerSpec,
    certificate: Option<&ServerCertificate>,
    port: u16,
) -> Result<(Process, Endpoint), ProvisionError> {
    let scratch = Scratch::new(user.is_some())?;
    let mode = match source {
        // The server's user comes in through the bind mounts, others of this host must not: what lies above
        // is private.
        Source::Image { .. } => 0o777,
        // Nobody but the server's user (and root) may enter: the superuser is trusted through the socket.
        Source::Binaries(_) => 0o700,
    };
    let sockets = scratch.subdir("sockets", mode, user)?;
    let files = scratch.subdir("files", mode, user)?;
    let admin = Endpoint::of_superuser(&sockets, port)?;
    let hba = pg_hba(spec);
    let shipped = [ENTRYPOINT, INITDB_ARGS, POSTGRESQL_CONF, (PG_HBA.0, &hba)];
    let of_certificate = certificate.iter().flat_map(|c| c.files());
    for (name, text) in shipped.into_iter().chain(of_certificate) {
        // Readable for the server's user, the certificate's key too. None holds a password.
        write_file(&files.join(name), text, 0o644, None)?;
    }
    let preloaded = [
        spec.premap.then_some(premap::LIBRARY),
        spec.pair.is_some().then_some(sync_delay::LIBRARY),
    ];
    let mut pages = Vec::new();
    for library in preloaded.into_iter().flatten() {
        let page = library.ship(&files, &scratch, user, mode & 0o666)?;
        pages.push((library.variable, page));
    }
    let arguments = spec.postgres_args(port);
    let process = match source {
        Source::Image { image, .. } => {
            let mut options = vec![
                "--tmpfs=/procbench:rw,mode=1777".to_owned(),
                // Dynamic segments only, the main area is anonymous.
                "--shm-size=256m".to_owned(),
                format!("--volume={}:/sockets", sockets.display()),
                format!("--volume={}:{IN_CONTAINER}:ro", files.display()),
                // The images' own users differ; this one is in all of them.
                format!("--user={SUPERUSER}"),
                "--entrypoint=sh".to_owned(),
            ];
            for (variable, page) in &pages {
                options.push(format!("--volume={}:/{variable}", page.display()));
                options.push(format!("--env={variable}=/{variable}"));
            }
            if spec.pair.is_some() {
                options.push(format!("--volume={DISK_IN_CONTAINER}"));
                options.push(format!("--env=PROCBENCH_DATA={DATA_IN_CONTAINER}"));
                options.push(format!("--env={}={}", CHECKSUMS.0, CHECKSUMS.1));
            }
            if let Some(upstream) = upstream(spec) {
                let sockets = upstream.sockets.display();
                options.push(format!("--volume={sockets}:{PRIMARY_IN_CONTAINER}"));
                let conninfo = upstream.conninfo(SUPERUSER, PRIMARY_IN_CONTAINER);
                options.push(format!("--env={PRIMARY_VARIABLE}={conninfo}"));
            }
            let script = format!("{IN_CONTAINER}/{}", ENTRYPOINT.0);
            let arguments = [vec![script], arguments].concat();
            Process::start_container(scratch, image, &options, &arguments)?
        }
        Source::Binaries(LocalBinaries { bin_dir, .. }) => {
            let data = scratch.subdir("pgdata", 0o700, user)?;
            if spec.pair.is_some() {
                // For a copy of the cluster: its user may make none beside it.
                scratch.subdir("pgdata.golden", 0o700, user)?;
            }
            let path = format!("{}:/usr/bin:/bin", bin_dir.display());
            let mut command = command_as(Path::new("/bin/sh"), user);
            command
                .arg(files.join(ENTRYPOINT.0))
                .args(arguments)
                .env("PATH", path)
                .env("PROCBENCH_DATA", &data)
                .env("PROCBENCH_SOCKETS", &sockets)
                .current_dir(&data)
                .envs(pages)
                .envs(spec.pair.is_some().then_some(CHECKSUMS));
            if let Some(upstream) = upstream(spec) {
                let sockets = upstream.sockets.display().to_string();
                let conninfo = upstream.conninfo(SUPERUSER, &sockets);
                command.env(PRIMARY_VARIABLE, conninfo);
            }
            // Immediate shutdown: nothing in it is to be kept.
            Process::start(scratch, command, Signal::SIGQUIT)?
        }
    };
    Ok((process, admin))
}
