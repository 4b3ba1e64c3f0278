//! Page faults inside a hold of ProcArrayLock.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use super::probe::LockProbe;

/// Counts the calling thread's minor page faults while it holds ProcArrayLock, and
/// otherwise passes on what it is told.
///
/// It reads `ru_minflt` (getrusage(2), RUSAGE_THREAD) right after the lock is acquired and
/// right before it is released. Both calls are inside the hold and lengthen it.
#[derive(Debug)]
pub struct FaultMeter<'a, P> {
    probe: &'a mut P,
    /// Off where there cannot be any.
    is_on: bool,
    at_acquired: Option<u64>,
    faults: u64,
}

impl<'a, P: LockProbe> FaultMeter<'a, P> {
    /// Counts beside `probe`, unless it is off.
    pub fn new(probe: &'a mut P, is_on: bool) -> Self {
        Self {
            probe,
            is_on,
            at_acquired: None,
            faults: 0,
        }
    }

    /// Minor faults inside all holds so far.
    pub fn faults(&self) -> u64 {
        self.faults
    }
}

impl<P: LockProbe> LockProbe for FaultMeter<'_, P> {
    fn requesting(&mut self) {
        self.probe.requesting();
    }

    fn acquired(&mut self) {
        self.probe.acquired();
        if self.is_on {
            self.at_acquired = minor_faults();
        }
    }

    fn releasing(&mut self) {
        if let Some(before) = self.at_acquired.take()
            && let Some(after) = minor_faults()
        {
            self.faults += after - before;
        }
        self.probe.releasing();
    }
}

/// What a [`FaultMeter`] adds to a hold, in ns: two reads, in the best of some batches, as other
/// programs only ever make it longer.
pub(crate) fn reading_cost_ns() -> f64 {
    const BATCHES: u32 = 20;
    const READS: u32 = 100;
    let batch_ns = |_| {
        let began = Instant::now();
        for _ in 0..READS {
            std::hint::black_box(minor_faults());
        }
        began.elapsed().as_nanos() as f64
    };
    let best = (0..BATCHES).map(batch_ns).fold(f64::INFINITY, f64::min);
    2.0 * best / f64::from(READS)
}

/// The calling thread's so far. Nothing can go wrong with a call for the own thread.
fn minor_faults() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    u64::try_from(usage.minor_page_faults()).ok()
}
