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
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::clock::fake::FakeClock;
    use crate::config::Arrivals;
    use crate::factor::OfferedRate;
    use crate::record::{BlockRecord, SeriesHistogram};

    const MS: u64 = 1_000_000;

    fn window() -> Window {
        Window {
            start_ns: 0,
            measure_from_ns: 100 * MS,
            end_ns: 10_100 * MS,
            drain_until_ns: 20_000 * MS,
        }
    }

    /// What happens once: to the first operation at or after this instant, for so many ns.
    #[derive(Clone, Copy, PartialEq)]
    enum Once {
        Nothing,
        /// The target stalls.
        Stall(u64, u64),
        /// The target stalls, and then fails.
        Fail(u64, u64),
        /// The worker gets no core before it can begin.
        Descheduled(u64, u64),
    }

    /// Runs a target on the fake clock: 1 ms of service, but it stalls for
    /// `stall_ns` when first used after `stall_at_ns`.
    fn run_stalling_target(rate: OfferedRate, stall_at_ns: u64, stall_ns: u64) -> BlockRecord {
        run_once(rate, Once::Stall(stall_at_ns, stall_ns))
    }

    fn run_once(rate: OfferedRate, mut once: Once) -> BlockRecord {
        let clock = FakeClock::default();
        let schedule = Schedule::new(rate, Arrivals::Even, 1, 3);
        let mut worker = Worker::new(Role::Reader, Operation::Statement, schedule, window());
        while let Some(due) = worker.next(clock.now_ns()) {
            let slept = due.at_ns.is_some_and(|at| at > clock.now_ns());
            if slept {
                clock.set_ns(due.at_ns.unwrap());
            }
            if let Once::Descheduled(at_ns, ns) = once
                && clock.now_ns() >= at_ns
            {
                once = Once::Nothing;
                clock.advance_ns(ns);
            }
            let begun = worker.begin(due, clock.now_ns(), slept);
            let mut outcome = Ok(());
            if let Once::Stall(at_ns, ns) | Once::Fail(at_ns, ns) = once
                && clock.now_ns() >= at_ns
            {
                if matches!(once, Once::Fail(..)) {
                    outcome = Err(ErrorClass::new("injected"));
                }
                once = Once::Nothing;
                clock.advance_ns(ns);
            }
            clock.advance_ns(MS);
            worker.end(begun, clock.now_ns(), outcome);
        }
        let mut record = BlockRecord::default();
        let (role, recorder, tally) = worker.finish();
        record.merge_worker(role, &recorder, &tally, 0);
        assert!(record.tallies[&Role::Reader].is_conserved());
        record
    }

    fn share_above(h: &SeriesHistogram, ns: u64) -> f64 {
        let above: u64 = h.buckets().iter().filter(|b| b.0 > ns).map(|b| b.1).sum();
        above as f64 / h.len() as f64
    }

    #[test]
    fn a_stall_shows_in_response_time_and_not_in_service_time() {
        // 100/s for 10 s; a stall of 1 s delays about 100 of 1,000 operations.
        let record = run_stalling_target(OfferedRate::PerSecond(100.0), 5_000 * MS, 1_000 * MS);
        let response = &record.series[&SeriesKey::READER_RESPONSE];
        let service = &record.series[&SeriesKey::READER_SERVICE];
        assert_eq!(response.len(), service.len());
        // One operation was in service during the stall: one in a thousand.
        assert_eq!(
            service
                .buckets()
                .iter()
                .filter(|b| b.0 > 500 * MS)
                .map(|b| b.1)
                .sum::<u64>(),
            1
        );
        assert!(service.percentile_ns(99.0).unwrap() < 2 * MS);
        // Many were due during it: their users waited, half a second on average.
        assert!(share_above(response, 100 * MS) > 0.08);
        assert!(response.percentile_ns(99.0).unwrap() > 800 * MS);
        // And the median user saw nothing.
        assert!(response.percentile_ns(50.0).unwrap() < 2 * MS);
        // The worker was never late, so that the adjusted time is the response time.
        assert_eq!(response, &record.series[&SeriesKey::READER_ADJUSTED]);
    }

    const RATE: OfferedRate = OfferedRate::PerSecond(100.0);

    #[test]
    fn a_descheduled_worker_shows_in_response_time_and_not_in_adjusted_time() {
        let calm = run_once(RATE, Once::Nothing);
        // In the measured part, and in a warm-up whose backlog reaches into it.
        for at_ms in [5_000, 50] {
            let record = run_once(RATE, Once::Descheduled(at_ms * MS, 1_000 * MS));
            let response = &record.series[&SeriesKey::READER_RESPONSE];
            assert!(share_above(response, 100 * MS) > 0.08);
            for key in [SeriesKey::READER_ADJUSTED, SeriesKey::READER_SERVICE] {
                assert_eq!(record.series[&key], calm.series[&key], "{at_ms}: {key}");
            }
        }
    }

    #[test]
    fn queueing_counts_behind_operations_of_the_warm_up_and_behind_failed_ones() {
        let in_warm_up = run_once(RATE, Once::Stall(50 * MS, 1_000 * MS));
        let failed = run_once(RATE, Once::Fail(5_000 * MS, 1_000 * MS));
        for record in [in_warm_up, failed] {
            let adjusted = &record.series[&SeriesKey::READER_ADJUSTED];
            assert_eq!(adjusted, &record.series[&SeriesKey::READER_RESPONSE]);
            assert!(share_above(adjusted, 100 * MS) > 0.08);
            // It was not itself recorded.
            assert!(record.series[&SeriesKey::READER_SERVICE].percentile_ns(100.0) < Some(2 * MS));
        }
    }

    #[test]
    fn a_slow_operation_of_a_late_worker_is_counted_from_when_it_should_have_begun() {
        let mut worker = Worker::new(
            Role::Reader,
            Operation::Statement,
            Schedule::new(RATE, Arrivals::Even, 1, 3),
            Window {
                measure_from_ns: 0,
                ..window()
            },
        );
        let first = worker.next(0).unwrap();
        let due_ns = first.at_ns.unwrap();
        // 3 ms late, 14 ms of service: it should have ended 14 ms after it was due.
        let begun = worker.begin(first, due_ns + 3 * MS, true);
        worker.end(begun, due_ns + 17 * MS, Ok(()));
        // Due after 10 ms, hence 4 ms in the queue, though it waited for 7 ms.
        let second = worker.next(due_ns + 17 * MS).unwrap();
        let begun = worker.begin(second, due_ns + 17 * MS, false);
        worker.end(begun, due_ns + 18 * MS, Ok(()));
        let mut record = BlockRecord::default();
        let (role, recorder, tally) = worker.finish();
        record.merge_worker(role, &recorder, &tally, 0);
        let mut expected = SeriesHistogram::default();
        expected.record(14 * MS);
        expected.record(5 * MS);
        assert_eq!(record.series[&SeriesKey::READER_ADJUSTED], expected);
    }

    #[test]
    fn without_a_stall_both_clocks_agree() {
        let record = run_stalling_target(OfferedRate::PerSecond(100.0), u64::MAX, 0);
        let response = &record.series[&SeriesKey::READER_RESPONSE];
        assert_eq!(response, &record.series[&SeriesKey::READER_SERVICE]);
        assert_eq!(response, &record.series[&SeriesKey::READER_ADJUSTED]);
        assert_eq!(
            record.series[&SeriesKey::READER_PACING].percentile_ns(100.0),
            Some(1)
        );
    }

    #[test]
    fn a_closed_loop_has_no_response_time_and_hides_the_stall() {
        let record = run_stalling_target(OfferedRate::Max, 5_000 * MS, 1_000 * MS);
        assert!(!record.series.contains_key(&SeriesKey::READER_RESPONSE));
        assert!(!record.series.contains_key(&SeriesKey::READER_ADJUSTED));
        let service = &record.series[&SeriesKey::READER_SERVICE];
        assert!(
            service.percentile_ns(99.9).unwrap() < 2 * MS,
            "which is why it must not be quoted"
        );
    }

    #[test]
    fn an_overloaded_target_is_cut_off_and_counted() {
        // 1 ms of service offered every 0.1 ms: nine tenths cannot be begun in time.
        let clock = FakeClock::default();
        let schedule = Schedule::new(OfferedRate::PerSecond(10_000.0), Arrivals::Poisson, 1, 5);
        let window = Window {
            start_ns: 0,
            measure_from_ns: 0,
            end_ns: 1_000 * MS,
            drain_until_ns: 1_500 * MS,
        };
        let mut worker = Worker::new(Role::Client, Operation::Transaction, schedule, window);
        while let Some(due) = worker.next(clock.now_ns()) {
            let slept = due.at_ns.is_some_and(|at| at > clock.now_ns());
            if slept {
                clock.set_ns(due.at_ns.unwrap());
            }
            let begun = worker.begin(due, clock.now_ns(), slept);
            clock.advance_ns(MS);
            if clock.now_ns() % (7 * MS) < MS {
                worker.end(begun, clock.now_ns(), Err(ErrorClass::new("injected")));
            } else if clock.now_ns() > window.drain_until_ns {
                worker.cut_off(begun);
            } else {
                worker.end(begun, clock.now_ns(), Ok(()));
            }
        }
        let (_, _, tally) = worker.finish();
        assert!(tally.is_conserved(), "{tally:?}");
        assert!(
            tally.scheduled > 9_500 && tally.cut_off > 8_000,
            "{tally:?}"
        );
        assert!(tally.error_count() > 100);
        assert!(tally.achieved_share() < 0.2, "{}", tally.achieved_share());
    }
}
