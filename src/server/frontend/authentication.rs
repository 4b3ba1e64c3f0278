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
#[path = "authentication_tests.rs"]
mod tests;
