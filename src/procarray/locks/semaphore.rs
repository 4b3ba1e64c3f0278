//! A counting semaphore for one sleeper.

use super::sync::{Futex, Ordering};

/// Set while the owner sleeps or is about to.
const SLEEPER: u32 = 1 << 31;

/// The semaphore of a PGPROC (`PGSemaphore`; on Linux posix_sema.c over glibc's `sem_t`):
/// an atomic count, a futex, no spinning. Anybody posts, only the owner waits.
///
/// Unlike an unpark token, posts add up, so that a wake-up which was meant for
/// somebody else's loop can be taken and posted again.
#[derive(Debug)]
pub(crate) struct Semaphore(Futex);

impl Semaphore {
    /// A count of zero.
    pub(crate) fn new() -> Self {
        Self(Futex::new(0))
    }

    /// Adds one, and wakes the owner if it sleeps (`sem_post`).
    pub(crate) fn post(&self) {
        // Release: what the poster wrote is seen by the owner.
        if self.0.word().fetch_add(1, Ordering::Release) & SLEEPER != 0 {
            self.0.wake_one();
        }
    }

    /// Takes one, sleeping while there is none (`sem_wait`).
    pub(crate) fn wait(&self) {
        let word = self.0.word();
        let mut value = word.load(Ordering::Relaxed);
        loop {
            let taken = if value & !SLEEPER > 0 {
                (value - 1) & !SLEEPER
            } else {
                value | SLEEPER
            };
            match word.compare_exchange(value, taken, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if taken & SLEEPER == 0 => return,
                Ok(_) => {
                    self.0.wait(taken);
                    value = word.load(Ordering::Relaxed);
                }
                Err(changed) => value = changed,
            }
        }
    }

    /// Posts that nobody has taken yet.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u32 {
        self.0.word().load(Ordering::Relaxed) & !SLEEPER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    #[test]
    fn posts_add_up() {
        let semaphore = Semaphore::new();
        for _ in 0..3 {
            semaphore.post();
        }
        semaphore.wait();
        assert_eq!(semaphore.count(), 2);
        semaphore.wait();
        semaphore.wait();
        assert_eq!(semaphore.count(), 0);
    }

    #[test]
    fn every_post_lets_the_owner_through_once() {
        const POSTERS: u32 = 4;
        const EACH: u32 = 2_000;
        let semaphore = Arc::new(Semaphore::new());
        let passed = Arc::new(AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..POSTERS {
                scope.spawn(|| (0..EACH).for_each(|_| semaphore.post()));
            }
            scope.spawn(|| {
                for _ in 0..POSTERS * EACH {
                    semaphore.wait();
                    passed.fetch_add(1, Ordering::Relaxed);
                }
            });
        });
        assert_eq!(passed.load(Ordering::Relaxed), POSTERS * EACH);
        assert_eq!(semaphore.count(), 0);
    }
}
