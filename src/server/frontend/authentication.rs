//! Who logs in, and the answers to the server's authentication requests.
//!
//! As libpq does (PostgreSQL 15: fe-auth.c `pg_fe_sendauth`, `pg_SASL_init`, fe-auth-scram.c).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend as compose;

use super::error::FrontendError;
use super::stream::Stream;
use crate::conninfo::ChannelBinding;
use crate::secret::Secret;

/// Who logs in: the startup message, composed once, and the password.
#[derive(Debug, Clone)]
pub struct Login {
    pub(super) startup_message: Arc<[u8]>,
    user: String,
    password: Option<Secret>,
    channel_binding: ChannelBinding,
    /// Sessions opened with it, and with others that share the count.
    pub(in crate::server) opened: Arc<AtomicU64>,
}

/// What sessions are started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// What they call themselves.
    pub application_name: String,
    /// Settings for them, as `-c name=value`.
    pub options: Option<String>,
    /// Whether a SCRAM exchange is bound to the TLS connection.
    pub channel_binding: ChannelBinding,
}

impl Default for SessionSettings {
    fn default() -> Self {
        SessionSettings {
            application_name: "procbench".to_owned(),
            options: None,
            channel_binding: ChannelBinding::Prefer,
        }
    }
}

impl Login {
    /// A role, in a database.
    ///
    /// # Errors
    /// A name with a zero byte.
    pub fn new(user: &str, database: &str, password: Option<Secret>) -> std::io::Result<Self> {
        Self::with_settings(user, database, password, &SessionSettings::default())
    }

    /// A role, in a database, with these settings.
    ///
    /// # Errors
    /// A text with a zero byte.
    pub fn with_settings(
        user: &str,
        database: &str,
        password: Option<Secret>,
        settings: &SessionSettings,
    ) -> std::io::Result<Self> {
        let parameters = [
            ("client_encoding", "UTF8"),
            ("user", user),
            ("database", database),
            ("application_name", &settings.application_name),
        ];
        let options = settings
            .options
            .as_deref()
            .map(|options| ("options", options));
        let parameters = parameters.into_iter().chain(options);
        let mut message = BytesMut::new();
        compose::startup_message(parameters, &mut message)?;
        Ok(Login {
            startup_message: message.as_ref().into(),
            user: user.to_owned(),
            password,
            channel_binding: settings.channel_binding,
            opened: Arc::default(),
        })
    }
}

/// An exchange under way.
#[derive(Default)]
pub(super) struct Authentication {
    scram: Option<ScramSha256>,
    /// Whether the exchange is bound to the TLS connection.
    is_bound: bool,
}

impl Authentication {
    /// Takes the body of an Authentication message (`AUTH_REQ_*`, pqcomm.h), and says whether an answer was
    /// put into `out`.
    ///
    /// # Errors
    /// A method that is not spoken, or a password that is missing or refused.
    pub(super) fn request(
        &mut self,
        body: &[u8],
        login: &Login,
        stream: &dyn Stream,
        out: &mut BytesMut,
    ) -> Result<bool, FrontendError> {
        let Some((code, rest)) = body.split_first_chunk::<4>() else {
            return Err(broken("too short"));
        };
        let password = || {
            let password = login.password.as_ref().map(Secret::bytes);
            password.ok_or(FrontendError::PasswordMissing)
        };
        let code = u32::from_be_bytes(*code);
        let wants_binding = login.channel_binding == ChannelBinding::Require;
        if wants_binding && !self.is_bound && code != 10 {
            let lacking = "channel_binding=require, and the server lets in, or asks for a password, without it".to_owned();
            return Err(FrontendError::Unsupported(lacking));
        }
        match code {
            // AuthenticationOk.
            0 => return Ok(false),
            3 => compose::password_message(password()?, out)?,
            5 => {
                let salt = rest.try_into().map_err(|_| broken("md5 without a salt"))?;
                let hash = md5_hash(login.user.as_bytes(), password()?, salt);
                compose::password_message(hash.as_bytes(), out)?;
            }
            10 => {
                let (mechanism, binding) = mechanism(rest, login.channel_binding, stream)?;
                self.is_bound = mechanism == SCRAM_SHA_256_PLUS;
                let scram = ScramSha256::new(password()?, binding);
                compose::sasl_initial_response(mechanism, scram.message(), out)?;
                self.scram = Some(scram);
            }
            11 => {
                let scram = self.scram.as_mut();
                let scram = scram.ok_or_else(|| broken("SASLContinue out of turn"))?;
                scram.update(rest).map_err(broken)?;
                compose::sasl_response(scram.message(), out)?;
            }
            12 => {
                let scram = self.scram.take();
                let mut scram = scram.ok_or_else(|| broken("SASLFinal out of turn"))?;
                scram.finish(rest).map_err(broken)?;
                return Ok(false);
            }
            7 => return Err(offers_only("Kerberos (GSSAPI)")),
            9 => return Err(offers_only("SSPI")),
            method => return Err(offers_only(&format!("method {method}"))),
        }
        Ok(true)
    }
}

