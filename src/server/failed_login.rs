//! A login of a role that does not exist: the backend joins the ProcArray, loads almost nothing, and leaves.
//!
//! `InitPostgres` (postinit.c, PostgreSQL 13 to 18) enters the ProcArray before it authenticates; the role is
//! looked up after that (miscinit.c `InitializeSessionUserId`) and refused with SQLSTATE 28000.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::classify_io;
use super::phase_stream::Socket;
use crate::record::ErrorClass;

/// A role that no server has.
const UNKNOWN_ROLE: &str = "procbench_unknown";

/// `ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION`: "role ... does not exist".
const REFUSED: &[u8] = b"28000";

/// Protocol 3.0, as `StartupPacket` reads it (pqcomm.h).
const PROTOCOL: u32 = 3 << 16;

/// Longest refusal that is read; a real one has some 100 bytes.
const MOST_BYTES: u64 = 16_384;

/// The startup message of the unknown role on a database.
fn startup_message(dbname: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    let parameters = [
        ("user", UNKNOWN_ROLE),
        ("database", dbname),
        ("application_name", "procbench"),
    ];
    for (name, value) in parameters {
        for text in [name, value] {
            body.extend(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let length = body.len() as u32 + 4;
    [&length.to_be_bytes()[..], &body].concat()
}

/// Sends the startup message on an open socket and waits for the refusal and the server's close: the backend
/// has left the ProcArray then.
///
/// # Errors
/// The class of whatever else happened: another SQLSTATE, `login-succeeded`, `authentication-asked` (the server
/// wants a password before it looks the role up), or that of a broken connection.
pub async fn refused_login(socket: &mut Socket, dbname: &str) -> Result<(), ErrorClass> {
    let io = |e: std::io::Error| classify_io(&e);
    let message = startup_message(dbname);
    socket.write_all(&message).await.map_err(io)?;
    let mut answer = Vec::with_capacity(256);
    loop {
        let read = socket.read_buf(&mut answer).await;
        match verdict(&answer) {
            // Nothing more will come of it: the connection is dropped by the caller.
            Some(Err(class)) => return Err(class),
            // A reset right after the refusal is the end of the connection, too.
            Some(Ok(())) if !matches!(read, Ok(1..)) => return Ok(()),
            None if matches!(read, Ok(0)) => return Err(ErrorClass::new("connection-closed")),
            _ => {}
        }
        read.map_err(io)?;
        if answer.len() as u64 > MOST_BYTES {
            return Err(ErrorClass::new("protocol"));
        }
    }
}

/// What the server's bytes so far say; `None` while the decisive message is not complete.
fn verdict(mut bytes: &[u8]) -> Option<Result<(), ErrorClass>> {
    loop {
        let (kind, rest) = bytes.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
        let Some(payload_length) = length.checked_sub(4) else {
            return Some(Err(ErrorClass::new("protocol")));
        };
        let payload = rest[4..].get(..payload_length)?;
        match (kind, payload) {
            (b'E', fields) => return Some(state_of(fields)),
            // AuthenticationOk: with trust it precedes the look-up of the role.
            (b'R', [0, 0, 0, 0]) => {}
            (b'R', _) => return Some(Err(ErrorClass::new("authentication-asked"))),
            (b'Z', _) => return Some(Err(ErrorClass::new("login-succeeded"))),
            _ => {}
        }
        bytes = &rest[length..];
    }
}

/// ErrorResponse: fields of a type byte and a string, the SQLSTATE in `C`.
fn state_of(fields: &[u8]) -> Result<(), ErrorClass> {
    let state = fields
        .split(|b| *b == 0)
        .find_map(|field| field.strip_prefix(b"C"));
    match state {
        Some(REFUSED) => Ok(()),
        Some(other) => Err(ErrorClass::new(format!(
            "sqlstate-{}",
            String::from_utf8_lossy(other)
        ))),
        None => Err(ErrorClass::new("protocol")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u32 + 4;
        [&[kind][..], &length.to_be_bytes(), payload].concat()
    }

    fn refusal(state: &str) -> Vec<u8> {
        let fields = format!("SFATAL\0VFATAL\0C{state}\0Mrole does not exist\0\0");
        message(b'E', fields.as_bytes())
    }

    fn class(bytes: &[u8]) -> String {
        verdict(bytes).unwrap().unwrap_err().0
    }

    #[test]
    fn the_startup_message_names_the_role_and_counts_itself() {
        let sent = startup_message("db");
        assert_eq!(
            sent.len() as u32,
            u32::from_be_bytes(*sent.first_chunk().unwrap())
        );
        assert_eq!(sent[4..8], [0, 3, 0, 0]);
        let text = "user\0procbench_unknown\0database\0db\0application_name\0procbench\0\0";
        assert_eq!(&sent[8..], text.as_bytes());
    }

    #[test]
    fn only_the_refusal_of_the_role_is_a_success() {
        let ok = message(b'R', &[0; 4]);
        assert_eq!(verdict(&refusal("28000")), Some(Ok(())));
        assert_eq!(
            verdict(&[ok.clone(), refusal("28000")].concat()),
            Some(Ok(()))
        );
        assert_eq!(class(&refusal("53300")), "sqlstate-53300");
        assert_eq!(class(&refusal("3D000")), "sqlstate-3D000");
        assert_eq!(
            class(&message(b'R', &[0, 0, 0, 10])),
            "authentication-asked"
        );
        assert_eq!(
            class(&[ok, message(b'Z', b"I")].concat()),
            "login-succeeded"
        );
        assert_eq!(class(&message(b'E', b"SFATAL\0\0")), "protocol");
        assert_eq!(class(b"E\0\0\0\x02"), "protocol");
    }

    #[test]
    fn nothing_is_decided_before_the_message_is_complete() {
        let whole = [message(b'R', &[0; 4]), refusal("28000")].concat();
        for cut in 0..whole.len() {
            assert_eq!(verdict(&whole[..cut]), None, "{cut}");
        }
    }
}
