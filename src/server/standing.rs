//! Standing connections, and the placeholders that decide where churn finds
//! its slots.

use std::cell::RefCell;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::event_loop::event_loop;
use super::frontend::{Frontend, FrontendError};
use super::provision::Endpoint;
use super::target::Target;
use crate::config::Disconnect;
use crate::factor::StandingState;
use crate::load::Cancel;
use crate::procarray::SlotOrder;

/// How many connections are opened at a time.
const AT_ONCE: usize = 8;

/// How long the disconnects may take, all together.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Begins a transaction that has an xid; without a permission of its own, on every version.
const WITH_XID: &str = "BEGIN; SELECT txid_current()";

/// Idle connections that stay open until this value is dropped.
#[derive(Debug)]
pub struct Standing {
    connections: RefCell<Vec<Frontend>>,
    event_loop: Runtime,
}

/// Standing connections are not what they were opened to be: the server (or something in between) has closed some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{closed} of {opened} standing connections were closed by the server")]
pub struct StandingLost {
    /// How many are gone.
    pub closed: usize,
    /// How many there were.
    pub opened: usize,
}

/// How standing connections and churn's future slots are to lie.
#[derive(Debug, Clone, Copy)]
pub struct StandingPlan {
    /// Standing connections.
    pub standing: u32,
    /// Placeholders: opened for the slots that churn shall use, then closed.
    /// 0 leaves the slots to chance (a server that is not ours).
    pub placeholders: u32,
    /// Where those slots shall lie.
    pub order: SlotOrder,
    /// What the standing connections are.
    pub state: StandingState,
    /// Whether first allocations descend through the slots (PostgreSQL up to 16;
    /// proc.c `InitProcGlobal`) or ascend (17 and later).
    pub descending: bool,
}

/// One connection to be opened, in order of opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Stays.
    Standing,
    /// Is closed once all are open.
    Placeholder,
}

impl StandingPlan {
    /// The order in which connections are opened on a fresh server.
    pub fn openings(&self) -> Vec<Opening> {
        let standing = (0..self.standing).map(|_| Opening::Standing);
        let placeholders = (0..self.placeholders).map(|_| Opening::Placeholder);
        match self.order {
            // Opened first is numbered highest where allocation descends.
            SlotOrder::Behind if self.descending => placeholders.chain(standing).collect(),
            SlotOrder::Front if !self.descending => placeholders.chain(standing).collect(),
            SlotOrder::Front | SlotOrder::Behind => standing.chain(placeholders).collect(),
            SlotOrder::Spread => {
                // Evenly mixed: after k of n in all, placeholders have had their share.
                let total = self.standing + self.placeholders;
                (0..total)
                    .map(|k| {
                        let share =
                            |k: u32| u64::from(k) * u64::from(self.placeholders) / u64::from(total);
                        if share(k + 1) > share(k) {
                            Opening::Placeholder
                        } else {
                            Opening::Standing
                        }
                    })
                    .collect()
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
        plan: StandingPlan,
        cancel: &Cancel,
    ) -> Result<Self, FrontendError> {
        let event_loop = event_loop()?;
        let target = Target::new(endpoint)?;
        let connections = event_loop.block_on(async {
            tokio::select! {
                opened = open_all(&target, plan) => opened,
                // A server may never answer.
                () = stop_requested(cancel) => Err(FrontendError::Here("interrupted".to_owned())),
            }
        })?;
        Ok(Standing {
            connections: RefCell::new(connections),
            event_loop,
        })
    }

    /// Checks that all of them are still open, as far as the client side has seen.
    ///
    /// # Errors
    /// When some are not.
    pub fn check(&self) -> Result<(), StandingLost> {
        let mut connections = self.connections.borrow_mut();
        let opened = connections.len();
        let closed = self.event_loop.block_on(async {
            // The event loop hears what has happened to its sockets meanwhile.
            tokio::task::yield_now().await;
            connections
                .iter_mut()
                .filter_map(|c| c.is_closed().then_some(()))
                .count()
        });
        match closed {
            0 => Ok(()),
            closed => Err(StandingLost { closed, opened }),
        }
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

async fn open_all(target: &Target, plan: StandingPlan) -> Result<Vec<Frontend>, FrontendError> {
    // Slots are taken in the order of the connects; within a batch of the same
    // kind that order does not matter.
    let openings = plan.openings();
    let (mut standing, mut placeholders) = (Vec::new(), Vec::new());
    for run in openings.chunk_by(|a, b| a == b) {
        let opened = match run[0] {
            Opening::Standing => &mut standing,
            Opening::Placeholder => &mut placeholders,
        };
        for batch in run.chunks(AT_ONCE) {
            let connecting = batch.iter().map(|_| {
                let target = target.clone();
                tokio::spawn(async move { target.connect().await })
            });
            for connecting in connecting.collect::<Vec<_>>() {
                let ended = connecting.await;
                opened.push(ended.map_err(|e| FrontendError::Here(e.to_string()))??);
            }
        }
    }
    close_all(placeholders).await;
    if plan.state == StandingState::InTransaction {
        for connection in &mut standing {
            let outcome = connection.query(WITH_XID).await;
            outcome.map_err(|e| {
                FrontendError::Here(format!("a standing connection got no xid ({e})"))
            })?;
        }
    }
    Ok(standing)
}

async fn stop_requested(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    fn after(now: &Result<(), StandingLost>, standing: &Standing) -> Result<(), StandingLost> {
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
            standing: 5,
            placeholders: 0,
            order: SlotOrder::Front,
            state: StandingState::Idle,
            descending: true,
        };
        let standing = Standing::open(&server.endpoint, plan, &Cancel::default()).unwrap();
        let all_open = Ok(());
        assert_eq!(standing.check(), all_open);
        server.close(1);
        let lost = |closed| Err(StandingLost { closed, opened: 5 });
        assert_eq!(after(&all_open, &standing), lost(1));
        server.close(1);
        assert_eq!(after(&lost(1), &standing), lost(2));
        assert_eq!(
            standing.check().unwrap_err().to_string(),
            "2 of 5 standing connections were closed by the server"
        );
    }

    fn text(order: SlotOrder, descending: bool) -> String {
        StandingPlan {
            standing: 4,
            placeholders: 2,
            order,
            state: StandingState::Idle,
            descending,
        }
        .openings()
        .iter()
        .map(|o| if *o == Opening::Standing { 's' } else { 'p' })
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
