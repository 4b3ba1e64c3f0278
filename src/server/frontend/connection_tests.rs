//! The connection against a server that says what it is told to.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::secret::Secret;

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut m = vec![kind];
    m.extend((body.len() as u32 + 4).to_be_bytes());
    m.extend(body);
    m
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{code}\0Mno\0\0");
    message(b'E', body.as_bytes())
}

fn login() -> Login {
    Login::new("me", "d", None).unwrap()
}

fn on_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// A connection and the server's end of it.
fn pair() -> (Frontend, DuplexStream) {
    let (ours, server) = duplex(64 * 1024);
    (Frontend::new(Box::new(ours)), server)
}

/// What the server has been sent so far.
async fn sent(server: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = vec![0; 64 * 1024];
    let length = server.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    bytes
}

/// The types of whole messages.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<5>() {
        kinds.push(head[0]);
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        bytes = &bytes[1 + length..];
    }
    kinds
}

#[test]
fn the_startup_message_names_role_database_and_program() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        let settings = message(b'S', b"server_version\x0015.18\0");
        server
            .write_all(&[OK, &settings, &message(b'K', &[0; 8]), READY].concat())
            .await
            .unwrap();
        let startup = frontend.start_up(&login()).await.unwrap();
        assert!(startup.total_ns > 0);
        // Nothing was asked: there is no authentication to be told from the rest.
        assert_eq!(startup.asked, None);
        let bytes = sent(&mut server).await;
        assert_eq!(bytes[..8], [0, 0, 0, bytes.len() as u8, 0, 3, 0, 0]);
        let mut parameters: Vec<&str> = std::str::from_utf8(&bytes[8..])
            .unwrap()
            .split('\0')
            .collect();
        assert_eq!(parameters.split_off(parameters.len() - 2), ["", ""]);
        assert_eq!(
            parameters.join(" "),
            "client_encoding UTF8 user me database d application_name procbench"
        );
    });
}

#[test]
fn an_authentication_of_its_own_is_timed() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        let login = Login::new("me", "d", Some(Secret::new("secret"))).unwrap();
        // AuthenticationCleartextPassword.
        let ask = message(b'R', &[0, 0, 0, 3]);
        server.write_all(&ask).await.unwrap();
        let answer = async {
            let mut bytes = sent(&mut server).await;
            while !bytes.ends_with(b"secret\0") {
                bytes.extend(sent(&mut server).await);
            }
            server.write_all(&[OK, READY].concat()).await.unwrap();
        };
        let (startup, ()) = tokio::join!(async { frontend.start_up(&login).await }, answer);
        let startup = startup.unwrap();
        let asked = startup.asked.unwrap();
        assert!(asked.challenge_ns + asked.exchange_ns <= startup.total_ns);
    });
}

#[test]
fn a_refused_startup_has_the_servers_class() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        server.write_all(&error("FATAL", "53300")).await.unwrap();
        let refused = frontend.start_up(&login()).await.unwrap_err();
        assert_eq!(refused.class().0, "sqlstate-53300");

        let (mut frontend, server) = pair();
        let closing = async {
            tokio::task::yield_now().await;
            drop(server);
        };
        let (closed, ()) = tokio::join!(async { frontend.start_up(&login()).await }, closing);
        assert_eq!(closed.unwrap_err().class().0, "connection-closed");
    });
}

#[test]
fn a_simple_statement_is_one_message_and_reads_to_ready_for_query() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        for _ in 0..3 {
            let row = message(b'D', &[0, 1, 0, 0, 0, 1, b'7']);
            let done = message(b'C', b"SELECT 1\0");
            let reply = [message(b'T', &[0, 0]), row, done, READY.to_vec()].concat();
            server.write_all(&reply).await.unwrap();
            frontend.query("SELECT 7").await.unwrap();
            assert_eq!(sent(&mut server).await, message(b'Q', b"SELECT 7\0"));
            assert!(!frontend.is_closed());
        }
    });
}

#[test]
fn rows_are_kept_where_they_are_asked_for_only() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        let key = message(b'K', &[4711i32.to_be_bytes(), [0xff; 4]].concat());
        server.write_all(&[OK, &key, READY].concat()).await.unwrap();
        frontend.start_up(&login()).await.unwrap();
        assert_eq!(frontend.process_id, Some(4711));
        let column = |text: &[u8]| [&(text.len() as u32).to_be_bytes(), text].concat();
        let null = (-1i32).to_be_bytes().to_vec();
        let row = [vec![0, 3], column(b"7"), null, column(b"")].concat();
        let reply = |row: &[u8]| {
            let done = message(b'C', b"SELECT 2\0");
            [
                message(b'T', &[0, 0]),
                message(b'D', row),
                message(b'D', &[0, 0]),
                done,
                READY.to_vec(),
            ]
            .concat()
        };
        server.write_all(&reply(&row)).await.unwrap();
        let rows = frontend.rows("SELECT").await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(rows, [vec![text("7"), None, text("")], vec![]]);
        server.write_all(&reply(&row)).await.unwrap();
        frontend.query("SELECT").await.unwrap();
        assert!(!frontend.is_closed());
        // A length beyond the row's end.
        server.write_all(&reply(&row[..8])).await.unwrap();
        let cut = frontend.rows("SELECT").await.unwrap_err();
        assert_eq!(cut.class().0, "protocol");
    });
}

