//! The server's messages: a type byte, a length that counts itself but not the type, a body.

use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::FrontendError;

/// Room for what one read may bring.
const READ_BYTES: usize = 8 * 1024;
/// Longest body that is kept. Authentication and errors are far shorter.
const LONGEST_KEPT: usize = 256 * 1024;
/// Longest body at all (`MaxAllocSize`, memutils.h). Text of another protocol reads as a longer one.
const LONGEST: usize = 0x3fff_ffff;

/// What has been read and not been looked at. Bodies that nobody looks at are skipped, not gathered: a row
/// of a load's statement costs no memory, whatever its size.
pub(super) struct Incoming {
    /// From the last message's body on.
    bytes: BytesMut,
    /// Bytes of that body still to be passed over.
    skip: usize,
    /// Length of that body, where it is kept.
    kept: usize,
    /// Whether rows are kept, too.
    pub(super) keep_rows: bool,
    /// Whether there was a message already.
    understood: bool,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Incoming {
            // Twice, so that the buffer is used anew and never grows where messages are short.
            bytes: BytesMut::with_capacity(2 * READ_BYTES),
            skip: 0,
            kept: 0,
            keep_rows: false,
            understood: false,
        }
    }

    /// Body of the last message, where it is kept: authentication, BackendKeyData, errors, ReadyForQuery; and
    /// rows if asked for.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[..self.kept]
    }

    /// The type of the next message, read if need be.
    pub(super) async fn next(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
    ) -> Result<u8, FrontendError> {
        loop {
            if let Some(kind) = self.framed()? {
                return Ok(kind);
            }
            self.bytes.reserve(READ_BYTES);
            if socket.read_buf(&mut self.bytes).await? == 0 {
                return Err(closed_by_server());
            }
        }
    }

    /// Takes over what is there already, without waiting. Returns whether the server has closed.
    pub(super) fn poll_closed(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncRead + Unpin),
    ) -> bool {
        loop {
            self.bytes.reserve(READ_BYTES);
            let reading = std::pin::pin!(socket.read_buf(&mut self.bytes));
            match reading.poll(context) {
                Poll::Pending => return false,
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => return true,
            }
        }
    }

    /// The next message, if its head (and its body, if that is kept) is there.
    fn framed(&mut self) -> Result<Option<u8>, FrontendError> {
        let passed = self.skip.min(self.bytes.len());
        self.bytes.advance(passed);
        self.skip -= passed;
        self.kept = 0;
        let Some(&[kind, ref length @ ..]) = self.bytes.first_chunk::<5>() else {
            return Ok(None);
        };
        let body = (u32::from_be_bytes(*length) as usize).checked_sub(4);
        let body = body.filter(|&body| kind.is_ascii_alphanumeric() && body <= LONGEST);
        let body = body.ok_or_else(|| self.not_the_protocol())?;
        if matches!(kind, b'R' | b'K' | b'E' | b'Z') || (kind == b'D' && self.keep_rows) {
            if body > LONGEST_KEPT {
                let kind = kind.escape_ascii();
                let told =
                    format!("a message '{kind}' of {body} bytes is longer than any that is kept");
                return Err(FrontendError::Protocol(told));
            }
            if self.bytes.len() < 5 + body {
                return Ok(None);
            }
            self.kept = body;
        }
        self.bytes.advance(5);
        self.skip = body;
        self.understood = true;
        Ok(Some(kind))
    }

    fn not_the_protocol(&self) -> FrontendError {
        let head = self.bytes[..self.bytes.len().min(24)].escape_ascii();
        FrontendError::Protocol(match self.understood {
            false => format!("what answers is no PostgreSQL: it says '{head}'"),
            true => format!("not a message of PostgreSQL's protocol: '{head}'"),
        })
    }
}

fn closed_by_server() -> FrontendError {
    FrontendError::Io(std::io::Error::new(
        std::io::ErrorKind::UnexpectedEof,
        "the server closed the connection",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut m = vec![kind];
        m.extend((body.len() as u32 + 4).to_be_bytes());
        m.extend(body);
        m
    }

    /// Brings as many bytes a read as it is told, over and over, then EOF.
    struct Cut<'a> {
        rest: &'a [u8],
        cuts: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl AsyncRead for Cut<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let this = self.get_mut();
            let cut = *this.cuts.next().unwrap();
            let (now, later) = this
                .rest
                .split_at(cut.min(this.rest.len()).min(buf.remaining()));
            buf.put_slice(now);
            this.rest = later;
            Poll::Ready(Ok(()))
        }
    }

    fn messages(bytes: &[u8], cuts: &[usize]) -> (Vec<(u8, Vec<u8>)>, FrontendError) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut socket = Cut {
            rest: bytes,
            cuts: cuts.iter().cycle(),
        };
        let mut incoming = Incoming::new();
        let mut found = Vec::new();
        runtime.block_on(async {
            loop {
                match incoming.next(&mut socket).await {
                    Ok(kind) => found.push((kind, incoming.body().to_vec())),
                    Err(e) => return (found, e),
                }
            }
        })
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_how_the_bytes_arrive(
            cuts in prop::collection::vec(1usize..3000, 1..40),
            row in 0usize..40_000,
        ) {
            let sent = [
                message(b'R', &0u32.to_be_bytes()),
                message(b'S', b"server_version\x0015.18\x00"),
                message(b'Z', b"I"),
                message(b'T', &[7; 30]),
                message(b'D', &vec![b'Z'; row]),
                message(b'C', b"SELECT 1\0"),
                message(b'E', &vec![b'x'; row]),
                message(b'Z', b"T"),
            ];
            let (found, end) = messages(&sent.concat(), &cuts);
            let kinds: Vec<u8> = found.iter().map(|m| m.0).collect();
            prop_assert_eq!(kinds, b"RSZTDCEZ");
            prop_assert_eq!(&found[0].1, &[0; 4]);
            prop_assert_eq!(&found[2].1, b"I");
            prop_assert_eq!(found[6].1.len(), row);
            prop_assert_eq!(&found[7].1, b"T");
            prop_assert_eq!(end.class().0, "connection-closed");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b""[..],
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            &b"\x15\x03\x01\x00\x02\x02"[..],
            &b"Z\0\0\0\x03"[..],
            &b"E\xff\xff\xff\xff"[..],
        ] {
            let (found, error) = messages(bytes, &[2]);
            assert_eq!(found, []);
            let expected = if bytes.is_empty() {
                "connection-closed"
            } else {
                "protocol"
            };
            assert_eq!(error.class().0, expected, "{bytes:?}");
        }
    }
}
