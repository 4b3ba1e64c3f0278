//! When a server is calm enough for the next block, and whether it or PgBouncer has died: told from the
//! processes in `/proc`, and not from the server.

use std::time::{Duration, Instant};

use super::provision::RunningServer;
use crate::arm::Arm;
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::procfs;
use crate::record::BlockRecord;

/// Longest wait for the server to settle before a block.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
/// Pause before a block where the server's processes cannot be seen.
const BLIND_PAUSE: Duration = Duration::from_millis(100);
/// From the loss of connections to the end of the process that held them: the first process of a
/// container ends only after all others in it have been reaped.
pub const THROES: Duration = Duration::from_millis(500);

/// Waits until the server's child count is back to `base_children`, for as long
/// as [`SETTLE_LIMIT`]. Returns how long, and whether it was met.
pub fn settle(
    server: &RunningServer,
    base_children: Option<usize>,
    cancel: &Cancel,
) -> (Duration, bool) {
    let started = Instant::now();
    let (Some(pid), Some(base)) = (server.pid(), base_children) else {
        std::thread::sleep(BLIND_PAUSE);
        return (started.elapsed(), true);
    };
    let mut calm = 0;
    while started.elapsed() < SETTLE_LIMIT && !cancel.is_cancelled() {
        // The kernel's list may miss an entry while children exit: two
        // readings, some milliseconds apart.
        let back = procfs::child_count(pid).is_some_and(|n| n <= base);
        calm = if back { calm + 1 } else { 0 };
        if calm >= 2 {
            return (started.elapsed(), true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (started.elapsed(), false)
}

/// The child count once it has stayed the same for a while.
pub fn stable_children(server: &RunningServer) -> Option<usize> {
    let pid = server.pid()?;
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

/// Looks for as long as `patience` whether what the arm needs has ended: a server takes its start along,
/// PgBouncer only its own arms. A server given by URL never has: only a connection could tell. `sign` is
/// what raised the question.
pub fn death(
    server: &RunningServer,
    pgbouncer: Option<&RunningServer>,
    arm: Arm,
    patience: Duration,
    sign: &str,
) -> Option<Failure> {
    let since = Instant::now();
    loop {
        if !server.is_alive() {
            return Some(Failure::StartLost(format!("the server died {sign}")));
        }
        if arm.needs_pgbouncer() && pgbouncer.is_none_or(|p| !p.is_alive()) {
            return Some(Failure::ArmLost("PgBouncer died in mid-run".to_owned()));
        }
        if since.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether connections broke in this block, as they do when a server dies. 57P01 to 57P03 (errcodes.txt):
/// it is being shut down, has crashed, or is not up.
pub fn broke_connections(record: &BlockRecord) -> bool {
    const ENDED: [&str; 3] = ["sqlstate-57P01", "sqlstate-57P02", "sqlstate-57P03"];
    let broken = |class: &str| class.starts_with("connect") || ENDED.contains(&class);
    let mut errors = record.tallies.values().flat_map(|t| t.errors.keys());
    errors.any(|class| broken(&class.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ErrorClass, Role, RoleTally};

    #[test]
    fn only_broken_connections_are_a_sign_of_death() {
        let with = |class: &str| {
            let mut tally = RoleTally::default();
            tally.errors.insert(ErrorClass::new(class), 1);
            let mut record = BlockRecord::default();
            record.tallies.insert(Role::Client, tally);
            broke_connections(&record)
        };
        for class in ["connection-closed", "connect-refused", "sqlstate-57P02"] {
            assert!(with(class), "{class}");
        }
        for class in [
            "sqlstate-53300",
            "sqlstate-57014",
            "sqlstate-57P05",
            "timed-out",
        ] {
            assert!(!with(class), "{class}");
        }
        assert!(!broke_connections(&BlockRecord::default()));
    }
}
