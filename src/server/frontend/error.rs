//! What can go wrong on a connection, and its class.

use std::io::ErrorKind;
use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription};

use crate::record::ErrorClass;

/// A connection could not be opened, or a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    /// The socket.
    #[error("{0}")]
    Io(std::io::Error),
    /// The negotiation of TLS.
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    /// The server said so.
    #[error("{0}")]
    Server(ServerError),
    /// The server asks for a password, and there is none.
    #[error("password missing: the server asks for one, give it in PGPASSWORD or .pgpass")]
    PasswordMissing,
    /// The server asks for an authentication that is not spoken here.
    #[error("authentication: {0}")]
    Unsupported(String),
    /// Something came that does not belong there.
    #[error("{0}")]
    Protocol(String),
    /// The load's own statement, and why it failed.
    #[error("the statement failed: {problem}: {statement}")]
    Statement {
        /// Its text.
        statement: String,
        /// What the server said.
        problem: Box<FrontendError>,
    },
    /// The server is ready again without having completed anything (an empty query).
    #[error("the statement was not completed")]
    NotCompleted,
    /// This side failed, or was told to stop.
    #[error("{0}")]
    Here(String),
}

impl FrontendError {
    /// A failure of this side.
    pub fn here(what: impl std::fmt::Display) -> Self {
        FrontendError::Here(what.to_string())
    }

    /// Something of the server's was not there in time.
    pub(in crate::server) fn late(what: &str, limit: Duration) -> Self {
        let seconds = limit.as_secs_f64();
        FrontendError::Here(format!(
            "{what} did not come within {seconds} s (--connect-timeout)"
        ))
    }

    /// The class for counting.
    pub fn class(&self) -> ErrorClass {
        const NOT_TLS: [ErrorKind; 2] = [ErrorKind::InvalidData, ErrorKind::Unsupported];
        match self {
            FrontendError::Tls(error) if NOT_TLS.contains(&error.kind()) => ErrorClass::new("tls"),
            FrontendError::Io(error) | FrontendError::Tls(error) => classify_io(error),
            FrontendError::Server(error) if !error.code.is_empty() => {
                ErrorClass::new(format!("sqlstate-{}", error.code))
            }
            FrontendError::NotCompleted => ErrorClass::new("not-completed"),
            FrontendError::Here(_) => ErrorClass::new("harness"),
            FrontendError::Statement { problem, .. } => problem.class(),
            _ => ErrorClass::new("protocol"),
        }
    }
}

impl From<std::io::Error> for FrontendError {
    fn from(error: std::io::Error) -> Self {
        // With TLS 1.3 the server's opinion of a client's certificate comes after the handshake.
        match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            Some(inner) => {
                FrontendError::Tls(std::io::Error::new(error.kind(), alert_in_words(inner)))
            }
            None => FrontendError::Io(error),
        }
    }
}

/// What the other side's alert means; other errors as they are.
pub(in crate::server) fn alert_in_words(error: &rustls::Error) -> String {
    use AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else {
        return error.to_string();
    };
    let words = match alert {
        Alert::CertificateRequired => {
            "the server wants a client certificate: give sslcert and sslkey"
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::DecryptError => "the server does not accept the client certificate (sslcert)",
        Alert::HandshakeFailure | Alert::ProtocolVersion => {
            "the server and procbench share no version or cipher of TLS (procbench speaks 1.2 and 1.3)"
        }
        Alert::NoApplicationProtocol => "the server does not speak PostgreSQL's protocol over TLS",
        _ => "the server ended TLS",
    };
    format!("{words} (alert {alert:?})")
}

impl From<FrontendError> for ErrorClass {
    fn from(error: FrontendError) -> Self {
        error.class()
    }
}

impl From<std::io::Error> for ErrorClass {
    fn from(error: std::io::Error) -> Self {
        classify_io(&error)
    }
}

/// The class of a failed socket operation.
fn classify_io(error: &std::io::Error) -> ErrorClass {
    ErrorClass::new(match error.kind() {
        ErrorKind::ConnectionRefused => "connect-refused".to_owned(),
        ErrorKind::ConnectionReset => "connection-reset".to_owned(),
        ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => "connection-closed".to_owned(),
        ErrorKind::NotFound => "socket-missing".to_owned(),
        ErrorKind::AddrNotAvailable => "ports-exhausted".to_owned(),
        ErrorKind::TimedOut => "timed-out".to_owned(),
        _ if error.raw_os_error() == Some(nix::libc::EMFILE) => "open-files-limit".to_owned(),
        kind => format!("io-{kind:?}").to_lowercase(),
    })
}

/// An ErrorResponse. In words it begins with the code, which no translation and no encoding changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{severity}: SQLSTATE {code}: {message}{}", self.advice().map(|a| format!(" ({a})")).unwrap_or_default())]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The C function that reported it: it tells causes apart that share a code, in every language.
    pub routine: String,
}

