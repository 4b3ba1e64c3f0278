//! loom: small programs, every interleaving and memory order up to a bound on preemptions.

mod group;
mod loom_sync;
mod programs;
mod reuse;

use std::collections::BTreeSet;

use procbench_proofs::jobs::{self, Job};
use procbench_proofs::{PLANTED, guard_subject, lwlock_subject};

use crate::group::group;
use crate::programs::{explore, explore_deeper, explore_with_posts};
use crate::reuse::reuse_check;

#[allow(dead_code)]
mod copies {
    include!(concat!(env!("OUT_DIR"), "/loom.rs"));
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
        guard_subject!($name = crate::copies::$name, bravo::BravoLock<1, 2>);
        Job::caught(stringify!($name), explore::<$name::Lock>, $word)
    }),+]};
    (reuse: $($name:ident $word:literal),+ $(,)?) => {[$({
        reuse_check!(Check = $name);
        Job::caught(stringify!($name), reuse::explore::<Check>, $word)
    }),+]};
    (group: $($name:ident $word:literal),+ $(,)?) => {[$({
        group!($name = $name);
        Job::caught(stringify!($name), group::explore::<$name::Committers>, $word)
    }),+]};
}

lwlock_subject!(release_17 = crate::copies::sound, Release17);
lwlock_subject!(release_18 = crate::copies::sound, Release18);
lwlock_subject!(release_19 = crate::copies::sound, Release19);
guard_subject!(fair = crate::copies::sound, fair::FairLock);
// One slow read turns the bias on again, and of three threads two share a slot.
guard_subject!(bravo = crate::copies::sound, bravo::BravoLock<1, 2>);
reuse_check!(Sound = sound);
group!(sound_group = sound);

fn main() -> std::process::ExitCode {
    let mut jobs = vec![
        Job::passes("bravo", explore_deeper::<bravo::Lock>),
        Job::passes("fair", explore_deeper::<fair::Lock>),
        Job::passes("lwlock-17", explore_with_posts::<release_17::Lock>),
        Job::passes("lwlock-18", explore_with_posts::<release_18::Lock>),
        Job::passes("lwlock-19", explore_with_posts::<release_19::Lock>),
        Job::passes("reuse-check", reuse::explore::<Sound>),
        Job::passes("group-clear", group::explore::<sound_group::Committers>),
    ];
    jobs.extend(planted!(lwlock:
        lost_wake_up "deadlock",
        wake_flag_left "come to rest",
        dropped_repost "deadlock",
        post_not_absorbed "come to rest",
        missing_fence "Causality violation",
        barging_writer "Causality violation",
        unlocked_wait_list "",
        sleeper_not_woken "deadlock",
    ));
    jobs.extend(planted!(fair:
        queued_mark_lost "deadlock",
        handed_to_nobody "deadlock",
        posted_twice "Causality violation",
        handed_to_two_writers "Causality violation",
        barging_reader "Causality violation",
        relaxed_release "Causality violation",
        last_reader_does_not_acquire "Causality violation",
    ));
    jobs.extend(planted!(bravo:
        no_second_look "Causality violation",
        relaxed_second_look "Causality violation",
        publish_without_fence "Causality violation",
        revoke_without_fence "Causality violation",
        writer_does_not_drain "Causality violation",
        relaxed_withdrawal "Causality violation",
        slot_taken_over "Causality violation",
        conditional_writer_past_readers "Causality violation",
    ));
    jobs.extend(planted!(reuse:
        reader_without_fence "horizon passes",
        committer_without_fence "horizon passes",
        committer_fence_too_early "horizon passes",
        xmin_kept_unseen "horizon passes",
        acquire_release_for_fences "horizon passes",
        older_xmin_taken_back "older xmin",
    ));
    jobs.extend(planted!(group:
        follower_not_woken "deadlock",
        posted_before_its_flag "deadlock",
        next_read_after_waking "deadlock",
        list_not_taken "deadlock",
        relaxed_join "Causality violation",
        relaxed_take "Causality violation",
        leader_without_fence "Causality violation",
        follower_without_fence "Causality violation",
        foreign_post_kept "not conserved",
    ));
    let hunted: BTreeSet<&str> = jobs
        .iter()
        .filter(|j| j.must_find.is_some())
        .map(|j| j.name)
        .collect();
    let planted: BTreeSet<&str> = PLANTED.iter().map(|bug| bug.name).collect();
    assert_eq!(hunted, planted, "every planted bug is looked for");
    jobs::main(&jobs)
}
