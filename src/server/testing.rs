//! As much of a PostgreSQL server as tests of the client side need, on a loopback port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::provision::Endpoint;
use crate::conninfo::EndpointHost;

/// AuthenticationOk and ReadyForQuery: a finished startup.
const LOGGED_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
/// CommandComplete and ReadyForQuery: a finished statement without rows.
const COMPLETED: &[u8] = b"C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I";

/// Accepts everybody. It ends with the test's process.
pub struct FakeServer {
    pub endpoint: Endpoint,
    sessions: Arc<Mutex<Vec<TcpStream>>>,
}

impl FakeServer {
    /// `answers` says whether statements ever complete.
    pub fn start(answers: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let loopback = EndpointHost::Tcp("127.0.0.1".to_owned());
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sessions);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || serve(stream, answers));
            }
        });
        FakeServer {
            endpoint: Endpoint::of_ours(loopback, port, "nobody", "nothing"),
            sessions,
        }
    }

    /// Closes `count` of the sessions that are open.
    pub fn close(&self, count: usize) {
        for stream in self.sessions.lock().unwrap().drain(..count) {
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    }
}

/// One session, until either side closes it.
fn serve(mut stream: TcpStream, answers: bool) {
    let _ = converse(&mut stream, answers);
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn converse(stream: &mut TcpStream, answers: bool) -> std::io::Result<()> {
    read_body(stream)?;
    stream.write_all(LOGGED_IN)?;
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        read_body(stream)?;
        match kind[0] {
            b'Q' if answers => stream.write_all(COMPLETED)?,
            b'X' => return Ok(()),
            _ => {}
        }
    }
}

/// A message's length, which counts itself, and what follows it.
fn read_body(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)
}
