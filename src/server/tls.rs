//! Encrypting a connection. The server is asked first (SSLRequest and its one byte: PostgreSQL 15 fe-connect.c
//! `CONNECTION_SSL_STARTUP`), or the handshake begins at once (17 and later).

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, InconsistentKeys};

use super::certificate::{Anchors, Verifier, end_point};
use super::frontend::{Socket, Stream, alert_in_words};
use super::provision::{Encryption, Roots};

/// The protocol's name in a handshake that begins at once (ALPN).
const PROTOCOL: &[u8] = b"postgresql";

impl Stream for TlsStream<Socket> {
    fn local_port(&self) -> Option<u16> {
        self.get_ref().0.local_port()
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        end_point(self.get_ref().1.peer_certificates()?.first()?)
    }
}

/// Ready to encrypt connections to one server.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    host: ServerName<'static>,
    encryption: Arc<Encryption>,
}

impl Tls {
    /// For a server of this name, or at this address.
    ///
    /// # Errors
    /// Certificates that cannot be read, in words.
    pub(super) fn new(host: &str, encryption: &Encryption) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            algorithms: provider.signature_verification_algorithms,
            roots: encryption.roots.as_ref().map(anchors).transpose()?,
            for_host: encryption.for_host,
        };
        let [with_12, with_13] = encryption.versions;
        let versions: Vec<_> = [(with_12, &TLS12), (with_13, &TLS13)]
            .into_iter()
            .filter_map(|(wanted, version)| wanted.then_some(version))
            .collect();
        let resolver = encryption
            .client
            .as_ref()
            .map(|files| client_certificate(files, &provider));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|_| "the versions of TLS that are asked for leave none".to_owned())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match resolver.transpose()? {
            Some(certified) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => config.with_no_client_auth(),
        };
        // PostgreSQL gives no tickets (be-secure-openssl.c): every handshake is a full one. Not asked for either.
        config.resumption = Resumption::disabled();
        config.enable_sni = encryption.names_host;
        if encryption.direct {
            config.alpn_protocols = vec![PROTOCOL.to_vec()];
        }
        let name = ServerName::try_from(host.to_owned());
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            host: name.map_err(|_| {
                format!("TLS needs a host's name or address, and '{host}' is neither")
            })?,
            encryption: Arc::new(encryption.clone()),
        })
    }

    /// Encrypts an open connection; leaves it in clear where the server offers nothing else and that will do.
    ///
    /// # Errors
    /// A server that does not offer TLS, a certificate that will not do, a connection that breaks.
    pub(super) async fn encrypt(&self, mut socket: Socket) -> std::io::Result<Socket> {
        if !self.encryption.direct {
            let mut request = BytesMut::with_capacity(8);
            postgres_protocol::message::frontend::ssl_request(&mut request);
            socket.write_all(&request).await?;
            match socket.read_u8().await? {
                b'S' => {}
                b'N' if self.encryption.if_offered => return Ok(socket),
                b'N' => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "the server does not offer TLS: switch it on there (ssl = on), or give sslmode=disable",
                    ));
                }
                // In clear from whoever is there: not to be shown (CVE-2024-10977).
                b'E' => {
                    return Err(Error::new(
                        ErrorKind::InvalidData,
                        "the server answered the request for TLS with an error",
                    ));
                }
                other => {
                    let other = other.escape_ascii();
                    let what = format!(
                        "what answers is no PostgreSQL: to the request for TLS it says '{other}'"
                    );
                    return Err(Error::new(ErrorKind::InvalidData, what));
                }
            }
        }
        let connected = self.connector.connect(self.host.clone(), socket).await;
        let stream = connected.map_err(|e| self.in_words(e))?;
        if self.encryption.direct && stream.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the server did not agree to speak PostgreSQL's protocol (ALPN): sslnegotiation=direct is for 17 and later",
            ));
        }
        Ok(Box::new(stream))
    }

    fn in_words(&self, error: Error) -> Error {
        let inner = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>());
        let words = match inner {
            Some(rustls::Error::InvalidCertificate(problem)) => self.certificate_in_words(problem),
            Some(inner) => alert_in_words(inner),
            None if error.kind() == ErrorKind::UnexpectedEof && self.encryption.direct => {
                "the server closed the connection: sslnegotiation=direct is for 17 and later"
                    .to_owned()
            }
            None => return error,
        };
        Error::new(error.kind(), words)
    }

    fn certificate_in_words(&self, problem: &CertificateError) -> String {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
            NotValidYet, NotValidYetContext, UnknownIssuer,
        };
        let roots = match &self.encryption.roots {
            Some(Roots::File(file)) => format!("{}", file.display()),
            Some(Roots::System) => "the system's root certificates".to_owned(),
            _ => "the certificate it was started with".to_owned(),
        };
        let host = self.host.to_str();
        match problem {
            Expired | ExpiredContext { .. } => {
                "the server's certificate has expired: it must be renewed there".to_owned()
            }
            NotValidYet | NotValidYetContext { .. } => {
                "the server's certificate is not valid yet: is the clock right, here and there?"
                    .to_owned()
            }
            UnknownIssuer | BadSignature => format!(
                "the server's certificate is not signed by any of {roots}: give the root that signed it in sslrootcert"
            ),
            NotValidForNameContext { presented, .. } => format!(
                "the server's certificate is for {}, not for {host}: connect by that name, or give sslmode=verify-ca",
                presented.join(", ")
            ),
            NotValidForName => {
                format!(
                    "the server's certificate is not for {host}: connect by its name, or give sslmode=verify-ca"
                )
            }
            other if is(other, "CaUsedAsEndEntity") => format!(
                "the server's certificate is its own authority's, and not among {roots}: give it in sslrootcert"
            ),
            other if is(other, "UnsupportedCertVersion") => format!(
                "the server's certificate is not signed by any of {roots}: give the root that signed it in sslrootcert"
            ),
            other => format!("the server's certificate cannot be verified with {roots}: {other}"),
        }
    }
}

