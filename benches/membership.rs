//! Cost of a pair of `ProcArrayAdd` and `ProcArrayRemove` on an uncontended array, by
//! number of standing connections, in front of them and behind.
//!
//! criterion times batches: these are means, without tails. One thread of one process:
//! no page faults, which dominate PostgreSQL's own `ProcArrayAdd`.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use procbench::procarray::{ProcArray, ProcArrayConfig, SlotOrder};

struct Bench<'a>(&'a mut Criterion);

impl LockVisitor for Bench<'_> {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let mut group = self.0.benchmark_group("membership");
        for order in [SlotOrder::Front, SlotOrder::Behind] {
            for standing in [0_usize, 100, 500, 2000] {
                let array = ProcArray::<L>::new(ProcArrayConfig {
                    max_backends: standing as u32 + 1,
                    ..ProcArrayConfig::default()
                })
                .expect("the configuration is in range");
                array
                    .open_standing(standing, 1, order)
                    .expect("there are slots enough");
                let slot = array.init_process().expect("one slot is left");
                array.add(slot);
                let place = if order == SlotOrder::Front {
                    0
                } else {
                    standing
                };
                assert_eq!(
                    array.pgxactoff(slot),
                    Some(place),
                    "the slot order must hold"
                );
                array.remove(slot, None);

                let id = BenchmarkId::new(format!("add and remove, {order}"), standing);
                group.bench_function(id, |b| {
                    b.iter(|| {
                        array.add(slot);
                        array.remove(slot, None);
                    });
                });
            }
        }
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    LockKind::default().visit(Bench(&mut criterion));
    criterion.final_summary();
}
