//! The library that makes a server's fdatasync slower (`docker/sync_delay.c`).

use std::io;
use std::time::Duration;

use super::error::ProvisionError;
use super::preload::{Library, Page};
use super::scratch::Scratch;

pub(super) const LIBRARY: Library = Library {
    what: "the preloaded library that delays fdatasync",
    name: "sync_delay",
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/sync_delay.so")),
    variable: "PROCBENCH_SYNC_DELAY",
    needs: "it needs glibc",
};

/// Where its page's word is (`struct page` in `docker/sync_delay.c`).
const DELAY_AT: u64 = 0;

/// The page of a server that has the library.
#[derive(Debug)]
pub struct SyncDelay(Page);

impl SyncDelay {
    /// The page of a server that has started.
    ///
    /// # Errors
    /// When its postmaster has not taken the library.
    pub(super) fn of_started(scratch: &Scratch) -> Result<Self, ProvisionError> {
        LIBRARY.taken(scratch).map(Self)
    }

    /// Lets every fdatasync from now on take so much longer.
    ///
    /// # Errors
    /// Those of writing to the page.
    pub fn set(&self, delay: Duration) -> io::Result<()> {
        let us = u32::try_from(delay.as_micros()).map_err(io::Error::other)?;
        self.0.write(DELAY_AT, &us.to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    /// Copies some blocks, each write ended by fdatasync, with the library before the C library's.
    fn copy(scratch: &Scratch, page: &Path) -> Duration {
        let library = scratch.path().join(LIBRARY.file_name());
        let target = format!("of={}", scratch.path().join("copy").display());
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", &target, "bs=512", "count=1"])
            .args(["conv=fdatasync", "status=none"])
            .env("LD_PRELOAD", &library)
            .env(LIBRARY.variable, page);
        let begun = Instant::now();
        assert!(dd.status().unwrap().success());
        begun.elapsed()
    }

    #[test]
    fn an_injected_delay_is_recovered_and_goes_again() {
        let scratch = Scratch::new(false).unwrap();
        let path = LIBRARY.ship(scratch.path(), &scratch, None, 0o600).unwrap();
        assert!(SyncDelay::of_started(&scratch).is_err(), "not taken yet");
        copy(&scratch, &path);
        let page = SyncDelay::of_started(&scratch).unwrap();
        let delay = Duration::from_millis(400);
        page.set(delay).unwrap();
        let slow = copy(&scratch, &path);
        assert!(slow >= delay, "{slow:?}");
        page.set(Duration::ZERO).unwrap();
        let fast = copy(&scratch, &path);
        assert!(fast < slow, "{fast:?} and {slow:?}");
    }
}
