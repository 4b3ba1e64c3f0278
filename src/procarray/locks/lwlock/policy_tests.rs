//! Whom a release wakes, step by step and with no clock: first with waiters that are only entries
//! of the queue, then with threads.

use std::sync::{Barrier, mpsc};
use std::thread;

use super::bits::{Release, Release17, Release18, Release19};
use super::raw::RawLwLock;
use super::threads::ThreadSlots;
use super::wait_slot::Mode::{self, Exclusive, Shared};
use super::wait_slot::{WaitSlot, WaitSlots, wait_state};
use super::{LwLock, SharedExclusiveLock, WakeCounts};
use std::sync::atomic::Ordering::Relaxed;

struct Slots(Vec<WaitSlot>);

impl WaitSlots for Slots {
    fn slot(&self, number: u32) -> &WaitSlot {
        &self.0[number as usize]
    }
    fn spins_per_delay(&self) -> u32 {
        100
    }
    fn set_spins_per_delay(&self, _: u32) {}
}

/// A lock, held exclusively, with waiters in this order.
fn queued<R: Release>(modes: &[Mode]) -> (RawLwLock<R>, Slots) {
    let slots = Slots(modes.iter().map(|_| WaitSlot::new()).collect());
    let lock = RawLwLock::new();
    assert!(lock.attempt(Exclusive));
    for (number, mode) in modes.iter().enumerate() {
        assert!(!lock.attempt(*mode));
        lock.queue_self(&slots, number as u32, *mode);
    }
    assert_eq!(lock.queue(&slots), modes);
    (lock, slots)
}

fn woken(slots: &Slots) -> Vec<bool> {
    let woken = |slot: &WaitSlot| {
        let woken = slot.waiting.load(Relaxed) == wait_state::NOT_WAITING;
        assert_eq!(slot.semaphore.count(), u32::from(woken), "one post each");
        woken
    };
    slots.0.iter().map(woken).collect()
}

fn exclusive_head<R: Release>() {
    let (lock, slots) = queued::<R>(&[Exclusive, Shared, Exclusive, Shared]);
    lock.release(&slots, Exclusive);
    assert_eq!(woken(&slots), [true, false, false, false]);
    assert_eq!(lock.queue(&slots), [Shared, Exclusive, Shared]);
    let expected = WakeCounts {
        wake_ups: 1,
        woken_exclusive: 1,
        most_woken: 1,
        ..WakeCounts::default()
    };
    assert_eq!(lock.counters().get(), expected);
}

fn shared_head<R: Release>() {
    let (lock, slots) = queued::<R>(&[Shared, Exclusive, Shared, Exclusive, Shared, Exclusive]);
    lock.release(&slots, Exclusive);
    assert_eq!(woken(&slots), [true, false, true, false, true, false]);
    assert_eq!(lock.queue(&slots), [Exclusive; 3]);
    let expected = WakeCounts {
        wake_ups: 1,
        woken_shared: 3,
        passed_over: 2,
        most_woken: 3,
        ..WakeCounts::default()
    };
    assert_eq!(lock.counters().get(), expected);
}

/// Until the woken one runs, others may come and go, but nobody else is woken.
fn one_wake_up_at_a_time<R: Release>() {
    let (lock, slots) = queued::<R>(&[Exclusive, Exclusive]);
    lock.release(&slots, Exclusive);
    for mode in [Exclusive, Shared, Exclusive] {
        assert!(lock.attempt(mode), "nothing was handed over: others barge");
        lock.release(&slots, mode);
        assert_eq!(woken(&slots), [true, false]);
    }
    // As the woken one does when it runs, before it competes.
    lock.allow_wake_ups();
    assert!(lock.attempt(Exclusive));
    lock.release(&slots, Exclusive);
    assert_eq!(woken(&slots), [true, true]);
    assert_eq!(lock.counters().get().wake_ups, 2);
}

