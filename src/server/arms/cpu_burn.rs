//! `cpu-burn`: a fork that uses the CPU of a connection and exits, beside the server.

use super::client::{Client, Phases, Setup};
use crate::record::ErrorClass;
use crate::server::block_load::{BlockLoad, LoadError};
use crate::server::burner::{Burn, burn_once};

/// A client of the helper; what it burns is decided block by block.
pub(super) struct CpuBurn(Option<Burn>);

/// One per client; nothing is opened.
pub(super) fn prepare(setup: &Setup) -> Vec<CpuBurn> {
    setup.each(|_| CpuBurn(None))
}

impl Client for CpuBurn {
    async fn before_block(&mut self, block: &BlockLoad) -> Result<(), LoadError> {
        self.0.clone_from(&block.burn);
        Ok(())
    }

    async fn operation(&mut self, _: &mut Phases) -> Result<(), ErrorClass> {
        match &self.0 {
            Some(burn) => burn_once(burn).await,
            None => Err(ErrorClass::new("burn-failed")),
        }
    }
}
