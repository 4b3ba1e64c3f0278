//! Other people's reader-writer locks. Poisoning is ignored, as an LWLock knows none.

use std::sync::{PoisonError, TryLockError};

use super::{LaterReaders, SharedExclusiveLock};

/// A new type around a lock, the types of its guards, and what to make of what an acquire and an attempt
/// return.
macro_rules! locks_of_others {
    ($(
        $(#[$doc:meta])*
        $name:ident = $lock:path, $shared:path, $exclusive:path;
        $later_readers:ident, $acquired:path, $attempted:path;
    )+) => {$(
        $(#[$doc])*
        pub struct $name($lock);

        impl SharedExclusiveLock for $name {
            const LATER_READERS: LaterReaders = LaterReaders::$later_readers;

            type Shared<'a> = $shared;
            type Exclusive<'a> = $exclusive;

            fn new() -> Self {
                Self(Default::default())
            }

            fn acquire_shared(&self) -> Self::Shared<'_> {
                $acquired(self.0.read())
            }

            fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
                $acquired(self.0.write())
            }

            fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
                $attempted(self.0.try_read())
            }

            fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
                $attempted(self.0.try_write())
            }
        }
    )+};
}

locks_of_others! {
    /// The standard library's. Futex lock on Linux; prefers a waiting writer over new readers.
    StdRwLock =
        std::sync::RwLock<()>, std::sync::RwLockReadGuard<'a, ()>, std::sync::RwLockWriteGuard<'a, ()>;
        Wait, even_poisoned, unless_blocked;

    /// crossbeam's: eight std locks, of which a reader takes its own and a writer takes all: shared
    /// acquisition scales, exclusive is dear.
    CrossbeamSharded =
        crossbeam::sync::ShardedLock<()>,
        crossbeam::sync::ShardedLockReadGuard<'a, ()>, crossbeam::sync::ShardedLockWriteGuard<'a, ()>;
        Either, even_poisoned, unless_blocked;

    /// Word-sized lock over a parking lot. New readers queue behind a waiting writer,
    /// and an unlock is made fair about every 0.5 ms.
    ParkingLot012 =
        parking_lot_012::RwLock<()>,
        parking_lot_012::RwLockReadGuard<'a, ()>, parking_lot_012::RwLockWriteGuard<'a, ()>;
        Wait, std::convert::identity, std::convert::identity;

    /// Word-sized lock over a parking lot. New readers queue behind a waiting writer;
    /// without 0.12's automatic eventual fairness.
    ParkingLot013 =
        parking_lot::RwLock<()>,
        parking_lot::RwLockReadGuard<'a, ()>, parking_lot::RwLockWriteGuard<'a, ()>;
        Wait, std::convert::identity, std::convert::identity;
}

fn even_poisoned<G>(acquired: Result<G, PoisonError<G>>) -> G {
    acquired.unwrap_or_else(PoisonError::into_inner)
}

fn unless_blocked<G>(attempted: Result<G, TryLockError<G>>) -> Option<G> {
    match attempted {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