/// The mechanism to take of those that the server offers, and whether it is bound to the TLS connection: by the
/// server's certificate, not at all, or not because the server does not offer it.
fn mechanism(
    offered: &[u8],
    wanted: ChannelBinding,
    stream: &dyn Stream,
) -> Result<(&'static str, sasl::ChannelBinding), FrontendError> {
    let offers = |name: &str| {
        offered
            .split(|&byte| byte == 0)
            .any(|m| m == name.as_bytes())
    };
    let end_point = match wanted {
        ChannelBinding::Disable => None,
        _ => stream.end_point(),
    };
    let lacking = |what: &str| Err(FrontendError::Unsupported(what.to_owned()));
    match end_point {
        Some(hash) if offers(SCRAM_SHA_256_PLUS) => Ok((
            SCRAM_SHA_256_PLUS,
            sasl::ChannelBinding::tls_server_end_point(hash),
        )),
        _ if wanted == ChannelBinding::Require && !stream.is_encrypted() => {
            lacking("channel_binding=require, and the connection is in clear: give sslmode=require")
        }
        _ if wanted == ChannelBinding::Require => {
            lacking("channel_binding=require, and the server does not offer it")
        }
        _ if !offers(SCRAM_SHA_256) => {
            let names = offered.split(|&byte| byte == 0);
            let names: Vec<_> = names
                .filter(|n| !n.is_empty())
                .map(String::from_utf8_lossy)
                .collect();
            match names.is_empty() {
                true => Err(broken("SASL without a mechanism")),
                false if offers(SCRAM_SHA_256_PLUS) => lacking(
                    "the server offers SCRAM only with channel binding: give sslmode=require, and channel_binding not disable",
                ),
                false => Err(offers_only(&names.join(", "))),
            }
        }
        Some(_) => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unrequested())),
        None => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
    }
}

/// A server that wants to be logged in to in a way that is not spoken here.
fn offers_only(method: &str) -> FrontendError {
    FrontendError::Unsupported(format!(
        "the server offers only {method}: procbench logs in by password (SCRAM, MD5, in clear), client certificate, peer or trust"
    ))
}

