//! Where a caller's clock looks into an operation.

/// Told about the acquisition of ProcArrayLock in an operation, on the thread that makes it.
///
/// Wait is `requesting` to `acquired`, hold is `acquired` to `releasing`. The two
/// inner calls run while the lock is held, so what they cost lengthens the hold
/// they measure.
pub trait LockProbe {
    /// About to ask for the lock.
    fn requesting(&mut self);
    /// Just got it.
    fn acquired(&mut self);
    /// About to give it back; still held.
    fn releasing(&mut self);
}

/// Looks at nothing and compiles to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl LockProbe for NoProbe {
    #[inline(always)]
    fn requesting(&mut self) {}
    #[inline(always)]
    fn acquired(&mut self) {}
    #[inline(always)]
    fn releasing(&mut self) {}
}
