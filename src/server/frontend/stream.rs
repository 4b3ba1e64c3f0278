//! What a connection is made over.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// The port of our end, with TCP.
    fn local_port(&self) -> Option<u16> {
        None
    }

    /// Whether it is encrypted.
    fn is_encrypted(&self) -> bool {
        false
    }

    /// The hash of the server's certificate for channel binding.
    fn end_point(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Stream for TcpStream {
    fn local_port(&self) -> Option<u16> {
        self.local_addr().ok().map(|address| address.port())
    }
}

impl Stream for UnixStream {}

#[cfg(test)]
impl Stream for tokio::io::DuplexStream {}

/// TCP with TCP_NODELAY set, a Unix socket, or TLS over TCP.
pub type Socket = Box<dyn Stream>;