/// Whether an error of the verification below rustls has this name.
fn is(problem: &CertificateError, name: &str) -> bool {
    format!("{problem:?}").contains(name)
}

fn anchors(roots: &Roots) -> Result<Anchors, String> {
    let certificates = match roots {
        Roots::Given(certificate) => vec![certificate.clone()],
        Roots::File(file) => {
            let read = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            read.map_err(|e| {
                format!(
                    "root certificates {} cannot be read as PEM: {e}",
                    file.display()
                )
            })?
        }
        Roots::System => rustls_native_certs::load_native_certs().certs,
    };
    match certificates.is_empty() {
        true => Err(match roots {
            Roots::File(file) => format!("there is no certificate in {}", file.display()),
            _ => "this system has no root certificates: apt-get install ca-certificates, or name a file with sslrootcert".to_owned(),
        }),
        false => Ok(Anchors::new(certificates)),
    }
}

fn client_certificate(
    [certificate, key]: &[std::path::PathBuf; 2],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let (shown, shown_key) = (certificate.display(), key.display());
    let chain =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain =
        chain.map_err(|e| format!("client certificate {shown} cannot be read as PEM: {e}"))?;
    if chain.is_empty() {
        return Err(format!("there is no certificate in {shown}"));
    }
    let unreadable = |why: &dyn std::fmt::Display| {
        format!(
            "private key {shown_key} cannot be read: {why} (it must be PEM without a passphrase)"
        )
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(&e))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|e| unreadable(&e))?;
    let certified = CertifiedKey::new(chain, key);
    // One of version 1 cannot be compared here; the server says what it thinks of it.
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(format!(
            "client certificate {shown} does not belong to the private key {shown_key}"
        )),
        _ => Ok(certified),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::target::event_loop;
    use tokio::io::{DuplexStream, duplex};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;

    fn encryption(certificate: &CertificateDer<'static>) -> Encryption {
        Encryption::pinned(certificate.clone())
    }

    /// A server with a certificate for `localhost`, and the certificate.
    fn server(protocols: &[&[u8]]) -> (TlsAcceptor, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = parameters.self_signed(&key).unwrap().into();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key);
        let mut config = config.unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        (TlsAcceptor::from(Arc::new(config)), certificate)
    }

    /// What becomes of a connection to a server that first answers `answer`, if it is asked.
    fn encrypted(
        (acceptor, host): (Option<TlsAcceptor>, &str),
        encryption: &Encryption,
        answer: &'static [u8],
    ) -> std::io::Result<Socket> {
        let (ours, mut theirs): (DuplexStream, DuplexStream) = duplex(16 * 1024);
        let tls = Tls::new(host, encryption).unwrap();
        event_loop().unwrap().block_on(async {
            let serving = async {
                if !answer.is_empty() {
                    let mut request = [0; 8];
                    theirs.read_exact(&mut request).await.unwrap();
                    theirs.write_all(answer).await.unwrap();
                }
                match acceptor {
                    Some(acceptor) => drop(acceptor.accept(theirs).await),
                    None => drop(theirs),
                }
            };
            tokio::join!(tls.encrypt(Box::new(ours)), serving).0
        })
    }

    fn words(outcome: std::io::Result<Socket>) -> String {
        outcome.err().unwrap().to_string()
    }

    #[test]
    fn the_server_is_asked_first_or_the_handshake_begins_at_once() {
        let (acceptor, certificate) = server(&[PROTOCOL]);
        let asked = encryption(&certificate);
        let direct = Encryption {
            direct: true,
            ..asked.clone()
        };
        for (encryption, answer) in [(&asked, &b"S"[..]), (&direct, &b""[..])] {
            let socket =
                encrypted((Some(acceptor.clone()), "localhost"), encryption, answer).unwrap();
            assert!(socket.is_encrypted());
            assert_eq!(socket.end_point(), end_point(&certificate));
        }
        // Before 17 the server knows no such protocol.
        let (older, certificate) = server(&[]);
        let direct = Encryption {
            direct: true,
            ..encryption(&certificate)
        };
        let refused = words(encrypted((Some(older), "localhost"), &direct, b""));
        assert!(refused.contains("ALPN"), "{refused}");
    }

    #[test]
    fn a_server_without_tls_is_named_or_spoken_to_in_clear() {
        let (_, certificate) = server(&[]);
        let required = encryption(&certificate);
        for (answer, says) in [
            (b"N", "does not offer TLS"),
            (b"E", "with an error"),
            (b"H", "it says 'H'"),
        ] {
            let refused = words(encrypted((None, "localhost"), &required, answer));
            assert!(refused.contains(says), "{refused}");
        }
        let if_offered = Encryption {
            if_offered: true,
            ..required
        };
        let socket = encrypted((None, "localhost"), &if_offered, b"N").unwrap();
        assert!(!socket.is_encrypted());
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said() {
        let (acceptor, certificate) = server(&[]);
        let elsewhere = words(encrypted(
            (Some(acceptor.clone()), "db.example"),
            &encryption(&certificate),
            b"S",
        ));
        assert!(
            elsewhere.contains("is for localhost, not for db.example"),
            "{elsewhere}"
        );
        let (_, other) = server(&[]);
        let unknown = words(encrypted(
            (Some(acceptor), "localhost"),
            &encryption(&other),
            b"S",
        ));
        assert!(unknown.contains("not signed by"), "{unknown}");
    }
}
