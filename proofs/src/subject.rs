//! An LWLock with its wait slots, whatever it was compiled over.

/// What the programs want of a lock, with its copy of the sources hidden.
pub trait Subject: Send + Sync + 'static {
    /// A free lock and slots for this many threads.
    fn new(threads: usize) -> Self;
    /// `LWLockAcquire` by the thread that owns slot `me`.
    fn acquire(&self, me: u32, exclusive: bool);
    /// `LWLockConditionalAcquire`.
    fn try_acquire(&self, exclusive: bool) -> bool;
    /// `LWLockRelease`.
    fn release(&self, exclusive: bool);
    /// A wake-up of another kind for `whom`, as the end of a transaction in a group is.
    fn post(&self, whom: u32);
    /// Waits for such a one.
    fn wait_for_post(&self, me: u32);
    /// Nobody holds, waits or is being woken, and no post is left over.
    fn is_at_rest(&self) -> bool;
}

/// Makes module `$name` with a [`Subject`] `Lock` of one copy of the sources.
#[macro_export]
macro_rules! lwlock_subject {
    ($name:ident = $($copy:ident)::+, $release:ident) => {
        pub mod $name {
            use $($copy)::+::lwlock::bits::$release;
            use $($copy)::+::lwlock::raw::RawLwLock;
            use $($copy)::+::lwlock::wait_slot::{Mode, WaitSlot, WaitSlots};

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
                fn acquire(&self, me: u32, exclusive: bool) {
                    if !self.lock.attempt(mode(exclusive)) {
                        self.lock.wait(&self.slots, me, mode(exclusive));
                    }
                }
                fn try_acquire(&self, exclusive: bool) -> bool {
                    self.lock.attempt(mode(exclusive))
                }
                fn release(&self, exclusive: bool) {
                    self.lock.release(&self.slots, mode(exclusive));
                }
                fn post(&self, whom: u32) {
                    self.slots.0[whom as usize].semaphore.post();
                }
                fn wait_for_post(&self, me: u32) {
                    self.slots.0[me as usize].semaphore.wait();
                }
                            fn is_at_rest(&self) -> bool {
                    self.lock.is_at_rest()
                        && self.slots.0.iter().all(|slot| slot.semaphore.count() == 0)
                }
            }
        }
    };
}
