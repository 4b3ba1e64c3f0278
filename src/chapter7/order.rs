//! What is asked of an experiment on a cluster.

use crate::config::ServerChoice;
use crate::experiment::Scale;
use crate::factor::PgSource;
use crate::load::Cancel;

/// What is asked of one.
#[derive(Debug, Clone)]
pub struct Order {
    /// Docker, local or either; never somebody's own server, which would lose partitions or be killed.
    pub server: ServerChoice,
    /// Which PostgreSQL; `None` for 17, or the newest installed one where the server is local.
    pub source: Option<PgSource>,
    /// How much.
    pub scale: Scale,
    /// Whether Patroni is measured, too, where that is part of it.
    pub with_patroni: bool,
    /// Of the order of arms, and of arrivals.
    pub seed: u64,
    /// The user's request to stop.
    pub cancel: Cancel,
}
