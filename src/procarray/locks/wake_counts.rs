//! What a lock that wakes its own waiters knows about it.

use std::ops::Sub;

/// Wake-ups since the lock was made or (as a difference) in a stretch of time.
///
/// Only locks with a queue of their own count them; nobody outside can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WakeCounts {
    /// Releases that woke at least one waiter.
    pub wake_ups: u64,
    /// Waiters for shared mode woken.
    pub woken_shared: u64,
    /// Waiters for exclusive mode woken.
    pub woken_exclusive: u64,
    /// Waiters for exclusive mode left asleep in front of a woken one.
    pub passed_over: u64,
    /// Most waiters woken by one release, since the lock was made.
    pub most_woken: u64,
}

/// `later - earlier`; the maximum is the later one's.
impl Sub for WakeCounts {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            wake_ups: self.wake_ups - earlier.wake_ups,
            woken_shared: self.woken_shared - earlier.woken_shared,
            woken_exclusive: self.woken_exclusive - earlier.woken_exclusive,
            passed_over: self.passed_over - earlier.passed_over,
            most_woken: self.most_woken,
        }
    }
}
