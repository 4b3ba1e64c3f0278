//! A real run for ThreadSanitizer to watch: threads change a plain word under the lock. std is
//! not instrumented, so nothing of it is used but spawning and joining.
//!
//! `tsan NAME` runs one copy of the sources; `tests/tsan.rs` builds and runs it.

use std::cell::UnsafeCell;
use std::process::ExitCode;
use std::thread;

use procbench_proofs::native_sync;
use procbench_proofs::subject::Subject;
use procbench_proofs::{guard_subject, lwlock_subject};

#[allow(dead_code)]
mod copies {
    include!(concat!(env!("OUT_DIR"), "/native.rs"));
}

const WRITERS: u32 = 3;
const READERS: u32 = 3;
const ROUNDS: u32 = 20_000;

struct Guarded<L> {
    lock: L,
    value: UnsafeCell<u64>,
}

// The value is touched under the lock only: that is what is being checked.
unsafe impl<L: Sync> Sync for Guarded<L> {}

fn work<L: Subject>(guarded: &Guarded<L>, me: u32) {
    let exclusive = me < WRITERS;
    let mut seen = 0;
    for round in 0..ROUNDS {
        guarded.lock.hold(me, exclusive, || {
            if round % 16 == 0 {
                // Others look at the lock while it is held.
                thread::yield_now();
            }
            let value = guarded.value.get();
            if exclusive {
                unsafe { *value += 1 };
            } else {
                let now = unsafe { *value };
                assert!(now >= seen, "a reader sees the past");
                seen = now;
            }
        });
    }
}

fn run<L: Subject>() -> ExitCode {
    let guarded: &'static Guarded<L> = Box::leak(Box::new(Guarded {
        lock: L::new((WRITERS + READERS) as usize),
        value: UnsafeCell::new(0),
    }));
    // Not scoped threads: their end goes through a part of std that reports falsely.
    let threads: Vec<_> = (0..WRITERS + READERS)
        .map(|me| thread::spawn(move || work(guarded, me)))
        .collect();
    for thread in threads {
        if thread.join().is_err() {
            return ExitCode::FAILURE;
        }
    }
    let writes = unsafe { *guarded.value.get() };
    if writes == u64::from(WRITERS * ROUNDS) && guarded.lock.is_at_rest() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{writes} writes are left, or the lock does not come to rest");
        ExitCode::FAILURE
    }
}

lwlock_subject!(release_17 = crate::copies::sound, Release17);
lwlock_subject!(release_18 = crate::copies::sound, Release18);
lwlock_subject!(release_19 = crate::copies::sound, Release19);
lwlock_subject!(missing_fence = crate::copies::missing_fence, Release17);
lwlock_subject!(barging_writer = crate::copies::barging_writer, Release17);
guard_subject!(fair = crate::copies::sound, fair::FairLock);
guard_subject!(
    relaxed_release = crate::copies::relaxed_release,
    fair::FairLock
);
guard_subject!(bravo = crate::copies::sound, bravo::BravoLock<3, 2>);
guard_subject!(
    writer_does_not_drain = crate::copies::writer_does_not_drain,
    bravo::BravoLock<3, 2>
);

/// A lock's name and its run.
type Run = (&'static str, fn() -> ExitCode);

const RUNS: [Run; 9] = [
    ("bravo", run::<bravo::Lock>),
    ("fair", run::<fair::Lock>),
    ("lwlock-17", run::<release_17::Lock>),
    ("lwlock-18", run::<release_18::Lock>),
    ("lwlock-19", run::<release_19::Lock>),
    ("missing_fence", run::<missing_fence::Lock>),
    ("barging_writer", run::<barging_writer::Lock>),
    ("relaxed_release", run::<relaxed_release::Lock>),
    ("writer_does_not_drain", run::<writer_does_not_drain::Lock>),
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    if let Some((_, run)) = RUNS.iter().find(|(known, _)| *known == name) {
        return run();
    }
    eprintln!(
        "tsan: name a lock: {}",
        RUNS.map(|(known, _)| known).join(", ")
    );
    ExitCode::from(2)
}
