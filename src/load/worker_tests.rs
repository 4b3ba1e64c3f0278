//! Workers on the fake clock: what shows on which clock, and what is cut off.

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
