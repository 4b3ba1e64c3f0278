//! The worker loop on an OS thread (model mode): sleep, then spin to the due
//! instant, operate, record.

use std::time::Duration;

use super::cancel::Cancel;
use super::worker::Worker;
use crate::clock::{Clock, MonotonicClock};
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

    /// Called between operations, half-way to the next one (in a closed loop: at once), and left out
    /// where that is already due or very soon. This is where a role can measure more without lengthening the
    /// quoted times. Right after an operation a lock has just been released, and would be found free too often.
    fn look(&mut self, _worker: &mut Worker, _measured: bool) {}
}

/// A clock that can be waited on. Tests have one whose sleeps overshoot by a given time.
trait Idling: Clock {
    /// Sleeps for about that long.
    fn sleep_ns(&self, ns: u64);

    /// Spins until that instant.
    fn spin_until_ns(&self, at_ns: u64) {
        while self.now_ns() < at_ns {
            std::hint::spin_loop();
        }
    }
}

impl Idling for MonotonicClock {
    fn sleep_ns(&self, ns: u64) {
        std::thread::sleep(Duration::from_nanos(ns));
    }
}

/// Drives `worker` until its block is over or `cancel` is set.
pub fn drive(worker: &mut Worker, cancel: &Cancel, operation: &mut impl ThreadOperation) {
    drive_on(&MonotonicClock, worker, cancel, operation);
}

