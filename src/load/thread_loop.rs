//! The worker loop on an OS thread (model mode): sleep, then spin to the due
//! instant, operate, record.

use std::time::Duration;

use super::cancel::Cancel;
use super::clock::{Clock, MonotonicClock};
use super::worker::{Next, Worker};
use crate::record::ErrorClass;

/// How long before the due instant sleeping ends and spinning begins. A sleep
/// overshoots by some tens of microseconds.
const SPIN_NS: u64 = 100_000;
/// Longest single sleep, so that a stop request is noticed.
const SLICE_NS: u64 = 50_000_000;

/// What a role does, again and again.
pub trait ThreadOperation {
    /// One operation; `measured` says whether its phases are to be recorded.
    ///
    /// # Errors
    /// The class of the failure.
    fn operate(&mut self, worker: &mut Worker, measured: bool) -> Result<(), ErrorClass>;

    /// Whether the role wants a [`look`](Self::look) after this operation.
    fn wants_look(&mut self) -> bool {
        false
    }

    /// Called between operations, half-way to the next one where that is not due
    /// yet: the place to look closer without lengthening what is quoted. Right
    /// after an operation a lock has just been passed, and would be found free
    /// too often.
    fn look(&mut self, _worker: &mut Worker, _measured: bool) {}
}

/// Drives `worker` until its block is over or `cancel` is set.
pub fn drive(worker: &mut Worker, cancel: &Cancel, operation: &mut impl ThreadOperation) {
    let clock = MonotonicClock;
    let mut now = clock.now_ns();
    while let Next::Operation(due) = worker.next(now) {
        if cancel.is_cancelled() {
            return;
        }
        let mut slept = false;
        if let Some(at_ns) = due.at_ns {
            if at_ns > now {
                slept = true;
                if !wait_until(&clock, at_ns, cancel) {
                    return;
                }
            }
            now = clock.now_ns();
        }
        let begun = worker.begin(due, now, slept);
        let measured = begun.measured();
        let outcome = operation.operate(worker, measured);
        now = clock.now_ns();
        worker.end(begun, now, outcome);
        if operation.wants_look() {
            sleep_half_way(worker, &clock);
            operation.look(worker, measured);
        }
        for _ in 0..worker.untimed_between() {
            let outcome = operation.operate(worker, false);
            worker.count_untimed(measured, outcome);
        }
        now = clock.now_ns();
    }
}

/// Sleeps for half of the time that is left to the next due operation, if any.
fn sleep_half_way(worker: &mut Worker, clock: &MonotonicClock) {
    let now = clock.now_ns();
    if let Next::Operation(due) = worker.next(now)
        && let Some(at_ns) = due.at_ns
    {
        let half_ns = at_ns.saturating_sub(now) / 2;
        std::thread::sleep(Duration::from_nanos(half_ns.min(SLICE_NS)));
    }
}

/// Returns false when the wait was cancelled.
fn wait_until(clock: &MonotonicClock, at_ns: u64, cancel: &Cancel) -> bool {
    loop {
        let now = clock.now_ns();
        if now >= at_ns {
            return true;
        }
        if cancel.is_cancelled() {
            return false;
        }
        let left = at_ns - now;
        if left > SPIN_NS {
            std::thread::sleep(Duration::from_nanos((left - SPIN_NS).min(SLICE_NS)));
        } else {
            while clock.now_ns() < at_ns {
                std::hint::spin_loop();
            }
            return true;
        }
    }
}
