//! PgBouncer before a server of ours: in a container or from local binaries, like the server itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::authentication::{CERTIFICATE, KEY};
use super::command::find_on_path;
use super::connect::ask;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::image::ensure_own_image;
use super::process::{Process, start_on_free_port};
use super::running::RunningServer;
use super::scratch::{Scratch, write_file};
use super::shipped::{PGBOUNCER_INI, USERLIST};
use super::spec::{DATABASE, PgBouncerSpec, ROLE, ServerKind, method};
use super::user::{OF_CONTAINER, command_as, ids_of, to_drop_to};
use crate::conninfo::EndpointHost;
use crate::factor::{Auth, Transport};

/// Bound on the time to the first connection through it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Its directory within the scratch directory.
const DIR: &str = "pooler";

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
) -> Result<RunningServer, ProvisionError> {
    let failed = || ProvisionError::when("PgBouncer could not be started");
    let source = match (server.kind(), find_on_path("pgbouncer")) {
        (ServerKind::Docker, _) => {
            Source::Image(ensure_own_image(None, progress).map_err(failed())?)
        }
        (ServerKind::Local, Some(program)) => Source::Program(program),
        (ServerKind::Local, None) => {
            let what = "pgbouncer is not installed: apt-get install pgbouncer";
            return Err(ProvisionError::new(what));
        }
        (ServerKind::Url, _) => {
            let what = "there is no PgBouncer before a server given by URL: name your own with --pgbouncer URL";
            return Err(ProvisionError::new(what));
        }
    };
    launch(server, spec, &source, progress).map_err(failed())
}

/// In the place of the version of one that does not tell.
const UNKNOWN_VERSION: &str = "of unknown version";

