//! The clock: CLOCK_MONOTONIC in nanoseconds, with its own cost and step measured.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A source of nanoseconds since an arbitrary fixed instant.
///
/// A seam: tests run the whole load pipeline on a clock they move by hand.
pub trait Clock {
    /// Nanoseconds since the clock's origin; never goes backwards.
    fn now_ns(&self) -> u64;
}

/// CLOCK_MONOTONIC, the clock that timerfd and the scheduler use too.
#[derive(Debug, Clone, Copy, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    #[inline]
    fn now_ns(&self) -> u64 {
        read(ClockId::CLOCK_MONOTONIC)
    }
}

/// CPU time used by the calling thread, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn read(id: ClockId) -> u64 {
    // Both clocks exist on every Linux; a failure would be a broken kernel,
    // and a zero then shows up as a failed measurement, not as a plausible one.
    clock_gettime(id).map_or(0, |t| {
        u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000_000
            + u64::try_from(t.tv_nsec()).unwrap_or(0)
    })
}

/// CPU time used by this process, or by the children it has reaped, in nanoseconds; steps of 1 us.
pub fn process_cpu_ns(who: UsageWho) -> nix::Result<u64> {
    let usage = getrusage(who)?;
    let times = [usage.user_time(), usage.system_time()];
    let ns = |t: &TimeVal| t.tv_sec() as u64 * 1_000_000_000 + t.tv_usec() as u64 * 1_000;
    Ok(times.iter().map(ns).sum())
}

/// Uses `cpu_ns` of the calling thread's CPU time: a known cost, however often
/// the thread is pre-empted meanwhile.
pub fn burn_cpu(cpu_ns: u64) {
    if cpu_ns == 0 {
        return;
    }
    let until = thread_cpu_ns() + cpu_ns;
    while thread_cpu_ns() < until {
        std::hint::spin_loop();
    }
}

/// What the clock costs and how finely it steps, measured at the start of each run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockQuality {
    /// Mean cost of one read in ns, the best of several batches.
    pub read_cost_ns: f64,
    /// Smallest step seen between two reads that differ, in ns.
    pub step_ns: u64,
    /// The kernel's clock source (`tsc`, `kvm-clock`, `hpet`, ...).
    pub source: String,
}

impl ClockQuality {
    /// Measures the clock; takes a few milliseconds.
    pub fn measure() -> Self {
        const BATCH: u32 = 20_000;
        let clock = MonotonicClock;
        let mut best = f64::MAX;
        for _ in 0..7 {
            let start = clock.now_ns();
            for _ in 0..BATCH {
                std::hint::black_box(clock.now_ns());
            }
            best = best.min((clock.now_ns() - start) as f64 / f64::from(BATCH));
        }
        let mut step = u64::MAX;
        let mut previous = clock.now_ns();
        for _ in 0..BATCH {
            let now = clock.now_ns();
            if now > previous {
                step = step.min(now - previous);
            }
            previous = now;
        }
        let source = std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        )
        .map_or_else(|_| "unknown".to_owned(), |s| s.trim().to_owned());
        ClockQuality {
            read_cost_ns: best,
            step_ns: step,
            source,
        }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use super::Clock;
    use std::cell::Cell;
    use std::rc::Rc;

    /// A clock that only moves when told to.
    #[derive(Debug, Clone, Default)]
    pub struct FakeClock(Rc<Cell<u64>>);

    impl FakeClock {
        pub fn advance_ns(&self, ns: u64) {
            self.0.set(self.0.get() + ns);
        }
        pub fn set_ns(&self, ns: u64) {
            assert!(ns >= self.0.get(), "time goes forward");
            self.0.set(ns);
        }
    }

    impl Clock for FakeClock {
        fn now_ns(&self) -> u64 {
            self.0.get()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_forward_and_its_quality_is_finite() {
        let a = MonotonicClock.now_ns();
        burn_cpu(50_000);
        let b = MonotonicClock.now_ns();
        assert!(b >= a + 50_000);
        let quality = ClockQuality::measure();
        assert!(quality.read_cost_ns > 0.0 && quality.read_cost_ns < 1e6);
        assert!(quality.step_ns > 0 && quality.step_ns < u64::MAX);
    }
}