impl ServerError {
    /// From the body: fields of a type byte and a string each (elog.c `send_message_to_frontend`).
    pub(in crate::server) fn parse(body: &[u8]) -> Self {
        let mut error = ServerError {
            severity: "ERROR".to_owned(),
            ..ServerError::default()
        };
        for field in body.split(|&byte| byte == 0) {
            let Some((kind, text)) = field.split_first() else {
                break;
            };
            let text = || lenient(text);
            match kind {
                // Not translated, and after the translated one (9.6 and later).
                b'S' | b'V' => error.severity = text(),
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                b'R' => error.routine = text(),
                _ => {}
            }
        }
        error
    }

    /// What to do about it, where the server's words do not say that. Causes of 53300 are told apart by where they
    /// are found (15: proc.c, postinit.c, miscinit.c; the same in 13 to 18).
    fn advice(&self) -> Option<&'static str> {
        Some(match (self.code.as_str(), self.routine.as_str()) {
            ("53300", "InitializeSessionUserId") => {
                "the role's own limit: ALTER ROLE ... CONNECTION LIMIT, or ask for fewer connections"
            }
            ("53300", "CheckMyDatabase") => {
                "the database's own limit: ALTER DATABASE ... CONNECTION LIMIT, or ask for fewer connections"
            }
            ("53300", "InitPostgres") => {
                "the last ones are reserved (superuser_reserved_connections, reserved_connections): ask for fewer connections"
            }
            ("53300", "InitProcess") => "raise max_connections there, or ask for fewer connections",
            ("53300", _) => {
                "raise max_connections, or the pooler's max_client_conn, or ask for fewer connections"
            }
            ("57P05", _) => {
                "idle_session_timeout: connections are idle between blocks; set it to 0 for this role"
            }
            ("25P03", _) => {
                "idle_in_transaction_session_timeout: set it to 0 for this role, or ask for --standing-state idle"
            }
            ("25P04", _) => "transaction_timeout: raise it for this role",
            ("57014", _) => "statement_timeout of this role or database, or somebody cancelled it",
            ("26000" | "42P05", _) => {
                "behind a pooler by transaction, prepared statements are lost: give --protocol simple"
            }
            _ => return None,
        })
    }

    /// Whether the server ends the connection with it.
    pub(super) fn is_fatal(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
}

/// A text in an encoding that was not agreed on yet: UTF-8, or else Latin-1, in which every byte is a character.
fn lenient(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_latin_1_can_be_read() {
        let body =
            b"SFATAL\0VFATAL\0C28000\0MRolle \xbbm\xfcller\xab darf sich nicht einloggen\0\0";
        assert_eq!(
            ServerError::parse(body).to_string(),
            "FATAL: SQLSTATE 28000: Rolle »müller« darf sich nicht einloggen"
        );
    }

    #[test]
    fn causes_that_share_a_code_are_told_apart_in_every_language() {
        let told = |code: &str, routine: &str| {
            let body = format!("SFATAL\0C{code}\0Mzu viele Verbindungen\0R{routine}\0\0");
            ServerError::parse(body.as_bytes()).to_string()
        };
        for (code, routine, advice) in [
            ("53300", "InitProcess", "raise max_connections"),
            ("53300", "InitializeSessionUserId", "ALTER ROLE"),
            ("53300", "CheckMyDatabase", "ALTER DATABASE"),
            ("53300", "InitPostgres", "superuser_reserved_connections"),
            ("53300", "", "max_client_conn"),
            ("57P05", "ProcessInterrupts", "idle_session_timeout"),
            (
                "25P03",
                "ProcessInterrupts",
                "idle_in_transaction_session_timeout",
            ),
            ("26000", "", "--protocol simple"),
        ] {
            let told = told(code, routine);
            assert!(told.contains(advice), "{told}");
        }
        assert!(told("3D000", "InitPostgres").ends_with("Verbindungen"));
    }

    #[test]
    fn fields_are_found_whatever_their_order_and_company() {
        let body = b"SFATALE\0VFATAL\0C53300\0Msorry, too many clients already\0Fproc.c\0L359\0RInitProcess\0\0";
        let error = ServerError::parse(body);
        assert!(error.is_fatal());
        assert_eq!(
            error.to_string(),
            "FATAL: SQLSTATE 53300: sorry, too many clients already (raise max_connections there, or ask for fewer connections)"
        );
        assert_eq!(
            FrontendError::Server(error).class(),
            ErrorClass::new("sqlstate-53300")
        );
    }

    #[test]
    fn a_cut_body_is_an_error_all_the_same() {
        for length in 0..12 {
            let error = ServerError::parse(&b"SERROR\0C426"[..length.min(11)]);
            assert!(!error.is_fatal());
        }
    }
}
