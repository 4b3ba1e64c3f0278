//! Options of the real server.

use std::path::PathBuf;

use clap::Args;

use super::options::{VersionOptions, distinct};
use crate::config::{Disconnect, Protocol, ServerConfig, Statement};
use crate::config::{ServerChoice, ServerUrl};
use crate::factor::Transport;
use crate::factor::{Auth, Combine, LogConnections, PgSource, StandingState, Tls};
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
    /// How clients reach the server, with commas: tcp, unix
    #[arg(long, value_delimiter = ',', value_name = "HOW,...")]
    pub transport: Option<Vec<Transport>>,
    /// Authentication, with commas: trust, md5, scram
    #[arg(long, value_delimiter = ',', value_name = "HOW,...")]
    pub auth: Option<Vec<Auth>>,
    /// The server's scram_iterations with --auth scram, with commas: 1,4096 (PostgreSQL 16 and later)
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    pub scram_iterations: Option<Vec<u32>>,
    /// Without and with TLS, with commas: off, on
    #[arg(long, value_delimiter = ',', value_name = "off|on,...")]
    pub tls: Option<Vec<Tls>>,
    /// The server's shared_buffers, with commas: 128MB, 1GB
    #[arg(long, value_delimiter = ',', value_name = "SIZE,...")]
    pub shared_buffers: Option<Vec<String>>,
    /// What standing connections are, with commas: idle, in-transaction (with an xid)
    #[arg(long, value_delimiter = ',', value_name = "STATE,...")]
    pub standing_state: Option<Vec<StandingState>>,
    /// What the server logs about each connection, with commas: off, setup_durations (PostgreSQL 18)
    #[arg(long, value_delimiter = ',', value_name = "WHAT,...")]
    pub log_connections: Option<Vec<LogConnections>>,
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
    /// Lays the given options, and the versions asked for, over `server`.
    pub fn apply(&self, versions: &VersionOptions, server: &mut ServerConfig) {
        fn set<T: Clone + PartialEq>(target: &mut Vec<T>, given: &Option<Vec<T>>) {
            if let Some(values) = given {
                *target = distinct(values);
            }
        }
        server.server = self.server.clone().unwrap_or_default().to_string();
        server.pgbouncer = self.pgbouncer.as_ref().map(ToString::to_string);
        if server.is_url() {
            // An experiment's own lists are for servers of ours.
            server.take_as_is();
        }
        let sources = self.sources(versions);
        if !sources.is_empty() {
            server.sources = distinct(&sources);
        }
        set(&mut server.transports, &self.transport);
        set(&mut server.auths, &self.auth);
        set(&mut server.scram_iterations, &self.scram_iterations);
        if self.scram_iterations.is_none() && !server.auths.contains(&Auth::Scram) {
            server.scram_iterations.clear();
        }
        set(&mut server.tls, &self.tls);
        set(&mut server.shared_buffers, &self.shared_buffers);
        set(&mut server.standing_states, &self.standing_state);
        set(&mut server.log_connections, &self.log_connections);
        server.combine = self.combine.unwrap_or(server.combine);
        versions.apply_pages(&mut server.page_sizes, &mut server.page_size_if_granted);
        if let Some(query) = &self.query {
            server.query.clone_from(query);
        }
        server.disconnect = self.disconnect.unwrap_or(server.disconnect);
        server.protocol = self.protocol.unwrap_or(server.protocol);
        server.own.no_cap = self.no_cap;
    }

    /// Every PostgreSQL that was named.
    fn sources(&self, versions: &VersionOptions) -> Vec<PgSource> {
        let majors = versions.pg.iter().flatten().map(|m| PgSource::Major(*m));
        let bins = self.pg_bin.iter().flatten().cloned().map(PgSource::Bin);
        let images = self.pg_image.iter().flatten().cloned().map(PgSource::Image);
        majors.chain(bins).chain(images).collect()
    }

    /// What the bench needs beside the configuration: addresses, which may go with passwords.
    pub fn request(&self) -> ServerRequest {
        ServerRequest {
            choice: self.server.clone().unwrap_or_default(),
            pgbouncer: self.pgbouncer.clone(),
        }
    }
}
