//! Standing connections, and the placeholders that decide where churn finds
//! its slots.

use std::sync::mpsc as sync_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connect::Target;
use super::provision::Endpoint;
use super::session::{ConnectError, Session};
use crate::factor::StandingState;
use crate::load::Cancel;
use crate::procarray::SlotOrder;

/// How many connections are opened at a time.
const AT_ONCE: usize = 8;

/// How long the thread that holds them may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Begins a transaction that has an xid; without a permission of its own, on every version.
const WITH_XID: &str = "BEGIN; SELECT txid_current()";

/// Idle connections that stay open until this value is dropped.
#[derive(Debug)]
pub struct Standing {
    /// Asks for the number of closed ones; closing the channel closes them all.
    ask: Option<mpsc::UnboundedSender<sync_mpsc::Sender<u32>>>,
    thread: Option<JoinHandle<()>>,
    count: u32,
}

/// Standing connections are not what they were opened to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandingLost {
    /// The server (or something in between) has closed some.
    #[error("{closed} of {opened} standing connections were closed by the server")]
    Closed {
        /// How many are gone.
        closed: u32,
        /// How many there were.
        opened: u32,
    },
    /// The thread that holds them does not answer.
    #[error("the standing connections cannot be counted: {0}")]
    Uncounted(sync_mpsc::RecvTimeoutError),
}

/// How standing connections and churn's future slots are to lie.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
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

impl Layout {
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
    /// Opens the connections as `layout` says and closes the placeholders.
    ///
    /// # Errors
    /// When a connection is refused; all of them are closed again.
    pub fn open(
        endpoint: &Endpoint,
        layout: Layout,
        cancel: &Cancel,
    ) -> Result<Self, ConnectError> {
        let (ask, mut asked) = mpsc::unbounded_channel::<sync_mpsc::Sender<u32>>();
        let count = layout.standing;
        let (opened, answer) = sync_mpsc::channel();
        let (endpoint, cancel) = (endpoint.clone(), cancel.clone());
        let fail = |message: String| ConnectError {
            class: crate::record::ErrorClass::new("harness"),
            message,
        };
        let thread = std::thread::Builder::new()
            .name("standing".to_owned())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(e) => {
                        let _ = opened.send(Err(fail(e.to_string())));
                        return;
                    }
                };
                runtime.block_on(async {
                    let held = match open_all(&endpoint, layout, &cancel).await {
                        Ok(held) => held,
                        Err(e) => {
                            let _ = opened.send(Err(e));
                            return;
                        }
                    };
                    let _ = opened.send(Ok(()));
                    while let Some(answer) = asked.recv().await {
                        let closed = held.iter().filter(|s| s.is_closed()).count();
                        let _ = answer.send(closed as u32);
                    }
                    let _ = tokio::time::timeout(Duration::from_secs(10), close_all(held)).await;
                });
            })
            .map_err(|e| fail(e.to_string()))?;
        let standing = Standing {
            ask: Some(ask),
            thread: Some(thread),
            count,
        };
        match answer.recv() {
            Ok(Ok(())) => Ok(standing),
            Ok(Err(e)) => Err(e),
            Err(e) => Err(fail(e.to_string())),
        }
    }

    /// Checks that all of them are still open, as far as the client side has seen.
    ///
    /// # Errors
    /// When some are not, or nobody answers.
    pub fn check(&self) -> Result<(), StandingLost> {
        let (reply, answer) = sync_mpsc::channel();
        if let Some(ask) = &self.ask {
            // A dead thread shows as a closed answer channel.
            let _ = ask.send(reply);
        }
        match answer.recv_timeout(ANSWER_LIMIT) {
            Ok(0) => Ok(()),
            Ok(closed) => Err(StandingLost::Closed {
                closed,
                opened: self.count,
            }),
            Err(e) => Err(StandingLost::Uncounted(e)),
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn open_all(
    endpoint: &Endpoint,
    layout: Layout,
    cancel: &Cancel,
) -> Result<Vec<Session>, ConnectError> {
    let target = Target::new(endpoint).map_err(|e| ConnectError {
        class: crate::record::ErrorClass::new("resolve"),
        message: e.to_string(),
    })?;
    // Slots are taken in the order of the connects; within a batch of the same
    // kind that order does not matter.
    let openings = layout.openings();
    let (mut standing, mut placeholders) = (Vec::new(), Vec::new());
    for run in openings.chunk_by(|a, b| a == b) {
        for batch in run.chunks(AT_ONCE) {
            if cancel.is_cancelled() {
                return Err(interrupted());
            }
            let tasks: Vec<_> = batch
                .iter()
                .map(|_| {
                    let target = target.clone();
                    tokio::spawn(async move { Session::open(&target).await })
                })
                .collect();
            for task in tasks {
                let opened = tokio::select! {
                    opened = task => opened,
                    // A server may never answer.
                    () = stop_requested(cancel) => return Err(interrupted()),
                };
                let session = opened.map_err(|e| ConnectError {
                    class: crate::record::ErrorClass::new("harness"),
                    message: e.to_string(),
                })??;
                match run[0] {
                    Opening::Standing => standing.push(session),
                    Opening::Placeholder => placeholders.push(session),
                }
            }
        }
    }
    close_all(placeholders).await;
    if layout.state == StandingState::InTransaction {
        for session in &standing {
            session.run(WITH_XID).await.map_err(|class| ConnectError {
                message: format!("a standing connection got no xid ({class:?})"),
                class,
            })?;
        }
    }
    Ok(standing)
}

fn interrupted() -> ConnectError {
    ConnectError {
        class: crate::record::ErrorClass::new("interrupted"),
        message: "interrupted".to_owned(),
    }
}

async fn stop_requested(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn close_all(sessions: Vec<Session>) {
    for session in sessions {
        session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::fake_server::FakeServer;
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
        let layout = Layout {
            standing: 5,
            placeholders: 0,
            order: SlotOrder::Front,
            state: StandingState::Idle,
            descending: true,
        };
        let standing = Standing::open(&server.endpoint, layout, &Cancel::default()).unwrap();
        let all_open = Ok(());
        assert_eq!(standing.check(), all_open);
        server.close(1);
        let lost = |closed| Err(StandingLost::Closed { closed, opened: 5 });
        assert_eq!(after(&all_open, &standing), lost(1));
        server.close(1);
        assert_eq!(after(&lost(1), &standing), lost(2));
        assert_eq!(
            standing.check().unwrap_err().to_string(),
            "2 of 5 standing connections were closed by the server"
        );
    }

    fn text(order: SlotOrder, descending: bool) -> String {
        Layout {
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
