//! An address with a role: everything needed to open a connection.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::encryption::Encryption;
use super::error::ProvisionError;
use super::spec::SUPERUSER;
use crate::conninfo::{ChannelBinding, EndpointHost, Keepalive};
use crate::factor::Transport;
use crate::secret::Secret;
use crate::server::frontend::SessionSettings;

/// `sun_path` holds 108 bytes with the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Address, role and database of a server or pooler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub host: EndpointHost,
    /// The address of its name, where it is known already.
    pub address: Option<IpAddr>,
    /// Port; names the socket file too.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Database.
    pub dbname: String,
    /// Password, where the role needs one.
    pub password: Option<Secret>,
    /// How connections are encrypted; `None` for connections in clear.
    pub tls: Option<Encryption>,
    /// What sessions are started with.
    pub settings: SessionSettings,
    /// TCP keepalive.
    pub keepalive: Keepalive,
    /// How long a connection, and its first statement, may take; `None` where something else limits that.
    pub connect_timeout: Option<Duration>,
}

impl Endpoint {
    /// A role of a server of ours.
    pub(crate) fn of_ours(host: EndpointHost, port: u16, user: &str, dbname: &str) -> Self {
        Endpoint {
            host,
            address: None,
            port,
            user: user.to_owned(),
            dbname: dbname.to_owned(),
            password: None,
            tls: None,
            // What a login costs is measured without: it would be another login with TLS than in clear.
            settings: SessionSettings {
                channel_binding: ChannelBinding::Disable,
                ..SessionSettings::default()
            },
            keepalive: Keepalive::default(),
            connect_timeout: None,
        }
    }

    /// The superuser of a server of ours, through its socket in this directory.
    pub(crate) fn of_superuser(socket_dir: &Path, port: u16) -> Result<Self, ProvisionError> {
        let sockets = EndpointHost::Unix(socket_dir.to_owned());
        let endpoint = Endpoint::of_ours(sockets, port, SUPERUSER, "postgres");
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

/// `user@host:port/dbname`, with the address if it is another text; never the password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.host {
            EndpointHost::Tcp(host) if host.contains(':') && !host.starts_with('[') => {
                format!("[{host}]:{}", self.port)
            }
            EndpointHost::Tcp(host) => format!("{host}:{}", self.port),
            EndpointHost::Unix(dir) => format!("{}/.s.PGSQL.{}", dir.display(), self.port),
        };
        write!(f, "{}@{place}/{}", self.user, self.dbname)?;
        match self.address {
            Some(address) if !place.contains(&address.to_string()) => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_nothing_printed() {
        let at = |host: &str| EndpointHost::Tcp(host.to_owned());
        let endpoint = Endpoint {
            password: Some(Secret::new("hunter2")),
            ..Endpoint::of_ours(at("db"), 5433, "me", "d")
        };
        assert_eq!(endpoint.to_string(), "me@db:5433/d");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let six = Endpoint::of_ours(at("::1"), 5432, "me", "d");
        assert_eq!(six.to_string(), "me@[::1]:5432/d");
        let resolved = Endpoint {
            address: Some("::1".parse().unwrap()),
            ..Endpoint::of_ours(at("localhost"), 5432, "me", "d")
        };
        assert_eq!(resolved.to_string(), "me@localhost:5432/d (::1)");
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
