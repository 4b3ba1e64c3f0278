//! What a provisioned server, and PgBouncer before it, must be like.

use super::pair::PairRole;
use crate::factor::{Auth, PgSource, SharedBuffers, Tls, Transport};
use crate::names::named_enum;
use crate::procarray::PageSize;
use crate::record::PoolMode;

/// The role every arm connects as: not a superuser, owner of [`DATABASE`].
pub(super) const ROLE: &str = "procbench";

/// The database the role owns.
pub(super) const DATABASE: &str = "procbench";

/// The superuser of servers this tool starts; reachable through their Unix socket only.
pub(super) const SUPERUSER: &str = "postgres";

named_enum! {
    /// What kind of server runs.
    pub enum ServerKind: "kind of server" {
        /// A container.
        Docker = "docker",
        /// A throw-away local cluster.
        Local = "local",
        /// Not ours.
        Url = "url",
    }
}

/// Settings that vary; everything else is in `docker/postgresql.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Which PostgreSQL; `None` takes `DEFAULT_PG_MAJOR`, or the newest installed one when the
    /// server is local and that one is not there.
    pub source: Option<PgSource>,
    /// `max_connections`. Sizes the ProcArray, and with it what a fork maps and faults in.
    pub max_connections: u32,
    /// `shared_buffers` as PostgreSQL writes it.
    pub shared_buffers: SharedBuffers,
    /// How the arms connect.
    pub transport: Transport,
    /// Pages of the shared memory (`huge_pages`).
    pub page_size: PageSize,
    /// How the arms' role proves who it is.
    pub auth: Auth,
    /// `scram_iterations` with [`Auth::Scram`]; `None` for PostgreSQL's default. From 16 on.
    pub scram_iterations: Option<u32>,
    /// Whether TCP connections are encrypted.
    pub tls: Tls,
    /// Whether the postmaster preloads the library of `premapped` and `premapped-few`.
    pub premap: bool,
    /// Its part in a pair of primary and standby.
    pub pair: Option<PairRole>,
    /// Further `name=value` settings for the command line, for experiments that vary one.
    pub settings: Vec<(String, String)>,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            source: None,
            max_connections: 600,
            shared_buffers: SharedBuffers::default(),
            transport: Transport::Tcp,
            page_size: PageSize::Small,
            auth: Auth::Trust,
            scram_iterations: None,
            tls: Tls::Off,
            premap: false,
            pair: None,
            settings: Vec::new(),
        }
    }
}

impl ServerSpec {
    /// The major version, where one was asked for.
    pub fn pg_major(&self) -> Option<u32> {
        match self.source {
            Some(PgSource::Major(major)) => Some(major),
            _ => None,
        }
    }

    /// The `-c name=value` arguments of `postgres`, the same for Docker and local.
    pub(crate) fn postgres_args(&self, port: u16) -> Vec<String> {
        let huge_pages = match self.page_size {
            PageSize::Small => "off",
            PageSize::Huge => "on",
        };
        let mut settings = vec![
            format!("port={port}"),
            format!("max_connections={}", self.max_connections),
            format!("shared_buffers={}", self.shared_buffers),
            format!("huge_pages={huge_pages}"),
        ];
        if self.auth != Auth::Trust {
            settings.push(format!("password_encryption={}", method(self.auth)));
        }
        settings.extend(
            self.scram_iterations
                .map(|n| format!("scram_iterations={n}")),
        );
        // server.crt and server.key in the data directory.
        settings.extend((self.tls == Tls::On).then(|| "ssl=on".to_owned()));
        settings.extend(self.settings.iter().map(|(n, v)| format!("{n}={v}")));
        let options = settings.into_iter().map(|s| ["-c".to_owned(), s]);
        options.flatten().collect()
    }
}

/// Sizes of the pooler; everything else is in `docker/pgbouncer.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBouncerSpec {
    /// Server connections: `default_pool_size` and `min_pool_size`.
    pub pool_size: u32,
    /// `max_client_conn`.
    pub max_client_conn: u32,
    /// How clients prove who they are, as before the server; a server without a password makes it trust.
    pub auth: Auth,
    /// `pool_mode`.
    pub pool_mode: PoolMode,
}

impl Default for PgBouncerSpec {
    fn default() -> Self {
        Self {
            pool_size: 16,
            max_client_conn: 2000,
            auth: Auth::Trust,
            pool_mode: PoolMode::Transaction,
        }
    }
}

/// PostgreSQL's name of a method in `pg_hba.conf` and `password_encryption`.
pub(crate) fn method(auth: Auth) -> &'static str {
    match auth {
        Auth::Trust => "trust",
        Auth::Md5 => "md5",
        Auth::Scram => "scram-sha-256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_follow_the_fixed_ones() {
        let spec = ServerSpec {
            settings: vec![("jit".into(), "on".into())],
            page_size: PageSize::Huge,
            ..ServerSpec::default()
        };
        assert_eq!(
            spec.postgres_args(4000),
            [
                "-c",
                "port=4000",
                "-c",
                "max_connections=600",
                "-c",
                "shared_buffers=128MB",
                "-c",
                "huge_pages=on",
                "-c",
                "jit=on"
            ]
        );
    }
}
