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

/// An ErrorResponse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{severity}: {message} (SQLSTATE {code})")]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
}

impl ServerError {
    /// From the body: fields of a type byte and a string each (elog.c `send_message_to_frontend`).
    pub(in crate::server) fn parse(body: &[u8]) -> Self {
        let mut error = ServerError {
            severity: "ERROR".to_owned(),
            code: String::new(),
            message: String::new(),
        };
        for field in body.split(|&byte| byte == 0) {
            let Some((kind, text)) = field.split_first() else {
                break;
            };
            let text = || String::from_utf8_lossy(text).into_owned();
            match kind {
                // Not translated, and after the translated one (9.6 and later).
                b'S' | b'V' => error.severity = text(),
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                _ => {}
            }
        }
        error
    }

    /// Whether the server ends the connection with it.
    pub(super) fn is_fatal(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_order_and_company() {
        let body = b"SFATALE\0VFATAL\0C53300\0Msorry, too many clients already\0Fproc.c\0L359\0RInitProcess\0\0";
        let error = ServerError::parse(body);
        assert!(error.is_fatal());
        assert_eq!(
            error.to_string(),
            "FATAL: sorry, too many clients already (SQLSTATE 53300)"
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
