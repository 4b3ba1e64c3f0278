//! What a connection string says.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;

use super::EndpointHost;
use super::choices::{ChannelBinding, SessionKind, SslMode};
use super::keywords::find;
use super::text::{ORIGIN, encoded, malformed, pairs};
use crate::names::serde_by_text;

/// A server, or several of which one is wanted: what was said, by libpq's keywords. No value is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conninfo(pub(super) BTreeMap<&'static str, String>);

serde_by_text!(Conninfo);

/// One of the places where the server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name, by which its certificate is checked, or its socket directory.
    pub host: EndpointHost,
    /// Its address, where the name is not to be looked up (`hostaddr`).
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

/// TCP keepalive, as far as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Time without traffic before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Lost probes before the connection is given up.
    pub count: Option<u32>,
    /// How long sent data may stay unacknowledged (`tcp_user_timeout`).
    pub user_timeout: Option<Duration>,
}

/// Entries of a list with commas; one empty entry if nothing was said.
pub(super) fn entries(list: Option<&str>) -> Vec<&str> {
    list.unwrap_or_default().split(',').collect()
}

fn is_path(host: &str) -> bool {
    host.starts_with('/')
}

/// Where a socket is looked for: as Debian builds libpq, or as PostgreSQL is built otherwise.
pub(super) fn default_host() -> &'static str {
    const DEBIAN: &str = "/var/run/postgresql";
    match Path::new(DEBIAN).exists() {
        true => DEBIAN,
        false => "/tmp",
    }
}

impl FromStr for Conninfo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut said = Conninfo(BTreeMap::new());
        let pairs = pairs(text)?;
        // A secret first: others may be pieces of one that was not quoted.
        let is_secret = |name: &str| find(name).is_some_and(|k| k.is_secret());
        let (secret, plain): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(n, _)| is_secret(n));
        for (name, value) in secret.into_iter().chain(plain) {
            said.set(&name, value, ORIGIN)?;
        }
        said.check()?;
        Ok(said)
    }
}

impl Conninfo {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    pub(super) fn set(&mut self, name: &str, value: String, origin: &str) -> Result<(), String> {
        let Some(keyword) = find(name) else {
            let is_name = !name.is_empty() && name.len() < 30;
            let is_name = is_name && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let what = if is_name { name } else { "something" };
            return Err(format!(
                "{origin} sets {what}, which is no parameter of libpq"
            ));
        };
        keyword.check(&value, origin)?;
        self.0.insert(keyword.name, value);
        Ok(())
    }

