//! A block once more, traced: the times of the first one stay untouched by probes.

use super::start::{BlockRequest, ServerStart};
use super::trace::{Account, TraceError};
use crate::load::driver::Failure;

impl ServerStart<'_> {
    /// Runs a block that has just been run again, with the same arrivals, while bpftrace watches.
    ///
    /// # Errors
    /// As [`ServerStart::run_block`]; within, why it was not traced.
    pub(super) fn traced_twin(
        &self,
        request: &BlockRequest,
    ) -> Result<Result<Account, TraceError>, Failure> {
        if let Err(problem) = self.watch.attach() {
            return Ok(Err(problem));
        }
        self.settle();
        let done = self.run_block(request);
        let account = done.map(|done| self.watch.account(&done.window, &done.record));
        self.watch.detach();
        Ok(account?.unwrap_or(Err(TraceError::NotOurs)))
    }
}
