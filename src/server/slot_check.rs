//! Where the slots that churn gets lie among those of the standing connections, as the server says.
//!
//! `pg_locks` lists fast-path locks in the order of the PGPROC array (lock.c `GetLockStatusData`), and whoever is
//! in a transaction holds one on its virtual transaction id. The ProcArray is sorted by the same numbers
//! (procarray.c `ProcArrayAdd`). So for the length of a question the standing connections are in transactions.

use super::frontend::{Frontend, FrontendError};
use super::target::Target;
use crate::config::Disconnect;
use crate::procarray::SlotOrder;

/// Newcomers that are looked at: each has a slot of its own, and asks while the others are idle.
const NEWCOMERS: usize = 8;

/// For the connection that asks: how many of the others lie before it, and how many after.
const AROUND_ME: &str = "WITH held AS MATERIALIZED (SELECT pid, row_number() OVER () AS place FROM pg_locks \
    WHERE locktype = 'virtualxid' AND fastpath) SELECT me.place - 1, (SELECT count(*) FROM held) - me.place \
    FROM held AS me WHERE me.pid = pg_backend_pid()";

/// Standing connections before and after a newcomer's slot.
type Around = (u64, u64);

/// What was seen of a start's slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SlotsSeen {
    /// Whether all newcomers lie as they were meant to.
    pub(super) as_asked: bool,
    /// Standing connections behind the newcomer that has the fewest there.
    pub(super) fewest_behind: u64,
}

/// Whether less than one in twenty lies on the wrong side. From 17 on the last standing connections get the slots
/// that setting up the server has used and given back.
fn few(wrong: u64, right: u64) -> bool {
    wrong * 20 < wrong + right
}

impl SlotsSeen {
    fn of(newcomers: &[Around], standing: u64, order: SlotOrder) -> Self {
        let all = |holds: fn(&Around) -> bool| newcomers.iter().all(holds);
        let lie = match order {
            SlotOrder::Front => all(|(before, after)| few(*before, *after)),
            SlotOrder::Behind => all(|(before, after)| few(*after, *before)),
            SlotOrder::Spread => {
                newcomers.iter().any(|n| n.0 > 0) && newcomers.iter().any(|n| n.1 > 0)
            }
        };
        let complete = newcomers.iter().all(|n| n.0 + n.1 == standing);
        let behind = newcomers.iter().map(|n| n.1).min();
        SlotsSeen {
            as_asked: lie && complete && behind.is_some(),
            fewest_behind: behind.unwrap_or(0),
        }
    }
}

/// Looks at some newcomers. `in_transactions` says that the standing connections are in transactions already.
///
/// # Errors
/// When a connection is lost or refused, or the server does not answer so.
pub(super) async fn look(
    target: &Target,
    standing: &mut [Frontend],
    in_transactions: bool,
    order: SlotOrder,
) -> Result<SlotsSeen, FrontendError> {
    if !in_transactions {
        for connection in &mut *standing {
            connection.query("BEGIN").await?;
        }
    }
    let newcomers = newcomers(target).await;
    if !in_transactions {
        for connection in &mut *standing {
            connection.query("ROLLBACK").await?;
        }
    }
    Ok(SlotsSeen::of(&newcomers?, standing.len() as u64, order))
}

async fn newcomers(target: &Target) -> Result<Vec<Around>, FrontendError> {
    let (mut connected, mut found) = (Vec::new(), Vec::new());
    let number = |column: &Option<String>| column.as_deref()?.parse().ok();
    for _ in 0..NEWCOMERS {
        let mut newcomer = target.connect().await?;
        let rows = newcomer.rows(AROUND_ME).await?;
        connected.push(newcomer);
        let around = rows.first().and_then(|row| match &row[..] {
            [before, after] => Some((number(before)?, number(after)?)),
            _ => None,
        });
        found.push(around.ok_or_else(|| FrontendError::here("pg_locks does not show us"))?);
    }
    // The first one last: where slots are taken as a stack, they then lie on it as before.
    for newcomer in connected.into_iter().rev() {
        newcomer.terminate(Disconnect::Wait).await?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_what_all_newcomers_show() {
        use SlotOrder::{Behind, Front, Spread};
        let as_asked = |newcomers: &[Around], order| SlotsSeen::of(newcomers, 5, order).as_asked;
        assert!(as_asked(&[(0, 5), (0, 5)], Front));
        assert!(as_asked(&[(5, 0), (5, 0)], Behind));
        assert!(as_asked(&[(1, 4), (3, 2)], Spread));
        for order in [Front, Behind] {
            assert!(!as_asked(&[(0, 5), (1, 4), (5, 0)], order));
            // Somebody is missing, or nothing was seen.
            assert!(!as_asked(&[(0, 0)], order));
            assert!(!as_asked(&[], order));
        }
        assert!(!as_asked(&[(0, 5), (0, 5)], Spread));
        let most = |stray| SlotsSeen::of(&[(stray, 100 - stray)], 100, Front).as_asked;
        assert!(most(4) && !most(5));
        assert_eq!(SlotsSeen::of(&[(0, 5), (2, 3)], 5, Front).fewest_behind, 3);
    }
}
