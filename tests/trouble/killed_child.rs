//! The death of a modelled connection that is a forked child and holds ProcArrayLock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::place::{Place, children, send, state};
use super::procbench_process::{Procbench, assert_partial, wait_for};

#[test]
fn a_child_killed_with_the_lock_leaves_what_was_measured() {
    let place = Place::new();
    // Each child holds the lock for 800 ms while it joins.
    let mut procbench = Procbench::start_model(
        &place,
        "out",
        "--mapping forked --inject-hold 800ms --arms unpooled --clients 2 --client-rate 3 --readers 2 \
         --reader-rate 200 --standing 10 --starts 1 --blocks 100 --duration 80s --warmup 0ms \
         --keep-awake off",
    );
    procbench.wait_until_it_says(": 0/");
    // Since when each is seen, where it was alone then.
    let mut seen: BTreeMap<u32, Option<Instant>> = BTreeMap::new();
    let in_its_hold = Duration::from_millis(50)..Duration::from_millis(400);
    let (holder, waiting) = wait_for("a child that waits for another one's lock", || {
        let now = children(procbench.pid());
        for child in &now {
            let alone = (now.len() == 1).then(Instant::now);
            seen.entry(*child).or_insert(alone);
        }
        let holder = now.iter().copied().find(|child| {
            let since = seen[child].map(|since| since.elapsed());
            since.is_some_and(|since| in_its_hold.contains(&since))
        });
        let other = now.iter().copied().find(|child| Some(*child) != holder);
        // By now several blocks are over.
        holder.zip(other).filter(|_| seen.len() > 3)
    });
    std::thread::sleep(Duration::from_millis(20));
    send(holder, Signal::SIGKILL);
    let ended = procbench.ended();
    ended.assert_code(1);
    let run = procbench.run();
    assert_partial(
        &run,
        "killed by SIGKILL where it may have held ProcArrayLock",
    );
    assert!(run.blocks.len() >= 2, "{} blocks", run.blocks.len());
    for tally in run.blocks.iter().flat_map(|block| block.tallies.values()) {
        assert_eq!(tally.error_count(), 0, "{tally:?}");
    }
    // Both readers, and whose child waits: they were not set free, but left behind.
    let reason = run.partial_reason().unwrap();
    let (_, left) = reason.split_once("still wait for it: ").unwrap();
    assert!(left.starts_with("3 after "), "{reason}");
    assert!(ended.stderr.contains("PARTIAL RUN"), "{}", ended.stderr);
    wait_for("the waiting child's end", || {
        state(waiting).is_none_or(|s| s == 'Z').then_some(())
    });
    procbench.assert_nothing_left();
}
