//! Readers times writers, every lock in every round: acquisitions by each side.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use procbench::procarray::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::side_by_side::quartiles;

const READERS: [usize; 3] = [1, 2, 4];
const WRITERS: [usize; 3] = [0, 1, 2];

/// Acquisitions per ms, by readers and by writers.
struct Mix {
    readers: usize,
    writers: usize,
    time: Duration,
}

impl LockVisitor for Mix {
    type Output = [f64; 2];

    fn visit<L: SharedExclusiveLock>(self) -> [f64; 2] {
        let (lock, stop) = (&L::new(), &AtomicBool::new(false));
        let start = &Barrier::new(self.readers + self.writers + 1);
        let work = |exclusive: bool| {
            start.wait();
            let begin = Instant::now();
            let mut done = 0_u64;
            while !stop.load(Relaxed) {
                if exclusive {
                    drop(lock.acquire_exclusive());
                } else {
                    drop(lock.acquire_shared());
                }
                done += 1;
            }
            done as f64 / begin.elapsed().as_secs_f64() / 1e3
        };
        thread::scope(|scope| {
            let spawn = |exclusive, threads| -> Vec<_> {
                (0..threads)
                    .map(|_| scope.spawn(move || work(exclusive)))
                    .collect()
            };
            let sides = [spawn(false, self.readers), spawn(true, self.writers)];
            start.wait();
            thread::sleep(self.time);
            stop.store(true, Relaxed);
            sides.map(|side| {
                let rates = side.into_iter().map(|t| t.join().unwrap_or(f64::NAN));
                rates.sum()
            })
        })
    }
}

/// Measures and prints the table.
pub fn print(is_trial: bool) {
    let (rounds, time) = if is_trial {
        (1, Duration::from_millis(2))
    } else {
        (7, Duration::from_millis(40))
    };
    let mut rng = Pcg64::seed_from_u64(75);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "\ncontended, {cores} cores, nothing done under the lock: acquisitions per ms by readers / by writers"
    );
    println!(
        "(medians of {rounds} rounds of {} ms, all locks in each round)",
        time.as_millis()
    );
    print!("readers x writers ");
    for kind in LockKind::ALL {
        print!("  {kind:>16}");
    }
    println!();
    for readers in READERS {
        for writers in WRITERS {
            let mut rates = vec![[Vec::new(), Vec::new()]; LockKind::ALL.len()];
            for _ in 0..rounds {
                let mut order: Vec<_> = LockKind::ALL.iter().enumerate().collect();
                order.shuffle(&mut rng);
                for (place, kind) in order {
                    let both = kind.visit(Mix {
                        readers,
                        writers,
                        time,
                    });
                    for (side, rate) in both.into_iter().enumerate() {
                        rates[place][side].push(rate);
                    }
                }
            }
            print!("{:>17} ", format!("{readers} x {writers}"));
            for sides in rates {
                let [r, w] = sides.map(|side| quartiles(side)[1]);
                print!("  {:>16}", format!("{r:.0} / {w:.0}"));
            }
            println!();
        }
    }
}
