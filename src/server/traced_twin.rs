//! What the trace says of a block: of itself, or of a twin, so that the times of the first one stay untouched by probes.

use super::start::{BlockOutcome, BlockRequest, ServerStart};
use super::trace::{Account, TraceError};
use crate::config::Tracing;
use crate::load::driver::Failure;

impl ServerStart<'_> {
    /// What the trace says of a block that has just been run; `None` where nothing is traced. For a twin the block is
    /// run once more, with the same arrivals, while bpftrace watches.
    ///
    /// # Errors
    /// As [`ServerStart::run_block`]; within, why it was not traced.
    pub(super) fn traced(
        &self,
        request: &BlockRequest,
        done: &BlockOutcome,
        slow_over_ns: Option<u64>,
    ) -> Result<Option<Result<Account, TraceError>>, Failure> {
        let account = |done: &BlockOutcome| {
            let (window, record) = (&done.window, &done.record);
            self.watch.account(window, record, slow_over_ns)
        };
        if self.asked.server.trace != Tracing::Twins {
            return Ok(account(done));
        }
        if self.watch.gave_up() {
            return Ok(None);
        }
        if let Err(problem) = self.watch.attach(self.asked.server.trace) {
            return Ok(Some(Err(problem)));
        }
        self.settle();
        let twin = self.run_block(request).map(|done| account(&done));
        self.watch.detach();
        twin
    }
}