/// Also an exchange that does not add up: not an error of the socket.
fn broken(what: impl std::fmt::Display) -> FrontendError {
    FrontendError::Protocol(format!("authentication: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(password: Option<&str>) -> Login {
        Login::new("me", "d", password.map(Secret::new)).unwrap()
    }

    fn in_clear() -> tokio::io::DuplexStream {
        tokio::io::duplex(1).0
    }

    fn request(code: u32, rest: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn md5_is_answered_as_libpq_does() {
        let mut out = BytesMut::new();
        let body = request(5, &[0x2a, 0x3d, 0x8f, 0xe0]);
        let login = login(Some("password"));
        let step = Authentication::default().request(&body, &login, &in_clear(), &mut out);
        assert!(step.unwrap());
        // "md5" and md5(md5(password || user) || salt) in hexadecimal.
        assert_eq!(out[0], b'p');
        assert_eq!(out.len(), 1 + 4 + 35 + 1);
        assert!(out[5..].starts_with(b"md5") && out.ends_with(b"\0"));
    }

    #[test]
    fn without_a_password_none_is_sent() {
        for (code, rest) in [(3, &b""[..]), (5, &[1; 4]), (10, b"SCRAM-SHA-256\0\0")] {
            let mut out = BytesMut::new();
            let body = request(code, rest);
            let step =
                Authentication::default().request(&body, &login(None), &in_clear(), &mut out);
            assert!(matches!(step, Err(FrontendError::PasswordMissing)));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn what_is_offered_instead_is_named() {
        for (code, rest, named) in [
            (7, &b""[..], "Kerberos"),
            (9, b"", "SSPI"),
            (10, b"OAUTHBEARER\0\0", "only OAUTHBEARER:"),
        ] {
            let mut out = BytesMut::new();
            let body = request(code, rest);
            let step =
                Authentication::default().request(&body, &login(Some("x")), &in_clear(), &mut out);
            let told = step.unwrap_err().to_string();
            assert!(
                told.contains(named) && told.contains("by password"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_is_not_spoken_or_comes_out_of_turn_is_refused() {
        for (code, rest) in [
            (7, &b""[..]),
            (9, b""),
            (5, &[1; 3]),
            (10, b"SCRAM-SHA-1\0\0"),
            (11, b"r=x,s=QQ==,i=1"),
            (12, b"v=x"),
        ] {
            let mut out = BytesMut::new();
            let body = request(code, rest);
            let login = login(Some("x"));
            let step = Authentication::default().request(&body, &login, &in_clear(), &mut out);
            assert_eq!(step.unwrap_err().class().0, "protocol", "{code}");
        }
    }

    /// Encrypted, the server's certificate being known.
    struct Encrypted(tokio::io::DuplexStream);

    impl tokio::io::AsyncRead for Encrypted {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl tokio::io::AsyncWrite for Encrypted {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    impl Stream for Encrypted {
        fn is_encrypted(&self) -> bool {
            true
        }

        fn end_point(&self) -> Option<Vec<u8>> {
            Some(vec![7; 32])
        }
    }

    #[test]
    fn an_exchange_is_bound_where_both_sides_can() {
        const BOTH: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        const PLAIN: &[u8] = b"SCRAM-SHA-256\0\0";
        let first = |offered: &[u8], channel_binding, stream: &dyn Stream| {
            let settings = SessionSettings {
                channel_binding,
                ..SessionSettings::default()
            };
            let login = Login::with_settings("me", "d", Some(Secret::new("x")), &settings).unwrap();
            let mut out = BytesMut::new();
            let step =
                Authentication::default().request(&request(10, offered), &login, stream, &mut out);
            step.map(|_| {
                let text = String::from_utf8_lossy(&out[5..]).into_owned();
                let (mechanism, rest) = text.split_once('\0').unwrap();
                format!("{mechanism} {}", &rest[4..5])
            })
        };
        use ChannelBinding::{Disable, Prefer, Require};
        let (encrypted, clear) = (Encrypted(in_clear()), in_clear());
        let (encrypted, clear): (&dyn Stream, &dyn Stream) = (&encrypted, &clear);
        for (offered, wanted, stream, expected) in [
            (BOTH, Prefer, encrypted, "SCRAM-SHA-256-PLUS p"),
            (BOTH, Require, encrypted, "SCRAM-SHA-256-PLUS p"),
            (BOTH, Disable, encrypted, "SCRAM-SHA-256 n"),
            (PLAIN, Prefer, encrypted, "SCRAM-SHA-256 y"),
            (PLAIN, Prefer, clear, "SCRAM-SHA-256 n"),
        ] {
            assert_eq!(first(offered, wanted, stream).unwrap(), expected);
        }
        for (offered, stream) in [(PLAIN, encrypted), (PLAIN, clear)] {
            let refused = first(offered, Require, stream).unwrap_err();
            assert!(
                refused.to_string().contains("channel_binding=require"),
                "{refused}"
            );
        }
        // Let in, or asked otherwise, without having been bound.
        let settings = SessionSettings {
            channel_binding: Require,
            ..SessionSettings::default()
        };
        let login = Login::with_settings("me", "d", Some(Secret::new("x")), &settings).unwrap();
        for code in [0, 3, 5] {
            let mut out = BytesMut::new();
            let step = Authentication::default().request(
                &request(code, &[1; 4]),
                &login,
                encrypted,
                &mut out,
            );
            assert!(step.is_err() && out.is_empty(), "{code}");
        }
    }
}
