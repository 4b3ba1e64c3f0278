//! The standard library's `RwLock`.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use super::{LaterReaders, SharedExclusiveLock};

/// Futex lock on Linux; prefers a waiting writer over new readers. Poisoning is
/// ignored, as an LWLock knows none.
pub struct StdRwLock(RwLock<()>);

impl SharedExclusiveLock for StdRwLock {
    const LATER_READERS: LaterReaders = LaterReaders::Wait;

    type Shared<'a> = RwLockReadGuard<'a, ()>;
    type Exclusive<'a> = RwLockWriteGuard<'a, ()>;

    fn new() -> Self {
        Self(RwLock::new(()))
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
