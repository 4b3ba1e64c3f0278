//! A socket that keeps what the server sent up to the end of the startup, to find out whose process
//! answered. Not for measured connections: it copies.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::phase_stream::Socket;

/// More than any startup needs; what comes later is not kept.
const MOST_KEPT: usize = 64 * 1024;

/// The first bytes that a server sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<Mutex<Vec<u8>>>);

impl Received {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The process id of BackendKeyData, if it came (protocol 3: type `K`, length, process id, secret key).
    pub(super) fn process_id(&self) -> Option<i32> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = kept.as_slice();
        while let [kind, a, b, c, d, payload @ ..] = rest {
            // The length counts itself.
            let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).checked_sub(4)?;
            if *kind == b'K' {
                let id = payload.first_chunk::<4>()?;
                return Some(i32::from_be_bytes(*id));
            }
            rest = payload.get(length..)?;
        }
        None
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct StartupTap {
    inner: Socket,
    received: Received,
}

impl StartupTap {
    /// Around `inner`; what comes is kept in `received`.
    pub(super) fn new(inner: Socket, received: Received) -> Self {
        StartupTap { inner, received }
    }
}

impl AsyncRead for StartupTap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.received.keep(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StartupTap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_id_is_found_however_the_bytes_arrive() {
        let message = |kind: u8, payload: &[u8]| {
            let mut m = vec![kind];
            m.extend((payload.len() as u32 + 4).to_be_bytes());
            m.extend(payload);
            m
        };
        let mut key = 4711i32.to_be_bytes().to_vec();
        key.extend([0xff; 32]);
        let reply = [
            message(b'R', &0u32.to_be_bytes()),
            message(b'S', b"in_hot_standby\x00off\x00"),
            message(b'K', &key),
            message(b'Z', b"I"),
        ]
        .concat();
        for piece in [1, 3, 7, reply.len()] {
            let received = Received::default();
            for bytes in reply.chunks(piece) {
                received.keep(bytes);
            }
            assert_eq!(received.process_id(), Some(4711));
        }
        // Cut off in the middle of the key's message, or without one.
        for end in [0, 4, reply.len() - key.len() - 6 - 1] {
            let received = Received::default();
            received.keep(&reply[..end]);
            assert_eq!(received.process_id(), None, "{end}");
        }
        let received = Received::default();
        received.keep(&message(b'Z', b"I"));
        assert_eq!(received.process_id(), None);
    }
}
