//! What recording costs, beside the cheapest thing that is recorded: one snapshot that
//! is reused, uncontended.
//!
//! The loops of the model put a clock read before and after an operation, and a few
//! histogram entries behind it; where that is not small against the operation, only one
//! operation in k is timed. criterion times batches: these are means, without tails.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use procbench::clock::{Clock, MonotonicClock};
use procbench::config::Arrivals;
use procbench::factor::OfferedRate;
use procbench::load::{Schedule, Window, Worker};
use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use procbench::procarray::{ProcArray, ProcArrayConfig, SnapshotSource};
use procbench::record::{Operation, Recorder, Role, SeriesKey, WorkerHistogram};

/// Durations between 100 ns and 1 ms, so that not one bucket gets them all.
fn next_duration(last: &mut u64) -> u64 {
    *last = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    100 + (*last >> 44)
}

struct BareOperation<'a>(&'a mut Criterion);

impl LockVisitor for BareOperation<'_> {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let array =
            ProcArray::<L>::new(ProcArrayConfig::default()).expect("the configuration is in range");
        let reader = array.init_process().expect("the array is empty");
        array.add(reader);
        let mut snapshot = array.new_snapshot();
        array.get_snapshot_data(reader, &mut snapshot);
        self.0
            .bench_function("record/bare: one reused snapshot", |b| {
                b.iter(|| {
                    let source = array.get_snapshot_data(reader, &mut snapshot);
                    array.snapshot_reset_xmin(reader);
                    black_box(source)
                });
            });
        let source = array.get_snapshot_data(reader, &mut snapshot);
        assert_eq!(source, SnapshotSource::Reused);
    }
}

/// A worker whose window never ends.
fn worker(rate: OfferedRate) -> Worker {
    let window = Window {
        start_ns: 0,
        measure_from_ns: 0,
        end_ns: u64::MAX,
        drain_until_ns: u64::MAX,
    };
    let schedule = Schedule::new(rate, Arrivals::Even, 1, 1);
    Worker::new(Role::Reader, Operation::Statement, schedule, window)
}

fn begin_and_end(worker: &mut Worker, began_ns: u64, ended_ns: u64) {
    if let Some(due) = worker.next(began_ns) {
        let begun = worker.begin(due, began_ns, false);
        worker.end(begun, ended_ns, Ok(()));
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    LockKind::default().visit(BareOperation(&mut criterion));
    criterion.bench_function("record/clock read", |b| b.iter(|| MonotonicClock.now_ns()));
    let mut durations = 1;
    criterion.bench_function("record/duration made up (in the next three)", |b| {
        b.iter(|| next_duration(&mut durations));
    });
    let mut histogram = WorkerHistogram::default();
    criterion.bench_function("record/WorkerHistogram::record", |b| {
        b.iter(|| histogram.record(next_duration(&mut durations)));
    });
    let mut recorder = Recorder::default();
    let id = recorder.declare(SeriesKey::READER_SERVICE);
    criterion.bench_function("record/Recorder::record", |b| {
        b.iter(|| recorder.record(id, next_duration(&mut durations)));
    });
    // Always due at once; the schedule's own arithmetic is in the time.
    let mut open = worker(OfferedRate::PerSecond(1e6));
    let mut now_ns = 0;
    criterion.bench_function(
        "record/Worker begin and end, response and service time",
        |b| {
            b.iter(|| {
                now_ns += 1_000;
                begin_and_end(&mut open, now_ns, now_ns + next_duration(&mut durations));
            });
        },
    );
    let mut closed = worker(OfferedRate::Max);
    criterion.bench_function("record/Worker begin and end, service time only", |b| {
        b.iter(|| {
            now_ns += 1_000;
            begin_and_end(&mut closed, now_ns, now_ns + next_duration(&mut durations));
        });
    });
    let mut clocked = worker(OfferedRate::PerSecond(1e6));
    criterion.bench_function(
        "record/all of it: two clock reads, Worker begin and end",
        |b| {
            b.iter(|| {
                let began_ns = MonotonicClock.now_ns();
                begin_and_end(&mut clocked, began_ns, MonotonicClock.now_ns());
            });
        },
    );
    criterion.final_summary();
}
