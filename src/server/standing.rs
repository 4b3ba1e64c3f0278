//! Standing connections, and the placeholders that decide where churn finds
//! its slots.

use std::cell::RefCell;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::frontend::{Frontend, FrontendError};
use super::patience::stop_requested;
use super::provision::Endpoint;
use super::slot_check::{self, SlotsSeen};
use super::target::{Target, event_loop};
use crate::config::Disconnect;
use crate::factor::{Factors, StandingState};
use crate::load::Cancel;
use crate::procarray::SlotOrder;
use crate::record::SLOTS_VERIFIED;

/// How many connections are opened at a time.
const AT_ONCE: usize = 8;

/// How long the disconnects may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Begins a transaction that has an xid; without a permission of its own, on every version.
const WITH_XID: &str = "BEGIN; SELECT txid_current()";

/// Idle connections that stay open until this value is dropped.
pub struct Standing {
    connections: RefCell<Vec<Frontend>>,
    /// Where churn's slots lie among theirs; none where that was left to chance, or could not be seen.
    slots: Option<SlotsSeen>,
    event_loop: Runtime,
}

/// How standing connections and churn's future slots are to lie.
pub struct StandingPlan<'a> {
    /// How many there are, what they are, and where churn's slots shall lie.
    pub level: &'a Factors,
    /// Placeholders: opened for the slots that churn shall use, then closed.
    /// 0 leaves the slots to chance (a server that is not ours).
    pub placeholders: u32,
    /// Whether first allocations descend through the slots (PostgreSQL up to 16;
    /// proc.c `InitProcGlobal`) or ascend (17 and later).
    pub descending: bool,
}

impl StandingPlan<'_> {
    /// The order in which connections are opened on a fresh server: whether each is a placeholder, to be closed
    /// once all are open.
    fn placeholders_in_order(&self) -> Vec<bool> {
        let standing = (0..self.level.standing).map(|_| false);
        let placeholders = (0..self.placeholders).map(|_| true);
        match self.level.slot_order.unwrap_or_default() {
            // Opened first is numbered highest where allocation descends.
            SlotOrder::Behind if self.descending => placeholders.chain(standing).collect(),
            SlotOrder::Front if !self.descending => placeholders.chain(standing).collect(),
            SlotOrder::Front | SlotOrder::Behind => standing.chain(placeholders).collect(),
            SlotOrder::Spread => {
                // Evenly mixed: after k of n in all, placeholders have had their share.
                let (count, total) = (
                    u64::from(self.placeholders),
                    self.level.standing + self.placeholders,
                );
                let share = |k: u32| u64::from(k) * count / u64::from(total);
                (0..total).map(|k| share(k + 1) > share(k)).collect()
            }
        }
    }
}

impl Standing {
    /// Opens the connections as `plan` says and closes the placeholders.
    ///
    /// # Errors
    /// When a connection is refused; all of them are closed again.
    pub fn open(
        endpoint: &Endpoint,
        plan: StandingPlan<'_>,
        cancel: &Cancel,
    ) -> Result<Self, FrontendError> {
        let event_loop = event_loop()?;
        let target = Target::new(endpoint)?;
        let (connections, slots) = event_loop.block_on(async {
            tokio::select! {
                opened = open_and_look(&target, plan) => opened,
                // A server may never answer.
                () = stop_requested(cancel) => Err(FrontendError::here("interrupted")),
            }
        })?;
        Ok(Standing {
            connections: RefCell::new(connections),
            slots,
            event_loop,
        })
    }

    /// What was seen of churn's slots, as counters of every block.
    pub fn slot_counters(&self) -> Vec<(&'static str, u64)> {
        let counters = |seen: SlotsSeen| {
            vec![
                (SLOTS_VERIFIED, u64::from(seen.as_asked)),
                ("slots.standing-behind", seen.fewest_behind),
            ]
        };
        self.slots.map_or_else(Vec::new, counters)
    }

    /// Checks that all of them are still open, as far as the client side has seen.
    ///
    /// # Errors
    /// When the server (or something in between) has closed some.
    pub fn check(&self) -> Result<(), String> {
        let mut connections = self.connections.borrow_mut();
        let closed = self.event_loop.block_on(async {
            // The event loop hears what has happened to its sockets meanwhile.
            tokio::task::yield_now().await;
            let closed = |c: &mut Frontend| usize::from(c.is_closed());
            connections.iter_mut().map(closed).sum::<usize>()
        });
        if closed == 0 {
            return Ok(());
        }
        Err(format!(
            "{closed} of {} standing connections were closed by the server",
            connections.len()
        ))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let closing = close_all(self.connections.take());
        let _ = self
            .event_loop
            .block_on(async { tokio::time::timeout(CLOSE_LIMIT, closing).await });
    }
}

