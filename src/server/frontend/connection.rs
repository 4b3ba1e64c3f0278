//! One connection.

use std::sync::atomic::Ordering;

use bytes::BytesMut;
use postgres_protocol::message::frontend as compose;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authentication::{Authentication, Login};
use super::error::{FrontendError, ServerError};
use super::incoming::Incoming;
use super::stream::Socket;
use crate::clock::{Clock, MonotonicClock};
use crate::config::Disconnect;

/// The one prepared statement of a connection.
const STATEMENT: &str = "procbench";

/// The columns of one row as text; `None` is null.
pub type Row = Vec<Option<String>>;

/// How long a startup took, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startup {
    /// Startup message sent to ReadyForQuery received.
    pub total_ns: u64,
    /// Where the server asked for something: startup message sent to its first request received, and from
    /// there to the last answer sent. AuthenticationOk is no turning point that a client could see: the
    /// server holds it back until ReadyForQuery, whatever the method (15: auth.c `sendAuthRequest`).
    pub asked: Option<Asked>,
}

/// The two visible parts of an authentication, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Startup message sent to the server's first authentication request received.
    pub challenge_ns: u64,
    /// That request received to the client's last answer sent.
    pub exchange_ns: u64,
}

/// A connection whose statements are run one at a time.
///
/// A future that is dropped before its end leaves the connection in mid-conversation: it is broken then.
pub struct Frontend {
    socket: Socket,
    incoming: Incoming,
    out: BytesMut,
    /// The process that the server announced at startup (BackendKeyData); a pooler makes one up.
    pub(crate) process_id: Option<i32>,
    /// Notices and warnings that came with statements.
    pub(crate) notices: u64,
    prepared: bool,
    /// Whether a conversation is under way, has failed or was abandoned in the middle.
    pub(in crate::server) broken: bool,
}

/// Now, in ns of CLOCK_MONOTONIC.
pub(crate) fn now() -> u64 {
    MonotonicClock.now_ns()
}

impl Frontend {
    /// On an open socket, before the startup.
    pub fn new(socket: Socket) -> Self {
        Frontend {
            socket,
            incoming: Incoming::new(),
            out: BytesMut::with_capacity(512),
            process_id: None,
            notices: 0,
            prepared: false,
            broken: false,
        }
    }

    /// From the startup message to the first ReadyForQuery.
    ///
    /// # Errors
    /// When the server refuses, or speaks something else.
    pub async fn start_up(&mut self, login: &Login) -> Result<Startup, FrontendError> {
        let mut authentication = Authentication::default();
        // First request received, last answer sent.
        let mut asked: Option<(u64, u64)> = None;
        // Before the system call: the server may answer during it.
        let sent = now();
        self.socket.write_all(&login.startup_message).await?;
        // TLS may hold bytes back; elsewhere nothing is done here.
        self.socket.flush().await?;
        loop {
            match self.incoming.next(&mut self.socket).await? {
                b'R' => {
                    let received = now();
                    self.out.clear();
                    let body = self.incoming.body();
                    if authentication.request(body, login, &*self.socket, &mut self.out)? {
                        self.send().await?;
                        asked = Some((asked.map_or(received, |a| a.0), now()));
                    }
                }
                b'E' => {
                    let error = ServerError::parse(self.incoming.body());
                    return Err(FrontendError::Server(error));
                }
                b'Z' => {
                    login.opened.fetch_add(1, Ordering::Relaxed);
                    return Ok(Startup {
                        total_ns: now() - sent,
                        asked: asked.map(|(received, answered)| Asked {
                            challenge_ns: received - sent,
                            exchange_ns: answered - received,
                        }),
                    });
                }
                b'K' => {
                    let id = self.incoming.body().first_chunk::<4>();
                    self.process_id = id.map(|id| i32::from_be_bytes(*id));
                }
                // ParameterStatus, NoticeResponse, NegotiateProtocolVersion.
                b'S' | b'N' | b'v' => {}
                kind => return Err(unexpected(kind)),
            }
        }
    }

    /// The port of our end, with TCP.
    pub fn local_port(&self) -> Option<u16> {
        self.socket.local_port()
    }

    /// Whether the connection is known to be of no use any more: broken, or closed by the server meanwhile.
    pub fn is_closed(&mut self) -> bool {
        if !self.broken {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            self.broken = self.incoming.poll_closed(&mut context, &mut self.socket);
        }
        self.broken
    }

    /// Runs one statement by the simple protocol.
    ///
    /// # Errors
    /// What the server or the socket says.
    pub async fn query(&mut self, sql: &str) -> Result<(), FrontendError> {
        self.out.clear();
        compose::query(sql, &mut self.out)?;
        self.converse(b'C').await.map(drop)
    }

