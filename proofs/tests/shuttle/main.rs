//! shuttle: larger programs, sampled interleavings. Its atomics are sequentially consistent, so
//! what only a weaker order shows is for loom and ThreadSanitizer.

mod crowd;
mod shuttle_sync;

use procbench_proofs::jobs::{self, Job};
use procbench_proofs::{guard_subject, lwlock_subject};

use crate::crowd::{explore, explore_with_posts};

#[allow(dead_code)]
mod copies {
    include!(concat!(env!("OUT_DIR"), "/shuttle.rs"));
}

/// A job for each planted bug of a lock, with the word that the report must hold.
macro_rules! planted {
    (lwlock: $($name:ident $word:literal),+ $(,)?) => {[$({
        lwlock_subject!($name = crate::copies::$name, Release17);
        Job::caught(stringify!($name), explore_with_posts::<$name::Lock>, $word)
    }),+]};
    (fair: $($name:ident $word:literal),+ $(,)?) => {[$({
        guard_subject!($name = crate::copies::$name, fair::FairLock);
        Job::caught(stringify!($name), explore::<$name::Lock>, $word)
    }),+]};
    (bravo: $($name:ident $word:literal),+ $(,)?) => {[$({
        guard_subject!($name = crate::copies::$name, bravo::BravoLock<3, 2>);
        Job::caught(stringify!($name), explore::<$name::Lock>, $word)
    }),+]};
}

lwlock_subject!(release_17 = crate::copies::sound, Release17);
lwlock_subject!(release_18 = crate::copies::sound, Release18);
lwlock_subject!(release_19 = crate::copies::sound, Release19);
guard_subject!(fair = crate::copies::sound, fair::FairLock);
// Few enough slow reads for the bias to come and go; some threads share a slot.
guard_subject!(bravo = crate::copies::sound, bravo::BravoLock<3, 2>);

fn main() -> std::process::ExitCode {
    let mut jobs = vec![
        Job::passes("bravo", explore::<bravo::Lock>),
        Job::passes("fair", explore::<fair::Lock>),
        Job::passes("lwlock-17", explore_with_posts::<release_17::Lock>),
        Job::passes("lwlock-18", explore_with_posts::<release_18::Lock>),
        Job::passes("lwlock-19", explore_with_posts::<release_19::Lock>),
    ];
    jobs.extend(planted!(lwlock:
        lost_wake_up "deadlock",
        wake_flag_left "panicked",
        dropped_repost "deadlock",
        post_not_absorbed "panicked",
        barging_writer "panicked",
        unlocked_wait_list "panicked",
        sleeper_not_woken "deadlock",
    ));
    jobs.extend(planted!(fair:
        queued_mark_lost "deadlock",
        handed_to_nobody "deadlock",
        posted_twice "panicked",
        handed_to_two_writers "not alone",
        barging_reader "panicked",
    ));
    jobs.extend(planted!(bravo:
        no_second_look "panicked",
        writer_does_not_drain "panicked",
        slot_taken_over "panicked",
        conditional_writer_past_readers "not alone",
    ));
    jobs::main(&jobs)
}
