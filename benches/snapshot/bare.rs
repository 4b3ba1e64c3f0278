//! One snapshot of 100 entries against the loop that it cannot do without, and with a sample of
//! the snapshots timed; round by round, in random order.

use std::hint::black_box;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};
use std::time::Instant;

use procbench::clock::{Clock, MonotonicClock};
use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use procbench::procarray::{ProcArray, ProcArrayConfig, SlotOrder, TransactionId};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

const ENTRIES: usize = 100;
/// One entry in this many has an xid.
const XID_ONE_IN: usize = 10;
/// One snapshot in this many is timed, as in the model's closed loops.
const TIMED_ONE_IN: u32 = 16;
const BOUND_OVER_BARE: f64 = 1.5;
const BOUND_TIMED: f64 = 1.15;

/// Relaxed loads, compared with 0 and xmax, those in between copied out; between the two
/// read-modify-writes of a shared acquisition and its release.
fn bare(
    lock: &AtomicU32,
    xids: &[AtomicU32],
    xmax: TransactionId,
    xip: &mut [TransactionId],
) -> usize {
    lock.fetch_add(1, AcqRel);
    let mut xcnt = 0;
    for xid in xids {
        let xid = TransactionId(xid.load(Relaxed));
        if xid.is_valid() && xid.precedes(xmax) {
            xip[xcnt] = xid;
            xcnt += 1;
        }
    }
    lock.fetch_sub(1, AcqRel);
    xcnt
}

/// ns for one of each: the bare loop, a snapshot, a snapshot where a sample is timed.
struct Rounds {
    rounds: usize,
    batch: u32,
}

impl LockVisitor for Rounds {
    type Output = [Vec<f64>; 3];

    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: ENTRIES as u32,
            ..ProcArrayConfig::default()
        })
        .expect("the configuration is in range");
        let slots = array
            .open_standing(ENTRIES, 0, SlotOrder::Front)
            .expect("there are slots enough");
        let reader = slots[0];
        for slot in slots.iter().skip(1).step_by(XID_ONE_IN) {
            array.get_new_transaction_id(*slot);
        }
        // A later xid that completes, or all those would lie beyond xmax and be skipped.
        array.get_new_transaction_id(reader);
        array.end_transaction(reader);
        let mut snapshot = array.new_snapshot();
        array.get_snapshot_data(reader, &mut snapshot);

        let lock = AtomicU32::new(0);
        // In the order of the array, which is not that in which they joined.
        let mut in_order = slots.clone();
        in_order.sort_by_key(|slot| array.pgxactoff(*slot));
        let xids: Vec<AtomicU32> = in_order
            .iter()
            .map(|slot| AtomicU32::new(array.xid(*slot).0))
            .collect();
        let mut xip = vec![TransactionId::INVALID; ENTRIES];
        let xcnt = bare(&lock, &xids, snapshot.xmax, &mut xip);
        assert_eq!(&xip[..xcnt], snapshot.xip(), "both copy out the same");

        let mut rng = Pcg64::seed_from_u64(76);
        let mut order = [0_usize, 1, 2];
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..self.rounds {
            order.shuffle(&mut rng);
            for which in order {
                let begin = Instant::now();
                for i in 0..self.batch {
                    if which == 0 {
                        black_box(bare(&lock, black_box(&xids), snapshot.xmax, &mut xip));
                        black_box(&xip);
                        continue;
                    }
                    let timed = which == 2 && i % TIMED_ONE_IN == 0;
                    let begun = timed.then(|| MonotonicClock.now_ns());
                    snapshot.invalidate();
                    black_box(array.get_snapshot_data(reader, &mut snapshot));
                    array.snapshot_reset_xmin(reader);
                    black_box(begun.map(|begun| MonotonicClock.now_ns() - begun));
                }
                times[which].push(begin.elapsed().as_nanos() as f64 / f64::from(self.batch));
            }
        }
        times
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures and prints all three.
pub fn print(is_trial: bool) {
    let (rounds, batch) = if is_trial { (3, 50) } else { (101, 20_000) };
    let [bare, snapshot, timed] = LockKind::default().visit(Rounds { rounds, batch });
    let ratio = |of: &[f64], to: &[f64]| median(of.iter().zip(to).map(|(a, b)| a / b).collect());
    let (over_bare, over_untimed) = (ratio(&snapshot, &bare), ratio(&timed, &snapshot));
    let word = |ratio: f64, bound: f64| if ratio <= bound { "within" } else { "ABOVE" };
    println!(
        "\none snapshot of {ENTRIES} entries, {} with an xid, no contention ({rounds} rounds, side by side; medians)",
        ENTRIES / XID_ONE_IN
    );
    println!(
        "bare loop and two read-modify-writes   {:6.1} ns",
        median(bare)
    );
    println!(
        "GetSnapshotData of the model           {:6.1} ns  {over_bare:.2} times the bare loop, {} {BOUND_OVER_BARE}",
        median(snapshot),
        word(over_bare, BOUND_OVER_BARE)
    );
    println!(
        "the same, one in {TIMED_ONE_IN} timed               {:6.1} ns  {over_untimed:.2} times the untimed loop, {} {BOUND_TIMED}",
        median(timed),
        word(over_untimed, BOUND_TIMED)
    );
}
