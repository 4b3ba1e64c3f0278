//! The state word of an LWLock, release by release.

/// How a PostgreSQL release divides the state word, and where its algorithm differs
/// (lwlock.c, the `LW_` constants).
///
/// Releases are as branched: fixes of later minor releases are not in.
pub trait Release: Send + Sync + 'static {
    /// Somebody is on the wait list (`LW_FLAG_HAS_WAITERS`).
    const HAS_WAITERS: u32;
    /// Says whether a release may wake somebody.
    const WAKE_FLAG: u32 = Self::HAS_WAITERS >> 1;
    /// What a set wake flag says: true for `LW_FLAG_WAKE_IN_PROGRESS` (do not wake), false
    /// for its inverse, `LW_FLAG_RELEASE_OK` (may wake).
    const FLAG_FORBIDS_WAKING: bool;
    /// The spinlock of the wait list (`LW_FLAG_LOCKED`).
    const LIST_LOCKED: u32 = Self::HAS_WAITERS >> 2;
    /// Held exclusively (`LW_VAL_EXCLUSIVE`).
    const EXCLUSIVE: u32;
    /// Whether a wake-up looks for emptiness at the list of those it woke instead of the wait
    /// list, so that `HAS_WAITERS` is cleared one release late (until 81f7738953, November
    /// 2025, in minor releases of 14 to 18, too). Costs one needless look at the list.
    const LATE_EMPTINESS: bool;

    /// One shared holder (`LW_VAL_SHARED`).
    const SHARED: u32 = 1;
    /// The number of shared holders: all bits below the exclusive one.
    const SHARED_MASK: u32 = Self::EXCLUSIVE - 1;
    /// Any holder (`LW_LOCK_MASK`).
    const HELD: u32 = Self::EXCLUSIVE | Self::SHARED_MASK;
    /// The state of a lock that nobody has touched.
    const FREE: u32 = if Self::FLAG_FORBIDS_WAKING {
        0
    } else {
        Self::WAKE_FLAG
    };
}

/// PostgreSQL 9.5 to 17.
#[derive(Debug)]
pub enum Release17 {}

impl Release for Release17 {
    const HAS_WAITERS: u32 = 1 << 30;
    const FLAG_FORBIDS_WAKING: bool = false;
    const EXCLUSIVE: u32 = 1 << 24;
    const LATE_EMPTINESS: bool = true;
}

/// PostgreSQL 18: the same in other bits (cd3ccf88aa).
#[derive(Debug)]
pub enum Release18 {}

impl Release for Release18 {
    const HAS_WAITERS: u32 = 1 << 31;
    const FLAG_FORBIDS_WAKING: bool = false;
    const EXCLUSIVE: u32 = 1 << 18;
    const LATE_EMPTINESS: bool = true;
}

/// PostgreSQL 19: the wake flag inverted (9a385f6166), emptiness seen at once.
#[derive(Debug)]
pub enum Release19 {}

impl Release for Release19 {
    const HAS_WAITERS: u32 = 1 << 31;
    const FLAG_FORBIDS_WAKING: bool = true;
    const EXCLUSIVE: u32 = 1 << 18;
    const LATE_EMPTINESS: bool = false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::MAX_BACKENDS;

    fn bits_are_apart<R: Release>() {
        let flags = [R::HAS_WAITERS, R::WAKE_FLAG, R::LIST_LOCKED, R::EXCLUSIVE];
        let all = flags.iter().fold(R::SHARED_MASK, |sum, flag| {
            assert_eq!(flag.count_ones(), 1);
            assert_eq!(sum & flag, 0);
            sum | flag
        });
        assert!(all > R::HELD);
        // Every backend can hold the lock in shared mode.
        assert!(R::SHARED_MASK >= MAX_BACKENDS);
    }

    #[test]
    fn every_flag_has_a_bit_of_its_own() {
        bits_are_apart::<Release17>();
        bits_are_apart::<Release18>();
        bits_are_apart::<Release19>();
    }
}
