//! Tests of the answers to each request.

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
        let step = Authentication::default().request(&body, &login(None), &in_clear(), &mut out);
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
        let step =
            Authentication::default().request(&request(code, &[1; 4]), &login, encrypted, &mut out);
        assert!(step.is_err() && out.is_empty(), "{code}");
    }
}
