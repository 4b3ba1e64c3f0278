//! Wait and hold of ProcArrayLock in one operation, timed and recorded.

use super::worker_thread::declare;
use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::procarray::LockProbe;
use crate::record::{Operation, Phase, SeriesId};

/// Times ProcArrayLock: wait and hold. Its two inner clock reads make the hold
/// longer by about one read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stopwatch {
    requested_ns: u64,
    acquired_ns: u64,
    releasing_ns: u64,
}

impl LockProbe for Stopwatch {
    fn requesting(&mut self) {
        self.requested_ns = MonotonicClock.now_ns();
    }
    fn acquired(&mut self) {
        self.acquired_ns = MonotonicClock.now_ns();
    }
    fn releasing(&mut self) {
        self.releasing_ns = MonotonicClock.now_ns();
    }
}

/// Where wait, hold and total of one lock-taking operation go.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockTimes([SeriesId; 3]);

impl LockTimes {
    pub(super) fn declare(worker: &mut Worker, operation: Operation) -> Self {
        let phases = [Phase::Wait, Phase::Hold, Phase::Total];
        Self(phases.map(|phase| declare(worker, operation, phase)))
    }

    /// Records the acquisition that `watch` has seen from request to release, of an operation that
    /// ended at `ended_ns`.
    pub(super) fn record(self, worker: &mut Worker, watch: &Stopwatch, ended_ns: u64) {
        let [wait, hold, total] = self.0;
        let recorder = worker.recorder();
        recorder.record(wait, watch.acquired_ns - watch.requested_ns);
        recorder.record(hold, watch.releasing_ns - watch.acquired_ns);
        recorder.record(total, ended_ns - watch.requested_ns);
    }
}
