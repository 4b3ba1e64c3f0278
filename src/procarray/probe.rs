//! Where a caller's clock looks into an operation.

/// The locks that ProcArray operations take, under PostgreSQL's wait-event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockName {
    /// ProcArrayLock.
    ProcArray,
    /// XidGenLock; inside ProcArrayLock when a backend joins or leaves.
    XidGen,
}

/// Told about each lock acquisition of an operation, on the thread that makes it.
///
/// Wait is `requesting` to `acquired`, hold is `acquired` to `releasing`. The two
/// inner calls run while the lock is held, so what they cost lengthens the hold
/// they measure.
pub trait LockProbe {
    /// About to ask for the lock.
    fn requesting(&mut self, lock: LockName);
    /// Just got it.
    fn acquired(&mut self, lock: LockName);
    /// About to give it back; still held.
    fn releasing(&mut self, lock: LockName);
}

impl<P: LockProbe> LockProbe for &mut P {
    #[inline]
    fn requesting(&mut self, lock: LockName) {
        (**self).requesting(lock);
    }
    #[inline]
    fn acquired(&mut self, lock: LockName) {
        (**self).acquired(lock);
    }
    #[inline]
    fn releasing(&mut self, lock: LockName) {
        (**self).releasing(lock);
    }
}

/// Does `inside` while it holds `lock`, which `acquire` gets, and tells `probe`.
#[inline]
pub(super) fn holding<P: LockProbe, G, R>(
    probe: &mut P,
    lock: LockName,
    acquire: impl FnOnce() -> G,
    inside: impl FnOnce(&mut P) -> R,
) -> R {
    probe.requesting(lock);
    let guard = acquire();
    probe.acquired(lock);
    let result = inside(probe);
    probe.releasing(lock);
    drop(guard);
    result
}

/// Looks at nothing and compiles to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl LockProbe for NoProbe {
    #[inline(always)]
    fn requesting(&mut self, _: LockName) {}
    #[inline(always)]
    fn acquired(&mut self, _: LockName) {}
    #[inline(always)]
    fn releasing(&mut self, _: LockName) {}
}