/// A release that leaves a reader inside wakes nobody, so the writer waits on.
fn last_reader_wakes<R: Release>() {
    let lock = RawLwLock::<R>::new();
    let slots = Slots(vec![WaitSlot::new()]);
    assert!(lock.attempt(Shared));
    lock.queue_self(&slots, 0, Exclusive);
    for _ in 0..5 {
        assert!(lock.attempt(Shared), "readers pass the waiting writer");
        lock.release(&slots, Shared);
        assert_eq!(woken(&slots), [false]);
    }
    lock.release(&slots, Shared);
    assert_eq!(woken(&slots), [true]);
}

/// Five threads queue behind a writer in a known order; whom its release wakes is read from the
/// lock's own counts before any of them leaves.
fn threads_are_woken_by_the_same_rule<R: Release>() {
    let modes = [Shared, Exclusive, Shared, Exclusive, Shared];
    let lock = &LwLock::<R>::new();
    let readers_inside = &Barrier::new(4);
    let held = lock.acquire_exclusive();
    thread::scope(|scope| {
        let (seen, writers_seen) = mpsc::channel();
        for (queued, mode) in modes.into_iter().enumerate() {
            let seen = seen.clone();
            scope.spawn(move || match mode {
                Shared => {
                    let _guard = lock.acquire_shared();
                    // All three at once, and the main thread.
                    readers_inside.wait();
                    readers_inside.wait();
                }
                Exclusive => {
                    let _guard = lock.acquire_exclusive();
                    seen.send(lock.wake_counts()).unwrap();
                }
            });
            while lock.0.queue(&ThreadSlots).len() == queued {
                thread::yield_now();
            }
        }
        drop(held);
        readers_inside.wait();
        let counts = lock.wake_counts().unwrap();
        assert_eq!((counts.wake_ups, counts.woken_shared), (1, 3));
        assert_eq!((counts.woken_exclusive, counts.passed_over), (0, 2));
        assert_eq!(lock.0.queue(&ThreadSlots), [Exclusive; 2]);
        readers_inside.wait();
        for woken in 1..=2 {
            let counts = writers_seen.recv().unwrap().unwrap();
            assert_eq!((counts.woken_shared, counts.woken_exclusive), (3, woken));
        }
    });
    assert!(lock.0.is_at_rest());
    assert_eq!(lock.wake_counts().unwrap().most_woken, 3);
}

#[test]
fn with_a_writer_at_the_head_one_is_woken() {
    exclusive_head::<Release17>();
    exclusive_head::<Release18>();
    exclusive_head::<Release19>();
}

#[test]
fn with_a_reader_at_the_head_all_readers_are_woken_past_the_writers() {
    shared_head::<Release17>();
    shared_head::<Release18>();
    shared_head::<Release19>();
    threads_are_woken_by_the_same_rule::<Release17>();
    threads_are_woken_by_the_same_rule::<Release18>();
    threads_are_woken_by_the_same_rule::<Release19>();
}

#[test]
fn while_a_wake_up_is_in_progress_others_barge_and_nobody_is_woken() {
    one_wake_up_at_a_time::<Release17>();
    one_wake_up_at_a_time::<Release18>();
    one_wake_up_at_a_time::<Release19>();
}

#[test]
fn only_the_last_reader_to_leave_wakes_the_writer() {
    last_reader_wakes::<Release17>();
    last_reader_wakes::<Release18>();
    last_reader_wakes::<Release19>();
}

/// The state word keeps `HAS_WAITERS` one release longer where PostgreSQL's did.
#[test]
fn an_empty_queue_is_noticed_late_up_to_18() {
    fn looks_once_more<R: Release>() -> bool {
        let (lock, slots) = queued::<R>(&[Shared]);
        lock.release(&slots, Exclusive);
        let has_waiters = !lock.is_at_rest();
        lock.allow_wake_ups();
        let late = !lock.is_at_rest() && has_waiters;
        assert!(lock.attempt(Shared));
        lock.release(&slots, Shared);
        assert!(lock.is_at_rest());
        late
    }
    assert!(looks_once_more::<Release17>());
    assert!(looks_once_more::<Release18>());
    assert!(!looks_once_more::<Release19>());
}
