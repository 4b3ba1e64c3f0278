//! The library that makes a server's fdatasync slower (`docker/sync_delay.c`), and the page that says by how much.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::User;

use super::error::ProvisionError;
use super::scratch::{Scratch, shm_dir, write_file};

/// The library's file name beside the server's other files, and its bytes.
pub(super) const LIBRARY: (&str, &[u8]) = (
    "sync_delay.so",
    include_bytes!(concat!(env!("OUT_DIR"), "/sync_delay.so")),
);

/// The environment's name of the page's path; `docker/entrypoint.sh` preloads the library where it is set.
pub(super) const PATH_VARIABLE: &str = "PROCBENCH_SYNC_DELAY";

/// Bytes of the page, and where its words are (`struct page` in `docker/sync_delay.c`).
const PAGE_BYTES: usize = 4096;
const DELAY_AT: u64 = 0;
const READY_AT: u64 = 4;

/// The page of a server that has the library.
#[derive(Debug)]
pub struct SyncDelay(File);

impl SyncDelay {
    /// Makes the page for a server that is to be started, as a premap page is made. Returns its path.
    pub(super) fn make(
        scratch: &Scratch,
        user: Option<&User>,
        mode: u32,
    ) -> Result<PathBuf, ProvisionError> {
        let no_name = || ProvisionError::new("the scratch directory has no name");
        let dir = shm_dir(scratch.path()).ok_or_else(no_name)?;
        let made = DirBuilder::new()
            .mode(if user.is_some() { 0o711 } else { 0o700 })
            .recursive(true)
            .create(&dir);
        made.map_err(ProvisionError::at("cannot make", &dir))?;
        let path = dir.join("sync-delay");
        write_file(&path, [0; PAGE_BYTES], mode, user)?;
        Ok(path)
    }

    /// Opens the page of a server that has started.
    ///
    /// # Errors
    /// When its postmaster has not taken the library.
    pub(super) fn of_started(scratch: &Scratch) -> Result<Self, ProvisionError> {
        let what = "the preloaded library that delays fdatasync";
        let path = shm_dir(scratch.path())
            .unwrap_or_default()
            .join("sync-delay");
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let page = Self(opened.map_err(ProvisionError::when(what))?);
        let mut ready = [0; 4];
        let read = page.0.read_exact_at(&mut ready, READY_AT);
        read.map_err(ProvisionError::when(what))?;
        match u32::from_ne_bytes(ready) {
            1 => Ok(page),
            _ => Err(ProvisionError::failed(
                what,
                "this postgres has not taken it (it needs glibc)",
            )),
        }
    }

    /// Lets every fdatasync from now on take so much longer.
    ///
    /// # Errors
    /// Those of writing to the page.
    pub fn set(&self, delay: Duration) -> io::Result<()> {
        let us = u32::try_from(delay.as_micros()).map_err(io::Error::other)?;
        self.0.write_all_at(&us.to_ne_bytes(), DELAY_AT)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    /// Copies some blocks, each write ended by fdatasync, with the library before the C library's.
    fn copy(scratch: &Scratch, page: &PathBuf) -> Duration {
        let library = scratch.path().join(LIBRARY.0);
        let target = format!("of={}", scratch.path().join("copy").display());
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", &target, "bs=512", "count=1"])
            .args(["conv=fdatasync", "status=none"])
            .env("LD_PRELOAD", &library)
            .env(PATH_VARIABLE, page);
        let begun = Instant::now();
        assert!(dd.status().unwrap().success());
        begun.elapsed()
    }

    #[test]
    fn an_injected_delay_is_recovered_and_goes_again() {
        let scratch = Scratch::new(false).unwrap();
        std::fs::write(scratch.path().join(LIBRARY.0), LIBRARY.1).unwrap();
        let path = SyncDelay::make(&scratch, None, 0o600).unwrap();
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
