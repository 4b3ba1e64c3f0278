//! Where connections go: one address, resolved once, and who logs in. TLS is negotiated as libpq does by default:
//! SSLRequest, the server's one byte, the handshake (fe-connect.c `CONNECTION_SSL_STARTUP`; since 17 libpq can
//! begin with the handshake, too).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::frontend::{Frontend, FrontendError, Login, Socket};
use super::provision::Endpoint;
use crate::config::EndpointHost;

/// An address ready to be connected to, again and again.
#[derive(Clone)]
pub struct Target {
    address: Address,
    login: Login,
    tls: Option<Tls>,
}

#[derive(Clone)]
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
        let fail = |e| FrontendError::Here(format!("cannot resolve {endpoint}: {e}"));
        Self::resolve(endpoint).map_err(fail)
    }

    fn resolve(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let address = match &endpoint.host {
            EndpointHost::Unix(_) => {
                Address::Unix(endpoint.socket_file().context("no socket file")?)
            }
            EndpointHost::Tcp(host) => {
                let host = host.trim_matches(['[', ']']);
                let mut found = (host, endpoint.port).to_socket_addrs()?;
                Address::Tcp(found.next().context("no address")?)
            }
        };
        let tls = match (&address, &endpoint.tls) {
            (Address::Tcp(at), Some(certificate)) => Some(Tls::new(at.ip(), certificate)?),
            // PostgreSQL does not encrypt its Unix socket.
            _ => None,
        };
        let password = endpoint.password.clone();
        Ok(Target {
            address,
            login: Login::new(&endpoint.user, &endpoint.dbname, password)?,
            tls,
        })
    }

    /// Who logs in.
    pub fn login(&self) -> &Login {
        &self.login
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
        match &self.tls {
            Some(tls) => tls.encrypt(socket).await.map_err(FrontendError::Tls),
            None => Ok(socket),
        }
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

/// Ready to encrypt connections to one server, whose certificate is known.
#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// For a server at this address that has this certificate.
    ///
    /// # Errors
    /// A certificate that is none.
    fn new(address: IpAddr, certificate: &CertificateDer<'static>) -> Result<Self, rustls::Error> {
        let mut only = RootCertStore::empty();
        only.add(certificate.clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(only)
            .with_no_client_auth();
        // PostgreSQL gives no tickets (be-secure-openssl.c): every handshake is a full one. Not asked for either.
        config.resumption = Resumption::disabled();
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::from(address),
        })
    }

    /// Encrypts an open connection.
    ///
    /// # Errors
    /// A server that does not offer TLS, another certificate, a connection that breaks.
    async fn encrypt(&self, mut socket: Socket) -> std::io::Result<Socket> {
        let mut request = BytesMut::with_capacity(8);
        postgres_protocol::message::frontend::ssl_request(&mut request);
        socket.write_all(&request).await?;
        match socket.read_u8().await? {
            b'S' => Ok(Box::new(
                self.connector.connect(self.name.clone(), socket).await?,
            )),
            _ => Err(std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "the server does not offer TLS",
            )),
        }
    }
}

/// A new event loop of one thread.
///
/// # Errors
/// When the system refuses.
pub fn event_loop() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
