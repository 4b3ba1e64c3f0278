//! A TCP relay on loopback that does known harm to what passes through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procbench::clock::{Clock, MonotonicClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The harm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Harm {
    /// Every burst from the server is handed on this much later.
    pub to_client_delay: Duration,
    /// When the n-th burst from a client arrives, nothing is handed on, in either
    /// direction on any connection, for this long.
    pub stall: Option<(u64, Duration)>,
    /// The n-th accepted connection (from 1) is taken up only once this many more have been
    /// accepted after it, or after [`HELD_AT_MOST`].
    pub slow_connection: Option<(u64, u64)>,
    /// With the n-th accepted connection (from 1) all are closed, and for this long every other one, too: a server
    /// that is restarted.
    pub restart: Option<(u64, Duration)>,
}

/// How long a slow connection waits for others that do not come.
pub const HELD_AT_MOST: Duration = Duration::from_secs(20);

/// What has come through.
#[derive(Debug, Default)]
struct Passed {
    connections: AtomicU64,
    client_bursts: AtomicU64,
    /// Until when nothing is handed on, in ns of the monotonic clock.
    stalled_until_ns: AtomicU64,
    /// Connections accepted after the slow one while it was held, and for how long it was.
    overtaken_by: AtomicU64,
    held_ns: AtomicU64,
}

/// A relay that runs until it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    passed: Arc<Passed>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays to the server that listens on loopback at `server_port`.
    pub fn start(server_port: u16, harm: Harm) -> Self {
        let passed = Arc::new(Passed::default());
        let (stop, stopped) = oneshot::channel();
        let (tell_port, port) = mpsc::channel();
        let shared = Arc::clone(&passed);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                tell_port
                    .send(listener.local_addr().unwrap().port())
                    .unwrap();
                tokio::select! {
                    () = accept(&listener, server_port, harm, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Relay {
            port: port.recv().unwrap(),
            passed,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were accepted while the slow one was held, and how long that was, in ns.
    pub fn slow_connection(&self) -> (u64, u64) {
        let passed = &self.passed;
        (
            passed.overtaken_by.load(Ordering::Relaxed),
            passed.held_ns.load(Ordering::Relaxed),
        )
    }

    /// Whether the stall has been.
    pub fn has_stalled(&self) -> bool {
        self.passed.stalled_until_ns.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, server_port: u16, harm: Harm, passed: Arc<Passed>) {
    let mut open = JoinSet::new();
    let mut back = Instant::now();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let number = passed.connections.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((last, gone)) = harm.restart
            && last == number
        {
            open.shutdown().await;
            back = Instant::now() + gone;
        }
        if Instant::now() < back {
            continue;
        }
        let passed = Arc::clone(&passed);
        open.spawn(async move {
            if let Some((slow, others)) = harm.slow_connection
                && slow == number
            {
                hold(&passed, number, others).await;
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server_port));
            // A server that refuses shows as a connection that closes at once.
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                hand_on(from_client, to_server, Duration::ZERO, &passed, harm.stall),
                hand_on(from_server, to_client, harm.to_client_delay, &passed, None),
            );
        });
    }
}

/// Waits until so many others have been accepted after connection `number`.
async fn hold(passed: &Passed, number: u64, others: u64) {
    let since_ns = MonotonicClock.now_ns();
    let held_ns = || MonotonicClock.now_ns() - since_ns;
    let overtaken = || passed.connections.load(Ordering::Relaxed) - number;
    while overtaken() < others && held_ns() < HELD_AT_MOST.as_nanos() as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    passed.overtaken_by.store(overtaken(), Ordering::Relaxed);
    passed.held_ns.store(held_ns(), Ordering::Relaxed);
}

/// Hands on bursts, late, until one side closes; then closes the other.
async fn hand_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay: Duration,
    passed: &Passed,
    stall: Option<(u64, Duration)>,
) {
    let mut burst = vec![0; 16 * 1024];
    loop {
        let length = match from.read(&mut burst).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        if let Some((nth, stall)) = stall
            && passed.client_bursts.fetch_add(1, Ordering::Relaxed) + 1 == nth
        {
            let until_ns = MonotonicClock.now_ns() + stall.as_nanos() as u64;
            passed.stalled_until_ns.store(until_ns, Ordering::Relaxed);
        }
        if !delay.is_zero() {
            // Never wakes early; rounds up to whole ms.
            tokio::time::sleep(delay).await;
        }
        loop {
            let until_ns = passed.stalled_until_ns.load(Ordering::Relaxed);
            let left = until_ns.saturating_sub(MonotonicClock.now_ns());
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_nanos(left)).await;
        }
        if to.write_all(&burst[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
