//! crossbeam's `ShardedLock`.

use std::sync::{PoisonError, TryLockError};

use crossbeam::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};

use super::{LaterReaders, SharedExclusiveLock};

/// Eight std locks, of which a reader takes its own and a writer takes all: shared
/// acquisition scales, exclusive is dear. Poisoning is ignored, as an LWLock
/// knows none.
pub struct CrossbeamSharded(ShardedLock<()>);

impl SharedExclusiveLock for CrossbeamSharded {
    // The writer holds some of the eight locks and waits for one: it depends on the reader's.
    const LATER_READERS: LaterReaders = LaterReaders::Either;

    type Shared<'a> = ShardedLockReadGuard<'a, ()>;
    type Exclusive<'a> = ShardedLockWriteGuard<'a, ()>;

    fn new() -> Self {
        Self(ShardedLock::new(()))
    }

    fn acquire_shared(&self) -> Self::Shared<'_> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        match self.0.try_read() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        match self.0.try_write() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
