//! A server's certificate: verified as libpq does (PostgreSQL 15: fe-secure-openssl.c `initialize_SSL`,
//! `pgtls_verify_peer_name_matches_certificate_guts`, fe-secure-common.c), and hashed for channel binding.

use std::net::IpAddr;

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a server's certificate must be.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Signed by one of these, or one of them itself; any certificate will do without.
    pub(super) roots: Option<Anchors>,
    /// Made out for the host, by a subject's name or, where it has none of the kind, its common name.
    pub(super) for_host: bool,
}

/// Root certificates.
#[derive(Debug)]
pub(super) struct Anchors {
    store: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Anchors {
    /// Those of these that can be read.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        Anchors {
            store,
            certificates,
        }
    }
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let read = X509Certificate::from_der(certificate.as_ref());
    let read = read.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(read.1)
}

/// Whether it is within its time.
fn check_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

impl Anchors {
    /// A certificate that webpki does not take and OpenSSL does: one of the roots itself, as servers have that sign
    /// for themselves; one that a root has signed directly and that is of version 1, as `openssl x509 -req` makes
    /// it without extensions, or could sign others.
    fn check_unusual(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let read = parsed(certificate)?;
        check_time(&read, now)?;
        if self.certificates.iter().any(|root| root == certificate) {
            return Ok(());
        }
        for root in self
            .certificates
            .iter()
            .filter_map(|root| parsed(root).ok())
        {
            let is_issuer = root.subject().as_raw() == read.issuer().as_raw();
            if is_issuer && read.verify_signature(Some(root.public_key())).is_ok() {
                return check_time(&root, now);
            }
        }
        Err(CertificateError::UnknownIssuer.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        let usual = ParsedCertificate::try_from(certificate).and_then(|read| {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &read,
                &roots.store,
                intermediates,
                now,
                algorithms,
            )
        });
        if let Err(problem) = usual {
            // webpki's names of what OpenSSL does not mind.
            let name = format!("{problem:?}");
            let is_unusual = roots.certificates.iter().any(|root| root == certificate)
                || ["UnsupportedCertVersion", "CaUsedAsEndEntity"]
                    .iter()
                    .any(|n| name.contains(n));
            if !is_unusual || roots.check_unusual(certificate, now).is_err() {
                return Err(problem);
            }
        }
        if self.for_host {
            check_host(certificate, host)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(certificate).is_ok() {
            return verify_tls12_signature(message, certificate, signed, &self.algorithms);
        }
        let read = parsed(certificate)?;
        let key = &read.public_key().subject_public_key.data;
        let mut schemes = self.algorithms.mapping.iter();
        let algorithms = schemes.find(|(scheme, _)| *scheme == signed.scheme);
        let mut algorithms = algorithms.iter().flat_map(|(_, algorithms)| *algorithms);
        let is_by_key =
            algorithms.any(|a| a.verify_signature(key, message, signed.signature()).is_ok());
        match is_by_key {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(certificate).is_ok() {
            return verify_tls13_signature(message, certificate, signed, &self.algorithms);
        }
        // Of version 1.
        let read = parsed(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(read.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether the certificate is made out for the host.
fn check_host(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), Error> {
    if let Ok(read) = ParsedCertificate::try_from(certificate)
        && verify_server_name(&read, host).is_ok()
    {
        return Ok(());
    }
    let read = parsed(certificate)?;
    let names = Names::of(&read);
    let (same_kind, wanted) = match host {
        ServerName::IpAddress(address) => (
            !names.addresses.is_empty(),
            IpAddr::from(*address).to_string(),
        ),
        host => (!names.hosts.is_empty(), host.to_str().into_owned()),
    };
    let by_common_name = !same_kind && names.common.iter().any(|name| is_for(name, &wanted));
    if by_common_name {
        return Ok(());
    }
    let presented = names.hosts.into_iter().chain(names.addresses);
    Err(CertificateError::NotValidForNameContext {
        expected: host.to_owned(),
        presented: match presented.collect::<Vec<_>>() {
            none if none.is_empty() => names.common,
            some => some,
        },
    }
    .into())
}

/// Whom a certificate is made out for.
#[derive(Default)]
struct Names {
    hosts: Vec<String>,
    addresses: Vec<String>,
    common: Vec<String>,
}

impl Names {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Names::default();
        let alternative = certificate.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|a| &a.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.hosts.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let common = certificate.subject().iter_common_name();
        names.common = common
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect();
        names
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    Some(address.ok()?.to_string())
}

/// A name, or one that begins with `*.` for one label (fe-secure-common.c `wildcard_certificate_match`).
fn is_for(name: &str, host: &str) -> bool {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let by_wildcard = |rest: &str| {
        host.split_once('.')
            .is_some_and(|(label, parent)| !label.is_empty() && same(rest, parent))
    };
    same(name, host) || name.strip_prefix("*.").is_some_and(by_wildcard)
}

/// The certificate's hash for `tls-server-end-point` (RFC 5929): by the hash of its signature, at least SHA-256;
/// nothing for signatures without one.
pub(super) fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let read = parsed(certificate).ok()?;
    let bytes = certificate.as_ref();
    Some(
        match read.signature_algorithm.algorithm.to_id_string().as_str() {
            // Ed25519 and Ed448.
            "1.3.101.112" | "1.3.101.113" => return None,
            // With RSA, with ECDSA.
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(bytes).to_vec(),
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(bytes).to_vec(),
            _ => Sha256::digest(bytes).to_vec(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn made_out_for(names: &[&str], common: &str) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters
            .distinguished_name
            .push(DnType::CommonName, common);
        parameters
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .into()
    }

    fn is_made_out_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
        check_host(certificate, &ServerName::try_from(host).unwrap()).is_ok()
    }

    #[test]
    fn hosts_are_compared_as_by_libpq() {
        let by_name = made_out_for(
            &["db.example", "*.wild.example", "10.0.0.1"],
            "other.example",
        );
        for host in ["db.example", "DB.example", "a.wild.example", "10.0.0.1"] {
            assert!(is_made_out_for(&by_name, host), "{host}");
        }
        for host in [
            "other.example",
            "a.b.wild.example",
            "wild.example",
            "10.0.0.2",
        ] {
            assert!(!is_made_out_for(&by_name, host), "{host}");
        }
        // The common name counts where there is no other of the kind.
        let by_common = made_out_for(&[], "db.example");
        assert!(is_made_out_for(&by_common, "db.example"));
        assert!(!is_made_out_for(&by_common, "x.example"));
        assert!(is_made_out_for(
            &made_out_for(&[], "*.example"),
            "db.example"
        ));
        assert!(is_made_out_for(
            &made_out_for(&["db.example"], "10.0.0.1"),
            "10.0.0.1"
        ));
        assert!(!is_made_out_for(
            &made_out_for(&["10.0.0.2"], "10.0.0.1"),
            "10.0.0.1"
        ));
    }

    #[test]
    fn an_ecdsa_certificate_is_hashed_by_sha_256() {
        let certificate = made_out_for(&["h"], "h");
        assert_eq!(
            end_point(&certificate).unwrap(),
            Sha256::digest(certificate.as_ref()).to_vec()
        );
        assert_eq!(end_point(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    /// An authority, and a server's certificate of version 1 that it has signed: `openssl x509 -req`, to 2126.
    const VERSION_1: &[u8] = b"\
-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUMkEmsZJDRLUHJbq4f6OAvLPNReAwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNdGhlIGF1dGhvcml0eTAgFw0yNjExMjcwMzIyMDFaGA8yMTI2
MTEwMzAzMjIwMVowGDEWMBQGA1UEAwwNdGhlIGF1dGhvcml0eTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABNadDkVF56AjvuNQQSHtqHapNiXayQjGfpoNsw0JpaqJ
Zgotnpg6RD/+Mm4u1fRrhyDa1Sls8hPPqFmgGbgd6KGjUzBRMB0GA1UdDgQWBBS5
pI1OBUSUg9OaAo/kx4RhLmAzlzAfBgNVHSMEGDAWgBS5pI1OBUSUg9OaAo/kx4Rh
LmAzlzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCgEs8zbe5W
exSBYKE1RvybKtyBjrh7e5d+9vXNLX5vgwIgemrZQ1gXR6Gqq1lHjTLtLGSORrvp
dupepibG0qSGTWU=
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIIBKTCB0AIUeNA4Dn/kkKSrImEGGa2G0zTNTEQwCgYIKoZIzj0EAwIwGDEWMBQG
A1UEAwwNdGhlIGF1dGhvcml0eTAgFw0yNjExMjcwMzIyMDFaGA8yMTI2MTEwMzAz
MjIwMVowFTETMBEGA1UEAwwKZGIuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABLE7qpYeD8ecne/TPrGS27DRHvuMJyCmqTDbTfSQaSuZGzop+t4hhok6
zYI4NHn+jwT9JKKMkKLnuY+kuIDjVfcwCgYIKoZIzj0EAwIDSAAwRQIhAP9Q2UKf
SMILlYC3Fcg8FXTR5y+P7+7qMqNdKJomyUYnAiAeoCyFzRjalMILPzJ9xaYxU0ln
JHD+UVK+ez1Wpm94Lw==
-----END CERTIFICATE-----
";

    /// Whether a certificate is taken with these roots, in the year 2033.
    fn is_taken(
        certificate: &CertificateDer<'static>,
        roots: &[&CertificateDer<'static>],
        host: &str,
    ) -> bool {
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let verifier = Verifier {
            algorithms: provider.signature_verification_algorithms,
            roots: Some(Anchors::new(
                roots.iter().map(|&root| root.clone()).collect(),
            )),
            for_host: true,
        };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));
        let host = ServerName::try_from(host).unwrap();
        let verified = verifier.verify_server_cert(certificate, &[], &host, &[], now);
        verified.is_ok()
    }

    #[test]
    fn certificates_of_version_1_and_of_authorities_are_taken_as_by_openssl() {
        use tokio_rustls::rustls::pki_types::pem::PemObject;
        let read = CertificateDer::pem_slice_iter(VERSION_1).collect::<Result<Vec<_>, _>>();
        let [authority, server] = <[CertificateDer<'static>; 2]>::try_from(read.unwrap()).unwrap();
        assert!(is_taken(&server, &[&authority], "db.example"));
        assert!(!is_taken(&server, &[&authority], "x.example"));
        let other = made_out_for(&["db.example"], "the authority");
        assert!(!is_taken(&server, &[&other], "db.example"));
        // Bytes that are not what was signed.
        let mut bytes = server.to_vec();
        bytes[100] ^= 1;
        assert!(!is_taken(
            &CertificateDer::from(bytes),
            &[&authority],
            "db.example"
        ));
        // A root that is the server's own, with and without the right to sign.
        assert!(is_taken(&other, &[&other], "db.example"));
    }
}
