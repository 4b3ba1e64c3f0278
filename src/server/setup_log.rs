//! The server's own account of its connections' setup: PostgreSQL 18's `log_connections = setup_durations`.
//!
//! One line per connection, written before the first ReadyForQuery is sent (18: postgres.c `PostgresMain`),
//! in ms with three decimals. *total* runs from accept() to that line, *fork* from before the postmaster's
//! fork to after it in the child (launch_backend.c), *authentication* around ClientAuthentication
//! (postinit.c `PerformAuthentication`), waiting for the client's messages included.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::provision::RunningServer;
use super::start::ServerStart;
use crate::arm::Arm;
use crate::factor::LogConnections;
use crate::record::{BlockRecord, Operation, Phase, Role, SeriesKey, SetupSums};

/// How long a container's log may take to show its last lines.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sums over every setup line of a log; other lines are passed over.
pub fn setup_sums(log: &str) -> SetupSums {
    let mut sums = SetupSums::default();
    for (total, fork, authentication) in log.lines().filter_map(durations_us) {
        sums.count += 1;
        sums.total_us += total;
        sums.fork_us += fork;
        sums.authentication_us += authentication;
    }
    sums
}

/// Where the log stands before a block of `arm`; `None` where the server does not log setups, or the
/// arm's connections are not all to the server itself.
pub(super) fn mark(start: &ServerStart<'_>, arm: Arm) -> Option<usize> {
    let logged = Some(LogConnections::SetupDurations);
    (arm == Arm::Unpooled && start.factors.log_connections == logged)
        .then(|| start.server.log().len())
}

/// What was logged during a block that began at `mark`, as its counters.
pub(super) fn counters_since(
    start: &ServerStart<'_>,
    mark: Option<usize>,
    record: &BlockRecord,
) -> BTreeMap<String, u64> {
    let startup = SeriesKey::service(Role::Client, Operation::Connect, Phase::Startup);
    let connections = record.series.get(&startup).map_or(0, |s| s.len());
    // An account of other connections than the block's would be compared with the wrong ones.
    let sums = mark.map(|mark| setups_since(&start.server, mark, connections));
    let sums = sums.filter(|sums| sums.count == connections);
    sums.map(|sums| sums.counters()).unwrap_or_default()
}

/// The setups logged since `mark`; waits a little for `expected` of them, since an engine passes a
/// container's log on with a delay.
fn setups_since(server: &RunningServer, mark: usize, expected: u64) -> SetupSums {
    let began = Instant::now();
    loop {
        let log = server.log();
        let since = String::from_utf8_lossy(log.get(mark..).unwrap_or_default());
        let sums = setup_sums(&since);
        if sums.count >= expected || began.elapsed() > PATIENCE {
            return sums;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Total, fork and authentication of one line, in us.
fn durations_us(line: &str) -> Option<(u64, u64, u64)> {
    let (_, told) = line.split_once("connection ready: setup ")?;
    let value = |name: &str| -> Option<u64> {
        let (_, rest) = told.split_once(name)?;
        us_of_ms(rest.split_once(" ms")?.0)
    };
    Some((value("total=")?, value("fork=")?, value("authentication=")?))
}

/// `1.234` ms in us, exactly.
fn us_of_ms(text: &str) -> Option<u64> {
    let (whole, thousandths) = text.split_once('.')?;
    let us = format!("{whole}{thousandths}").parse().ok();
    us.filter(|_| thousandths.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 18.6 wrote them, a line of another kind, and a last one that is still being written.
    const LOG: &str = "\
2026-11-24 20:11:02.696 UTC [32] LOG:  connection ready: setup total=27.556 ms, fork=3.619 ms, authentication=0.590 ms
2026-11-24 20:11:02.697 UTC [32] ERROR:  relation \"total=1.000 ms\" does not exist at character 15
2026-11-24 20:11:02.872 UTC [35] LOG:  connection ready: setup total=2.377 ms, fork=0.450 ms, authentication=0.318 ms
2026-11-24 20:11:03.072 UTC [57] LOG:  connection ready: setup total=46.080 ms, fork=19.957 ms, auth";

    #[test]
    fn setups_are_summed_and_other_or_torn_lines_passed_over() {
        let sums = setup_sums(LOG);
        assert_eq!(
            sums,
            SetupSums {
                count: 2,
                total_us: 29_933,
                fork_us: 4_069,
                authentication_us: 908
            }
        );
        assert_eq!(SetupSums::of_counters(&sums.counters()), Some(sums));
        assert_eq!(setup_sums(""), SetupSums::default());
    }
}
