//! A standby whose machine dies: what was written and not flushed is gone. An emulation, since the kernel of this machine
//! goes on: WAL from the flushed position on is overwritten with zeros.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::record::PageCache;
use crate::chapter7::pair::{Stopped, receiver, superuser};
use crate::server::provision::RunningServer;
use crate::server::{Frontend, FrontendError};

/// How long an fdatasync of the standby takes: most of the time something is written and not flushed.
pub(super) const SLOW_SYNC: Duration = Duration::from_millis(300);
/// How long it may take to stop the receiver in that state.
const LIMIT: Duration = Duration::from_secs(10);

/// Where a standby's receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    at: PageCache,
    timeline: u64,
    segment: u64,
}

async fn position(session: &mut Frontend) -> Result<Position, FrontendError> {
    let sql = "SELECT (written_lsn - '0/0')::bigint, (flushed_lsn - '0/0')::bigint, received_tli, \
         (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') \
         FROM pg_catalog.pg_stat_wal_receiver";
    let rows = session.rows(sql).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let numbers = row.into_iter().map(|v| v.and_then(|v| v.parse().ok()));
    let numbers: Vec<Option<u64>> = numbers.collect();
    let &[Some(written), Some(flushed), Some(timeline), Some(segment)] = &numbers[..] else {
        return Err(FrontendError::here("the standby has no receiver"));
    };
    Ok(Position {
        at: PageCache { written, flushed },
        timeline,
        segment,
    })
}

/// A standby with a receiver that stands still between writing and flushing.
pub(super) struct Unflushed<'a> {
    stopped: Stopped<'a>,
    session: Frontend,
}

impl<'a> Unflushed<'a> {
    /// Stops the receiver in that state; `None` if it was not found in it.
    ///
    /// # Errors
    /// What the standby says.
    pub(super) async fn stop(standby: &'a RunningServer) -> Result<Option<Self>, FrontendError> {
        let mut session = superuser(standby).await?;
        let pid = receiver(standby).await?;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let stopped = Stopped::stop(standby, pid)?;
            let at = position(&mut session).await?.at;
            if at.written > at.flushed {
                return Ok(Some(Unflushed { stopped, session }));
            }
            drop(stopped);
            sleep(Duration::from_millis(37)).await;
        }
        Ok(None)
    }

    /// What is lost with the page cache, and the script that takes it away. The receiver is left as it stands.
    ///
    /// # Errors
    /// What the standby says.
    pub(super) async fn take_away(mut self) -> Result<(PageCache, String), FrontendError> {
        let position = position(&mut self.session).await?;
        self.stopped.leave();
        Ok((position.at, zeros(position)))
    }
}

/// Overwrites the WAL from the flushed position on.
fn zeros(
    Position {
        at,
        timeline,
        segment,
    }: Position,
) -> String {
    let segment = segment.max(1);
    let (first, last) = (at.flushed / segment, at.written / segment);
    let per_file = (1 << 32) / segment;
    let files = (first..=last).map(|number| {
        let from = if number == first {
            at.flushed % segment
        } else {
            0
        };
        let (high, low) = (number / per_file, number % per_file);
        let file = format!("\"$data/pg_wal/{timeline:08X}{high:08X}{low:08X}\"");
        format!("truncate -s {from} {file}\ntruncate -s {segment} {file}\n")
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_begin_at_the_flushed_position_and_go_to_the_end() {
        let segment = 16 << 20;
        let position = |flushed, written| Position {
            at: PageCache { written, flushed },
            timeline: 1,
            segment,
        };
        assert_eq!(
            zeros(position(0x0300_0028, 0x0300_0100)),
            "truncate -s 40 \"$data/pg_wal/000000010000000000000003\"\n\
             truncate -s 16777216 \"$data/pg_wal/000000010000000000000003\"\n"
        );
        // 256 segments of 16 MiB have the same high half.
        let two = zeros(position(0x1_0200_0000 - 8, 0x1_0200_0000 + 8));
        let lines: Vec<&str> = two.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("-s 16777208") && lines[0].contains("000000010000000100000001"));
        assert!(lines[2].contains("-s 0 ") && lines[2].contains("000000010000000100000002"));
    }
}
