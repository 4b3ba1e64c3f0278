//! Who may connect, and how both sides prove who they are: `pg_hba.conf`, and a password and a certificate
//! that are made for one server and thrown away with it.
//!
//! The server is only ever told a verifier, made here as `PQencryptPasswordConn` does (fe-auth.c): the
//! password itself stands in no statement, and with that in no log, no `pg_stat_activity` and no title.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac_array;
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::error::ProvisionError;
use super::pair;
use super::shipped::PG_HBA;
use super::spec::{DATABASE, ROLE, ServerSpec, method};
use crate::factor::{Auth, Tls};
use crate::secret::Secret;

/// `SCRAM_SHA_256_DEFAULT_ITERATIONS` (scram-common.h).
const DEFAULT_ITERATIONS: u32 = 4096;

/// PostgreSQL's names (`ssl_cert_file`, `ssl_key_file`).
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";

/// A role's password, and what the server keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) password: Secret,
    /// For MD5 as good as the password itself: not to be shown either.
    pub(crate) verifier: Secret,
}

impl Credentials {
    /// Random ones for the arms' role; `None` where no password is asked for.
    pub(crate) fn make(spec: &ServerSpec) -> Result<Option<Self>, ProvisionError> {
        if spec.auth == Auth::Trust {
            return Ok(None);
        }
        let mut random = [0; 40];
        getrandom::fill(&mut random)
            .map_err(ProvisionError::when("the system gives no random bytes"))?;
        let (random, salt) = random.split_at(24);
        let password = URL_SAFE_NO_PAD.encode(random);
        let verifier = match spec.auth {
            Auth::Md5 => postgres_protocol::password::md5(password.as_bytes(), ROLE),
            _ => scram_verifier(
                &password,
                salt,
                spec.scram_iterations.unwrap_or(DEFAULT_ITERATIONS),
            ),
        };
        Ok(Some(Self {
            password: Secret::new(password),
            verifier: Secret::new(verifier),
        }))
    }
}

/// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` (scram-common.c `scram_build_secret`; RFC 5803).
/// For passwords in ASCII, which SASLprep leaves as they are.
fn scram_verifier(password: &str, salt: &[u8], iterations: u32) -> String {
    let salted = pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, iterations);
    let keyed = |text: &[u8]| -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salted).ok()?;
        mac.update(text);
        Some(mac.finalize().into_bytes().into())
    };
    // HMAC takes keys of every length; the default would only make a password nobody has.
    let client_key = keyed(b"Client Key").unwrap_or_default();
    let server_key = keyed(b"Server Key").unwrap_or_default();
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(Sha256::digest(client_key)),
        STANDARD.encode(server_key)
    )
}

/// `docker/pg_hba.conf`, after lines of their own for the arms' role where it needs a password. Others get in
/// as ever: the superuser on its socket, and roles that do not exist get as far as their look-up. With TLS
/// the role gets in over TCP with it only: no level can be measured in clear by mistake. In a pair the standby gets in.
pub(crate) fn pg_hba(spec: &ServerSpec) -> String {
    let replication = if spec.pair.is_some() { pair::HBA } else { "" };
    let (how, role) = (method(spec.auth), format!("{DATABASE} {ROLE}"));
    let tcp = match spec.tls {
        Tls::Off if spec.auth == Auth::Trust => {
            return format!("{replication}{}", PG_HBA.1);
        }
        Tls::Off => format!("host {role} 127.0.0.1/32 {how}"),
        Tls::On => format!(
            "hostssl {role} 127.0.0.1/32 {how}\n\
             host {role} 127.0.0.1/32 reject"
        ),
    };
    format!("{replication}local {role} {how}\n{tcp}\n{}", PG_HBA.1)
}

/// A self-signed certificate for 127.0.0.1, with its key. Clients accept this very one and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    pub(crate) der: CertificateDer<'static>,
    pem: String,
    key_pem: Secret,
}

