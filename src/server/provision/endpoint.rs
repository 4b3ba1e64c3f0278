//! An address with a role: everything needed to open a connection.

use std::fmt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::error::ProvisionError;
use super::spec::SUPERUSER;
use crate::config::{EndpointHost, ServerUrl};
use crate::factor::Transport;
use crate::secret::{Secret, lookup_password};

/// `sun_path` holds 108 bytes with the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Address, role and database of a server or pooler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub host: EndpointHost,
    /// Port; names the socket file too.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Database.
    pub dbname: String,
    /// Password, where the role needs one.
    pub password: Option<Secret>,
    /// The certificate its connections are encrypted with; `None` for connections in clear.
    pub tls: Option<CertificateDer<'static>>,
}

impl Endpoint {
    /// Of a server by URL, with the password from `PGPASSWORD` or the password file.
    ///
    /// # Errors
    /// When a password file exists and may not or cannot be read.
    pub(crate) fn of_url(url: &ServerUrl) -> Result<Self, ProvisionError> {
        let host = match &url.host {
            EndpointHost::Tcp(name) => name.clone(),
            EndpointHost::Unix(dir) => dir.to_string_lossy().into_owned(),
        };
        let port = url.port.to_string();
        let password = lookup_password([&host, &port, &url.dbname, &url.user]);
        Ok(Endpoint {
            host: url.host.clone(),
            port: url.port,
            user: url.user.clone(),
            dbname: url.dbname.clone(),
            password: password.map_err(|e| ProvisionError::new(e.to_string()))?,
            tls: None,
        })
    }

    /// The superuser of a server of ours, through its socket in this directory.
    pub(crate) fn of_superuser(socket_dir: &Path, port: u16) -> Result<Self, ProvisionError> {
        let endpoint = Endpoint {
            host: EndpointHost::Unix(socket_dir.to_owned()),
            port,
            user: SUPERUSER.to_owned(),
            dbname: "postgres".to_owned(),
            password: None,
            tls: None,
        };
        endpoint.check_socket_path()?;
        Ok(endpoint)
    }

    /// Fails when the path of its socket would not fit into `sockaddr_un`.
    pub(crate) fn check_socket_path(&self) -> Result<(), ProvisionError> {
        match self.socket_file() {
            Some(path) if path.as_os_str().len() > SOCKET_PATH_MAX => {
                Err(ProvisionError::new(format!(
                    "the socket path {} is longer than {SOCKET_PATH_MAX} bytes: set TMPDIR to a shorter directory",
                    path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// TCP or Unix.
    pub fn transport(&self) -> Transport {
        match self.host {
            EndpointHost::Tcp(_) => Transport::Tcp,
            EndpointHost::Unix(_) => Transport::Unix,
        }
    }

    /// The socket file (`UNIXSOCK_PATH`, pqcomm.h), for a Unix endpoint.
    pub fn socket_file(&self) -> Option<PathBuf> {
        match &self.host {
            EndpointHost::Tcp(_) => None,
            EndpointHost::Unix(dir) => Some(dir.join(format!(".s.PGSQL.{}", self.port))),
        }
    }
}

/// `user@host:port/dbname`, never the password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.host {
            EndpointHost::Tcp(host) => format!("{host}:{}", self.port),
            EndpointHost::Unix(dir) => format!("{}/.s.PGSQL.{}", dir.display(), self.port),
        };
        write!(f, "{}@{place}/{}", self.user, self.dbname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_nothing_printed() {
        let endpoint = Endpoint {
            host: EndpointHost::Tcp("db".into()),
            port: 5433,
            user: "me".into(),
            dbname: "d".into(),
            password: Some(Secret::new("hunter2")),
            tls: None,
        };
        assert_eq!(endpoint.to_string(), "me@db:5433/d");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[test]
    fn long_socket_paths_are_refused_with_a_remedy() {
        let of = |dir: String| Endpoint::of_superuser(Path::new(&dir), 54321);
        let name = "/.s.PGSQL.54321".len();
        let error = of("x".repeat(108 - name)).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"));
        assert!(of("x".repeat(107 - name)).is_ok());
    }
}
