//! Choosing and starting a server.

use std::time::Duration;

use super::authentication::{Credentials, pg_hba};
use super::binaries::choose_binaries;
use super::bootstrap::{create_role_and_database, major_of, server_version};
use super::certificate::ServerCertificate;
use super::docker::{Container, engine_version};
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::local::start_cluster;
use super::obtain::{docker_or_local, ensure_image};
use super::role::{DATABASE, ROLE, SUPERUSER};
use super::running::RunningServer;
use super::scratch::Scratch;
use super::server_user::ServerUser;
use super::shipped::{IN_CONTAINER, write_for_container};
use super::spec::ServerSpec;
use super::started::{Started, start_on_free_port};
use crate::config::{EndpointHost, ServerChoice, ServerUrl};
use crate::factor::{Tls, Transport};

/// Bound on the time from start to the first connection; generous, since the machine may be busy.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// Shared memory of a container: dynamic segments only, the main area is anonymous.
const SHM_SIZE: &str = "--shm-size=256m";

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
    match choice {
        ServerChoice::Docker => start_docker(spec, "--server docker", progress),
        ServerChoice::Local => start_local(spec, "--server local", progress),
        ServerChoice::Url(url) => reach(url, spec),
        ServerChoice::Auto => docker_or_local(
            || start_docker(spec, "auto: a Docker engine answers", progress),
            |docker| {
                progress(&format!("Docker not taken: {docker}"));
                let why = format!("auto: Docker not taken ({docker})");
                start_local(spec, &why, progress)
            },
        ),
    }
}

fn reach(url: &ServerUrl, spec: &ServerSpec) -> Result<RunningServer, ProvisionError> {
    let endpoint = Endpoint::of_url(url)?;
    let server_version = server_version(&endpoint)?;
    if let Some(wanted) = spec.pg_major()
        && major_of(&server_version) != Some(wanted)
    {
        return Err(ProvisionError::failed(
            endpoint.to_string(),
            format!("it is PostgreSQL {server_version}, and version {wanted} was asked for"),
        ));
    }
    Ok(RunningServer {
        started: None,
        chosen_because: format!(
            "PostgreSQL {server_version} at {url}: given by URL, nothing is created on it"
        ),
        endpoint,
        admin: None,
        certificate: None,
        bin_dir: None,
        user: None,
        server_version,
    })
}

/// A certificate, where the server is to have one.
fn certificate_for(spec: &ServerSpec) -> Result<Option<ServerCertificate>, ProvisionError> {
    let wanted = spec.tls == Tls::On;
    wanted.then(ServerCertificate::make).transpose()
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
    let started = start_on_free_port("the PostgreSQL container", READY_LIMIT, |port| {
        // Private: the server's user comes in through the bind mount, others of this host must not.
        let scratch = Scratch::new(false)?;
        let socket_dir = scratch.subdir("sockets", 0o777, None)?;
        let admin = Endpoint::of_superuser(&socket_dir, port)?;
        let files = scratch.subdir("files", 0o755, None)?;
        write_for_container(&files, &pg_hba(spec), certificate.as_ref())?;
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
        let process = Box::new(Container::start(&image, &options, &arguments)?);
        Ok((Started { process, scratch }, admin))
    })?;
    let origin = format!("in a container of {image}, Docker {engine} ({why})");
    finish(started, spec, certificate, &origin)
}

fn start_local(
    spec: &ServerSpec,
    why: &str,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    let binaries = choose_binaries(spec)?;
    let user = ServerUser::to_drop_to()?;
    let certificate = certificate_for(spec)?;
    let (user_ref, certificate_ref) = (user.as_ref(), certificate.as_ref());
    let started = start_on_free_port("the local postgres", READY_LIMIT, |port| {
        start_cluster(&binaries, user_ref, spec, certificate_ref, port, progress)
    })?;
    if let Some(pid) = started.0.process.pid() {
        started.0.scratch.note_shared_memory(pid);
    }
    let bin_dir = binaries.bin_dir;
    let origin = format!("of {} in a throw-away cluster ({why})", bin_dir.display());
    Ok(RunningServer {
        bin_dir: Some(bin_dir),
        user,
        ..finish(started, spec, certificate, &origin)?
    })
}

/// Role, database, version; the endpoint the arms use is tried before it is handed out.
fn finish(
    (started, admin): (Started, Endpoint),
    spec: &ServerSpec,
    certificate: Option<ServerCertificate>,
    origin: &str,
) -> Result<RunningServer, ProvisionError> {
    let credentials = Credentials::make(spec)?;
    create_role_and_database(&admin, credentials.as_ref().map(|c| &c.verifier))?;
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
    let server_version = server_version(&endpoint)?;
    Ok(RunningServer {
        chosen_because: format!("PostgreSQL {server_version} {origin}"),
        server_version,
        started: Some(started),
        endpoint,
        admin: Some(admin),
        certificate,
        bin_dir: None,
        user: None,
    })
}
