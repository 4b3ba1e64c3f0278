//! How long to spin for the wait list's bit before sleeping.

use std::time::Duration;

use super::super::sync::{random_fraction, sleep, spin_loop};
use super::wait_slot::WaitSlots;

/// Bounds of `spins_per_delay` (s_lock.c `MIN_SPINS_PER_DELAY`, `MAX_SPINS_PER_DELAY`).
const SPINS_PER_DELAY: std::ops::RangeInclusive<u32> = 10..=1000;
/// What a process starts with that has learnt nothing (`DEFAULT_SPINS_PER_DELAY`).
pub(crate) const DEFAULT_SPINS_PER_DELAY: u32 = 100;
/// Bounds of one sleep (`MIN_DELAY_USEC`, `MAX_DELAY_USEC`).
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

/// One wait for a spinlock (s_lock.c `SpinDelayStatus`).
#[derive(Debug)]
pub(crate) struct SpinDelay {
    spins: u32,
    spins_per_delay: u32,
    next_sleep: Option<Duration>,
    /// Sleeps so far.
    pub(crate) sleeps: u32,
}

impl SpinDelay {
    pub(crate) fn new(slots: &impl WaitSlots) -> Self {
        Self {
            spins: 0,
            spins_per_delay: slots.spins_per_delay(),
            next_sleep: None,
            sleeps: 0,
        }
    }

    /// One pause; after `spins_per_delay` of them a sleep, 1 ms at first, then longer by a
    /// random factor of 1 to 2 each time up to 1 s, then 1 ms again
    /// (`perform_spin_delay`). Never gives up; PostgreSQL panics after 1,000 sleeps.
    pub(crate) fn pause(&mut self) {
        spin_loop();
        self.spins += 1;
        if self.spins >= self.spins_per_delay {
            let time = self.next_sleep.unwrap_or(SHORTEST);
            sleep(time);
            self.sleeps += 1;
            let longer = time.mul_f64(1.0 + random_fraction());
            self.next_sleep = Some(if longer > LONGEST { SHORTEST } else { longer });
            self.spins = 0;
        }
    }

    /// Lets the thread spin longer next time if it got the lock without sleeping, a
    /// little less long otherwise (`finish_spin_delay`).
    pub(crate) fn finish(self, slots: &impl WaitSlots) {
        let learnt = if self.sleeps == 0 {
            self.spins_per_delay.saturating_add(100)
        } else {
            self.spins_per_delay - 1
        };
        slots.set_spins_per_delay(learnt.clamp(*SPINS_PER_DELAY.start(), *SPINS_PER_DELAY.end()));
    }
}

/// The average that new processes start from, moved by one that ends
/// (s_lock.c `update_spins_per_delay`).
pub(crate) fn averaged(shared: u32, own: u32) -> u32 {
    (shared * 15 + own) / 16
}

#[cfg(test)]
mod tests {
    use super::super::wait_slot::WaitSlot;
    use super::*;
    use std::cell::Cell;

    struct Learning(Cell<u32>);
    impl WaitSlots for Learning {
        fn slot(&self, _: u32) -> &WaitSlot {
            unreachable!("no slot is looked at")
        }
        fn spins_per_delay(&self) -> u32 {
            self.0.get()
        }
        fn set_spins_per_delay(&self, spins: u32) {
            self.0.set(spins);
        }
    }

    #[test]
    fn sleeps_come_after_the_learnt_number_of_spins_and_grow() {
        let slots = Learning(Cell::new(10));
        let mut delay = SpinDelay::new(&slots);
        for _ in 0..9 {
            delay.pause();
        }
        assert_eq!((delay.sleeps, delay.next_sleep), (0, None));
        delay.pause();
        assert_eq!(delay.sleeps, 1);
        let next = delay.next_sleep.unwrap();
        assert!((SHORTEST..=SHORTEST * 2).contains(&next));
        delay.next_sleep = Some(LONGEST + SHORTEST);
        // The longest is not waited for here: growth is what is looked at.
        delay.finish(&slots);
        assert_eq!(slots.0.get(), 10, "never below the least");
    }

    #[test]
    fn spinning_that_paid_is_longer_next_time() {
        let slots = Learning(Cell::new(DEFAULT_SPINS_PER_DELAY));
        for expected in [200, 300] {
            let mut delay = SpinDelay::new(&slots);
            delay.pause();
            delay.finish(&slots);
            assert_eq!(slots.0.get(), expected);
        }
        slots.0.set(1000);
        SpinDelay::new(&slots).finish(&slots);
        assert_eq!(slots.0.get(), 1000, "never above the most");
        let mut slept = SpinDelay::new(&slots);
        slept.sleeps = 1;
        slept.finish(&slots);
        assert_eq!(slots.0.get(), 999);
        assert_eq!(averaged(100, 1000), 156);
    }
}
