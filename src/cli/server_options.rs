//! Options of the real server.

use std::path::PathBuf;

use clap::Args;

use super::factor_options::FactorOptions;
use crate::config::{Config, Disconnect, Protocol, ServerChoice, ServerUrl, Statement};
use crate::factor::{Combine, Factor, PgSource};
use crate::server::ServerRequest;

/// Options of the real server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// The server: auto, docker, local, or postgres://user@host:port/db (password from PGPASSWORD or ~/.pgpass)
    #[arg(long, value_name = "SERVER")]
    pub server: Option<ServerChoice>,
    /// Own builds of PostgreSQL, as directories of binaries with commas: patched against unpatched
    #[arg(long, value_delimiter = ',', value_name = "DIR,...")]
    pub pg_bin: Option<Vec<PathBuf>>,
    /// Images with PostgreSQL on their PATH, such as the official ones, with commas: postgres:16
    #[arg(long, value_delimiter = ',', value_name = "IMAGE,...")]
    pub pg_image: Option<Vec<String>>,
    /// Which combinations of transport, auth, TLS and log_connections: all, or one-at-a-time against the first of each
    #[arg(long, value_name = "WHICH")]
    pub combine: Option<Combine>,
    /// What readers and clients run: SQL, or 'select-only' for pgbench's script on pgbench_accounts
    #[arg(long, value_name = "SQL")]
    pub query: Option<Statement>,
    /// When a disconnect is over
    #[arg(long, value_enum)]
    pub disconnect: Option<Disconnect>,
    /// How readers and clients send their statements (not through PgBouncer when prepared)
    #[arg(long, value_enum, value_name = "HOW")]
    pub protocol: Option<Protocol>,
    /// Your own PgBouncer before a server given by URL
    #[arg(long, value_name = "URL")]
    pub pgbouncer: Option<ServerUrl>,
    /// Lift the cap on rates and connections for a server by URL that is not on this machine
    #[arg(long)]
    pub no_cap: bool,
}

impl ServerOptions {
    /// Lays the given options over `config`; the versions before own builds and images.
    pub fn apply<const MODEL: bool, const SERVER: bool>(
        &self,
        factors: &FactorOptions<MODEL, SERVER>,
        config: &mut Config,
    ) {
        let Some(server) = &mut config.server else {
            return factors.apply(config);
        };
        server.server = self.server.clone().unwrap_or_default().to_string();
        server.pgbouncer = self.pgbouncer.as_ref().map(ToString::to_string);
        server.combine = self.combine.unwrap_or(server.combine);
        if let Some(query) = &self.query {
            server.query.clone_from(query);
        }
        server.disconnect = self.disconnect.unwrap_or(server.disconnect);
        server.protocol = self.protocol.unwrap_or(server.protocol);
        server.own.no_cap = self.no_cap;
        factors.apply(config);
        let bins = self.pg_bin.iter().flatten().cloned().map(PgSource::Bin);
        let images = self.pg_image.iter().flatten().cloned().map(PgSource::Image);
        let builds: Vec<PgSource> = bins.chain(images).collect();
        if !builds.is_empty() && !factors.is_given(Factor::Pg) {
            config.factors.pg.clear();
        }
        for build in builds {
            if !config.factors.pg.contains(&build) {
                config.factors.pg.push(build);
            }
        }
    }

    /// What the bench needs beside the configuration: addresses, which may go with passwords.
    pub fn request(&self) -> ServerRequest {
        ServerRequest {
            choice: self.server.clone().unwrap_or_default(),
            pgbouncer: self.pgbouncer.clone(),
        }
    }
}
