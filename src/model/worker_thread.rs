//! One role on its thread, from the common start to what it hands back.

use std::time::Duration;

use super::operation_counts::OperationCounts;
use crate::clock::thread_cpu_ns;
use crate::clock::{Clock, MonotonicClock};
use crate::load::thread_loop::{ThreadOperation, drive};
use crate::load::{Cancel, Window, Worker};
use crate::record::{Recorder, Role, RoleTally};

/// What one worker thread hands back.
pub(super) struct Finished {
    pub(super) role: Role,
    pub(super) recorder: Recorder,
    pub(super) tally: RoleTally,
    pub(super) cpu_ns: u64,
    pub(super) counts: OperationCounts,
}

/// Waits for the block's start and does `operation` until the block is over; `counts` reads what it has
/// done.
pub(super) fn carry_out<O: ThreadOperation>(
    mut worker: Worker,
    cancel: &Cancel,
    mut operation: O,
    counts: impl FnOnce(&O) -> OperationCounts,
) -> Finished {
    await_start(&worker.window(), cancel);
    let _ = nix::sys::prctl::set_timerslack(1);
    let cpu_before = thread_cpu_ns();
    drive(&mut worker, cancel, &mut operation);
    let cpu_ns = thread_cpu_ns() - cpu_before;
    let counts = counts(&operation);
    let (role, recorder, tally) = worker.finish();
    Finished {
        role,
        recorder,
        tally,
        cpu_ns,
        counts,
    }
}

/// Sleeps to the common start, so that all workers begin together.
fn await_start(window: &Window, cancel: &Cancel) {
    while !cancel.is_cancelled() {
        let now = MonotonicClock.now_ns();
        if now >= window.start_ns {
            return;
        }
        std::thread::sleep(Duration::from_nanos(
            (window.start_ns - now).min(10_000_000),
        ));
    }
}
