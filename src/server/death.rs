//! Whether a server or PgBouncer of ours has died, told from its process.

use std::time::{Duration, Instant};

use super::provision::{RunningPgBouncer, RunningServer};
use crate::arm::Arm;
use crate::load::driver::Failure;
use crate::record::BlockRecord;

/// From the loss of connections to the end of the process that held them: the first process of a
/// container ends only after all others in it have been reaped.
pub const THROES: Duration = Duration::from_millis(500);

/// Looks for as long as `patience` whether what the arm needs has ended: a server takes its start along,
/// PgBouncer only its own arms. A server given by URL never has: only a connection could tell. `sign` is
/// what raised the question.
pub fn death(
    server: &RunningServer,
    pgbouncer: Option<&RunningPgBouncer>,
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
    let broken = |class: &str| class.starts_with("connect") || class.starts_with("sqlstate-57P0");
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
        for class in ["sqlstate-53300", "sqlstate-57014", "timed-out"] {
            assert!(!with(class), "{class}");
        }
        assert!(!broke_connections(&BlockRecord::default()));
    }
}
