//! When a server is calm enough for the next block: told by the number of its
//! processes, from `/proc` and not from the server.

use std::time::{Duration, Instant};

use super::provision::RunningServer;
use crate::load::Cancel;
use crate::procfs;

/// Longest wait for the server to settle before a block.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
/// Pause before a block where the server's processes cannot be seen.
const BLIND_PAUSE: Duration = Duration::from_millis(100);

/// Waits until the server's child count is back to `base_children`, for as long
/// as [`SETTLE_LIMIT`]. Returns how long, and whether it was met.
pub fn settle(
    server: &RunningServer,
    base_children: Option<usize>,
    cancel: &Cancel,
) -> (Duration, bool) {
    let started = Instant::now();
    let (Some(pid), Some(base)) = (server.postmaster_pid(), base_children) else {
        std::thread::sleep(BLIND_PAUSE);
        return (started.elapsed(), true);
    };
    let mut calm = 0;
    while started.elapsed() < SETTLE_LIMIT && !cancel.is_cancelled() {
        // The kernel's list may miss an entry while children exit: two
        // readings, some milliseconds apart.
        calm = if procfs::child_count(pid).is_some_and(|n| n <= base) {
            calm + 1
        } else {
            0
        };
        if calm >= 2 {
            return (started.elapsed(), true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (started.elapsed(), false)
}

/// The child count once it has stayed the same for a while.
pub fn stable_children(server: &RunningServer) -> Option<usize> {
    let pid = server.postmaster_pid()?;
    let started = Instant::now();
    let mut last = procfs::child_count(pid)?;
    let mut since = Instant::now();
    while started.elapsed() < Duration::from_secs(5) && since.elapsed() < Duration::from_millis(250)
    {
        std::thread::sleep(Duration::from_millis(10));
        let now = procfs::child_count(pid)?;
        if now != last {
            last = now;
            since = Instant::now();
        }
    }
    Some(last)
}