    /// What no keyword says alone.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.user().contains(':') {
            return Err(
                "the user's name contains a ':': if what follows it is a password, put it in PGPASSWORD or ~/.pgpass; nothing of it is repeated"
                    .to_owned(),
            );
        }
        self.typed()?;
        let (hosts, addresses) = (entries(self.get("host")), entries(self.get("hostaddr")));
        let (ports, given) = (entries(self.get("port")), |name: &str| {
            self.get(name).is_some()
        });
        if given("host") && given("hostaddr") && hosts.len() != addresses.len() {
            return Err(format!(
                "{} in host and {} in hostaddr: give as many of each",
                hosts.len(),
                addresses.len()
            ));
        }
        let count = hosts.len().max(addresses.len());
        if ports.len() != 1 && ports.len() != count {
            return Err(format!(
                "{} ports for {count} hosts: give one, or as many",
                ports.len()
            ));
        }
        if hosts.iter().any(|host| host.starts_with('@')) {
            return Err(malformed(
                "procbench does not connect to abstract sockets (a host that begins with '@')",
            ));
        }
        if addresses
            .iter()
            .any(|a| !a.is_empty() && a.parse::<IpAddr>().is_err())
        {
            return Err(malformed("hostaddr is not a numeric address"));
        }
        let mode = self.ssl_mode();
        let weak = mode < SslMode::Require;
        if self.is_direct() && weak {
            return Err(format!(
                "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full, not {mode}"
            ));
        }
        if self.root_certificates() == Some("system") && mode != SslMode::VerifyFull {
            return Err(format!(
                "sslrootcert=system needs sslmode=verify-full, not {mode}"
            ));
        }
        if mode == SslMode::VerifyFull && given("hostaddr") && hosts.iter().any(|h| h.is_empty()) {
            return Err("sslmode=verify-full compares the certificate with a host's name: give host beside hostaddr".to_owned());
        }
        Ok(())
    }

    /// Lists and numbers, as tokio-postgres types them.
    fn typed(&self) -> Result<Config, String> {
        let names = [
            ("host", "host"),
            ("port", "port"),
            ("connect_timeout", "connect_timeout"),
            ("tcp_user_timeout", "tcp_user_timeout"),
            ("keepalives", "keepalives"),
            ("keepalives_idle", "keepalives_idle"),
            ("keepalives_interval", "keepalives_interval"),
            ("keepalives_count", "keepalives_retries"),
        ];
        let quoted = |text: &str| text.trim().replace('\\', r"\\").replace('\'', r"\'");
        let pair =
            |(ours, theirs): (&str, &str)| Some(format!("{theirs}='{}'", quoted(self.get(ours)?)));
        let text: Vec<String> = names.into_iter().filter_map(pair).collect();
        let config: Config = text.join(" ").parse().map_err(|e: tokio_postgres::Error| {
            let why = e
                .source()
                .map_or_else(|| e.to_string(), ToString::to_string);
            malformed(&why)
        })?;
        match config.get_ports().contains(&0) {
            true => Err(malformed("port 0 cannot be connected to")),
            false => Ok(config),
        }
    }

    /// The places where the server may be, in order.
    pub fn places(&self) -> Vec<Place> {
        let Ok(typed) = self.typed() else {
            // Checked when it was read.
            return Vec::new();
        };
        let addresses = entries(self.get("hostaddr"));
        let (hosts, ports) = (typed.get_hosts(), typed.get_ports());
        let place = |i: usize| {
            let address: Option<IpAddr> = addresses.get(i).and_then(|a| a.parse().ok());
            let host = hosts.get(i).cloned();
            Place {
                host: match (host, address) {
                    (Some(EndpointHost::Tcp(name)), Some(address)) if name.is_empty() => {
                        EndpointHost::Tcp(address.to_string())
                    }
                    (Some(EndpointHost::Tcp(name)), None) if name.is_empty() => {
                        EndpointHost::Unix(default_host().into())
                    }
                    (Some(host), _) => host,
                    (None, Some(address)) => EndpointHost::Tcp(address.to_string()),
                    (None, None) => EndpointHost::Unix(default_host().into()),
                },
                address,
                port: *ports.get(i).or(ports.first()).unwrap_or(&5432),
            }
        };
        (0..hosts.len().max(addresses.len())).map(place).collect()
    }

    /// The role.
    pub fn user(&self) -> &str {
        self.get("user").unwrap_or_default()
    }

    /// The database.
    pub fn dbname(&self) -> &str {
        self.get("dbname").unwrap_or(self.user())
    }

    /// What the sessions call themselves.
    pub fn application_name(&self) -> &str {
        let name = self
            .get("application_name")
            .or(self.get("fallback_application_name"));
        name.unwrap_or("procbench")
    }

    /// Settings for the sessions.
    pub fn options(&self) -> Option<&str> {
        self.get("options")
    }

    /// How long a connection may take to be made, if it was said.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.typed().ok()?.get_connect_timeout().copied()
    }

    /// TCP keepalive.
    pub fn keepalive(&self) -> Keepalive {
        let Ok(typed) = self.typed() else {
            return Keepalive::default();
        };
        let user_timeout = self
            .get("tcp_user_timeout")
            .and_then(|ms| ms.trim().parse().ok());
        let kept = Keepalive {
            idle: self
                .get("keepalives_idle")
                .map(|_| typed.get_keepalives_idle()),
            interval: typed.get_keepalives_interval(),
            count: typed.get_keepalives_retries(),
            // In ms, which tokio-postgres takes for seconds.
            user_timeout: user_timeout.map(Duration::from_millis),
        };
        match typed.get_keepalives() {
            true => kept,
            false => Keepalive {
                user_timeout: kept.user_timeout,
                ..Keepalive::default()
            },
        }
    }

    /// Which of several servers is wanted.
    pub fn session_kind(&self) -> SessionKind {
        let said = self
            .get("target_session_attrs")
            .and_then(|kind| kind.parse().ok());
        said.unwrap_or(SessionKind::Any)
    }

    /// Whether connections are encrypted. With the system's roots nothing less than verification makes sense.
    pub fn ssl_mode(&self) -> SslMode {
        let said = self.get("sslmode").and_then(|mode| mode.parse().ok());
        said.unwrap_or(match self.root_certificates() {
            Some("system") => SslMode::VerifyFull,
            _ => SslMode::Prefer,
        })
    }

    /// Whether TLS begins without asking first.
    pub fn is_direct(&self) -> bool {
        self.get("sslnegotiation") == Some("direct")
    }

    /// Whether a SCRAM exchange is bound to the TLS connection.
    pub fn channel_binding(&self) -> ChannelBinding {
        let said = self
            .get("channel_binding")
            .and_then(|choice| choice.parse().ok());
        said.unwrap_or(ChannelBinding::Prefer)
    }

    /// The file of roots, or `system`, if it was said.
    pub fn root_certificates(&self) -> Option<&str> {
        self.get("sslrootcert")
    }

    /// The files of the client's certificate and key, as far as they were said; nothing where none is to be sent.
    pub fn client_certificate(&self) -> Option<[Option<&str>; 2]> {
        let sent = self.get("sslcertmode") != Some("disable");
        sent.then(|| [self.get("sslcert"), self.get("sslkey")])
    }

    /// Whether the server is told which host is meant.
    pub fn names_host(&self) -> bool {
        self.get("sslsni") != Some("0")
    }

    /// Whether TLS 1.2 and TLS 1.3 may be spoken.
    pub fn tls_versions(&self) -> [bool; 2] {
        [
            self.get("ssl_min_protocol_version") != Some("TLSv1.3"),
            self.get("ssl_max_protocol_version") != Some("TLSv1.2"),
        ]
    }
}

