//! What a load thread does in one block.

use super::burner::Burn;
use crate::arm::Arm;
use crate::config::Arrivals;
use crate::factor::OfferedRate;
use crate::load::{Cancel, Window};

/// One block's load, of the readers or of the clients.
#[derive(Debug, Clone)]
pub struct BlockLoad {
    /// The arm (readers do the same in every arm).
    pub arm: Arm,
    /// The block's window.
    pub window: Window,
    /// Total rate over the thread's workers.
    pub rate: OfferedRate,
    /// Spacing of arrivals.
    pub arrivals: Arrivals,
    /// Seed of this thread in this block.
    pub seed: u64,
    /// What an operation of `cpu-burn` burns.
    pub burn: Option<Burn>,
    /// Stop request.
    pub cancel: Cancel,
}

/// A thread could not do its block.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A persistent connection is gone and cannot be opened again.
    #[error("cannot reconnect: {0}")]
    Lost(String),
    /// The harness itself failed.
    #[error("{0}")]
    Harness(String),
}