async fn open_and_look(
    target: &Target,
    plan: StandingPlan<'_>,
) -> Result<(Vec<Frontend>, Option<SlotsSeen>), FrontendError> {
    let mut standing = open_all(target, &plan).await?;
    if plan.placeholders == 0 || standing.is_empty() {
        return Ok((standing, None));
    }
    let in_transactions = plan.level.standing_state == Some(StandingState::InTransaction);
    let order = plan.level.slot_order.unwrap_or_default();
    // What cannot be seen stays a caution; connections that it cost are missed before the first block.
    let seen = slot_check::look(target, &mut standing, in_transactions, order).await;
    Ok((standing, seen.ok()))
}

async fn open_all(
    target: &Target,
    plan: &StandingPlan<'_>,
) -> Result<Vec<Frontend>, FrontendError> {
    let (mut standing, mut placeholders) = (Vec::new(), Vec::new());
    // Slots are taken in the order of the connects; within a batch of the same
    // kind that order does not matter.
    for run in plan.placeholders_in_order().chunk_by(|a, b| a == b) {
        let opened = match run[0] {
            true => &mut placeholders,
            false => &mut standing,
        };
        for batch in run.chunks(AT_ONCE) {
            let mut connecting = JoinSet::new();
            for _ in batch {
                let target = target.clone();
                connecting.spawn(async move { target.connect().await });
            }
            while let Some(ended) = connecting.join_next().await {
                opened.push(ended.map_err(FrontendError::here)??);
            }
        }
    }
    close_all(placeholders).await;
    if plan.level.standing_state == Some(StandingState::InTransaction) {
        for connection in &mut standing {
            let outcome = connection.query(WITH_XID).await;
            let lacking =
                |e| FrontendError::Here(format!("a standing connection got no xid ({e})"));
            outcome.map_err(lacking)?;
        }
    }
    Ok(standing)
}

async fn close_all(connections: Vec<Frontend>) {
    for connection in connections {
        // Already closed, or closed by the system: the end is the same.
        let _ = connection.terminate(Disconnect::Wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testing::FakeServer;
    use std::time::Instant;

    /// What is found once it is not `now` any more; bounded.
    fn after(now: &Result<(), String>, standing: &Standing) -> Result<(), String> {
        let since = Instant::now();
        loop {
            let found = standing.check();
            if found != *now || since.elapsed() > Duration::from_secs(30) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn connections_that_the_server_closed_are_counted() {
        let server = FakeServer::start(true);
        let plan = StandingPlan {
            level: &Factors::standing(5),
            placeholders: 0,
            descending: true,
        };
        let standing = Standing::open(&server.endpoint, plan, &Cancel::default()).unwrap();
        let all_open = Ok(());
        assert_eq!(standing.check(), all_open);
        server.close(1);
        let lost = |closed| {
            Err(format!(
                "{closed} of 5 standing connections were closed by the server"
            ))
        };
        assert_eq!(after(&all_open, &standing), lost(1));
        server.close(1);
        assert_eq!(after(&lost(1), &standing), lost(2));
    }

    fn text(order: SlotOrder, descending: bool) -> String {
        let level = Factors {
            slot_order: Some(order),
            ..Factors::standing(4)
        };
        StandingPlan {
            level: &level,
            placeholders: 2,
            descending,
        }
        .placeholders_in_order()
        .iter()
        .map(|placeholder| if *placeholder { 'p' } else { 's' })
        .collect()
    }

    #[test]
    fn openings_put_churn_where_it_was_asked_for() {
        // Descending: what is opened first gets the highest slot, hence lies behind.
        assert_eq!(text(SlotOrder::Behind, true), "ppssss");
        assert_eq!(text(SlotOrder::Front, true), "sssspp");
        assert_eq!(text(SlotOrder::Behind, false), "sssspp");
        assert_eq!(text(SlotOrder::Front, false), "ppssss");
        assert_eq!(text(SlotOrder::Spread, true), "sspssp");
    }
}
