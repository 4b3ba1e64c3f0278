//! A socket that notes when the protocol's turning points pass through it.
//!
//! It reads message headers only (a type byte and a length), keeps no payload
//! and changes no byte. With `trust` the server sends AuthenticationOk to
//! ReadyForQuery in one segment, so the two cannot be told apart then; no phase
//! is invented.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::clock::{Clock, MonotonicClock};
use crate::config::Disconnect;

/// Instants of one connection's life, in ns of CLOCK_MONOTONIC; 0 = not seen.
#[derive(Debug, Default)]
pub struct PhaseTimes {
    startup_sent: AtomicU64,
    authenticated: AtomicU64,
    ready: AtomicU64,
    last_sent: AtomicU64,
    closed: AtomicU64,
    server_flights: AtomicU64,
}

impl PhaseTimes {
    fn get(cell: &AtomicU64) -> Option<u64> {
        Some(cell.load(Ordering::Relaxed)).filter(|&t| t != 0)
    }

    fn set_once(cell: &AtomicU64) {
        if cell.load(Ordering::Relaxed) == 0 {
            cell.store(MonotonicClock.now_ns(), Ordering::Relaxed);
        }
    }

    /// Startup message sent to ReadyForQuery received, in ns.
    pub fn startup_ns(&self) -> Option<u64> {
        Some(Self::get(&self.ready)?.saturating_sub(Self::get(&self.startup_sent)?))
    }

    /// Startup message sent to AuthenticationOk received, in ns; only if the
    /// authentication took a round trip of its own.
    pub fn authentication_ns(&self) -> Option<u64> {
        (self.server_flights.load(Ordering::Relaxed) > 1).then_some(())?;
        Some(Self::get(&self.authenticated)?.saturating_sub(Self::get(&self.startup_sent)?))
    }

    /// Last byte sent (Terminate) to the close: EOF seen, or our own close.
    pub fn disconnect_ns(&self) -> Option<u64> {
        Some(Self::get(&self.closed)?.saturating_sub(Self::get(&self.last_sent)?))
    }
}

/// A TCP or Unix stream.
#[derive(Debug)]
pub enum Socket {
    /// TCP, with TCP_NODELAY set.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_flush(cx),
            Socket::Unix(s) => Pin::new(s).poll_flush(cx),
            Socket::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Unix(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// The socket of one connection, with its [`PhaseTimes`].
#[derive(Debug)]
pub struct PhaseStream<S = Socket> {
    inner: S,
    times: Arc<PhaseTimes>,
    headers: HeaderScanner,
    disconnect: Disconnect,
}

impl<S> PhaseStream<S> {
    /// Wraps `inner`; `disconnect` says whether closing waits for the server's EOF.
    pub fn new(inner: S, times: Arc<PhaseTimes>, disconnect: Disconnect) -> Self {
        PhaseStream {
            inner,
            times,
            headers: HeaderScanner::default(),
            disconnect,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PhaseStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        // After the first ReadyForQuery there is nothing left to look for.
        if PhaseTimes::get(&this.times.ready).is_none() {
            this.times.server_flights.fetch_add(1, Ordering::Relaxed);
            for event in this.headers.scan(&buf.filled()[before..]) {
                PhaseTimes::set_once(match event {
                    Event::AuthenticationOk => &this.times.authenticated,
                    Event::ReadyForQuery => &this.times.ready,
                });
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PhaseStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Stamped before the system call: the server may answer during it.
        PhaseTimes::set_once(&this.times.startup_sent);
        this.times
            .last_sent
            .store(MonotonicClock.now_ns(), Ordering::Relaxed);
        Pin::new(&mut this.inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    /// With [`Disconnect::Wait`], reads to the server's EOF first: the backend
    /// keeps its socket open until it exits, so EOF comes after ProcArrayRemove
    /// (PostgreSQL 15: pqcomm.c `socket_close`, ipc.c `proc_exit_prepare`).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.disconnect == Disconnect::Wait {
            let mut scratch = [0u8; 256];
            loop {
                let mut buf = ReadBuf::new(&mut scratch);
                match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf)) {
                    Ok(()) if !buf.filled().is_empty() => {}
                    // A reset is the end of the connection, too.
                    Ok(()) | Err(_) => break,
                }
            }
            PhaseTimes::set_once(&this.times.closed);
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut this.inner).poll_shutdown(cx));
        PhaseTimes::set_once(&this.times.closed);
        Poll::Ready(shut)
    }
}

/// What the scanner reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    AuthenticationOk,
    ReadyForQuery,
}

/// Follows the server's messages: a type byte, a length that counts itself
/// but not the type (protocol 3), a payload.
#[derive(Debug, Default)]
struct HeaderScanner {
    header: [u8; 5],
    have: usize,
    /// Payload bytes of the current message still to come.
    left: usize,
    /// First payload bytes of an Authentication message.
    code: [u8; 4],
    code_have: usize,
}

impl HeaderScanner {
    fn scan(&mut self, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            if self.have < 5 {
                let take = bytes.len().min(5 - self.have);
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < 5 {
                    break;
                }
                let [_, length @ ..] = self.header;
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                self.code_have = 0;
            }
            let take = bytes.len().min(self.left);
            if self.header[0] == b'R' {
                let wanted = take.min(4 - self.code_have);
                self.code[self.code_have..self.code_have + wanted]
                    .copy_from_slice(&bytes[..wanted]);
                self.code_have += wanted;
            }
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                match self.header[0] {
                    b'R' if self.code_have == 4 && self.code == [0; 4] => {
                        events.push(Event::AuthenticationOk);
                    }
                    b'Z' => events.push(Event::ReadyForQuery),
                    _ => {}
                }
                self.have = 0;
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut m = vec![kind];
        m.extend((payload.len() as u32 + 4).to_be_bytes());
        m.extend(payload);
        m
    }

    fn startup_reply() -> Vec<u8> {
        [
            message(b'R', &10u32.to_be_bytes()), // SASL
            message(b'R', &0u32.to_be_bytes()),
            message(b'S', b"server_version\x0015.18\x00"),
            message(b'K', &[0; 8]),
            message(b'Z', b"I"),
        ]
        .concat()
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_bytes_arrive(cuts in prop::collection::vec(1usize..12, 1..40)) {
            let reply = startup_reply();
            let mut scanner = HeaderScanner::default();
            let mut events = Vec::new();
            let mut rest = reply.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                events.extend(scanner.scan(now));
                rest = later;
            }
            prop_assert_eq!(events, [Event::AuthenticationOk, Event::ReadyForQuery]);
        }
    }

    #[test]
    fn closing_waits_for_the_servers_eof_or_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for disconnect in [Disconnect::Wait, Disconnect::Close] {
                let (ours, mut server) = tokio::io::duplex(1024);
                let times = Arc::new(PhaseTimes::default());
                let mut stream = PhaseStream::new(ours, Arc::clone(&times), disconnect);
                stream.write_all(b"startup").await.unwrap();
                server.write_all(&startup_reply()).await.unwrap();
                let mut reply = vec![0; startup_reply().len()];
                stream.read_exact(&mut reply).await.unwrap();
                assert!(times.startup_ns().is_some());
                stream.write_all(b"X\0\0\0\x04").await.unwrap();
                let closing = tokio::spawn(async move { stream.shutdown().await });
                tokio::task::yield_now().await;
                // The server still holds the connection.
                assert_eq!(
                    times.disconnect_ns().is_some(),
                    disconnect == Disconnect::Close
                );
                drop(server);
                closing.await.unwrap().unwrap();
                assert!(times.disconnect_ns().is_some());
            }
        });
    }
}
