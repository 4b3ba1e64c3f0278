//! The programs that every lock goes through.

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use procbench_proofs::subject::{SharedSemaphore, Subject};

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
        self.lock.hold(me, true, || self.write_held());
    }

    fn write_held(&self) {
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self, me: u32) -> u32 {
        self.lock.hold(me, false, || self.read_held())
    }

    fn read_held(&self) -> u32 {
        self.value.with(|value| unsafe { *value })
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
        g.lock.hold(1, true, || {
            g.write_held();
            g.write_held();
        });
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
        g.lock.try_hold(1, true, || g.write_held());
        g.lock.try_hold(1, false, || g.read_held());
    });
    guarded.write(0);
    other.join().unwrap();
    let writes = guarded.read(0);
    assert!((1..=2).contains(&writes));
    guarded.check_end(writes);
}

/// A conditional writer does not get in with a reader, and does not keep the next one out.
fn conditional_writer_and_reader<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| {
        g.lock.try_hold(1, true, || g.write_held());
    });
    guarded.read(0);
    guarded.read(0);
    other.join().unwrap();
    let writes = guarded.read(0);
    assert!(writes <= 1);
    guarded.check_end(writes);
}

/// A thread that waits again is not woken by what it was woken by before.
fn two_rounds<L: Subject>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| (0..2).for_each(|_| g.write(1)));
    (0..2).for_each(|_| guarded.write(0));
    other.join().unwrap();
    guarded.check_end(4);
}

/// A post that is meant for another wait of the same thread arrives while it waits for the lock.
fn foreign_post<L: SharedSemaphore>() {
    let guarded = Guarded::<L>::new(2);
    let other = spawn(&guarded, |g| {
        g.lock.hold(1, true, || {
            g.lock.post(0);
            g.write_held();
        });
    });
    guarded.write(0);
    guarded.lock.wait_for_post(0);
    other.join().unwrap();
    guarded.check_end(2);
}

/// Name, how often threads are at most interrupted where they need not be, and program.
pub type Program = (&'static str, Option<usize>, fn());

/// With these bounds for the programs of two threads and of three.
fn programs<L: Subject>(two: usize, three: usize) -> [Program; 7] {
    let (two, three) = (Some(two), Some(three));
    [
        ("two writers", two, two_writers::<L>),
        ("writer and reader", two, writer_and_reader::<L>),
        ("conditional", two, conditional::<L>),
        (
            "conditional writer and reader",
            two,
            conditional_writer_and_reader::<L>,
        ),
        ("two rounds", two, two_rounds::<L>),
        ("three writers", three, three_writers::<L>),
        ("readers and writer", three, readers_and_writer::<L>),
    ]
}

/// Explores every program. loom panics, or aborts, where it finds something.
pub fn explore<L: Subject>() {
    explore_each(&programs::<L>(3, 2));
}

/// The same with one interruption more, for a sound lock that takes few steps.
pub fn explore_deeper<L: Subject>() {
    explore_each(&programs::<L>(4, 3));
}

/// The same with wake-ups of another kind in between.
pub fn explore_with_posts<L: SharedSemaphore>() {
    explore::<L>();
    explore_each(&[("foreign post", Some(3), foreign_post::<L>)]);
}

pub fn explore_each(programs: &[Program]) {
    for (name, preemptions, program) in programs {
        eprintln!("program: {name}");
        let mut builder = Builder::new();
        builder.preemption_bound = *preemptions;
        builder.max_branches = 20_000;
        builder.check(*program);
    }
}
