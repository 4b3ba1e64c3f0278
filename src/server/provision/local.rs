//! A throw-away cluster of installed binaries.

use std::fs;
use std::io::Write;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::authentication::pg_hba;
use super::binaries::LocalBinaries;
use super::certificate::ServerCertificate;
use super::command::run;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::local_process::{LocalProcess, as_user};
use super::scratch::Scratch;
use super::server_user::ServerUser;
use super::shipped::{INITDB_ARGS, PG_HBA, POSTGRESQL_CONF, write_file};
use super::spec::ServerSpec;
use super::started::Started;

/// Bound on initdb; it takes under two seconds on an idle machine.
const INITDB_LIMIT: Duration = Duration::from_secs(120);

/// The first major version whose initdb makes data checksums unless told not to.
const CHECKSUMS_BY_DEFAULT: u32 = 18;

/// initdb and postgres with the settings of `docker/`, run as `user` where one is given.
pub(crate) fn start_cluster(
    binaries: &LocalBinaries,
    user: Option<&ServerUser>,
    spec: &ServerSpec,
    certificate: Option<&ServerCertificate>,
    port: u16,
    progress: &dyn Fn(&str),
) -> Result<(Started, Endpoint), ProvisionError> {
    let scratch = Scratch::new(user.is_some())?;
    let pgdata = scratch.subdir("pgdata", 0o700, user)?;
    // Nobody but the server's user (and root) may enter: the superuser is trusted through it.
    let socket_dir = scratch.subdir("sockets", 0o700, user)?;
    let admin = Endpoint::of_superuser(&socket_dir, port)?;
    let (major, bin_dir) = (binaries.major, &binaries.bin_dir);
    let as_whom = user.map_or_else(String::new, |u| format!(" as user {}", u.name));
    progress(&format!(
        "initdb with PostgreSQL {major} of {}{as_whom}",
        bin_dir.display()
    ));
    let mut initdb = as_user(&bin_dir.join("initdb"), user);
    initdb
        .args(INITDB_ARGS.1.split_ascii_whitespace())
        .args((major >= CHECKSUMS_BY_DEFAULT).then_some("--no-data-checksums"))
        .arg("-D")
        .arg(&pgdata)
        .current_dir(&pgdata);
    let done = run(&mut initdb, INITDB_LIMIT).map_err(ProvisionError::io("cannot run initdb"))?;
    if !done.success {
        return Err(ProvisionError::failed("initdb failed", done.last_words()));
    }
    let conf = pgdata.join(POSTGRESQL_CONF.0);
    let mut append = fs::OpenOptions::new();
    append
        .append(true)
        .open(&conf)
        .and_then(|mut f| f.write_all(POSTGRESQL_CONF.1.as_bytes()))
        .map_err(ProvisionError::at("cannot write", &conf))?;
    let hba = pgdata.join(PG_HBA.0);
    fs::write(&hba, pg_hba(spec)).map_err(ProvisionError::at("cannot write", &hba))?;
    for (name, text) in certificate.iter().flat_map(|c| c.files()) {
        let file = pgdata.join(name);
        write_file(&file, text, 0o600)?;
        user.map_or(Ok(()), |u| u.give(&file))?;
    }
    let mut arguments = vec![
        "-D".to_owned(),
        pgdata.display().to_string(),
        "-c".to_owned(),
        format!("unix_socket_directories={}", socket_dir.display()),
    ];
    arguments.extend(spec.postgres_args(port));
    let postmaster = LocalProcess::start(
        &bin_dir.join("postgres"),
        &arguments,
        &pgdata,
        scratch.path().join("log"),
        user,
        // Immediate shutdown: nothing in it is to be kept.
        Signal::SIGQUIT,
    )?;
    let process = Box::new(postmaster);
    Ok((Started { process, scratch }, admin))
}