fn launch(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    source: &Source,
    progress: &dyn Fn(&str),
) -> Result<RunningServer, ProvisionError> {
    progress(&match source {
        Source::Image(image) => format!("starting a container of {image}"),
        Source::Program(program) => format!("starting {}", program.display()),
    });
    let (process, endpoint) = start_on_free_port("PgBouncer", READY_LIMIT, |port| {
        start(server, spec, source, port)
    })?;
    // `stats_users` of its configuration lets the role in.
    let console = Endpoint {
        dbname: "pgbouncer".to_owned(),
        ..endpoint.clone()
    };
    let version = ask(&console, "SHOW VERSION");
    if endpoint.password.is_some() {
        remove_config(&process.scratch.path().join(DIR))?;
    }
    Ok(RunningServer {
        process: Some(process),
        ..RunningServer::by_url(
            endpoint,
            version.unwrap_or_else(|_| UNKNOWN_VERSION.to_owned()),
        )
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

fn start(
    server: &RunningServer,
    spec: &PgBouncerSpec,
    source: &Source,
    port: u16,
) -> Result<(Process, Endpoint), ProvisionError> {
    let admin = server.admin.as_ref().and_then(Endpoint::socket_file);
    let sockets = admin.iter().find_map(|file| file.parent());
    let sockets = sockets.unwrap_or(Path::new(""));
    let (user, shared, mode) = match source {
        // Into the container only; what lies above keeps other users of the host out.
        Source::Image(_) => (to_drop_to(OF_CONTAINER)?, false, 0o777),
        // The server's user, so that the server's socket directory is open to it.
        Source::Program(_) => (server.user.clone(), server.user.is_some(), 0o700),
    };
    let user = user.as_ref();
    let scratch = Scratch::new(shared)?;
    let dir = scratch.subdir(DIR, mode, user)?;
    // Where clients find it: as with the server, loopback or its own socket directory.
    let mut endpoint = server.endpoint().clone();
    endpoint.port = port;
    if endpoint.transport() == Transport::Unix {
        endpoint.host = EndpointHost::Unix(dir.clone());
        endpoint.check_socket_path()?;
    }
    let (own_seen, sockets_seen) = match source {
        Source::Image(_) => (Path::new("/pooler"), Path::new("/sockets")),
        Source::Program(_) => (&*dir, sockets),
    };
    let ini = config_text(spec, server.endpoint(), port, own_seen, sockets_seen);
    let users = match &endpoint.password {
        Some(password) => format!("\"{ROLE}\" \"{}\"\n", password.expose()),
        None => USERLIST.1.to_owned(),
    };
    let certificate = server.certificate.iter().flat_map(|c| c.files());
    let files = [(PGBOUNCER_INI.0, &*ini), (USERLIST.0, &*users)];
    for (name, text) in files.into_iter().chain(certificate) {
        // A password may stand in it: readable for its own user only.
        write_file(&dir.join(name), text, 0o600, user)?;
    }
    let config = own_seen.join(PGBOUNCER_INI.0).display().to_string();
    let process = match source {
        Source::Image(image) => {
            let options = [
                format!("--volume={}:/pooler", dir.display()),
                format!("--volume={}:/sockets", sockets.display()),
                format!("--user={}", ids_of(user)),
            ];
            Process::start_container(scratch, image, &options, &[config])?
        }
        Source::Program(program) => {
            let mut command = command_as(program, user);
            command.arg(config).current_dir(&dir);
            // PgBouncer's immediate shutdown in every version (1.23 made SIGINT and SIGTERM differ).
            Process::start(scratch, command, Signal::SIGTERM)?
        }
    };
    Ok((process, endpoint))
}

/// `docker/pgbouncer.ini` and, after its settings, those that vary: of two the last one holds. (A second
/// `[pgbouncer]` section would make PgBouncer start again from its defaults.) With a password clients give it
/// to PgBouncer as they would to the server, by the server's method, and PgBouncer gives it to the server.
/// `own` and `sockets` are its own and the server's socket directory as the process will see them.
fn config_text(
    spec: &PgBouncerSpec,
    server: &Endpoint,
    port: u16,
    own: &Path,
    sockets: &Path,
) -> String {
    let own = own.display();
    let (own_sockets, server_host) = match server.transport() {
        Transport::Unix => (own.to_string(), sockets.display().to_string()),
        Transport::Tcp => (String::new(), "127.0.0.1".to_owned()),
    };
    // A forced user (its pool is filled without a client) has its password here only.
    let (auth, password) = match &server.password {
        Some(password) => (spec.auth, format!(" password={}", password.expose())),
        None => (Auth::Trust, String::new()),
    };
    let tls = server.tls.as_ref().map(|_| {
        format!(
            "client_tls_sslmode = require\n\
             client_tls_cert_file = {own}/{CERTIFICATE}\n\
             client_tls_key_file = {own}/{KEY}\n\
             client_tls_ca_file = {own}/{CERTIFICATE}\n\
             server_tls_sslmode = verify-full\n\
             server_tls_ca_file = {own}/{CERTIFICATE}\n"
        )
    });
    let settings = PGBOUNCER_INI.1.split("[databases]").next().unwrap_or("");
    format!(
        "{settings}\
         listen_port = {port}\n\
         unix_socket_dir = {own_sockets}\n\
         auth_type = {}\n\
         auth_file = {own}/{}\n\
         default_pool_size = {pool_size}\n\
         min_pool_size = {pool_size}\n\
         max_client_conn = {}\n\
         pool_mode = {}\n\
         {}[databases]\n\
         {DATABASE} = host={server_host} port={} dbname={DATABASE} user={ROLE}{password}\n",
        method(auth),
        USERLIST.0,
        spec.max_client_conn,
        spec.pool_mode,
        tls.unwrap_or_default(),
        server.port,
        pool_size = spec.pool_size,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::secret::Secret;
    use crate::server::provision::authentication::ServerCertificate;
    use crate::server::provision::encryption::Encryption;

    #[test]
    fn every_line_that_varies_is_in_the_shipped_file_and_overruled() {
        let spec = PgBouncerSpec {
            pool_size: 3,
            auth: Auth::Scram,
            ..PgBouncerSpec::default()
        };
        let certificate = ServerCertificate::make().unwrap().der;
        let server = Endpoint {
            password: Some(Secret::new("pw")),
            tls: Some(Encryption::pinned(certificate)),
            ..Endpoint::of_ours(EndpointHost::Unix("/srv".into()), 7001, ROLE, DATABASE)
        };
        let text = config_text(&spec, &server, 7000, Path::new("/own"), Path::new("/srv"));
        // The last one of a key holds.
        fn values(text: &str) -> BTreeMap<&str, &str> {
            let lines = text.lines().filter(|l| !l.starts_with(';'));
            let pairs = lines.filter_map(|l| l.split_once('='));
            pairs
                .map(|(key, value)| (key.trim(), value.trim()))
                .collect()
        }
        let (shipped, found) = (values(PGBOUNCER_INI.1), values(&text));
        assert!(shipped.keys().eq(found.keys()), "{text}");
        for section in ["[pgbouncer]", "[databases]"] {
            assert_eq!(text.matches(section).count(), 1);
        }
        for (key, value) in [
            ("listen_addr", "127.0.0.1"),
            ("listen_port", "7000"),
            ("unix_socket_dir", "/own"),
            ("auth_file", "/own/userlist.txt"),
            ("auth_type", "scram-sha-256"),
            ("default_pool_size", "3"),
            ("min_pool_size", "3"),
            ("pool_mode", "transaction"),
            ("client_tls_cert_file", "/own/server.crt"),
            (
                "procbench",
                "host=/srv port=7001 dbname=procbench user=procbench password=pw",
            ),
        ] {
            assert_eq!(found[key], value, "{key}");
        }
    }
}
