//! Which of Patroni's nodes take writes: all of them are asked every 200 ms, to the end of the trial.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::record::Looks;
use crate::chapter7::pair::value;
use crate::server::provision::{Endpoint, RunningServer};
use crate::server::{FrontendError, Target, event_loop};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// How long a node may take to answer; one that restarts answers later.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The last look at all nodes.
#[derive(Debug, Default)]
struct Look {
    begun: Option<Instant>,
    /// Places of those that took writes.
    leaders: Vec<usize>,
    so_far: Looks,
}

/// Looks that go on until this is dropped.
#[derive(Debug)]
pub(super) struct Leaders {
    last: Option<watch::Receiver<Look>>,
    thread: Option<JoinHandle<()>>,
}

impl Leaders {
    /// Begins to look at these nodes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn of(nodes: &[&RunningServer]) -> Result<Self, FrontendError> {
        let endpoints = nodes.iter().map(|node| node.endpoint().clone());
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let (sender, last) = watch::channel(Look::default());
        let runtime = event_loop()?;
        let thread = std::thread::Builder::new().name("leaders".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = look(&endpoints, &sender) => {}
                    () = sender.closed() => {}
                }
            });
        })?;
        Ok(Leaders {
            last: Some(last),
            thread: Some(thread),
        })
    }

    /// Waits until a node takes writes in a look that has begun since then. Gives the node's place, and when it was;
    /// `None` where there is none within `limit`.
    pub(super) async fn one_since(
        &mut self,
        since: Instant,
        limit: Duration,
    ) -> Option<(usize, Duration)> {
        let found = self.last.as_mut()?.wait_for(|look| {
            look.begun.is_some_and(|begun| begun >= since) && !look.leaders.is_empty()
        });
        let look = timeout_at(since + limit, found).await.ok()?.ok()?;
        Some((*look.leaders.first()?, look.begun? - since))
    }

    /// What there was to see so far.
    pub(super) fn so_far(&self) -> Looks {
        let last = self.last.as_ref();
        last.map(|last| last.borrow().so_far).unwrap_or_default()
    }
}

impl Drop for Leaders {
    fn drop(&mut self) {
        // Without a receiver the loop ends.
        self.last = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn look(endpoints: &[Endpoint], sender: &watch::Sender<Look>) {
    loop {
        let begun = Instant::now();
        let mut asked = JoinSet::new();
        for (place, endpoint) in endpoints.iter().cloned().enumerate() {
            asked.spawn(async move {
                let is = timeout(ANSWER_LIMIT, takes_writes(&endpoint)).await;
                is.is_ok_and(|is| is.is_ok_and(|is| is)).then_some(place)
            });
        }
        let mut leaders: Vec<usize> = asked.join_all().await.into_iter().flatten().collect();
        leaders.sort_unstable();
        sender.send_modify(|last| {
            last.begun = Some(begun);
            last.so_far.count += 1;
            last.so_far.most_leaders = last.so_far.most_leaders.max(leaders.len() as u64);
            last.leaders = leaders;
        });
        sleep(LOOK.saturating_sub(begun.elapsed())).await;
    }
}

async fn takes_writes(node: &Endpoint) -> Result<bool, FrontendError> {
    let mut session = Target::new(node)?.connect().await?;
    let is = value(&mut session, "SELECT pg_catalog.pg_is_in_recovery()").await?;
    Ok(is.as_deref() == Some("f"))
}
