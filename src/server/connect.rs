//! Opening connections: one address, resolved once; every step timed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Connection, NoTls};

use super::frontend::Login;
use super::phase_stream::{PhaseStream, PhaseTimes, Socket};
use super::provision::Endpoint;
use super::tls::Tls;
use crate::config::Disconnect;
use crate::config::EndpointHost;
use crate::record::ErrorClass;

/// The connection half that must be polled while its client is in use.
pub type PhasedConnection = Connection<PhaseStream, NoTlsStream>;

/// An address ready to be connected to, again and again.
#[derive(Debug, Clone)]
pub struct Target {
    address: Address,
    config: tokio_postgres::Config,
    login: Login,
    tls: Option<Tls>,
}

#[derive(Debug, Clone)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {endpoint}: {problem}")]
pub struct TargetError {
    endpoint: String,
    problem: String,
}

impl Target {
    /// Resolves the endpoint once, so that no name lookup is timed later.
    ///
    /// # Errors
    /// When the name does not resolve.
    pub fn new(endpoint: &Endpoint) -> Result<Self, TargetError> {
        let fail = |problem: String| TargetError {
            endpoint: endpoint.to_string(),
            problem,
        };
        let address = match &endpoint.host {
            EndpointHost::Unix(_) => Address::Unix(
                endpoint
                    .socket_file()
                    .ok_or_else(|| fail("no socket file".into()))?,
            ),
            EndpointHost::Tcp(host) => {
                use std::net::ToSocketAddrs;
                let mut found = (host.trim_matches(['[', ']']), endpoint.port)
                    .to_socket_addrs()
                    .map_err(|e| fail(e.to_string()))?;
                Address::Tcp(found.next().ok_or_else(|| fail("no address".into()))?)
            }
        };
        let config = endpoint.to_config();
        let login = Login::new(&config).map_err(|e| fail(e.to_string()))?;
        let tls = match (&address, &endpoint.tls) {
            (Address::Tcp(at), Some(certificate)) => {
                Some(Tls::new(at.ip(), certificate).map_err(|e| fail(e.to_string()))?)
            }
            // PostgreSQL does not encrypt its Unix socket.
            _ => None,
        };
        Ok(Target {
            address,
            config,
            login,
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
    /// The class of the failure.
    pub async fn open_socket(&self) -> Result<Socket, ErrorClass> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|e| classify_io(&e))?;
                // connect_raw leaves this to us.
                stream.set_nodelay(true).map_err(|e| classify_io(&e))?;
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => Ok(Socket::Unix(
                UnixStream::connect(path)
                    .await
                    .map_err(|e| classify_io(&e))?,
            )),
        }
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Encrypts an open socket, where connections are to be encrypted: to the end of the handshake.
    ///
    /// # Errors
    /// The class of the failure.
    pub async fn encrypt(&self, socket: Socket) -> Result<Socket, ErrorClass> {
        match (&self.tls, socket) {
            (Some(tls), Socket::Tcp(stream)) => tls
                .encrypt(stream)
                .await
                .map(|stream| Socket::Tls(Box::new(stream)))
                .map_err(|e| classify_tls(&e)),
            (_, socket) => Ok(socket),
        }
    }

    /// The startup exchange on an open socket, to the first ReadyForQuery, by tokio-postgres.
    ///
    /// # Errors
    /// What tokio-postgres reports.
    pub async fn start_up(
        &self,
        socket: Socket,
        times: Arc<PhaseTimes>,
        disconnect: Disconnect,
    ) -> Result<(Client, PhasedConnection), tokio_postgres::Error> {
        self.start_up_on(PhaseStream::new(socket, times, disconnect))
            .await
    }

    /// As [`Target::start_up`], on any stream.
    ///
    /// # Errors
    /// What tokio-postgres reports.
    pub(super) async fn start_up_on<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(Client, Connection<S, NoTlsStream>), tokio_postgres::Error> {
        let started = self.config.connect_raw(stream, NoTls).await?;
        note_sessions(1);
        Ok(started)
    }
}

/// Sessions that this process has opened on any server.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// How many sessions this process has opened so far: to be taken off what a server counts.
pub(crate) fn sessions_opened() -> u64 {
    OPENED.load(Ordering::Relaxed)
}

/// Counts sessions that were opened.
pub(crate) fn note_sessions(count: u64) {
    OPENED.fetch_add(count, Ordering::Relaxed);
}

/// The class of a failed statement or startup.
pub fn classify(error: &tokio_postgres::Error) -> ErrorClass {
    if let Some(state) = error.code() {
        return ErrorClass::new(format!("sqlstate-{}", state.code()));
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return classify_io(io);
        }
        source = inner.source();
    }
    ErrorClass::new(if error.is_closed() {
        "connection-closed"
    } else {
        "protocol"
    })
}

/// The class of a failed TLS negotiation.
fn classify_tls(error: &std::io::Error) -> ErrorClass {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::Unsupported => ErrorClass::new("tls"),
        _ => classify_io(error),
    }
}

/// The class of a failed socket operation.
pub fn classify_io(error: &std::io::Error) -> ErrorClass {
    use std::io::ErrorKind;
    ErrorClass::new(match error.kind() {
        ErrorKind::ConnectionRefused => "connect-refused".to_owned(),
        ErrorKind::ConnectionReset => "connection-reset".to_owned(),
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => "connection-closed".to_owned(),
        ErrorKind::NotFound => "socket-missing".to_owned(),
        ErrorKind::AddrNotAvailable => "ports-exhausted".to_owned(),
        ErrorKind::TimedOut => "timed-out".to_owned(),
        _ if error.raw_os_error() == Some(nix::libc::EMFILE) => "open-files-limit".to_owned(),
        kind => format!("io-{kind:?}").to_lowercase(),
    })
}