    /// Runs one statement by the simple protocol and keeps its rows.
    ///
    /// # Errors
    /// What the server or the socket says.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, FrontendError> {
        self.out.clear();
        compose::query(sql, &mut self.out)?;
        self.incoming.keep_rows = true;
        let rows = self.converse(b'C').await;
        self.incoming.keep_rows = false;
        rows
    }

    /// Executes the connection's one prepared statement, with a text as its parameter if it has one: Bind,
    /// Describe, Execute and Sync in one segment. A connection without the statement gets it first, in a round
    /// trip of its own.
    ///
    /// # Errors
    /// What the server or the socket says.
    pub async fn execute(
        &mut self,
        sql: &str,
        parameter: Option<&str>,
    ) -> Result<(), FrontendError> {
        use postgres_protocol::IsNull;
        if !self.prepared {
            self.out.clear();
            compose::parse(STATEMENT, sql, [], &mut self.out)?;
            compose::sync(&mut self.out);
            self.converse(b'1').await?;
            self.prepared = true;
        }
        self.out.clear();
        let text = |value: &str, out: &mut BytesMut| {
            out.extend_from_slice(value.as_bytes());
            Ok(IsNull::No)
        };
        compose::bind("", STATEMENT, [], parameter, text, [], &mut self.out)
            .map_err(|_| FrontendError::Protocol("the parameter is too long".to_owned()))?;
        compose::describe(b'P', "", &mut self.out)?;
        compose::execute("", 0, &mut self.out)?;
        compose::sync(&mut self.out);
        self.converse(b'C').await.map(drop)
    }

    /// Sends what is composed.
    async fn send(&mut self) -> std::io::Result<()> {
        self.socket.write_all(&self.out).await?;
        self.socket.flush().await
    }

    /// Sends what is composed, and reads to ReadyForQuery; a message of the type `wanted` must come. Returns the
    /// rows, if they are kept.
    async fn converse(&mut self, wanted: u8) -> Result<Vec<Row>, FrontendError> {
        // Until the server is ready again; also if this is never seen.
        self.broken = true;
        self.send().await?;
        let mut rows = Vec::new();
        let mut outcome = Err(FrontendError::NotCompleted);
        loop {
            match self.incoming.next(&mut self.socket).await? {
                kind if kind == wanted => {
                    if let Err(FrontendError::NotCompleted) = outcome {
                        outcome = Ok(());
                    }
                }
                b'E' => {
                    let error = ServerError::parse(self.incoming.body());
                    if error.is_fatal() {
                        return Err(FrontendError::Server(error));
                    }
                    outcome = Err(FrontendError::Server(error));
                }
                b'Z' => {
                    self.broken = false;
                    return outcome.map(|()| rows);
                }
                b'N' => self.notices += 1,
                b'D' if self.incoming.keep_rows => rows.push(row(self.incoming.body())?),
                // It would wait for rows of ours.
                kind @ (b'G' | b'W' | b'R') => return Err(unexpected(kind)),
                _ => {}
            }
        }
    }

    /// Terminate, and the end of the connection. Returns how long it took from the sending: to the server's
    /// EOF with [`Disconnect::Wait`], to our own close otherwise. The backend keeps its socket open until it
    /// exits, so EOF comes after ProcArrayRemove (PostgreSQL 15: pqcomm.c `socket_close`, ipc.c
    /// `proc_exit_prepare`).
    ///
    /// # Errors
    /// When Terminate cannot be sent.
    pub async fn terminate(mut self, disconnect: Disconnect) -> Result<u64, FrontendError> {
        self.out.clear();
        compose::terminate(&mut self.out);
        let sent = now();
        self.send().await?;
        if disconnect == Disconnect::Wait {
            self.wait_for_close().await;
        }
        drop(self.socket);
        Ok(now() - sent)
    }

    /// Waits until the server has closed, as it does after a FATAL error.
    pub async fn wait_for_close(&mut self) {
        let mut scratch = [0; 256];
        // A reset is the end of the connection, too.
        while matches!(self.socket.read(&mut scratch).await, Ok(length) if length > 0) {}
    }
}

/// The columns of a DataRow: their number, and a length and as many bytes for each; null has the length -1.
fn row(body: &[u8]) -> Result<Row, FrontendError> {
    let columns = || {
        let (count, mut rest) = body.split_first_chunk::<2>()?;
        let mut row = Row::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (length, values) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, others) = values.split_at_checked(length.unwrap_or(0))?;
            row.push(length.map(|_| String::from_utf8_lossy(value).into_owned()));
            rest = others;
        }
        Some(row)
    };
    columns().ok_or_else(|| FrontendError::Protocol("a row that was cut short".to_owned()))
}

fn unexpected(kind: u8) -> FrontendError {
    FrontendError::Protocol(format!("unexpected message '{}'", kind.escape_ascii()))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
