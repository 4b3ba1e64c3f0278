//! shuttle: larger programs, sampled interleavings. Its atomics are sequentially consistent, so
//! what only a weaker order shows is for loom and ThreadSanitizer.

mod lwlock;
mod shuttle_sync;

use procbench_proofs::jobs::{self, Job};
use procbench_proofs::lwlock_subject;

use crate::lwlock::explore;

#[allow(dead_code)]
mod copies {
    include!(concat!(env!("OUT_DIR"), "/shuttle.rs"));
}

lwlock_subject!(release_17 = crate::copies::sound, Release17);
lwlock_subject!(release_18 = crate::copies::sound, Release18);
lwlock_subject!(release_19 = crate::copies::sound, Release19);
lwlock_subject!(lost_wake_up = crate::copies::lost_wake_up, Release17);
lwlock_subject!(wake_flag_left = crate::copies::wake_flag_left, Release17);
lwlock_subject!(dropped_repost = crate::copies::dropped_repost, Release17);
lwlock_subject!(
    post_not_absorbed = crate::copies::post_not_absorbed,
    Release17
);
lwlock_subject!(barging_writer = crate::copies::barging_writer, Release17);
lwlock_subject!(
    unlocked_wait_list = crate::copies::unlocked_wait_list,
    Release17
);
lwlock_subject!(
    sleeper_not_woken = crate::copies::sleeper_not_woken,
    Release17
);

fn main() -> std::process::ExitCode {
    let job = |name: &str, explore, must_find| Job {
        name: name.to_owned(),
        explore,
        must_find,
    };
    jobs::main(&[
        job("lwlock-17", explore::<release_17::Lock>, None),
        job("lwlock-18", explore::<release_18::Lock>, None),
        job("lwlock-19", explore::<release_19::Lock>, None),
        job(
            "lost_wake_up",
            explore::<lost_wake_up::Lock>,
            Some("deadlock"),
        ),
        job(
            "wake_flag_left",
            explore::<wake_flag_left::Lock>,
            Some("panicked"),
        ),
        job(
            "dropped_repost",
            explore::<dropped_repost::Lock>,
            Some("deadlock"),
        ),
        job(
            "post_not_absorbed",
            explore::<post_not_absorbed::Lock>,
            Some("panicked"),
        ),
        job(
            "barging_writer",
            explore::<barging_writer::Lock>,
            Some("panicked"),
        ),
        job(
            "unlocked_wait_list",
            explore::<unlocked_wait_list::Lock>,
            Some("panicked"),
        ),
        job(
            "sleeper_not_woken",
            explore::<sleeper_not_woken::Lock>,
            Some("deadlock"),
        ),
    ])
}
