//! Small programs, every interleaving and memory order up to a bound on preemptions.

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use procbench_proofs::subject::Subject;

/// What the lock guards. loom itself finds an access that is not ordered after the others.
struct Guarded<L> {
    lock: L,
    value: UnsafeCell<u32>,
}

// The value is touched under the lock only: that is what is being checked.
unsafe impl<L: Sync> Sync for Guarded<L> {}
unsafe impl<L: Send> Send for Guarded<L> {}

impl<L: Subject> Guarded<L> {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            lock: L::new(threads),
            value: UnsafeCell::new(0),
        })
    }

    fn write(&self, me: u32) {
        self.lock.acquire(me, true);
        self.write_held();
        self.lock.release(true);
    }

    fn write_held(&self) {
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self, me: u32) -> u32 {
        self.lock.acquire(me, false);
        let seen = self.value.with(|value| unsafe { *value });
        self.lock.release(false);
        seen
    }

    /// After all threads have ended.
    fn check_end(&self, writes: u32) {
        assert_eq!(self.read(0), writes, "a write is lost");
        assert!(self.lock.is_at_rest(), "the lock does not come to rest");
    }
}

fn spawn<L: Subject>(
    guarded: &Arc<Guarded<L>>,
    work: impl FnOnce(&Guarded<L>) + 'static,
) -> thread::JoinHandle<()> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || work(&guarded))
}

/// Two writers, one of them in the main thread.
fn two_writers<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| g.write(1));
    guarded.write(0);
    other.join().unwrap();
    guarded.check_end(2);
}

/// A reader sees nothing or all of a write.
fn writer_and_reader<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let writer = spawn(&guarded, |g| {
        g.lock.acquire(1, true);
        g.write_held();
        g.write_held();
        g.lock.release(true);
    });
    assert!(guarded.read(0) != 1, "half a write is seen");
    writer.join().unwrap();
    guarded.check_end(2);
}

/// A wake-up of one writer must lead to that of the next.
fn three_writers<L: Subject>() {
    let guarded = Guarded::<L>::new(3);
    let others = [1, 2].map(|me| spawn(&guarded, move |g| g.write(me)));
    guarded.write(0);
    for other in others {
        other.join().unwrap();
    }
    guarded.check_end(3);
}

/// Readers may be woken past a writer, who must get in all the same.
fn readers_and_writer<L: Subject>() {
    let guarded = Guarded::<L>::new(3);
    let writer = spawn(&guarded, |g| g.write(1));
    let reader = spawn(&guarded, |g| {
        g.read(2);
    });
    guarded.read(0);
    writer.join().unwrap();
    reader.join().unwrap();
    guarded.check_end(1);
}

/// Conditional acquisitions hold what they got.
fn conditional<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| {
        if g.lock.try_acquire(true) {
            g.write_held();
            g.lock.release(true);
        }
        if g.lock.try_acquire(false) {
            g.value.with(|value| unsafe { *value });
            g.lock.release(false);
        }
    });
    guarded.write(0);
    other.join().unwrap();
    let writes = guarded.read(0);
    assert!((1..=2).contains(&writes));
    guarded.check_end(writes);
}

/// A post that is meant for another wait of the same thread arrives while it waits for the lock.
fn foreign_post<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| {
        g.lock.acquire(1, true);
        g.lock.post(0);
        g.write_held();
        g.lock.release(true);
    });
    guarded.write(0);
    guarded.lock.wait_for_post(0);
    other.join().unwrap();
    guarded.check_end(2);
}

/// Name, how often a thread is at most interrupted where it need not be, and program.
type Program = (&'static str, usize, fn());

fn programs<L: Subject>() -> [Program; 6] {
    [
        ("two writers", 3, two_writers::<L>),
        ("writer and reader", 3, writer_and_reader::<L>),
        ("conditional", 3, conditional::<L>),
        ("foreign post", 3, foreign_post::<L>),
        ("three writers", 2, three_writers::<L>),
        ("readers and writer", 2, readers_and_writer::<L>),
    ]
}

/// Explores every program. loom panics, or aborts, where it finds something.
pub fn explore<L: Subject>() {
    for (name, preemptions, program) in programs::<L>() {
        eprintln!("program: {name}");
        let mut builder = Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 20_000;
        builder.check(program);
    }
}
