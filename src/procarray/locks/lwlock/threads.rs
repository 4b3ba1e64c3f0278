//! A wait slot for every thread that waits, in memory that forked children share.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::sync::OnceLock;

use crossbeam::utils::CachePadded;
use parking_lot::Mutex;

use super::super::super::shared_memory::SharedBox;
use super::spin_delay::{DEFAULT_SPINS_PER_DELAY, averaged};
use super::wait_slot::{WaitSlot, WaitSlots};

/// Slots are made in runs of this many, and never moved or freed.
const RUN: usize = 256;
/// As many runs as backends fit into PostgreSQL (18 bits).
const RUNS: usize = 1024;

type Run = [CachePadded<WaitSlot>; RUN];

static SLOTS: [OnceLock<SharedBox<Run>>; RUNS] = [const { OnceLock::new() }; RUNS];

/// The run of that number, made if need be. Like an allocation, it ends the process where there
/// is no memory.
fn run(number: usize) -> &'static Run {
    SLOTS[number].get_or_init(|| {
        let slots = std::array::from_fn(|_| CachePadded::new(WaitSlot::new()));
        SharedBox::new(slots).unwrap_or_else(|_| handle_alloc_error(Layout::new::<Run>()))
    })
}

/// Makes all that a child forked by the calling thread can need, as one made in the child would
/// be the child's alone: the thread's own slot, which the child has meanwhile, and the runs
/// of all threads there are, with room for more.
pub(crate) fn prepare_to_fork() {
    my_slot();
    let made = FREE.lock().made as usize;
    for number in 0..=(made / RUN + 1).min(RUNS - 1) {
        run(number);
    }
}

/// Numbers that threads have given back, and what is known about spinning.
static FREE: Mutex<Free> = Mutex::new(Free {
    numbers: Vec::new(),
    made: 0,
    spins_per_delay: DEFAULT_SPINS_PER_DELAY,
});

struct Free {
    numbers: Vec<u32>,
    made: u32,
    /// The shared estimate (`ProcGlobal->spins_per_delay`).
    spins_per_delay: u32,
}

/// One thread's number, given back when the thread ends.
struct Mine {
    number: u32,
    spins_per_delay: Cell<u32>,
    abandoned: Cell<bool>,
}

impl Mine {
    fn new() -> Self {
        let mut free = FREE.lock();
        let number = free.numbers.pop().unwrap_or_else(|| {
            free.made += 1;
            free.made - 1
        });
        Self {
            number,
            spins_per_delay: Cell::new(free.spins_per_delay),
            abandoned: Cell::new(false),
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut free = FREE.lock();
        if !self.abandoned.get() {
            free.numbers.push(self.number);
        }
        free.spins_per_delay = averaged(free.spins_per_delay, self.spins_per_delay.get());
    }
}

thread_local! {
    static MINE: Mine = Mine::new();
}

/// The calling thread's slot. A thread that waits while its thread-local values are
/// being destroyed gets one that is not given back.
pub(crate) fn my_slot() -> u32 {
    MINE.try_with(|mine| mine.number).unwrap_or_else(|_| {
        let mine = Mine::new();
        let number = mine.number;
        std::mem::forget(mine);
        number
    })
}

/// Keeps the calling thread's slot from ever being another thread's: a child that had it died, and
/// it may still be on a lock's wait list.
pub(crate) fn abandon_my_slot() {
    let _ = MINE.try_with(|mine| mine.abandoned.set(true));
}

/// All threads' slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadSlots;

impl WaitSlots for ThreadSlots {
    fn slot(&self, number: u32) -> &WaitSlot {
        let number = number as usize;
        &run(number / RUN)[number % RUN]
    }

    fn spins_per_delay(&self) -> u32 {
        MINE.try_with(|mine| mine.spins_per_delay.get())
            .unwrap_or(DEFAULT_SPINS_PER_DELAY)
    }

    fn set_spins_per_delay(&self, spins: u32) {
        let _ = MINE.try_with(|mine| mine.spins_per_delay.set(spins));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_slot_is_nobodys_again() {
        let abandoned = std::thread::spawn(|| {
            abandon_my_slot();
            my_slot()
        });
        let abandoned = abandoned.join().unwrap();
        // Other tests give back slots meanwhile; among as many threads at once one would get it.
        let together = std::sync::Barrier::new(64);
        let numbers: Vec<u32> = std::thread::scope(|scope| {
            let ask = || {
                let number = my_slot();
                together.wait();
                number
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(!numbers.contains(&abandoned));
    }

    #[test]
    fn threads_have_slots_of_their_own() {
        let mine = my_slot();
        assert_eq!(my_slot(), mine);
        let other = std::thread::spawn(my_slot).join().unwrap();
        assert_ne!(other, mine);
        assert!(!std::ptr::eq(
            ThreadSlots.slot(mine),
            ThreadSlots.slot(other)
        ));
        assert!(std::ptr::eq(ThreadSlots.slot(mine), ThreadSlots.slot(mine)));
    }
}
