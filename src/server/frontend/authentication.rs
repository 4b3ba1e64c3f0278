//! Who logs in, and the answers to the server's authentication requests.
//!
//! As libpq does without TLS (PostgreSQL 15: fe-auth.c `pg_fe_sendauth`, fe-auth-scram.c).

use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend as compose;

use super::error::FrontendError;
use crate::secret::Secret;

/// Who logs in: the startup message, composed once, and the password.
#[derive(Debug, Clone)]
pub struct Login {
    pub(super) startup_message: Arc<[u8]>,
    user: String,
    password: Option<Secret>,
}

impl Login {
    /// A role, in a database.
    ///
    /// # Errors
    /// A name with a zero byte.
    pub fn new(user: &str, database: &str, password: Option<Secret>) -> std::io::Result<Self> {
        let parameters = [
            ("client_encoding", "UTF8"),
            ("user", user),
            ("database", database),
            ("application_name", "procbench"),
        ];
        let mut message = BytesMut::new();
        compose::startup_message(parameters, &mut message)?;
        Ok(Login {
            startup_message: message.as_ref().into(),
            user: user.to_owned(),
            password,
        })
    }
}

/// An exchange under way.
#[derive(Default)]
pub(super) struct Authentication {
    scram: Option<ScramSha256>,
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
        out: &mut BytesMut,
    ) -> Result<bool, FrontendError> {
        let Some((code, rest)) = body.split_first_chunk::<4>() else {
            return Err(broken("too short"));
        };
        let password = || {
            let password = login.password.as_ref().map(|p| p.expose().as_bytes());
            password.ok_or(FrontendError::PasswordMissing)
        };
        match u32::from_be_bytes(*code) {
            // AuthenticationOk.
            0 => return Ok(false),
            3 => compose::password_message(password()?, out)?,
            5 => {
                let salt = rest.try_into().map_err(|_| broken("md5 without a salt"))?;
                let hash = md5_hash(login.user.as_bytes(), password()?, salt);
                compose::password_message(hash.as_bytes(), out)?;
            }
            10 => {
                let mut mechanisms = rest.split(|&byte| byte == 0);
                if !mechanisms.any(|m| m == SCRAM_SHA_256.as_bytes()) {
                    let lacking = "SASL without SCRAM-SHA-256".to_owned();
                    return Err(FrontendError::Unsupported(lacking));
                }
                let scram = ScramSha256::new(password()?, ChannelBinding::unsupported());
                compose::sasl_initial_response(SCRAM_SHA_256, scram.message(), out)?;
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
            method => {
                let refused = format!("method {method} is not supported");
                return Err(FrontendError::Unsupported(refused));
            }
        }
        Ok(true)
    }
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

    fn request(code: u32, rest: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn md5_is_answered_as_libpq_does() {
        let mut out = BytesMut::new();
        let body = request(5, &[0x2a, 0x3d, 0x8f, 0xe0]);
        let step = Authentication::default().request(&body, &login(Some("password")), &mut out);
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
            let step =
                Authentication::default().request(&request(code, rest), &login(None), &mut out);
            assert!(matches!(step, Err(FrontendError::PasswordMissing)));
            assert!(out.is_empty());
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
            let step = Authentication::default().request(
                &request(code, rest),
                &login(Some("x")),
                &mut out,
            );
            assert_eq!(step.unwrap_err().class().0, "protocol", "{code}");
        }
    }
}
