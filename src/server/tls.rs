//! TLS on the client's side, as libpq negotiates it by default: SSLRequest, the server's one byte, the
//! handshake (fe-connect.c `CONNECTION_SSL_STARTUP`; since 17 libpq can begin with the handshake, too).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::provision::PinnedCertificate;
use super::socket::Socket;

/// Ready to encrypt connections to one server, whose certificate is known.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish()
    }
}

impl Tls {
    /// For a server at this address that has this certificate.
    ///
    /// # Errors
    /// A certificate that is none.
    pub fn new(address: IpAddr, certificate: &PinnedCertificate) -> Result<Self, rustls::Error> {
        let mut only = RootCertStore::empty();
        only.add(CertificateDer::from_slice(certificate.der()).into_owned())?;
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
    pub async fn encrypt(&self, mut socket: Socket) -> std::io::Result<TlsStream<Socket>> {
        let mut request = BytesMut::with_capacity(8);
        postgres_protocol::message::frontend::ssl_request(&mut request);
        socket.write_all(&request).await?;
        match socket.read_u8().await? {
            b'S' => self.connector.connect(self.name.clone(), socket).await,
            _ => Err(std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "the server does not offer TLS",
            )),
        }
    }
}
