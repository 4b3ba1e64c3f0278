//! What an LWLock's slow path did.

use super::super::sync::Counter;

/// Counts of one lock. Only those who queue, wake or are woken write here.
#[derive(Debug, Default)]
pub(crate) struct WakeCounters {
    /// Releases that woke somebody.
    pub(crate) wake_ups: Counter,
    /// Shared waiters woken.
    pub(crate) woken_shared: Counter,
    /// Exclusive waiters woken.
    pub(crate) woken_exclusive: Counter,
    /// Exclusive waiters left asleep in front of a woken one.
    pub(crate) passed_over: Counter,
    /// The most that one release woke.
    pub(crate) most_woken: Counter,
}

impl WakeCounters {
    pub(crate) fn woke(&self, shared: u64, exclusive: u64, passed_over: u64) {
        let all = shared + exclusive;
        if all > 0 {
            self.wake_ups.add(1);
            self.woken_shared.add(shared);
            self.woken_exclusive.add(exclusive);
            self.passed_over.add(passed_over);
            self.most_woken.raise_to(all);
        }
    }
}
