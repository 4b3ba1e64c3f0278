//! Adapters with one fault each.

use std::thread;

use procbench::procarray::locks::{LaterReaders, SharedExclusiveLock};

/// Ways to get an adapter wrong.
pub mod fault {
    pub const NONE: u8 = 0;
    pub const SHARED_TAKES_EXCLUSIVE: u8 = 1;
    pub const EXCLUSIVE_TAKES_SHARED: u8 = 2;
    pub const TRY_EXCLUSIVE_TAKES_SHARED: u8 = 3;
    pub const TRY_SHARED_TAKES_EXCLUSIVE: u8 = 4;
    pub const SHARED_GUARD_LEAKS: u8 = 5;
    pub const EXCLUSIVE_GUARD_LEAKS: u8 = 6;
    pub const TRY_SHARED_BLOCKS: u8 = 7;
    pub const TRY_EXCLUSIVE_BLOCKS: u8 = 8;
    pub const SHARED_TAKES_NOTHING: u8 = 9;
    pub const EXCLUSIVE_TAKES_NOTHING: u8 = 10;
    pub const TRY_ALWAYS_FAILS: u8 = 11;
    pub const TRY_GUARD_IS_DROPPED: u8 = 12;
    pub const LEAKS_WHEN_PANICKING: u8 = 13;
    pub const TRY_EXCLUSIVE_GUARD_LEAKS: u8 = 14;
}

/// A lock over parking_lot's with one fault.
pub struct Wrong<const FAULT: u8>(parking_lot::RwLock<()>);

/// A guard in whichever mode the adapter really took.
pub struct WrongGuard<'a> {
    shared: Option<parking_lot::RwLockReadGuard<'a, ()>>,
    exclusive: Option<parking_lot::RwLockWriteGuard<'a, ()>>,
    leaks: bool,
    leaks_when_panicking: bool,
}

impl Drop for WrongGuard<'_> {
    fn drop(&mut self) {
        if self.leaks || (self.leaks_when_panicking && thread::panicking()) {
            std::mem::forget(self.shared.take());
            std::mem::forget(self.exclusive.take());
        }
    }
}

impl<const FAULT: u8> Wrong<FAULT> {
    fn guard<'a>(
        shared: Option<parking_lot::RwLockReadGuard<'a, ()>>,
        exclusive: Option<parking_lot::RwLockWriteGuard<'a, ()>>,
        leaks: bool,
    ) -> WrongGuard<'a> {
        WrongGuard {
            shared,
            exclusive,
            leaks,
            leaks_when_panicking: FAULT == fault::LEAKS_WHEN_PANICKING,
        }
    }
}

impl<const FAULT: u8> SharedExclusiveLock for Wrong<FAULT> {
    const LATER_READERS: LaterReaders = LaterReaders::Either;

    type Shared<'a> = WrongGuard<'a>;
    type Exclusive<'a> = WrongGuard<'a>;

    fn new() -> Self {
        Self(parking_lot::RwLock::new(()))
    }

    fn acquire_shared(&self) -> WrongGuard<'_> {
        match FAULT {
            fault::SHARED_TAKES_EXCLUSIVE => Self::guard(None, Some(self.0.write()), false),
            fault::SHARED_TAKES_NOTHING => Self::guard(None, None, false),
            _ => Self::guard(
                Some(self.0.read()),
                None,
                FAULT == fault::SHARED_GUARD_LEAKS,
            ),
        }
    }

    fn acquire_exclusive(&self) -> WrongGuard<'_> {
        match FAULT {
            fault::EXCLUSIVE_TAKES_SHARED => Self::guard(Some(self.0.read()), None, false),
            fault::EXCLUSIVE_TAKES_NOTHING => Self::guard(None, None, false),
            _ => Self::guard(
                None,
                Some(self.0.write()),
                FAULT == fault::EXCLUSIVE_GUARD_LEAKS,
            ),
        }
    }

    fn try_acquire_shared(&self) -> Option<WrongGuard<'_>> {
        match FAULT {
            fault::TRY_SHARED_TAKES_EXCLUSIVE => self
                .0
                .try_write()
                .map(|guard| Self::guard(None, Some(guard), false)),
            fault::TRY_SHARED_BLOCKS => Some(self.acquire_shared()),
            fault::TRY_ALWAYS_FAILS => None,
            fault::TRY_GUARD_IS_DROPPED => self
                .0
                .try_read()
                .map(|_dropped| Self::guard(None, None, false)),
            _ => self
                .0
                .try_read()
                .map(|guard| Self::guard(Some(guard), None, false)),
        }
    }

    fn try_acquire_exclusive(&self) -> Option<WrongGuard<'_>> {
        match FAULT {
            fault::TRY_EXCLUSIVE_TAKES_SHARED => self
                .0
                .try_read()
                .map(|guard| Self::guard(Some(guard), None, false)),
            fault::TRY_EXCLUSIVE_BLOCKS => Some(self.acquire_exclusive()),
            fault::TRY_ALWAYS_FAILS => None,
            fault::TRY_GUARD_IS_DROPPED => self
                .0
                .try_write()
                .map(|_dropped| Self::guard(None, None, false)),
            _ => self.0.try_write().map(|guard| {
                Self::guard(None, Some(guard), FAULT == fault::TRY_EXCLUSIVE_GUARD_LEAKS)
            }),
        }
    }
}
