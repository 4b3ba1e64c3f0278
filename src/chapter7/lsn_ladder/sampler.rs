//! Looks at the positions of both servers, again and again.

use std::time::Duration;

use super::record::Sample;
use crate::chapter7::pair::{Pair, STANDBY, superuser};
use crate::load::Cancel;
use crate::server::{Frontend, FrontendError};

/// Between two looks: 50 per second.
const STEP: Duration = Duration::from_millis(20);

/// Sessions that look.
pub(super) struct Sampler {
    primary: Frontend,
    standby: Frontend,
}

/// In µs; null where it is null.
fn micros(interval: &str) -> String {
    format!("(extract(epoch FROM {interval}) * 1000000)::bigint")
}

/// The view is read before the functions, and the functions from the one that comes last: what grows meanwhile does
/// not look like a wrong order.
fn on_primary() -> String {
    let lags = [
        "write_lag",
        "flush_lag",
        "replay_lag",
        "clock_timestamp() - reply_time",
    ];
    let bytes = |position: &str| format!("({position} - '0/0'::pg_lsn)::bigint");
    let view = ["replay_lsn", "flush_lsn", "write_lsn", "sent_lsn"].map(bytes);
    let own = ["flush_lsn", "lsn", "insert_lsn"];
    let own = own.map(|name| bytes(&format!("pg_catalog.pg_current_wal_{name}()")));
    let columns = [&view[..], &lags.map(micros)[..], &own[..]].concat();
    format!(
        "SELECT {} FROM pg_catalog.pg_stat_replication WHERE application_name = '{STANDBY}'",
        columns.join(", ")
    )
}

const ON_STANDBY: &str = "SELECT (pg_catalog.pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint, (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint";

async fn numbers(session: &mut Frontend, sql: &str) -> Result<Vec<Option<i64>>, FrontendError> {
    let rows = session.rows(sql).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let number = |value: Option<String>| value.and_then(|v| v.parse().ok());
    Ok(row.into_iter().map(number).collect())
}

/// What the answers of both servers say; `None` where the standby is not connected.
fn sample(at_ns: u64, primary: &[Option<i64>], standby: &[Option<i64>]) -> Option<Sample> {
    let &[
        replay,
        s_flush,
        s_write,
        sent,
        write_lag,
        flush_lag,
        replay_lag,
        age,
        flush,
        write,
        insert,
    ] = primary
    else {
        return None;
    };
    let least_0 = |n: i64| u64::try_from(n).unwrap_or_default();
    let all = [insert, write, flush, sent, s_write, s_flush, replay];
    let mut positions = [0; 7];
    for (place, position) in positions.iter_mut().zip(all) {
        *place = least_0(position?);
    }
    let own = |n: usize| standby.get(n).copied().flatten().map_or(0, least_0);
    Some(Sample {
        at_ns,
        positions,
        own: [own(0), own(1)],
        lags_us: [write_lag, flush_lag, replay_lag].map(|lag| lag.map(least_0)),
        reply_age_us: age.map(least_0),
    })
}

impl Sampler {
    /// # Errors
    /// When a server does not let it in.
    pub(super) async fn connect(pair: &Pair) -> Result<Self, FrontendError> {
        Ok(Sampler {
            primary: superuser(&pair.primary).await?,
            standby: superuser(&pair.standby).await?,
        })
    }

    /// Looks until it is told to stop; instants by `now_ns`.
    ///
    /// # Errors
    /// What a server says.
    pub(super) async fn watch(
        &mut self,
        stop: &Cancel,
        now_ns: impl Fn() -> u64,
    ) -> Result<Vec<Sample>, FrontendError> {
        let sql = on_primary();
        let mut samples = Vec::new();
        let mut clock = tokio::time::interval(STEP);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            clock.tick().await;
            let at_ns = now_ns();
            let primary = numbers(&mut self.primary, &sql).await?;
            let standby = numbers(&mut self.standby, ON_STANDBY).await?;
            samples.extend(sample(at_ns, &primary, &standby));
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_come_into_the_order_of_the_positions() {
        let primary = [1, 2, 3, 4, 10, 20, 30, 40, 5, 6, 7].map(Some);
        let seen = sample(9, &primary, &[Some(3), Some(1)]).unwrap();
        assert_eq!(seen.positions, [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(seen.lags_us, [Some(10), Some(20), Some(30)]);
        assert_eq!((seen.own, seen.reply_age_us), ([3, 1], Some(40)));
        let mut lost = primary;
        lost[4] = None;
        assert_eq!(sample(9, &lost, &[]).unwrap().lags_us[0], None);
        lost[3] = None;
        assert_eq!(sample(9, &lost, &[]), None);
        assert_eq!(sample(9, &[], &[]), None);
    }
}
