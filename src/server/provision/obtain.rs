//! Which servers are available, found out before anything is started.

use super::binaries::choose_binaries;
use super::docker::engine_version;
use super::error::ProvisionError;
use super::image::{ensure_foreign_image, ensure_postgres_image, major_in_image};

use super::spec::ServerSpec;
use crate::config::ServerChoice;
use crate::factor::{DEFAULT_PG_MAJOR, PgSource};

/// What is known of a server that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtained {
    /// Where from; `auto` is decided.
    pub choice: ServerChoice,
    /// Its major version; unknown of a server by URL.
    pub major: Option<u32>,
}

/// Makes sure that a server like this can be started, without starting it: its image is there or is
/// built or pulled, its binaries are found.
///
/// # Errors
/// What is missing, and what to install or change.
pub fn obtain(
    choice: &ServerChoice,
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<Obtained, ProvisionError> {
    let docker = || {
        engine_version()?;
        let image = ensure_image(spec, progress)?;
        Ok(Obtained {
            choice: ServerChoice::Docker,
            major: Some(match &spec.source {
                Some(PgSource::Image(_)) => major_in_image(&image)?,
                _ => spec.pg_major().unwrap_or(DEFAULT_PG_MAJOR),
            }),
        })
    };
    let local = || {
        choose_binaries(spec).map(|binaries| Obtained {
            choice: ServerChoice::Local,
            major: Some(binaries.major),
        })
    };
    match (choice, &spec.source) {
        (ServerChoice::Url(_), _) => Ok(Obtained {
            choice: choice.clone(),
            major: None,
        }),
        (ServerChoice::Docker, _) => docker(),
        (ServerChoice::Local, _) | (ServerChoice::Auto, Some(PgSource::Bin(_))) => local(),
        (ServerChoice::Auto, _) => docker_or_local(docker, |_| local()),
    }
}

/// `auto`: Docker, or local binaries when there is a reason why not Docker.
pub(super) fn docker_or_local<T>(
    docker: impl FnOnce() -> Result<T, ProvisionError>,
    local: impl FnOnce(&str) -> Result<T, ProvisionError>,
) -> Result<T, ProvisionError> {
    docker().or_else(|error| {
        let docker = error.to_string();
        local(&docker).map_err(|local| {
            ProvisionError::new(format!(
                "no PostgreSQL to measure. Docker: {docker}. Local: {local}. Run `procbench doctor --install`, or name a server with --server postgres://user@host:port/dbname"
            ))
        })
    })
}

/// The image of a spec: there, or built or pulled now.
pub(super) fn ensure_image(
    spec: &ServerSpec,
    progress: &dyn Fn(&str),
) -> Result<String, ProvisionError> {
    match &spec.source {
        Some(PgSource::Bin(dir)) => Err(ProvisionError::failed(
            format!("cannot make an image of {}", dir.display()),
            "directories of binaries run on this machine, not in Docker",
        )),
        Some(PgSource::Image(image)) => {
            ensure_foreign_image(image, progress)?;
            Ok(image.clone())
        }
        _ => ensure_postgres_image(spec.pg_major().unwrap_or(DEFAULT_PG_MAJOR), progress),
    }
}
