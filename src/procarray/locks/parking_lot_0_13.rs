//! parking_lot 0.13's `RwLock`.

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{LaterReaders, SharedExclusiveLock};

/// Word-sized lock over a parking lot. New readers queue behind a waiting writer;
/// without 0.12's automatic eventual fairness.
pub struct ParkingLot013(RwLock<()>);

impl SharedExclusiveLock for ParkingLot013 {
    const LATER_READERS: LaterReaders = LaterReaders::Wait;

    type Shared<'a> = RwLockReadGuard<'a, ()>;
    type Exclusive<'a> = RwLockWriteGuard<'a, ()>;

    fn new() -> Self {
        Self(RwLock::new(()))
    }

    fn acquire_shared(&self) -> Self::Shared<'_> {
        self.0.read()
    }

    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        self.0.write()
    }

    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        self.0.try_read()
    }

    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        self.0.try_write()
    }
}
