//! How connections to a server are encrypted.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::error::ProvisionError;
use crate::conninfo::{Conninfo, Environment, SslMode};

/// How connections to a server are encrypted, and what its certificate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Signed by one of these; any certificate will do without.
    pub roots: Option<Roots>,
    /// Made out for the host.
    pub for_host: bool,
    /// A server that does not offer TLS is spoken to in clear.
    pub if_offered: bool,
    /// The handshake begins without asking first.
    pub direct: bool,
    /// Files of the client's own certificate and its key.
    pub client: Option<[PathBuf; 2]>,
    /// Whether the server is told which host is meant.
    pub names_host: bool,
    /// Whether TLS 1.2 and TLS 1.3 may be spoken.
    pub versions: [bool; 2],
}

/// Where root certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The system.
    System,
    /// A file.
    File(PathBuf),
    /// A server of ours has this one.
    Given(CertificateDer<'static>),
}

impl Encryption {
    /// For a server of ours, which has this certificate.
    pub(crate) fn pinned(certificate: CertificateDer<'static>) -> Self {
        Encryption {
            roots: Some(Roots::Given(certificate)),
            for_host: true,
            if_offered: false,
            direct: false,
            client: None,
            names_host: true,
            versions: [true; 2],
        }
    }

    /// The ways to encrypt, or not, that `sslmode` asks for, in order; the next one is for a server that refuses
    /// the one before.
    ///
    /// # Errors
    /// Files that are missing or that others can read, where there is no way without them.
    pub(super) fn ways(
        server: &Conninfo,
        environment: &Environment,
    ) -> Result<Vec<Option<Self>>, ProvisionError> {
        let mode = server.ssl_mode();
        let encrypted = match mode {
            SslMode::Disable => return Ok(vec![None]),
            _ => Encryption::asked(server, environment),
        };
        Ok(match (mode, encrypted) {
            (SslMode::Allow | SslMode::Prefer, Err(_)) => vec![None],
            (SslMode::Allow, Ok(encrypted)) => vec![None, Some(encrypted)],
            (SslMode::Prefer, Ok(encrypted)) => vec![Some(encrypted), None],
            (_, encrypted) => vec![Some(encrypted?)],
        })
    }

    fn asked(server: &Conninfo, environment: &Environment) -> Result<Self, ProvisionError> {
        let mode = server.ssl_mode();
        let home = environment.home().unwrap_or_default().join(".postgresql");
        let file =
            |given: Option<&str>, name: &str| given.map_or_else(|| home.join(name), PathBuf::from);
        let roots = match server.root_certificates() {
            Some("system") => Some(Roots::System),
            given => {
                let roots = file(given, "root.crt");
                if mode >= SslMode::VerifyCa && !roots.exists() {
                    return Err(ProvisionError::new(format!(
                        "sslmode={mode} needs root certificates, and {} is not there: give a file in sslrootcert, sslrootcert=system for the system's own, or sslmode=require to encrypt without verifying",
                        roots.display()
                    )));
                }
                // Where it is there, all modes verify.
                roots.exists().then_some(Roots::File(roots))
            }
        };
        let client = server.client_certificate().and_then(|[certificate, key]| {
            let certificate = file(certificate, "postgresql.crt");
            // Without it the server is asked for a connection all the same.
            certificate
                .exists()
                .then(|| [certificate, file(key, "postgresql.key")])
        });
        if let Some([certificate, key]) = &client {
            check_key(certificate, key)?;
        }
        Ok(Encryption {
            roots,
            for_host: mode == SslMode::VerifyFull,
            if_offered: mode == SslMode::Prefer,
            direct: server.is_direct(),
            client,
            names_host: server.names_host(),
            versions: server.tls_versions(),
        })
    }
}

/// A key that is there and that others cannot read (15: fe-secure-openssl.c `initialize_SSL`).
fn check_key(certificate: &Path, key: &Path) -> Result<(), ProvisionError> {
    let (certificate, shown) = (certificate.display(), key.display());
    let missing = |e| {
        ProvisionError::new(format!(
            "client certificate {certificate} has no private key {shown}: {e}"
        ))
    };
    let metadata = std::fs::metadata(key).map_err(missing)?;
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if !metadata.is_file() || metadata.mode() & others != 0 {
        return Err(ProvisionError::new(format!(
            "private key {shown} is readable by others or is no plain file: chmod 600 {shown}"
        )));
    }
    Ok(())
}