#[test]
fn a_prepared_statement_is_sent_as_libpq_does() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        let parsed = [message(b'1', b""), READY.to_vec()].concat();
        server.write_all(&parsed).await.unwrap();
        for (parameter, messages) in [(Some("42"), &b"PSBDES"[..]), (None, b"BDES")] {
            let done = message(b'C', b"SELECT 1\0");
            let reply = [
                message(b'2', b""),
                message(b'T', &[0, 0]),
                done,
                READY.to_vec(),
            ];
            server.write_all(&reply.concat()).await.unwrap();
            frontend.execute("SELECT $1", parameter).await.unwrap();
            let bytes = sent(&mut server).await;
            assert_eq!(kinds(&bytes), messages);
            let value = b"\0\x01\0\0\0\x0242\0\0";
            assert_eq!(
                bytes.windows(value.len()).any(|w| w == value),
                parameter.is_some(),
                "one parameter, as text"
            );
        }
    });
}

#[test]
fn a_failed_statement_leaves_the_connection_usable() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        // Done, then failed: several statements in one text.
        let reply = [
            message(b'C', b"SELECT 1\0"),
            error("ERROR", "22012"),
            READY.to_vec(),
            message(b'I', b""),
            READY.to_vec(),
            message(b'C', b"SELECT 1\0"),
            READY.to_vec(),
        ];
        server.write_all(&reply.concat()).await.unwrap();
        let failed = frontend.query("SELECT 1; SELECT 1/0").await.unwrap_err();
        assert_eq!(failed.class().0, "sqlstate-22012");
        let empty = frontend.query("").await.unwrap_err();
        assert_eq!(empty.class().0, "not-completed");
        assert!(!frontend.is_closed());
        frontend.query("SELECT 1").await.unwrap();
    });
}

#[test]
fn a_fatal_error_a_copy_and_nonsense_break_the_connection() {
    for (reply, class) in [
        (error("FATAL", "57P01"), "sqlstate-57P01"),
        (message(b'G', &[0, 0, 0]), "protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "protocol"),
    ] {
        on_runtime(async {
            let (mut frontend, mut server) = pair();
            // Followed by silence: nothing more is waited for.
            server.write_all(&reply).await.unwrap();
            let broken = frontend.query("SELECT 1").await.unwrap_err();
            assert_eq!(broken.class().0, class);
            assert!(frontend.is_closed());
        });
    }
}

#[test]
fn a_close_by_the_server_is_seen_between_statements() {
    on_runtime(async {
        let (mut frontend, mut server) = pair();
        // Things the server says on its own are no close.
        let notice = message(b'N', b"SWARNING\0\0");
        server.write_all(&notice).await.unwrap();
        assert!(!frontend.is_closed());
        let reply = [message(b'C', b"SELECT 1\0"), READY.to_vec()].concat();
        server.write_all(&reply).await.unwrap();
        frontend.query("SELECT 1").await.unwrap();
        server.write_all(&error("FATAL", "57P01")).await.unwrap();
        drop(server);
        assert!(frontend.is_closed());
    });
}

#[test]
fn terminate_waits_for_the_servers_eof_or_does_not() {
    on_runtime(async {
        for disconnect in [Disconnect::Wait, Disconnect::Close] {
            let (frontend, mut server) = pair();
            let ending = tokio::spawn(frontend.terminate(disconnect));
            assert_eq!(sent(&mut server).await, b"X\0\0\0\x04");
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            // The server still holds the connection.
            assert_eq!(ending.is_finished(), disconnect == Disconnect::Close);
            drop(server);
            ending.await.unwrap().unwrap();
        }
    });
}

/// What a server may send: whole messages of any kind, some of their bodies like real ones, and bytes that are none.
fn whatever() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..24);
    let kind = prop::sample::select(b"RSKZEDTCN1G3xv".to_vec());
    let of_any_kind = (kind, body).prop_map(|(kind, body)| message(kind, &body));
    let method = prop::sample::select(vec![0u32, 3, 5, 7, 10, 11, 12, 99]);
    let rest = prop::collection::vec(
        prop_oneof![
            any::<u8>(),
            Just(0),
            prop::sample::select(b"SCRAM-256,=r".to_vec())
        ],
        0..40,
    );
    let authentication = (method, rest)
        .prop_map(|(method, rest)| message(b'R', &[&method.to_be_bytes()[..], &rest].concat()));
    let row = prop::collection::vec(any::<Option<u8>>(), 0..4).prop_map(|columns| {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for column in columns {
            body.extend(column.map_or(-1, i32::from).to_be_bytes());
            body.extend(column.iter().flat_map(|&n| vec![b'1'; usize::from(n) / 2]));
        }
        message(b'D', &body)
    });
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![3 => of_any_kind, 3 => authentication, 2 => row, 1 => noise, 2 => Just(READY.to_vec())]
}

proptest! {
    /// The server sends this and closes: everything ends, in an answer or an error.
    #[test]
    fn nothing_that_a_server_sends_makes_it_panic_or_hang(
        messages in prop::collection::vec(whatever(), 0..12),
        with_password: bool,
    ) {
        on_runtime(async {
            let (mut frontend, mut server) = pair();
            server.write_all(&messages.concat()).await.unwrap();
            server.shutdown().await.unwrap();
            let password = with_password.then(|| Secret::new("x"));
            let login = Login::new("me", "d", password).unwrap();
            let conversation = async {
                let _ = frontend.start_up(&login).await;
                let _ = frontend.rows("SELECT 1").await;
                let _ = frontend.execute("SELECT $1", Some("1")).await;
            };
            let ended = tokio::time::timeout(std::time::Duration::from_secs(20), conversation).await;
            assert!(ended.is_ok(), "it hangs");
        });
    }
}
