//! Cost of `GetSnapshotData` on an uncontended array, by number of connections and the
//! share of them that has an xid, reused and rebuilt.
//!
//! criterion times batches: these are means, without tails. What the model adds to the bare loop,
//! and what timing a sample of its snapshots adds to that, is measured side by side and printed
//! at the end.

mod bare;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use procbench::procarray::{ProcArray, ProcArrayConfig, SlotOrder, SnapshotSource};

struct Bench<'a>(&'a mut Criterion);

impl LockVisitor for Bench<'_> {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let mut group = self.0.benchmark_group("snapshot");
        for connections in [10_usize, 100, 500, 2000] {
            for xid_percent in [0_usize, 10, 100] {
                let array = ProcArray::<L>::new(ProcArrayConfig {
                    max_backends: connections as u32 + 1,
                    ..ProcArrayConfig::default()
                })
                .expect("the configuration is in range");
                let standing = array
                    .open_standing(connections, 1, SlotOrder::Front)
                    .expect("there are slots enough");
                let with_xid = connections * xid_percent / 100;
                for i in 0..with_xid {
                    let slot = standing[i * connections / with_xid];
                    array.get_new_transaction_id(slot);
                }
                // A later xid that completes, or all those would lie beyond xmax and be skipped.
                let reader = array.init_process().expect("one slot is left");
                array.add(reader);
                array.get_new_transaction_id(reader);
                array.end_transaction(reader);

                let mut snapshot = array.new_snapshot();
                array.get_snapshot_data(reader, &mut snapshot);
                array.snapshot_reset_xmin(reader);
                let case = format!("{connections} connections, {xid_percent}% with xid");
                group.bench_function(BenchmarkId::new("rebuilt", &case), |b| {
                    b.iter(|| {
                        snapshot.invalidate();
                        let source = array.get_snapshot_data(reader, &mut snapshot);
                        array.snapshot_reset_xmin(reader);
                        black_box(source)
                    });
                });
                assert_eq!(
                    snapshot.xip().len(),
                    with_xid,
                    "the scan must find what was set up"
                );
                group.bench_function(BenchmarkId::new("reused", &case), |b| {
                    array.get_snapshot_data(reader, &mut snapshot);
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
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .sample_size(20)
        .configure_from_args();
    LockKind::default().visit(Bench(&mut criterion));
    criterion.final_summary();
    if !std::env::args().any(|argument| argument == "--list") {
        bare::print(std::env::args().any(|argument| argument == "--test"));
    }
}