impl ServerCertificate {
    /// Makes one, with an ECDSA key on P-256.
    pub(crate) fn make() -> Result<Self, ProvisionError> {
        let made = || {
            let key = KeyPair::generate()?;
            let parameters = CertificateParams::new(["127.0.0.1".to_owned()])?;
            let certificate = parameters.self_signed(&key)?;
            Ok::<_, rcgen::Error>(Self {
                pem: certificate.pem(),
                der: certificate.into(),
                key_pem: Secret::new(key.serialize_pem()),
            })
        };
        made().map_err(ProvisionError::when("cannot make a certificate"))
    }

    /// Its files: name and text.
    pub(crate) fn files(&self) -> [(&'static str, &str); 2] {
        [(CERTIFICATE, &self.pem), (KEY, self.key_pem.expose())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(auth: Auth) -> ServerSpec {
        ServerSpec {
            auth,
            ..ServerSpec::default()
        }
    }

    #[test]
    fn the_verifier_is_the_one_postgresql_makes() {
        // rolpassword in pg_authid of PostgreSQL 17.12 for the password 'pencil'.
        for theirs in [
            "SCRAM-SHA-256$4096:h6GotX3ZJpjlzQV25iLgKA==$5n/KSmWLU/5t5b5NQ38m6gt6deh+ZuF2MIDxVzFGaB8=:wqo5mWZD8q8ik6f83TRQVCuJPuLLhAFhnYBDXVGJVEw=",
            "SCRAM-SHA-256$7:0pDyjxloVySxf5uPzr9UZg==$8qgM9hhl+ZDh5ztgO7mvjj9O2RjeHRfHWj93+lVhaFE=:qUoG86jA9uPYwqhXv9fXkxM7nQcmOFlOMyNN/YEbCJc=",
        ] {
            let parts: Vec<&str> = theirs.split(['$', ':']).collect();
            let salt = STANDARD.decode(parts[2]).unwrap();
            let iterations = parts[1].parse().unwrap();
            assert_eq!(scram_verifier("pencil", &salt, iterations), theirs);
        }
    }

    #[test]
    fn passwords_are_random_and_not_shown() {
        assert!(Credentials::make(&spec(Auth::Trust)).unwrap().is_none());
        for auth in [Auth::Md5, Auth::Scram] {
            let one = Credentials::make(&spec(auth)).unwrap().unwrap();
            let other = Credentials::make(&spec(auth)).unwrap().unwrap();
            assert_eq!(one.password.expose().len(), 32);
            assert_ne!(one.password, other.password);
            assert_ne!(one.verifier, other.verifier);
            let shown = format!("{one:?}");
            for secret in [one.password.expose(), one.verifier.expose()] {
                assert!(!shown.contains(secret));
                // Needs no quoting anywhere: SQL, pgbouncer.ini, userlist.txt.
                assert!(!secret.contains(['\'', '"', '\\', ' ']));
            }
        }
    }

    #[test]
    fn only_the_arms_role_needs_a_password() {
        assert_eq!(pg_hba(&spec(Auth::Trust)), PG_HBA.1);
        let text = pg_hba(&spec(Auth::Scram));
        let lines: Vec<String> = text
            .lines()
            .filter(|l| !l.starts_with('#'))
            .map(|l| l.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "local procbench procbench scram-sha-256",
                "host procbench procbench 127.0.0.1/32 scram-sha-256",
                "local all postgres trust",
                "local procbench all trust",
                "host procbench postgres 127.0.0.1/32 reject",
                "host procbench all 127.0.0.1/32 trust",
            ]
        );
        let encrypted = pg_hba(&ServerSpec {
            tls: Tls::On,
            ..ServerSpec::default()
        });
        let ours: Vec<_> = encrypted.lines().filter(|l| l.contains(ROLE)).collect();
        assert!(ours.iter().any(|l| l.starts_with("hostssl")));
        assert!(
            ours.iter()
                .any(|l| l.ends_with("reject") && l.starts_with("host "))
        );
    }

    #[test]
    fn each_certificate_is_another_and_its_key_is_not_shown() {
        let one = ServerCertificate::make().unwrap();
        let other = ServerCertificate::make().unwrap();
        assert_ne!(one.der, other.der);
        assert!(one.pem.starts_with("-----BEGIN CERTIFICATE-----"));
        let key = one.key_pem.expose();
        assert!(key.contains("PRIVATE KEY") && !format!("{one:?}").contains(key));
    }
}
