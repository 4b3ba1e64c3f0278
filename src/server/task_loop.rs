//! The worker loop as an asynchronous task (server mode): a timerfd, the
//! operation, the drain deadline. Workers share a thread but never wait for
//! each other.

use std::time::Duration;

use super::operations::{Means, PhaseIds, Phases};
use super::session::StatementTexts;
use crate::clock::{Clock, MonotonicClock};
use crate::load::timer::{PreciseTimer, TimerError};
use crate::load::{Cancel, Next, Worker};
use crate::record::Role;

/// Pause after a failed closed-loop operation, so that a dead server is not
/// hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(5);

/// Drives `worker` until its block is over or `cancel` is set.
///
/// # Errors
/// When the timer fails; nothing an operation does ends the loop.
pub async fn drive(
    worker: &mut Worker,
    means: &mut Means,
    texts: &mut StatementTexts,
    timer_lead_ns: u64,
    cancel: &Cancel,
) -> Result<(), TimerError> {
    let clock = MonotonicClock;
    let mut timer = PreciseTimer::new(timer_lead_ns)?;
    let mut phases = Phases::default();
    // The same deadline for every operation: one timer, set once.
    let drain_until = |now_ns: u64| {
        let left = worker.window().drain_until_ns.saturating_sub(now_ns);
        tokio::time::Instant::now() + Duration::from_nanos(left)
    };
    let deadline = tokio::time::sleep_until(drain_until(clock.now_ns()));
    tokio::pin!(deadline);
    let ids = (worker.role() == Role::Client).then(|| PhaseIds::declare(worker));
    loop {
        if cancel.is_cancelled() {
            return Ok(());
        }
        let now = clock.now_ns();
        let Next::Operation(due) = worker.next(now) else {
            return Ok(());
        };
        let mut slept = false;
        if let Some(at_ns) = due.at_ns
            && at_ns > now
        {
            slept = true;
            if !timer.wait_until(at_ns, cancel).await? {
                return Ok(());
            }
        }
        let begun = worker.begin(due, clock.now_ns(), slept);
        let ended = tokio::select! {
            biased;
            outcome = means.perform(texts, ids.as_ref(), &mut phases) => Some(outcome),
            () = &mut deadline => None,
        };
        match ended {
            None => {
                worker.cut_off(begun);
                phases.clear();
                // A statement may still be under way on it.
                if let Means::Persistent { session, .. } = means {
                    *session = None;
                }
            }
            Some(outcome) => {
                let failed = outcome.is_err();
                if begun.measured() && !failed {
                    phases.record(worker);
                }
                phases.clear();
                worker.end(begun, clock.now_ns(), outcome);
                if failed && !worker.is_open_loop() {
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
