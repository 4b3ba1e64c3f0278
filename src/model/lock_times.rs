//! Wait and hold of ProcArrayLock in one operation, timed and recorded.

use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::procarray::{LockName, LockProbe};
use crate::record::{Operation, Phase, Role, SeriesId, SeriesKey};

/// Times ProcArrayLock: wait and hold. Its two inner clock reads make the hold
/// longer by about one read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stopwatch {
    requested_ns: u64,
    acquired_ns: u64,
    releasing_ns: u64,
}

impl LockProbe for Stopwatch {
    fn requesting(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.requested_ns = MonotonicClock.now_ns();
        }
    }
    fn acquired(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.acquired_ns = MonotonicClock.now_ns();
        }
    }
    fn releasing(&mut self, lock: LockName) {
        if lock == LockName::ProcArray {
            self.releasing_ns = MonotonicClock.now_ns();
        }
    }
}

/// Where wait, hold and total of one lock-taking operation go.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockTimes {
    wait: SeriesId,
    hold: SeriesId,
    total: SeriesId,
}

impl LockTimes {
    pub(super) fn declare(worker: &mut Worker, role: Role, operation: Operation) -> Self {
        let mut id = |phase| {
            worker
                .recorder()
                .declare(SeriesKey::service(role, operation, phase))
        };
        LockTimes {
            wait: id(Phase::Wait),
            hold: id(Phase::Hold),
            total: id(Phase::Total),
        }
    }

    /// Records the acquisition that `watch` has seen from request to release, of an operation that
    /// ended at `ended_ns`.
    pub(super) fn record(self, worker: &mut Worker, watch: &Stopwatch, ended_ns: u64) {
        let recorder = worker.recorder();
        recorder.record(self.wait, watch.acquired_ns - watch.requested_ns);
        recorder.record(self.hold, watch.releasing_ns - watch.acquired_ns);
        recorder.record(self.total, ended_ns - watch.requested_ns);
    }
}
