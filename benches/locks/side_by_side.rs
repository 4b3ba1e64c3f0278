//! Uncontended acquire and release of every lock, round by round in random order, as a multiple
//! of parking_lot's in the same round.

use std::hint::black_box;
use std::time::Instant;

use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// What the port of PostgreSQL's lock may cost.
const BOUND: f64 = 1.2;
const REFERENCE: LockKind = LockKind::ParkingLot;

/// ns for one acquisition and release, shared and exclusive.
struct Batch(u32);
impl LockVisitor for Batch {
    type Output = [f64; 2];
    fn visit<L: SharedExclusiveLock>(self) -> [f64; 2] {
        let lock = L::new();
        let lock = black_box(&lock);
        let time = |work: &dyn Fn()| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_nanos() as f64 / f64::from(self.0)
        };
        [
            time(&|| (0..self.0).for_each(|_| drop(lock.acquire_shared()))),
            time(&|| (0..self.0).for_each(|_| drop(lock.acquire_exclusive()))),
        ]
    }
}

/// Median and quartiles.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Measures and prints the table.
pub fn print(is_trial: bool) {
    let (rounds, batch) = if is_trial { (3, 100) } else { (101, 100_000) };
    let mut rng = Pcg64::seed_from_u64(74);
    let mut order = LockKind::ALL.to_vec();
    let mut costs: Vec<Vec<[f64; 2]>> = vec![Vec::new(); order.len()];
    let place = |kind| LockKind::ALL.iter().position(|k| *k == kind).unwrap_or(0);
    for _ in 0..rounds {
        order.shuffle(&mut rng);
        for kind in &order {
            costs[place(*kind)].push(kind.visit(Batch(batch)));
        }
    }
    println!("\nuncontended acquire and release, {rounds} rounds, all locks side by side");
    println!("(median ns; times parking_lot in the same round: median, quartiles)");
    for (mode, name) in ["shared", "exclusive"].into_iter().enumerate() {
        for kind in LockKind::ALL {
            let own = &costs[place(*kind)];
            let reference = &costs[place(REFERENCE)];
            let ratios = own.iter().zip(reference).map(|(o, r)| o[mode] / r[mode]);
            let [low, median, high] = quartiles(ratios.collect());
            let [_, ns, _] = quartiles(own.iter().map(|cost| cost[mode]).collect());
            let verdict = match kind.name().starts_with("lwlock") {
                false => String::new(),
                true if median <= BOUND => format!("  within {BOUND}"),
                true => format!("  ABOVE {BOUND}"),
            };
            println!(
                "{name:9}  {kind:16}  {ns:7.1} ns  {median:5.2}  ({low:.2} .. {high:.2}){verdict}"
            );
        }
    }
}
