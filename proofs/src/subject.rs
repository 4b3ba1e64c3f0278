//! A lock, whatever its sources were compiled over.

/// What the programs want of a lock, with its copy of the sources hidden.
pub trait Subject: Send + Sync + 'static {
    /// A free lock for threads with numbers below this one.
    fn new(threads: usize) -> Self;
    /// Acquires as thread `me` (`LWLockAcquire`), does the work, releases.
    fn hold<R>(&self, me: u32, exclusive: bool, work: impl FnOnce() -> R) -> R;
    /// As thread `me`, does the work only if an attempt succeeds (`LWLockConditionalAcquire`).
    fn try_hold<R>(&self, me: u32, exclusive: bool, work: impl FnOnce() -> R) -> Option<R>;
    /// Nobody holds, waits or is being woken, and no post is left over.
    fn is_at_rest(&self) -> bool;
}

/// A lock whose waiters sleep on what they are woken by for other reasons, too.
pub trait SharedSemaphore: Subject {
    /// A wake-up of another kind for `whom`, as the end of a transaction in a group is.
    fn post(&self, whom: u32);
    /// Waits for such a one.
    fn wait_for_post(&self, me: u32);
}

/// Makes module `$name` with a [`Subject`] `Lock` of one copy of the LWLock's sources.
#[macro_export]
macro_rules! lwlock_subject {
    ($name:ident = $($copy:ident)::+, $release:ident) => {
        pub mod $name {
            use $($copy)::+::locks::lwlock::bits::$release;
            use $($copy)::+::locks::lwlock::raw::RawLwLock;
            use $($copy)::+::locks::lwlock::wait_slot::{Mode, WaitSlot, WaitSlots};

            struct Slots(Vec<WaitSlot>);

            impl WaitSlots for Slots {
                fn slot(&self, number: u32) -> &WaitSlot {
                    &self.0[number as usize]
                }
                fn spins_per_delay(&self) -> u32 {
                    10
                }
                fn set_spins_per_delay(&self, _: u32) {}
            }

            pub struct Lock {
                lock: RawLwLock<$release>,
                slots: Slots,
            }

            fn mode(exclusive: bool) -> Mode {
                if exclusive { Mode::Exclusive } else { Mode::Shared }
            }

            impl $crate::subject::Subject for Lock {
                fn new(threads: usize) -> Self {
                    Self {
                        lock: RawLwLock::new(),
                        slots: Slots((0..threads).map(|_| WaitSlot::new()).collect()),
                    }
                }
                fn hold<R>(&self, me: u32, exclusive: bool, work: impl FnOnce() -> R) -> R {
                    if !self.lock.attempt(mode(exclusive)) {
                        self.lock.wait(&self.slots, me, mode(exclusive));
                    }
                    let done = work();
                    self.lock.release(&self.slots, mode(exclusive));
                    done
                }
                fn try_hold<R>(
                    &self,
                    _: u32,
                    exclusive: bool,
                    work: impl FnOnce() -> R,
                ) -> Option<R> {
                    self.lock.attempt(mode(exclusive)).then(|| {
                        let done = work();
                        self.lock.release(&self.slots, mode(exclusive));
                        done
                    })
                }
                fn is_at_rest(&self) -> bool {
                    self.lock.is_at_rest()
                        && self.slots.0.iter().all(|slot| slot.semaphore.count() == 0)
                }
            }

            impl $crate::subject::SharedSemaphore for Lock {
                fn post(&self, whom: u32) {
                    self.slots.0[whom as usize].semaphore.post();
                }
                fn wait_for_post(&self, me: u32) {
                    self.slots.0[me as usize].semaphore.wait();
                }
            }
        }
    };
}

/// Makes module `$name` with a [`Subject`] `Lock` of one copy of a lock that hands out guards.
#[macro_export]
macro_rules! guard_subject {
    ($name:ident = $($copy:ident)::+, $($lock:ident)::+ $(<$($argument:literal),+>)?) => {
        pub mod $name {
            use $($copy)::+::locks::SharedExclusiveLock;
            use $($copy)::+::locks::sync::set_thread_number;

            pub struct Lock($($copy)::+::locks::$($lock)::+ $(<$($argument),+>)?);

            impl $crate::subject::Subject for Lock {
                fn new(_: usize) -> Self {
                    Self(SharedExclusiveLock::new())
                }
                fn hold<R>(&self, me: u32, exclusive: bool, work: impl FnOnce() -> R) -> R {
                    set_thread_number(me as usize);
                    if exclusive {
                        let _guard = self.0.acquire_exclusive();
                        work()
                    } else {
                        let _guard = self.0.acquire_shared();
                        work()
                    }
                }
                fn try_hold<R>(
                    &self,
                    me: u32,
                    exclusive: bool,
                    work: impl FnOnce() -> R,
                ) -> Option<R> {
                    set_thread_number(me as usize);
                    if exclusive {
                        self.0.try_acquire_exclusive().map(|_guard| work())
                    } else {
                        self.0.try_acquire_shared().map(|_guard| work())
                    }
                }
                fn is_at_rest(&self) -> bool {
                    self.0.is_at_rest()
                }
            }
        }
    };
}
