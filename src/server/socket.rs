//! What connections run over.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {
    /// The port of our end, with TCP in clear.
    fn local_port(&self) -> Option<u16> {
        None
    }
}

impl Stream for TcpStream {
    fn local_port(&self) -> Option<u16> {
        self.local_addr().ok().map(|address| address.port())
    }
}

impl Stream for UnixStream {}

impl Stream for TlsStream<Socket> {}

/// TCP with TCP_NODELAY set, a Unix socket, or TLS over TCP.
pub type Socket = Box<dyn Stream>;
