//! More threads and more rounds than loom can explore, at sampled interleavings.

use procbench_proofs::subject::{SharedSemaphore, Subject};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU32, Ordering::SeqCst};
use shuttle::{Config, Runner, thread};

const WRITERS: u32 = 3;
const READERS: u32 = 3;
const ROUNDS: u32 = 3;
/// Schedules tried by each of the two samplers.
const SCHEDULES: usize = 5_000;

/// A lock and who is inside: readers count ones, a writer a large number.
struct Guarded<L> {
    lock: L,
    inside: AtomicU32,
    writes: AtomicU32,
}

const WRITER: u32 = 1 << 16;

impl<L: Subject> Guarded<L> {
    fn new(threads: u32) -> Arc<Self> {
        Arc::new(Self {
            lock: L::new(threads as usize),
            inside: AtomicU32::new(0),
            writes: AtomicU32::new(0),
        })
    }

    /// What a thread does that has the lock.
    fn held(&self, exclusive: bool) {
        let entering = if exclusive { WRITER } else { 1 };
        let before = self.inside.fetch_add(entering, SeqCst);
        if exclusive {
            assert_eq!(before, 0, "a writer is not alone");
            // In two steps: another writer in between loses one.
            let writes = self.writes.load(SeqCst);
            self.writes.store(writes + 1, SeqCst);
        } else {
            assert!(before < WRITER, "a reader meets a writer");
        }
        self.inside.fetch_sub(entering, SeqCst);
    }
}

/// Writers and readers, and one more thread that only tries. `go` is what else each of the
/// others does at its end.
fn crowd<L: Subject>(guarded: &Arc<Guarded<L>>, go: fn(&L, u32)) {
    let threads = WRITERS + READERS;
    let mut running = Vec::new();
    for me in 0..threads {
        let guarded = Arc::clone(guarded);
        running.push(thread::spawn(move || {
            let exclusive = me < WRITERS;
            for _ in 0..ROUNDS {
                guarded.lock.hold(me, exclusive, || guarded.held(exclusive));
            }
            go(&guarded.lock, me);
        }));
    }
    let trier = Arc::clone(guarded);
    let tried = thread::spawn(move || {
        let mut writes = 0;
        for round in 0..2 * ROUNDS {
            let exclusive = round % 2 == 0;
            let held = trier
                .lock
                .try_hold(threads, exclusive, || trier.held(exclusive));
            writes += u32::from(exclusive && held.is_some());
        }
        writes
    });
    let more = tried.join().unwrap();
    for thread in running {
        thread.join().unwrap();
    }
    assert_eq!(
        guarded.writes.load(SeqCst),
        WRITERS * ROUNDS + more,
        "a write is lost"
    );
}

fn crowd_alone<L: Subject>() {
    let guarded = Guarded::<L>::new(WRITERS + READERS);
    crowd(&guarded, |_, _| {});
    assert!(guarded.lock.is_at_rest(), "the lock does not come to rest");
}

/// With one that posts to everybody for another reason, which everybody takes at the end.
fn crowd_with_posts<L: SharedSemaphore>() {
    let threads = WRITERS + READERS;
    let guarded = Guarded::<L>::new(threads);
    let posting = {
        let guarded = Arc::clone(&guarded);
        thread::spawn(move || (0..threads).for_each(|whom| guarded.lock.post(whom)))
    };
    crowd(&guarded, |lock, me| lock.wait_for_post(me));
    posting.join().unwrap();
    assert!(guarded.lock.is_at_rest(), "the lock does not come to rest");
}

/// Samples schedules at random, and with few preemptions at random places; the same ones in
/// every run.
fn sample(program: fn()) {
    const SEED: u64 = 74;
    let random = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    Runner::new(random, Config::default()).run(program);
    let few_preemptions = PctScheduler::new_from_seed(SEED, 3, SCHEDULES);
    Runner::new(few_preemptions, Config::default()).run(program);
}

pub fn explore<L: Subject>() {
    sample(crowd_alone::<L>);
}

pub fn explore_with_posts<L: SharedSemaphore>() {
    sample(crowd_with_posts::<L>);
}
