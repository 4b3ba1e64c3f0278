//! What a container finds in `/etc/procbench`: the files of `docker/`, as this server needs them. Mounted
//! over an image's own copies, so that any image with PostgreSQL in it starts in the same way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::authentication::pg_hba;
use super::certificate::ServerCertificate;
use super::error::ProvisionError;
use super::image::{ENTRYPOINT, INITDB_ARGS, POSTGRESQL_CONF};
use super::spec::ServerSpec;

/// Where a container sees them.
pub(crate) const IN_CONTAINER: &str = "/etc/procbench";

/// PostgreSQL's names (`ssl_cert_file`, `ssl_key_file`).
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";

/// Writes them into `dir`, readable for the container's user. None holds a password.
/// The key of the certificate is, so the directory must lie in one that nobody else may enter.
pub(crate) fn write(
    dir: &Path,
    spec: &ServerSpec,
    certificate: Option<&ServerCertificate>,
) -> Result<(), ProvisionError> {
    let hba = pg_hba(spec);
    for (name, text) in [
        ("entrypoint.sh", ENTRYPOINT),
        ("initdb.args", INITDB_ARGS),
        ("postgresql.conf", POSTGRESQL_CONF),
        ("pg_hba.conf", &hba),
    ] {
        write_file(&dir.join(name), text, 0o644)?;
    }
    if let Some(certificate) = certificate {
        write_file(&dir.join(CERTIFICATE), &certificate.pem, 0o644)?;
        write_file(&dir.join(KEY), certificate.key_pem.expose(), 0o644)?;
    }
    Ok(())
}

/// Writes one file with this mode, whatever the umask.
pub(crate) fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), ProvisionError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
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
        .map_err(ProvisionError::io(format!(
            "cannot write {}",
            path.display()
        )))
}
