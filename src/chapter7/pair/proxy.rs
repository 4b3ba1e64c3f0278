//! The network between primary and standby: a proxy on Unix sockets, or on loopback where a standby is told a port, that
//! delays, holds or stops what goes through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::server::event_loop;

/// What becomes of bytes that go one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// They arrive after the delay.
    #[default]
    Open,
    /// None arrives any more, not even those that are under way: the cable is cut.
    Cut,
    /// Those under way arrive. No more are taken, so that the sender's buffer fills.
    Unread,
}

/// One of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the standby, which connects.
    ToPrimary,
    /// To the standby.
    ToStandby,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Setting {
    delay: Duration,
    flow: Flow,
}

/// Both ways, as they are set.
type Settings = [Setting; 2];

/// A running proxy. Dropped, it closes its connections, and what is under way is lost.
#[derive(Debug)]
pub struct Proxy {
    settings: Option<watch::Sender<Settings>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens at `from`, and leads each connection to the socket `to`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(from: &Path, to: PathBuf) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::bind(from)?;
        // The directory decides who comes in; the server may be another user.
        std::fs::set_permissions(from, std::fs::Permissions::from_mode(0o777))?;
        listener.set_nonblocking(true)?;
        Self::run(move || Ok(Ways::Unix(UnixListener::from_std(listener)?, to)))
    }

    /// Listens at a port of this host's loopback, and leads each connection to the port `to` there. Gives its port, too.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start_on_port(to: u16) -> io::Result<(Self, u16)> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
        let proxy = Self::run(move || Ok(Ways::Tcp(TcpListener::from_std(listener)?, to)))?;
        Ok((proxy, port))
    }

    fn run(ways: impl FnOnce() -> io::Result<Ways> + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Settings::default());
        let runtime = event_loop()?;
        let thread = std::thread::Builder::new().name("proxy".to_owned());
        let thread = thread.spawn(move || {
            // Connections end with the loop.
            runtime.block_on(async {
                if let Ok(ways) = ways() {
                    accept(&ways, receiver).await;
                }
            });
        })?;
        Ok(Proxy {
            settings: Some(sender),
            thread: Some(thread),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        if let Some(settings) = &self.settings {
            settings.send_modify(change);
        }
    }

    /// Bytes that come from now on arrive so much later, either way.
    pub fn delay(&self, each_way: Duration) {
        self.change(|settings| settings.iter_mut().for_each(|s| s.delay = each_way));
    }

    /// Opens, cuts or stops one way.
    pub fn set(&self, way: Way, flow: Flow) {
        self.change(|settings| settings[way as usize].flow = flow);
    }

    /// The same for both ways.
    pub fn set_both(&self, flow: Flow) {
        self.change(|settings| settings.iter_mut().for_each(|s| s.flow = flow));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Without a sender the loop ends.
        self.settings = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where connections come from, and where they are led.
enum Ways {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, SocketAddr),
}

impl Ways {
    /// Takes one connection. One that is refused behind the proxy ends: its client comes again.
    async fn take_one(&self, settings: &watch::Receiver<Settings>) -> io::Result<()> {
        match self {
            Ways::Unix(listener, to) => {
                let (client, _) = listener.accept().await?;
                if let Ok(server) = UnixStream::connect(to).await {
                    join(client.into_split(), server.into_split(), settings);
                }
            }
            Ways::Tcp(listener, to) => {
                let (client, _) = listener.accept().await?;
                if let Ok(server) = TcpStream::connect(to).await {
                    join(client.into_split(), server.into_split(), settings);
                }
            }
        }
        Ok(())
    }
}

/// Carries bytes both ways between two connections, each as its halves.
fn join<R, W>(client: (R, W), server: (R, W), settings: &watch::Receiver<Settings>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let settings = || settings.clone();
    tokio::spawn(carry(client.0, server.1, Way::ToPrimary, settings()));
    tokio::spawn(carry(server.0, client.1, Way::ToStandby, settings()));
}

/// Takes connections until nobody sets anything any more.
async fn accept(ways: &Ways, mut settings: watch::Receiver<Settings>) {
    let listening = settings.clone();
    let accepting = async {
        loop {
            if ways.take_one(&listening).await.is_err() {
                // Out of descriptors or memory: a client comes again.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = async { while settings.changed().await.is_ok() {} } => {}
    }
}

/// Carries bytes one way, to the end of the connection.
async fn carry(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    way: Way,
    settings: watch::Receiver<Settings>,
) {
    let (sender, queue) = mpsc::unbounded_channel();
    let reading = take(from, sender, way, settings.clone());
    let writing = give(queue, to, way, settings);
    // The reader ends first, and what it took is still written; a writer that failed ends both.
    tokio::select! {
        biased;
        () = writing => {}
        () = async { reading.await; std::future::pending().await } => {}
    }
}

/// Bytes, and when they are due.
type Due = (Instant, Vec<u8>);

async fn take(
    mut from: impl AsyncRead + Unpin,
    queue: mpsc::UnboundedSender<Due>,
    way: Way,
    mut settings: watch::Receiver<Settings>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut watched = settings.clone();
    let flow = |s: &Settings| s[way as usize].flow;
    loop {
        if settings
            .wait_for(|s| flow(s) != Flow::Unread)
            .await
            .is_err()
        {
            return;
        }
        tokio::select! {
            biased;
            stopped = watched.wait_for(|s| flow(s) == Flow::Unread) => {
                if stopped.is_err() {
                    return;
                }
            }
            read = from.read(&mut buffer) => {
                let length = read.unwrap_or_default();
                let due = Instant::now() + settings.borrow()[way as usize].delay;
                if length == 0 || queue.send((due, buffer[..length].to_vec())).is_err() {
                    return;
                }
            }
        }
    }
}

async fn give(
    mut queue: mpsc::UnboundedReceiver<Due>,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    mut settings: watch::Receiver<Settings>,
) {
    let mut watched = settings.clone();
    let is_cut = |s: &Settings| s[way as usize].flow == Flow::Cut;
    while let Some((due, bytes)) = queue.recv().await {
        sleep_until(due).await;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            if settings.wait_for(|s| !is_cut(s)).await.is_err() {
                return;
            }
            // A receiver that is slow must not get bytes after the cut.
            tokio::select! {
                biased;
                cut = watched.wait_for(is_cut) => {
                    if cut.is_err() {
                        return;
                    }
                }
                written = to.write(rest) => match written {
                    Ok(length) if length > 0 => rest = &rest[length..],
                    _ => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    /// A proxy, the end that connects and the end that listens.
    fn pass() -> (tempfile::TempDir, Proxy, UnixStream, UnixStream) {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        let listener = UnixListener::bind(&to).unwrap();
        let proxy = Proxy::start(&from, to).unwrap();
        let standby = UnixStream::connect(&from).unwrap();
        let (primary, _) = listener.accept().unwrap();
        (dir, proxy, standby, primary)
    }

    fn read(from: &mut UnixStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn bytes_come_in_order_and_not_before_the_delay() {
        let (_dir, proxy, mut standby, mut primary) = pass();
        let delay = Duration::from_millis(120);
        proxy.delay(delay);
        let begun = std::time::Instant::now();
        standby.write_all(b"one ").unwrap();
        standby.write_all(b"two").unwrap();
        assert_eq!(read(&mut primary, 7), b"one two");
        assert!(begun.elapsed() >= delay);
        // What follows a shorter delay does not overtake.
        primary.write_all(&[1; 100_000]).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        proxy.delay(Duration::ZERO);
        primary.write_all(&[2; 100_000]).unwrap();
        let all = read(&mut standby, 200_000);
        assert!(all.is_sorted(), "in order");
    }

    #[test]
    fn a_cut_holds_what_is_under_way_and_does_not_flush_it_at_the_end() {
        let (_dir, proxy, mut standby, mut primary) = pass();
        proxy.delay(Duration::from_millis(50));
        primary.write_all(b"held").unwrap();
        proxy.set(Way::ToStandby, Flow::Cut);
        let wait = Some(Duration::from_millis(200));
        standby.set_read_timeout(wait).unwrap();
        let mut byte = [0];
        let nothing = standby.read(&mut byte).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        // The other way is open.
        standby.write_all(b"reply").unwrap();
        assert_eq!(read(&mut primary, 5), b"reply");
        proxy.set(Way::ToStandby, Flow::Open);
        assert_eq!(read(&mut standby, 4), b"held");
        proxy.set(Way::ToStandby, Flow::Cut);
        primary.write_all(b"lost").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        drop(proxy);
        let mut rest = Vec::new();
        standby.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_stop_makes_the_buffer_of_the_sender_fill() {
        let (_dir, proxy, mut standby, mut primary) = pass();
        proxy.set(Way::ToStandby, Flow::Unread);
        // The loop takes note.
        std::thread::sleep(Duration::from_millis(100));
        primary.set_nonblocking(true).unwrap();
        let chunk = [7; 4096];
        let mut sent = 0;
        let full = loop {
            match primary.write(&chunk) {
                Ok(length) => sent += length,
                Err(error) => break error,
            }
            assert!(sent < 64 << 20, "the buffer does not fill");
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        proxy.set(Way::ToStandby, Flow::Open);
        assert_eq!(read(&mut standby, sent), vec![7; sent]);
    }

    #[test]
    fn a_port_is_cut_as_a_socket_is() {
        let here = |port| (Ipv4Addr::LOCALHOST, port);
        let listener = std::net::TcpListener::bind(here(0)).unwrap();
        let to = listener.local_addr().unwrap().port();
        let (proxy, port) = Proxy::start_on_port(to).unwrap();
        let mut standby = std::net::TcpStream::connect(here(port)).unwrap();
        let (mut primary, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        standby.write_all(b"open").unwrap();
        primary.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"open");
        proxy.set_both(Flow::Cut);
        primary.write_all(b"held").unwrap();
        let wait = Some(Duration::from_millis(200));
        standby.set_read_timeout(wait).unwrap();
        let nothing = standby.read(&mut bytes).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
}
