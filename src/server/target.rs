//! Where connections go: one address, resolved once, and who logs in.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use tokio::net::{TcpStream, UnixStream};

use super::frontend::{Frontend, FrontendError, Login};
use super::provision::Endpoint;
use super::socket::Socket;
use super::tls::Tls;
use crate::config::EndpointHost;

/// An address ready to be connected to, again and again.
#[derive(Debug, Clone)]
pub struct Target {
    address: Address,
    login: Login,
    tls: Option<Tls>,
}

#[derive(Debug, Clone)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Target {
    /// Resolves the endpoint once, so that no name lookup is timed later.
    ///
    /// # Errors
    /// When the name does not resolve.
    pub fn new(endpoint: &Endpoint) -> Result<Self, FrontendError> {
        let fail =
            |problem: String| FrontendError::Here(format!("cannot resolve {endpoint}: {problem}"));
        let address = match &endpoint.host {
            EndpointHost::Unix(_) => Address::Unix(
                endpoint
                    .socket_file()
                    .ok_or_else(|| fail("no socket file".into()))?,
            ),
            EndpointHost::Tcp(host) => {
                let mut found = (host.trim_matches(['[', ']']), endpoint.port)
                    .to_socket_addrs()
                    .map_err(|e| fail(e.to_string()))?;
                Address::Tcp(found.next().ok_or_else(|| fail("no address".into()))?)
            }
        };
        let login = Login::new(&endpoint.to_config()).map_err(|e| fail(e.to_string()))?;
        let tls = match (&address, &endpoint.tls) {
            (Address::Tcp(at), Some(certificate)) => {
                Some(Tls::new(at.ip(), certificate).map_err(|e| fail(e.to_string()))?)
            }
            // PostgreSQL does not encrypt its Unix socket.
            _ => None,
        };
        Ok(Target {
            address,
            login,
            tls,
        })
    }

    /// Who logs in.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The same address for somebody else.
    #[must_use]
    pub fn with_login(self, login: Login) -> Self {
        Target { login, ..self }
    }

    /// Opens the socket only.
    ///
    /// # Errors
    /// What the system says.
    pub async fn open_socket(&self) -> Result<Socket, FrontendError> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Encrypts an open socket, where connections are to be encrypted: to the end of the handshake.
    ///
    /// # Errors
    /// What the negotiation ended with.
    pub async fn encrypt(&self, socket: Socket) -> Result<Socket, FrontendError> {
        let Some(tls) = &self.tls else {
            return Ok(socket);
        };
        let encrypted = tls.encrypt(socket).await;
        Ok(Box::new(encrypted.map_err(FrontendError::Tls)?))
    }

    /// Connects and logs in; must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn connect(&self) -> Result<Frontend, FrontendError> {
        let socket = self.encrypt(self.open_socket().await?).await?;
        let mut frontend = Frontend::new(socket);
        frontend.start_up(&self.login).await?;
        Ok(frontend)
    }
}
