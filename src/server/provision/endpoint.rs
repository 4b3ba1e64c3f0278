//! An address with a role: everything needed to open a connection.

use std::fmt;
use std::path::{Path, PathBuf};

use super::certificate::PinnedCertificate;
use super::error::ProvisionError;
use super::role::SUPERUSER;
use crate::config::{EndpointHost, ServerUrl};
use crate::factor::Transport;
use crate::secret::{PasswordFileError, Secret, lookup_password};

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
    pub tls: Option<PinnedCertificate>,
}

impl Endpoint {
    /// Of a server by URL, with the password from `PGPASSWORD` or the password file.
    ///
    /// # Errors
    /// When a password file exists and may not or cannot be read.
    pub fn of_url(url: &ServerUrl) -> Result<Self, PasswordFileError> {
        let host = match &url.host {
            EndpointHost::Tcp(name) => name.clone(),
            EndpointHost::Unix(dir) => dir.to_string_lossy().into_owned(),
        };
        Ok(Endpoint {
            host: url.host.clone(),
            port: url.port,
            user: url.user.clone(),
            dbname: url.dbname.clone(),
            password: lookup_password(&host, url.port, &url.dbname, &url.user)?,
            tls: None,
        })
    }

    /// The superuser of a server of ours, through its socket in this directory.
    pub(crate) fn of_superuser(socket_dir: &Path, port: u16) -> Result<Self, ProvisionError> {
        check_socket_path(&socket_file(socket_dir, port))?;
        Ok(Endpoint {
            host: EndpointHost::Unix(socket_dir.to_owned()),
            port,
            user: SUPERUSER.to_owned(),
            dbname: "postgres".to_owned(),
            password: None,
            tls: None,
        })
    }

    /// A client configuration for this endpoint, application name `procbench`. It asks for no TLS:
    /// where there is some, it is under the connection already.
    pub fn to_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        match &self.host {
            EndpointHost::Tcp(host) => config.host(host),
            EndpointHost::Unix(dir) => config.host_path(dir),
        };
        config
            .port(self.port)
            .user(&self.user)
            .dbname(&self.dbname)
            .application_name("procbench")
            .ssl_mode(tokio_postgres::config::SslMode::Disable);
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        config
    }

    /// TCP or Unix.
    pub fn transport(&self) -> Transport {
        match self.host {
            EndpointHost::Tcp(_) => Transport::Tcp,
            EndpointHost::Unix(_) => Transport::Unix,
        }
    }

    /// The socket file, for a Unix endpoint.
    pub fn socket_file(&self) -> Option<PathBuf> {
        match &self.host {
            EndpointHost::Tcp(_) => None,
            EndpointHost::Unix(dir) => Some(socket_file(dir, self.port)),
        }
    }
}

/// PostgreSQL's name for a socket in a directory (`UNIXSOCK_PATH`, pqcomm.h).
pub(crate) fn socket_file(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!(".s.PGSQL.{port}"))
}

/// Fails when a socket's path would not fit into `sockaddr_un`.
pub(crate) fn check_socket_path(path: &Path) -> Result<(), ProvisionError> {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(ProvisionError::new(format!(
            "the socket path {} is longer than 107 bytes: set TMPDIR to a shorter directory",
            path.display()
        )));
    }
    Ok(())
}

/// `user@host:port/dbname`, never the password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.host {
            EndpointHost::Tcp(host) => format!("{host}:{}", self.port),
            EndpointHost::Unix(dir) => socket_file(dir, self.port).display().to_string(),
        };
        write!(f, "{}@{place}/{}", self.user, self.dbname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_reaches_the_connection_and_nothing_printed() {
        let endpoint = Endpoint {
            host: EndpointHost::Tcp("db".into()),
            port: 5433,
            user: "me".into(),
            dbname: "d".into(),
            password: Some(Secret::new("hunter2")),
            tls: None,
        };
        assert_eq!(
            endpoint.to_config().get_password(),
            Some(b"hunter2".as_slice())
        );
        assert_eq!(endpoint.to_string(), "me@db:5433/d");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[test]
    fn long_socket_paths_are_refused_with_a_remedy() {
        let error = check_socket_path(&PathBuf::from("/".repeat(108))).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"));
        assert!(check_socket_path(&PathBuf::from("/".repeat(107))).is_ok());
    }
}
