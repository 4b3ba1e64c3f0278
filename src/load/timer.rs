//! The server mode's pacer: a timerfd in the event loop. It neither spins
//! beside the server nor rounds to milliseconds as the runtime's own timer does.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use super::cancel::Cancel;
use super::clock::{Clock, MonotonicClock};

/// An absolute high-resolution timer on CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct PreciseTimer {
    fd: AsyncFd<Owned>,
}

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

impl PreciseTimer {
    /// A timer registered with the current runtime.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new() -> Result<Self, TimerError> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )
        .map_err(|e| TimerError(e.to_string()))?;
        // Deprecated because a type could report a descriptor it does not own;
        // ours owns its timer for life. The replacement is an unsafe fn.
        #[expect(deprecated)]
        let fd = AsyncFd::new(Owned(timer)).map_err(|e| TimerError(e.to_string()))?;
        Ok(PreciseTimer { fd })
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
            if now >= at_ns {
                return Ok(true);
            }
            self.sleep_until(at_ns.min(now + SLICE_NS)).await?;
        }
    }

    async fn sleep_until(&mut self, at_ns: u64) -> Result<(), TimerError> {
        let fail = |e: nix::Error| TimerError(e.to_string());
        let at = TimeSpec::from_duration(Duration::from_nanos(at_ns));
        self.fd
            .get_ref()
            .0
            .set(
                Expiration::OneShot(at),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )
            .map_err(fail)?;
        loop {
            let mut ready = self
                .fd
                .readable()
                .await
                .map_err(|e| TimerError(e.to_string()))?;
            // A stale readiness (EAGAIN) means: not yet.
            match nix::unistd::read(self.fd.get_ref().0.as_fd(), &mut [0u8; 8]) {
                Ok(_) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(nix::Error::EAGAIN) => ready.clear_ready(),
                Err(e) => return Err(fail(e)),
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
            let mut timer = PreciseTimer::new().unwrap();
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
