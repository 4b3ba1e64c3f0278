//! Cost of each lock: alone, and with readers times writers swept.
//!
//! criterion times batches: means, without tails, one lock after the other. What is compared is
//! measured apart from it, all locks side by side in every round, and printed at the end:
//! what the uncontended port of PostgreSQL's lock costs as a multiple of parking_lot's, and how
//! much each lock lets through under contention. What a lock does to the slowest
//! acquisitions is for `procbench run locks` to say, which records every one. The lock guards
//! nothing here, so the threaded cases are the worst that contention can be.

mod contended;
mod side_by_side;

use std::time::Duration;

use criterion::Criterion;
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
        group.finish();
    }
}

fn main() {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    for kind in LockKind::ALL {
        kind.visit(Bench(&mut criterion, *kind));
    }
    criterion.final_summary();
    if given("--list") {
        return;
    }
    let is_trial = given("--test");
    side_by_side::print(is_trial);
    contended::print(is_trial);
}
