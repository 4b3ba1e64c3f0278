//! Where connections go: one address, resolved once, and who logs in.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::net::sockopt;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};

use super::frontend::{Frontend, FrontendError, Login, Socket};
use super::provision::Endpoint;
use super::tls::Tls;
use crate::conninfo::{EndpointHost, Keepalive};

/// An address ready to be connected to, again and again.
#[derive(Clone)]
pub struct Target {
    address: Address,
    login: Login,
    tls: Option<Tls>,
    keepalive: Keepalive,
    limit: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// How many sessions this process has opened there.
    fn opened(&self) -> Arc<AtomicU64> {
        static OPENED: Mutex<BTreeMap<Address, Arc<AtomicU64>>> = Mutex::new(BTreeMap::new());
        let mut all = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(self.clone()).or_default())
    }
}

impl Target {
    /// Resolves the endpoint once, so that no name lookup is timed later, and reads the certificates it asks for.
    ///
    /// # Errors
    /// When the name does not resolve, or a certificate cannot be read.
    pub fn new(endpoint: &Endpoint) -> Result<Self, FrontendError> {
        let fail = |e| FrontendError::Here(format!("cannot resolve {endpoint}: {e}"));
        let address = Self::resolve(endpoint).map_err(fail)?;
        let tls = match (&endpoint.host, &endpoint.tls) {
            (EndpointHost::Tcp(host), Some(encryption)) => {
                let host = host.trim_matches(['[', ']']);
                Some(Tls::new(host, encryption).map_err(FrontendError::Here)?)
            }
            // PostgreSQL does not encrypt its Unix socket.
            _ => None,
        };
        let password = endpoint.password.clone();
        let (user, dbname) = (&endpoint.user, &endpoint.dbname);
        let mut login = Login::with_settings(user, dbname, password, &endpoint.settings)?;
        login.opened = address.opened();
        Ok(Target {
            address,
            login,
            tls,
            keepalive: endpoint.keepalive.clone(),
            limit: endpoint.connect_timeout,
        })
    }

    fn resolve(endpoint: &Endpoint) -> anyhow::Result<Address> {
        Ok(match (&endpoint.host, endpoint.address) {
            (EndpointHost::Unix(_), _) => {
                Address::Unix(endpoint.socket_file().context("no socket file")?)
            }
            (EndpointHost::Tcp(_), Some(address)) => Address::Tcp((address, endpoint.port).into()),
            (EndpointHost::Tcp(host), None) => {
                let host = host.trim_matches(['[', ']']);
                let mut found = (host, endpoint.port).to_socket_addrs()?;
                Address::Tcp(found.next().context("no address")?)
            }
        })
    }

    /// Who logs in.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// How many sessions this process has opened there so far: to be taken off what a server counts.
    pub fn sessions_opened(&self) -> u64 {
        self.login.opened.load(Ordering::Relaxed)
    }

    /// Opens the socket only.
    ///
    /// # Errors
    /// What the system says.
    pub async fn open_socket(&self) -> Result<Socket, FrontendError> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                if self.keepalive != Keepalive::default() {
                    keep_alive(&stream, &self.keepalive).map_err(std::io::Error::from)?;
                }
                Ok(Box::new(stream))
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Encrypts an open socket, where connections are to be encrypted: to the end of the handshake.
    ///
    /// # Errors
    /// What the negotiation ended with.
    pub async fn encrypt(&self, socket: Socket) -> Result<Socket, FrontendError> {
        match &self.tls {
            Some(tls) => tls.encrypt(socket).await.map_err(FrontendError::Tls),
            None => Ok(socket),
        }
    }

    /// Connects and logs in; must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached, or does not answer in time.
    pub async fn connect(&self) -> Result<Frontend, FrontendError> {
        self.in_time("a connection", async {
            let socket = self.encrypt(self.open_socket().await?).await?;
            let mut frontend = Frontend::new(socket);
            frontend.start_up(&self.login).await?;
            Ok(frontend)
        })
        .await
    }

    /// Something that a server must answer in time before a load can begin: a connection, its first statement.
    ///
    /// # Errors
    /// What it ends with, or that there was no answer.
    pub async fn in_time<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, FrontendError>>,
    ) -> Result<T, FrontendError> {
        let Some(limit) = self.limit else {
            return work.await;
        };
        let late = |_| Err(FrontendError::late(what, limit));
        tokio::time::timeout(limit, work).await.unwrap_or_else(late)
    }
}

fn keep_alive(stream: &TcpStream, asked: &Keepalive) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    if let Some(idle) = asked.idle {
        sockopt::set_tcp_keepidle(stream, idle)?;
    }
    if let Some(interval) = asked.interval {
        sockopt::set_tcp_keepintvl(stream, interval)?;
    }
    if let Some(count) = asked.count {
        sockopt::set_tcp_keepcnt(stream, count)?;
    }
    if let Some(time) = asked.user_timeout {
        let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(stream, milliseconds)?;
    }
    Ok(())
}

/// A new event loop of one thread.
///
/// # Errors
/// When the system refuses.
pub fn event_loop() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
