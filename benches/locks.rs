//! Cost of each lock: alone, and with 2 and 4 threads at 90 % shared, 10 % exclusive.
//!
//! criterion times batches: these are means, without tails. What a lock does to the slowest
//! acquisitions is for `procbench` itself to say, which records every one. The lock
//! guards nothing here, so the threaded cases are the worst that contention can be.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use procbench::procarray::locks::{CountedLock, LockKind, LockVisitor, SharedExclusiveLock};

struct Bench<'a>(&'a mut Criterion, LockKind);

impl LockVisitor for Bench<'_> {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let Self(criterion, kind) = self;
        let mut group = criterion.benchmark_group(format!("locks/{kind}"));
        let lock = L::new();
        group.bench_function("uncontended shared", |b| {
            b.iter(|| drop(lock.acquire_shared()))
        });
        group.bench_function("uncontended exclusive", |b| {
            b.iter(|| drop(lock.acquire_exclusive()));
        });
        let counted = CountedLock::<L>::new();
        group.bench_function("uncontended shared, counted", |b| {
            b.iter(|| drop(counted.acquire_shared()));
        });
        for threads in [2_u64, 4] {
            // One iteration is one acquisition by every thread.
            group.throughput(Throughput::Elements(threads));
            group.bench_function(format!("{threads} threads, 90/10"), |b| {
                b.iter_custom(|iterations| mixed(&lock, threads, iterations));
            });
        }
        group.finish();
    }
}

/// Time from the first thread's first of its `acquisitions` to the last one's last, every
/// tenth exclusive.
fn mixed<L: SharedExclusiveLock>(lock: &L, threads: u64, acquisitions: u64) -> Duration {
    let start = &Barrier::new(threads as usize);
    let work = |thread: u64| {
        start.wait();
        let begin = Instant::now();
        // Different threads turn exclusive at different times.
        for i in thread * 3..thread * 3 + acquisitions {
            if i % 10 == 0 {
                drop(lock.acquire_exclusive());
            } else {
                drop(lock.acquire_shared());
            }
        }
        (begin, Instant::now())
    };
    let times: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        let ended = running
            .into_iter()
            .map(|thread| thread.join().expect("no thread panics"));
        ended.collect()
    });
    let begin = times.iter().map(|(begin, _)| *begin).min();
    let end = times.iter().map(|(_, end)| *end).max();
    begin
        .zip(end)
        .map_or(Duration::ZERO, |(begin, end)| end - begin)
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    for kind in LockKind::ALL {
        kind.visit(Bench(&mut criterion, *kind));
    }
    criterion.final_summary();
}