fn drive_on(
    clock: &impl Idling,
    worker: &mut Worker,
    cancel: &Cancel,
    operation: &mut impl ThreadOperation,
) {
    // The due instant the worker was free before, though it may have overslept it.
    let mut free_before: Option<u64> = None;
    let mut now = clock.now_ns();
    while let Some(due) = worker.next(now) {
        if cancel.is_cancelled() {
            return;
        }
        let mut slept = due.at_ns.is_some() && due.at_ns == free_before.take();
        if let Some(at_ns) = due.at_ns {
            if at_ns > now {
                slept = true;
                if !wait_until(clock, at_ns, cancel) {
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
            free_before = look_half_way(clock, worker, operation, measured);
        }
        for _ in 0..worker.untimed_between() {
            let outcome = operation.operate(worker, false);
            worker.count_untimed(measured, outcome);
        }
        now = clock.now_ns();
    }
}

/// Sleeps for half of the time that is left to the next due operation, and looks. Where that is too near
/// for a sleep to end before it, there is no look. In a closed loop there is no time in between, and the look
/// follows at once. Returns the next due instant where the worker was free before it: if sleep or look go
/// beyond that instant, the delay is a pacing error.
fn look_half_way(
    clock: &impl Idling,
    worker: &mut Worker,
    operation: &mut impl ThreadOperation,
    measured: bool,
) -> Option<u64> {
    let now = clock.now_ns();
    let due = worker.next(now)?;
    let Some(at_ns) = due.at_ns else {
        operation.look(worker, measured);
        return None;
    };
    let gap_ns = at_ns.saturating_sub(now);
    if gap_ns < 2 * SPIN_NS {
        return None;
    }
    clock.sleep_ns((gap_ns / 2).min(SLICE_NS));
    // Overslept: a look would make the next operation later still.
    if clock.now_ns() < at_ns {
        operation.look(worker, measured);
    }
    Some(at_ns)
}

/// Returns false when the wait was cancelled.
fn wait_until(clock: &impl Idling, at_ns: u64, cancel: &Cancel) -> bool {
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
            clock.sleep_ns((left - SPIN_NS).min(SLICE_NS));
        } else {
            clock.spin_until_ns(at_ns);
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::config::Arrivals;
    use crate::factor::OfferedRate;
    use crate::load::{Schedule, Window};
    use crate::record::{BlockRecord, Operation, Role, SeriesHistogram, SeriesKey};

    const US: u64 = 1_000;

    /// Time stands still but for sleeps, which overshoot by `overshoot_ns`, and operations.
    struct Overshooting {
        clock: FakeClock,
        overshoot_ns: u64,
    }

    impl Clock for Overshooting {
        fn now_ns(&self) -> u64 {
            self.clock.now_ns()
        }
    }

    impl Idling for Overshooting {
        fn sleep_ns(&self, ns: u64) {
            self.clock.advance_ns(ns + self.overshoot_ns);
        }
        fn spin_until_ns(&self, at_ns: u64) {
            self.clock.set_ns(at_ns);
        }
    }

    /// Takes `takes_ns` and counts the looks it gets after every operation.
    struct Looking {
        clock: FakeClock,
        takes_ns: u64,
        looks: usize,
    }

    impl ThreadOperation for Looking {
        fn operate(&mut self, _: &mut Worker, _: bool) -> Result<(), ErrorClass> {
            self.clock.advance_ns(self.takes_ns);
            Ok(())
        }
        fn wants_look(&mut self) -> bool {
            true
        }
        fn look(&mut self, _: &mut Worker, _: bool) {
            self.looks += 1;
        }
    }

    /// Looks, operations, and the pacing errors of an even schedule over a second.
    fn run(every_ns: u64, takes_ns: u64, overshoot_ns: u64) -> (usize, u64, SeriesHistogram) {
        let clock = FakeClock::default();
        let idling = Overshooting {
            clock: clock.clone(),
            overshoot_ns,
        };
        let rate = OfferedRate::PerSecond(1e9 / every_ns as f64);
        let window = Window {
            start_ns: 0,
            measure_from_ns: 0,
            end_ns: 1_000_000 * US,
            drain_until_ns: 2_000_000 * US,
        };
        let schedule = Schedule::new(rate, Arrivals::Even, 1, 7);
        let mut worker = Worker::new(Role::Reader, Operation::Statement, schedule, window);
        let mut looking = Looking {
            clock,
            takes_ns,
            looks: 0,
        };
        drive_on(&idling, &mut worker, &Cancel::default(), &mut looking);
        let mut record = BlockRecord::default();
        let (role, recorder, tally) = worker.finish();
        record.merge_worker(role, &recorder, &tally, 0);
        let pacing = record.series.remove(&SeriesKey::READER_PACING).unwrap();
        (looking.looks, tally.recorded, pacing)
    }

    #[test]
    fn an_overslept_look_is_a_pacing_error_and_does_not_look() {
        // A millisecond apart: half of 0.99 ms of sleep, 2 ms too long.
        let (looks, operations, pacing) = run(1_000 * US, 10 * US, 2_000 * US);
        assert!(operations >= 990, "{operations}");
        assert_eq!(looks, 0);
        // Oversleeping makes a backlog of two; whatever was due after the worker was free is here.
        let late: u64 = pacing
            .buckets()
            .iter()
            .filter(|b| b.0 > 1_000 * US)
            .map(|b| b.1)
            .sum();
        assert!(late >= operations / 4, "{late} of {operations}");
    }

    #[test]
    fn punctual_sleeps_look_half_way_and_are_never_late() {
        let (looks, operations, pacing) = run(1_000 * US, 10 * US, 0);
        assert!(looks as u64 >= operations - 1 && operations >= 999);
        assert!(pacing.percentile_ns(100.0).unwrap() <= 1);
    }

    #[test]
    fn nothing_is_looked_at_where_the_next_operation_is_near() {
        // 190 us are left after an operation: less than twice the spin.
        let (looks, operations, pacing) = run(200 * US, 10 * US, 60 * US);
        assert_eq!(looks, 0);
        assert!(operations >= 4_999);
        assert!(pacing.percentile_ns(100.0).unwrap() <= 1);
    }

    #[test]
    fn queueing_is_not_a_pacing_error() {
        // Operations take longer than they are apart: only the first was waited for.
        let (looks, operations, pacing) = run(1_000 * US, 1_100 * US, 0);
        assert_eq!(looks, 0);
        assert!(operations >= 999);
        assert!(pacing.len() <= 1);
    }
}
