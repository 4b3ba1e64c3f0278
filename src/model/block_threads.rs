//! The threads of one block, some of which may never end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::load::Cancel;
use crate::load::driver::Failure;

/// How long the others may take to end once a lock is lost. Who does not wait for it ends within some
/// tens of milliseconds, at its next look at the stop flag.
const GIVE_UP_AFTER: Duration = Duration::from_secs(2);

enum News<T> {
    /// That thread has ended.
    Ended(usize, thread::Result<T>),
    /// A lock is lost, and why.
    LockLost(String),
}

/// Threads that each do a role to its end and hand back a `T`.
///
/// They own or share all that they use: where a lock is lost (a forked child died with it) those that
/// wait for it sleep for ever, and are left behind with what they share.
pub(super) struct BlockThreads<T> {
    threads: Vec<JoinHandle<()>>,
    tell: Sender<News<T>>,
    news: Receiver<News<T>>,
    stop: Cancel,
}

/// Where a role says that a lock is lost.
pub(super) struct LockLoss<T> {
    tell: Sender<News<T>>,
    stop: Cancel,
}

impl<T> LockLoss<T> {
    /// Stops all threads of the block, as far as they can be.
    pub(super) fn report(&self, reason: String) {
        self.stop.cancel();
        // Nobody hears it where the block has been given up already.
        let _ = self.tell.send(News::LockLost(reason));
    }
}

impl<T: Send + 'static> BlockThreads<T> {
    /// None yet; `cancel` stops them, too.
    pub(super) fn new(cancel: &Cancel) -> Self {
        let (tell, news) = unbounded();
        Self {
            threads: Vec::new(),
            tell,
            news,
            stop: cancel.of_a_part(),
        }
    }

    /// What asks them to stop.
    pub(super) fn stop(&self) -> Cancel {
        self.stop.clone()
    }

    /// For a role that can lose a lock.
    pub(super) fn lock_loss(&self) -> LockLoss<T> {
        LockLoss {
            tell: self.tell.clone(),
            stop: self.stop(),
        }
    }

    /// Starts one more.
    ///
    /// # Errors
    /// The operating system grants no thread.
    pub(super) fn start(
        &mut self,
        role: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(), Failure> {
        let (number, tell) = (self.threads.len(), self.tell.clone());
        let started = thread::Builder::new().spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(role));
            let _ = tell.send(News::Ended(number, ended));
        });
        self.threads
            .push(started.map_err(|e| Failure::Fatal(format!("a thread cannot be started: {e}")))?);
        Ok(())
    }

    /// Waits for all of them, and returns what they hand back in the order in which they were started.
    ///
    /// # Errors
    /// A lock is lost. Those that have not ended [`GIVE_UP_AFTER`] are left behind.
    ///
    /// # Panics
    /// As one of the threads did: a bug, which must not look like a quiet role.
    pub(super) fn finish(self) -> Result<Vec<T>, Failure> {
        let mut handed_back: Vec<Option<T>> = self.threads.iter().map(|_| None).collect();
        let mut threads: Vec<Option<JoinHandle<()>>> = self.threads.into_iter().map(Some).collect();
        let mut running = threads.len();
        let mut lost: Option<(String, Instant)> = None;
        while running > 0 {
            let next = match &lost {
                None => self.news.recv().ok(),
                Some((_, deadline)) => self.news.recv_deadline(*deadline).ok(),
            };
            match next {
                Some(News::Ended(number, ended)) => {
                    running -= 1;
                    // It is past its role, and gives back what is the thread's own.
                    if let Some(thread) = threads[number].take() {
                        let _ = thread.join();
                    }
                    handed_back[number] = Some(ended.unwrap_or_else(|panic| resume_unwind(panic)));
                }
                Some(News::LockLost(reason)) => {
                    lost.get_or_insert_with(|| (reason, Instant::now() + GIVE_UP_AFTER));
                }
                None => break,
            }
        }
        match lost {
            None => Ok(handed_back.into_iter().flatten().collect()),
            Some((reason, _)) if running == 0 => Err(Failure::Fatal(reason)),
            Some((reason, _)) => Err(Failure::Fatal(format!(
                "{reason}; threads that still wait for it: {running}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::sync::{Arc, Barrier};

    #[test]
    fn what_threads_hand_back_is_in_order_whoever_ends_first() {
        let mut threads = BlockThreads::new(&Cancel::default());
        let ended = Arc::new(AtomicU32::new(0));
        for place in 0..3_u32 {
            let ended = Arc::clone(&ended);
            let role = move || {
                // The last one first.
                while ended.load(SeqCst) != 2 - place {
                    thread::yield_now();
                }
                ended.fetch_add(1, SeqCst);
                place
            };
            threads.start(role).unwrap();
        }
        assert_eq!(threads.finish(), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn who_waits_for_a_lost_lock_is_left_behind_and_the_others_are_stopped() {
        let mut threads = BlockThreads::new(&Cancel::default());
        let (loss, stop) = (threads.lock_loss(), threads.stop());
        let stopped = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&stopped);
        threads
            .start(move || {
                while !stop.is_cancelled() {
                    thread::yield_now();
                }
                counted.fetch_add(1, SeqCst);
            })
            .unwrap();
        threads
            .start(|| {
                // Nobody else comes to it.
                Barrier::new(2).wait();
            })
            .unwrap();
        threads.start(move || loss.report("lost".into())).unwrap();
        let given_up = Failure::Fatal("lost; threads that still wait for it: 1".into());
        assert_eq!(threads.finish(), Err(given_up));
        assert_eq!(stopped.load(SeqCst), 1);
    }

    #[test]
    fn a_loss_that_nobody_waits_for_ends_the_block_all_the_same() {
        let mut threads = BlockThreads::new(&Cancel::default());
        let loss = threads.lock_loss();
        threads.start(move || loss.report("lost".into())).unwrap();
        assert_eq!(threads.finish(), Err(Failure::Fatal("lost".into())));
    }

    #[test]
    fn a_panic_is_the_callers() {
        let mut threads = BlockThreads::<()>::new(&Cancel::default());
        threads.start(|| resume_unwind(Box::new("a bug"))).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| threads.finish()));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"a bug"));
    }
}
