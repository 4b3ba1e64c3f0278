//! The server mode's pacer: a timerfd in the event loop, not rounded to
//! milliseconds as the runtime's own timer is.
//!
//! A timer wakes its thread late, in a virtual machine by tens of us. The p90
//! wake-up delay is measured when the thread starts, and timers are set that
//! much early. The rest until the due instant, at most that delay, is spun.
//! Longer spinning would take CPU from the server.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use super::cancel::Cancel;
use crate::clock::{Clock, MonotonicClock};

/// An absolute high-resolution timer on CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct PreciseTimer {
    fd: AsyncFd<Owned>,
    lead_ns: u64,
}

/// Longest spin, in ns.
const LONGEST_LEAD_NS: u64 = 50_000;

#[derive(Debug)]
struct Owned(TimerFd);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The kernel refused a timer.
#[derive(Debug, thiserror::Error)]
#[error("cannot use a high-resolution timer: {0}")]
pub struct TimerError(String);

fn refused(error: impl std::fmt::Display) -> TimerError {
    TimerError(error.to_string())
}

impl PreciseTimer {
    /// A timer registered with the current runtime, set `lead_ns` early.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new(lead_ns: u64) -> Result<Self, TimerError> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )
        .map_err(refused)?;
        // Deprecated because a type could report a descriptor it does not own;
        // ours owns its timer for life. The replacement is an unsafe fn.
        #[expect(deprecated)]
        let fd = AsyncFd::new(Owned(timer)).map_err(refused)?;
        Ok(PreciseTimer {
            fd,
            lead_ns: lead_ns.min(LONGEST_LEAD_NS),
        })
    }

    /// Waits until `at_ns` (CLOCK_MONOTONIC). Returns false when cancelled.
    ///
    /// # Errors
    /// When the timer cannot be set.
    pub async fn wait_until(&mut self, at_ns: u64, cancel: &Cancel) -> Result<bool, TimerError> {
        const SLICE_NS: u64 = 50_000_000;
        loop {
            if cancel.is_cancelled() {
                return Ok(false);
            }
            let now = MonotonicClock.now_ns();
            if now + self.lead_ns >= at_ns {
                while MonotonicClock.now_ns() < at_ns {
                    std::hint::spin_loop();
                }
                return Ok(true);
            }
            self.sleep_until((at_ns - self.lead_ns).min(now + SLICE_NS))
                .await?;
        }
    }

    /// How late this thread wakes from a timer: the p90 of short sleeps, in ns.
    ///
    /// # Errors
    /// When the timer cannot be set.
    pub async fn measure_wake_delay() -> Result<u64, TimerError> {
        let mut timer = PreciseTimer::new(0)?;
        let mut delays = Vec::new();
        for _ in 0..40 {
            let at_ns = MonotonicClock.now_ns() + 800_000;
            timer.sleep_until(at_ns).await?;
            delays.push(MonotonicClock.now_ns().saturating_sub(at_ns));
        }
        delays.sort_unstable();
        Ok(delays[delays.len() * 9 / 10])
    }

    async fn sleep_until(&mut self, at_ns: u64) -> Result<(), TimerError> {
        let at = TimeSpec::from_duration(Duration::from_nanos(at_ns));
        self.fd
            .get_ref()
            .0
            .set(
                Expiration::OneShot(at),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )
            .map_err(refused)?;
        loop {
            let mut ready = self.fd.readable().await.map_err(refused)?;
            // A stale readiness (EAGAIN) means: not yet.
            match nix::unistd::read(self.fd.get_ref().0.as_fd(), &mut [0u8; 8]) {
                Ok(_) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(nix::Error::EAGAIN) => ready.clear_ready(),
                Err(e) => return Err(refused(e)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_returns_early_and_hears_cancel() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut timer =
                PreciseTimer::new(PreciseTimer::measure_wake_delay().await.unwrap()).unwrap();
            let cancel = Cancel::default();
            for step_us in [0, 50, 500, 3_000] {
                let at = MonotonicClock.now_ns() + step_us * 1_000;
                assert!(timer.wait_until(at, &cancel).await.unwrap());
                assert!(MonotonicClock.now_ns() >= at);
            }
            cancel.cancel();
            assert!(!timer.wait_until(u64::MAX / 2, &cancel).await.unwrap());
        });
    }
}
