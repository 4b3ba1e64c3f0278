//! What was asked of server mode, and what follows from it alone.

use std::path::PathBuf;

use super::provision::PgBouncerSpec;
use crate::arm::Arm;
use crate::config::{Config, ServerChoice, ServerConfig, ServerUrl};
use crate::factor::Factors;
use crate::load::Cancel;
use crate::record::PoolMode;

/// What the server bench needs beside the configuration: addresses.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    /// Which server.
    pub choice: ServerChoice,
    /// The user's own PgBouncer, for a server given by URL.
    pub pgbouncer: Option<ServerUrl>,
}

/// What was asked for, and the request to stop.
#[derive(Clone)]
pub(super) struct Asked<'a> {
    pub config: &'a Config,
    pub server: &'a ServerConfig,
    pub request: &'a ServerRequest,
    pub cancel: Cancel,
    /// procbench itself, for the helper of `cpu-burn`.
    pub helper_program: Option<PathBuf>,
}

impl Asked<'_> {
    /// Whether procbench starts the server.
    pub fn is_ours(&self) -> bool {
        !matches!(self.request.choice, ServerChoice::Url(_))
    }

    /// Slots that churn may use at the same time, with room for backends that
    /// have not quite left.
    pub fn churn_slots(&self) -> u32 {
        2 * self.config.clients + 16
    }

    /// `max_connections` of a server with so many standing connections. Exactly what is
    /// needed: with free slots to spare, placeholders could not decide where churn lands.
    pub fn max_connections(&self, arms: &[Arm], standing: u32) -> u32 {
        self.config.persistent_connections(arms) + standing + self.churn_slots()
    }

    /// Readers on each reader thread: one thread per core at most, so that a
    /// reader seldom waits while its thread serves another.
    pub fn reader_shares(&self) -> impl Iterator<Item = u32> + use<> {
        let readers = self.config.readers;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(readers).max(1);
        (0..threads).map(move |t| readers / threads + u32::from(t < readers % threads))
    }

    /// The PgBouncer of a level.
    pub fn pgbouncer_spec(&self, level: &Factors) -> PgBouncerSpec {
        PgBouncerSpec {
            auth: level.auth.unwrap_or_default(),
            pool_size: self.config.pool_size,
            max_client_conn: 4 * self.config.clients + 100,
            pool_mode: PoolMode::Transaction,
            url: self.request.pgbouncer.clone(),
        }
    }
}
