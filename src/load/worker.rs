//! One worker of one block: its schedule, its window, its counts.
//!
//! Both modes drive their workers through [`Worker`], so that what is due,
//! what counts and from when is decided in one place. A mode only performs the
//! operation between [`Worker::begin`] and [`Worker::end`].

use crate::record::{
    ClockKind, ErrorClass, Operation, Phase, Recorder, Role, RoleTally, SeriesId, SeriesKey,
};

use super::schedule::Schedule;

/// The stretch of time a block measures, in ns of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The load begins (warm-up).
    pub start_ns: u64,
    /// Operations due from here on count.
    pub measure_from_ns: u64,
    /// Operations due from here on are not done any more.
    pub end_ns: u64,
    /// Operations that have not ended by now are cut off.
    pub drain_until_ns: u64,
}

impl Window {
    /// Length of the measured part, in ns.
    pub fn measured_ns(&self) -> u64 {
        self.end_ns - self.measure_from_ns
    }
}

/// An operation that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The scheduled instant; `None` in a closed loop (at once).
    pub at_ns: Option<u64>,
}

/// An operation that has been begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "every begun operation must be ended or cut off, or the counts do not add up"]
pub struct Begun {
    due_ns: Option<u64>,
    begun_ns: u64,
    measured: bool,
}

impl Begun {
    /// Whether the operation is due inside the measured window.
    pub fn measured(&self) -> bool {
        self.measured
    }
}

/// One worker of one block.
#[derive(Debug)]
pub struct Worker {
    role: Role,
    schedule: Schedule,
    window: Window,
    recorder: Recorder,
    tally: RoleTally,
    response: SeriesId,
    service: SeriesId,
    pacing: SeriesId,
    adjusted: SeriesId,
    /// When the last operation would have ended had the worker never been late, in ns of the run's clock.
    adjusted_end_ns: u64,
    timed_one_in: u32,
}

impl Worker {
    /// A worker that does `operation`s for `role` through `window`.
    pub fn new(role: Role, operation: Operation, schedule: Schedule, window: Window) -> Self {
        let mut recorder = Recorder::default();
        let mut declare =
            |clock| recorder.declare(SeriesKey::new(role, operation, Phase::Total, clock));
        let (response, service, pacing, adjusted) = (
            declare(ClockKind::Response),
            declare(ClockKind::Service),
            declare(ClockKind::Pacing),
            declare(ClockKind::Adjusted),
        );
        Worker {
            role,
            schedule,
            window,
            recorder,
            tally: RoleTally::default(),
            response,
            service,
            pacing,
            adjusted,
            adjusted_end_ns: 0,
            timed_one_in: 1,
        }
    }

    /// Whose operations these are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The block's window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Whether the worker follows a schedule (and so has a response time).
    pub fn is_open_loop(&self) -> bool {
        self.schedule.is_open()
    }

    /// The worker's histograms, to declare and record a mode's own phases.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Decides what is next, at time `now_ns`: nothing once the block is over for this worker. Operations that have become
    /// hopeless (due, but the drain time is over) are counted as cut off here.
    pub fn next(&mut self, now_ns: u64) -> Option<Due> {
        loop {
            let Some(offset) = self.schedule.peek() else {
                return (now_ns < self.window.end_ns).then_some(Due { at_ns: None });
            };
            let at_ns = self.window.start_ns + offset;
            if at_ns >= self.window.end_ns {
                return None;
            }
            if now_ns < self.window.drain_until_ns {
                return Some(Due { at_ns: Some(at_ns) });
            }
            if at_ns >= self.window.measure_from_ns {
                self.tally.scheduled += 1;
                self.tally.cut_off += 1;
            }
            self.schedule.advance();
        }
    }

    /// Records that the operation begins now. `slept` says that the worker
    /// was idle and waited for the due instant, so that a late start is a
    /// pacing error and not queueing behind an earlier operation.
    pub fn begin(&mut self, due: Due, now_ns: u64, slept: bool) -> Begun {
        if due.at_ns.is_some() {
            self.schedule.advance();
        }
        let counted_at = due.at_ns.unwrap_or(now_ns);
        let inside = |ns| ns >= self.window.measure_from_ns && ns < self.window.end_ns;
        let measured = inside(counted_at);
        self.tally.begun_in_load += 1;
        if inside(now_ns) {
            self.tally.begun_in_window += 1;
        }
        if measured {
            self.tally.scheduled += 1;
            if slept && let Some(at_ns) = due.at_ns {
                self.recorder
                    .record(self.pacing, now_ns.saturating_sub(at_ns));
            }
        }
        Begun {
            due_ns: due.at_ns,
            begun_ns: now_ns,
            measured,
        }
    }

    /// Records that the operation ended now, with success or an error.
    ///
    /// The adjusted time is found by recursion over all operations, those of the warm-up and failed ones included, for
    /// they hold up the next ones, too: adjusted begin = max(due, adjusted end of the previous one), adjusted end =
    /// adjusted begin + service time, adjusted time = adjusted end - due. It is the response time that a worker which
    /// is never late would have seen, and never longer than the response time.
    pub fn end(&mut self, begun: Begun, now_ns: u64, outcome: Result<(), ErrorClass>) {
        let service_ns = now_ns.saturating_sub(begun.begun_ns);
        if let Some(due_ns) = begun.due_ns {
            self.adjusted_end_ns = due_ns.max(self.adjusted_end_ns) + service_ns;
        }
        if !begun.measured {
            return;
        }
        match outcome {
            Ok(()) => {
                self.tally.recorded += 1;
                self.recorder.record(self.service, service_ns);
                if let Some(due_ns) = begun.due_ns {
                    self.recorder
                        .record(self.response, now_ns.saturating_sub(due_ns));
                    self.recorder
                        .record(self.adjusted, self.adjusted_end_ns - due_ns);
                }
            }
            Err(class) => *self.tally.errors.entry(class).or_default() += 1,
        }
    }

    /// Records that the operation had not ended when the drain time was over. It has no time on any clock, and no
    /// adjusted end is needed: what is due after it is not begun any more, but cut off, too.
    pub fn cut_off(&mut self, begun: Begun) {
        if begun.measured {
            self.tally.cut_off += 1;
        }
    }

    /// In a closed loop of very short operations, time only one in `k`: its
    /// clock reads would otherwise be most of what is measured.
    pub fn time_one_in(&mut self, k: u32) {
        self.timed_one_in = k.max(1);
    }

    /// How many untimed operations follow a timed one; none in an open loop.
    pub fn untimed_between(&self) -> u32 {
        if self.is_open_loop() {
            0
        } else {
            self.timed_one_in - 1
        }
    }

    /// Counts an untimed operation that followed the timed one `after`.
    pub fn count_untimed(&mut self, after_measured: bool, outcome: Result<(), ErrorClass>) {
        self.tally.begun_in_load += 1;
        if !after_measured {
            return;
        }
        self.tally.scheduled += 1;
        self.tally.begun_in_window += 1;
        match outcome {
            Ok(()) => self.tally.untimed += 1,
            Err(class) => *self.tally.errors.entry(class).or_default() += 1,
        }
    }

    /// Ends the block for this worker: its histograms and counts.
    pub fn finish(self) -> (Role, Recorder, RoleTally) {
        (self.role, self.recorder, self.tally)
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
