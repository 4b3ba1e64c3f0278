//! The files of `docker/`, compiled in, and how files reach a server's directory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::certificate::ServerCertificate;
use super::error::ProvisionError;

/// A file of `docker/`: its name and its text.
macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../docker/", $name)))
    };
}

type Shipped = (&'static str, &'static str);

/// Makes and starts a cluster in a container.
const ENTRYPOINT: Shipped = shipped!("entrypoint.sh");
/// Flags of initdb, in Docker and local alike.
pub(crate) const INITDB_ARGS: Shipped = shipped!("initdb.args");
/// Settings appended to `postgresql.conf`, in Docker and local alike.
pub(crate) const POSTGRESQL_CONF: Shipped = shipped!("postgresql.conf");
/// Who may connect from where, in Docker and local alike.
pub(crate) const PG_HBA: Shipped = shipped!("pg_hba.conf");
/// PgBouncer's settings, in Docker and local alike.
pub(crate) const PGBOUNCER_INI: Shipped = shipped!("pgbouncer.ini");
/// PgBouncer's users: the one role, no password.
pub(crate) const USERLIST: Shipped = shipped!("userlist.txt");

/// Everything an image is built from.
pub(crate) const FILES: [Shipped; 9] = [
    shipped!("base-image.sh"),
    shipped!("Dockerfile"),
    shipped!("pgbouncer.Dockerfile"),
    ENTRYPOINT,
    INITDB_ARGS,
    POSTGRESQL_CONF,
    PG_HBA,
    PGBOUNCER_INI,
    USERLIST,
];

/// Where a container finds the files of its server.
pub(crate) const IN_CONTAINER: &str = "/etc/procbench";

/// Writes what a container mounts at [`IN_CONTAINER`] over its image's own copies, so that any image with
/// PostgreSQL in it starts in the same way. All are readable for the container's user, the certificate's key
/// too: `dir` must lie in a directory that nobody else may enter. None holds a password.
pub(crate) fn write_for_container(
    dir: &Path,
    pg_hba: &str,
    certificate: Option<&ServerCertificate>,
) -> Result<(), ProvisionError> {
    for (name, text) in [ENTRYPOINT, INITDB_ARGS, POSTGRESQL_CONF, (PG_HBA.0, pg_hba)] {
        write_file(&dir.join(name), text, 0o644)?;
    }
    for (name, text) in certificate.iter().flat_map(|c| c.files()) {
        write_file(&dir.join(name), text, 0o644)?;
    }
    Ok(())
}

/// Writes one file with this mode, whatever the umask.
pub(crate) fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), ProvisionError> {
    // Never wider than asked for, not even for a moment.
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode & 0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(fs::Permissions::from_mode(mode))
        })
        .map_err(ProvisionError::at("cannot write", path))
}