/// A URL. What it is read from, and what was laid under, stand in it alike.
impl fmt::Display for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |name: &str| self.0.get(name).map(String::as_str).unwrap_or_default();
        f.write_str("postgres://")?;
        let (user, host, port) = (value("user"), value("host"), value("port"));
        if !user.is_empty() {
            write!(f, "{}@", encoded(user, b""))?;
        }
        // With one host they stand where everybody looks for them.
        let is_one = !host.contains(',') && !port.contains(',');
        if is_one {
            match host.contains(':') && !is_path(host) {
                true => write!(f, "[{}]", encoded(host, b":"))?,
                false => f.write_str(&encoded(host, b""))?,
            }
            if !port.is_empty() {
                write!(f, ":{}", encoded(port, b""))?;
            }
        }
        f.write_str("/")?;
        f.write_str(&encoded(value("dbname"), b""))?;
        let shown: &[&str] = match is_one {
            true => &["user", "host", "port", "dbname"],
            false => &["user", "dbname"],
        };
        let rest = self
            .0
            .iter()
            .filter(|(name, value)| !shown.contains(name) || value.is_empty());
        for ((name, value), lead) in rest.zip(std::iter::once("?").chain(std::iter::repeat("&"))) {
            write!(f, "{lead}{name}={}", encoded(value, b"/,"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
