//! A server's certificate: made for one server, thrown away with it, and pinned by the clients.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, SanType};

use super::error::ProvisionError;
use crate::secret::Secret;

/// What a client accepts, and nothing else: this very certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct PinnedCertificate(Arc<[u8]>);

impl PinnedCertificate {
    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PinnedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedCertificate({} bytes)", self.0.len())
    }
}

/// PostgreSQL's names (`ssl_cert_file`, `ssl_key_file`).
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";

/// A self-signed certificate for 127.0.0.1, with its key.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    pub(crate) pinned: PinnedCertificate,
    pem: String,
    key_pem: Secret,
}

impl ServerCertificate {
    /// Makes one, with an ECDSA key on P-256.
    pub(crate) fn make() -> Result<Self, ProvisionError> {
        let cannot = |e: rcgen::Error| {
            ProvisionError::io("cannot make a certificate")(std::io::Error::other(e))
        };
        let key = KeyPair::generate().map_err(cannot)?;
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        let certificate = parameters.self_signed(&key).map_err(cannot)?;
        Ok(Self {
            pinned: PinnedCertificate(certificate.der().as_ref().into()),
            pem: certificate.pem(),
            key_pem: Secret::new(key.serialize_pem()),
        })
    }

    /// Its files: name and text.
    pub(crate) fn files(&self) -> [(&'static str, &str); 2] {
        [(CERTIFICATE, &self.pem), (KEY, self.key_pem.expose())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_its_key_is_not_shown() {
        let one = ServerCertificate::make().unwrap();
        let other = ServerCertificate::make().unwrap();
        assert_ne!(one.pinned, other.pinned);
        assert!(one.pem.starts_with("-----BEGIN CERTIFICATE-----"));
        let key = one.key_pem.expose();
        assert!(key.contains("PRIVATE KEY") && !format!("{one:?}").contains(key));
    }
}
