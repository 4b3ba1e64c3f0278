//! Inserts by some writers on a schedule of their own, each with a number that the client chose: what was
//! acknowledged can be counted on the server afterwards.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use itertools::Itertools;
use tokio::task::JoinSet;

use crate::clock::{Clock, MonotonicClock};
use crate::config::Arrivals;
use crate::factor::OfferedRate;
use crate::load::timer::PreciseTimer;
use crate::load::{Cancel, schedule::Schedule};
use crate::record::SeriesHistogram;
use crate::seed::derive_seed;
use crate::server::provision::Endpoint;
use crate::server::{Frontend, FrontendError, Target, event_loop, stop_requested};

/// What is to be inserted, and how fast.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// Connections.
    pub writers: u32,
    /// Of all together.
    pub rate_per_second: f64,
    /// How far they are apart.
    pub arrivals: Arrivals,
    /// One statement; `$1` is the insert's number.
    pub sql: String,
    /// Of the arrivals.
    pub seed: u64,
}

/// One insert; instants in ns after the load's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Insert {
    /// Which writer's it is, from 0 on.
    pub place: u64,
    /// What it inserts; a writer's numbers go up one by one.
    pub number: u64,
    pub due_ns: u64,
    pub begun_ns: u64,
    pub ended_ns: u64,
    /// The class of its error; `None` if it was acknowledged.
    pub failed: Option<String>,
    /// Whether a notice or warning came with it.
    pub noticed: bool,
}

/// All that a load did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inserts {
    pub all: Vec<Insert>,
    /// Due before the load was stopped, and not begun.
    pub not_begun: u64,
}

/// A load that goes on until it is stopped; dropped, it is abandoned in the middle of a statement.
#[derive(Debug)]
pub(super) struct RunningLoad {
    start_ns: u64,
    stop: Cancel,
    abandon: Cancel,
    /// The server's process of each writer, by place.
    pub(super) backends: Vec<i32>,
    thread: Option<JoinHandle<Result<Inserts, FrontendError>>>,
}

/// The numbers of one writer begin here, times its place.
const NUMBERS: u64 = 1_000_000_000;

impl RunningLoad {
    /// Begins it; all writers are connected when this returns. They take turns at the endpoints.
    ///
    /// # Errors
    /// When a writer cannot connect.
    pub(super) fn start(endpoints: &[Endpoint], load: &Load) -> Result<Self, FrontendError> {
        let (stop, abandon) = (Cancel::default(), Cancel::default());
        let (ready, is_ready) = channel();
        let targets = endpoints.iter().map(Target::new);
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let load = load.clone();
        let flags = (stop.clone(), abandon.clone());
        let thread = std::thread::Builder::new().name("inserts".to_owned());
        let thread = thread.spawn(move || {
            let runtime = event_loop()?;
            runtime.block_on(insert(&targets, &load, flags, &ready))
        })?;
        // Nothing comes if a writer could not connect: the thread says why.
        let Ok((start_ns, backends)) = is_ready.recv() else {
            let ended = thread.join();
            let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            return Err(ended.err().unwrap_or(FrontendError::NotCompleted));
        };
        Ok(RunningLoad {
            start_ns,
            stop,
            abandon,
            backends,
            thread: Some(thread),
        })
    }

    /// Now, in ns after its start.
    pub(super) fn now_ns(&self) -> u64 {
        MonotonicClock.now_ns().saturating_sub(self.start_ns)
    }

    /// Ends it after the statements that are under way.
    ///
    /// # Errors
    /// When a writer's timer failed.
    pub(super) fn stop(mut self) -> Result<Inserts, FrontendError> {
        self.stop.cancel();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Inserts::default()),
        }
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
        if let Some(thread) = self.thread.take() {
            // What it did is not wanted any more.
            let _ = thread.join();
        }
    }
}

async fn insert(
    targets: &[Target],
    load: &Load,
    (stop, abandon): (Cancel, Cancel),
    ready: &Sender<(u64, Vec<i32>)>,
) -> Result<Inserts, FrontendError> {
    let mut connections = Vec::new();
    for target in targets.iter().cycle().take(load.writers as usize) {
        connections.push(target.connect().await?);
    }
    let backends = connections.iter().map(|c| c.process_id.unwrap_or_default());
    let backends = backends.collect();
    let start_ns = MonotonicClock.now_ns();
    // Whoever started it is there, or has gone and does not want it.
    let _ = ready.send((start_ns, backends));
    let mut writers = JoinSet::new();
    for (connection, place) in connections.into_iter().zip(0..) {
        let writer = Writer {
            start_ns,
            place,
            load: load.clone(),
            stop: stop.clone(),
            abandon: abandon.clone(),
        };
        writers.spawn(writer.insert(connection));
    }
    let mut inserts = Inserts::default();
    while let Some(done) = writers.join_next().await {
        let done = done.map_err(FrontendError::here)??;
        inserts.all.extend(done.all);
        inserts.not_begun += done.not_begun;
    }
    inserts.all.sort_by_key(|insert| insert.ended_ns);
    Ok(inserts)
}

/// One connection that inserts.
struct Writer {
    start_ns: u64,
    place: u64,
    load: Load,
    stop: Cancel,
    abandon: Cancel,
}

impl Writer {
    fn since_start_ns(&self) -> u64 {
        MonotonicClock.now_ns().saturating_sub(self.start_ns)
    }

    async fn insert(self, mut connection: Frontend) -> Result<Inserts, FrontendError> {
        let rate = OfferedRate::PerSecond(self.load.rate_per_second);
        let writers = self.load.writers as usize;
        let seed = derive_seed(self.load.seed, &[self.place]);
        let mut schedule = Schedule::new(rate, self.load.arrivals, writers, seed);
        let mut timer = PreciseTimer::new(0).map_err(FrontendError::here)?;
        let mut done = Inserts::default();
        for number in NUMBERS * (self.place + 1).. {
            let due_ns = schedule.peek().unwrap_or_default();
            let due = timer.wait_until(self.start_ns + due_ns, &self.stop).await;
            if !due.map_err(FrontendError::here)? || connection.is_closed() {
                break;
            }
            schedule.advance();
            let begun_ns = self.since_start_ns();
            let notices = connection.notices;
            let value = number.to_string();
            let ended = tokio::select! {
                ended = connection.execute(&self.load.sql, Some(&value)) => ended,
                () = stop_requested(&self.abandon) => break,
            };
            done.all.push(Insert {
                place: self.place,
                number,
                due_ns,
                begun_ns,
                ended_ns: self.since_start_ns(),
                failed: ended.err().map(|e| e.class().0),
                noticed: connection.notices > notices,
            });
        }
        let stopped_ns = self.since_start_ns();
        while schedule.peek().is_some_and(|due_ns| due_ns < stopped_ns) {
            schedule.advance();
            done.not_begun += 1;
        }
        Ok(done)
    }
}

impl Inserts {
    /// Those that were acknowledged, in the order of their ends.
    fn acknowledged(&self) -> impl Iterator<Item = &Insert> {
        self.all.iter().filter(|i| i.failed.is_none())
    }

    /// How many were acknowledged.
    pub(super) fn count(&self) -> u64 {
        self.acknowledged().count() as u64
    }

    /// Those that failed, by class.
    pub(super) fn failures(&self) -> BTreeMap<String, u64> {
        let failed = self.all.iter().filter_map(|i| i.failed.clone());
        failed
            .counts()
            .into_iter()
            .map(|(class, n)| (class, n as u64))
            .collect()
    }

    /// The longest time without an acknowledged insert, from `from_ns` to the first one at `until_ns` or later; to
    /// `until_ns` itself if none came.
    pub(super) fn worst_gap_ns(&self, from_ns: u64, until_ns: u64) -> u64 {
        let ends = self.acknowledged().map(|i| i.ended_ns);
        let ends = ends.filter(|end| *end >= from_ns);
        let seen = ends.take_while_inclusive(|end| *end < until_ns);
        let edges = std::iter::once(from_ns).chain(seen).collect_vec();
        let last = edges.last().map_or(until_ns, |last| until_ns.max(*last));
        let gaps = edges.into_iter().chain([last]).tuple_windows();
        gaps.map(|(a, b)| b - a).max().unwrap_or_default()
    }

    /// Acknowledged inserts in each `step_ns` from the start.
    pub(super) fn completions(&self, step_ns: u64) -> Vec<u32> {
        let last = self.acknowledged().map(|i| i.ended_ns / step_ns).max();
        let mut steps = vec![0; last.map_or(0, |last| last as usize + 1)];
        for insert in self.acknowledged() {
            steps[(insert.ended_ns / step_ns) as usize] += 1;
        }
        steps
    }

    /// Response times (from due to the end) of the acknowledged inserts that were due in this stretch.
    pub(super) fn response_times(&self, from_ns: u64, until_ns: u64) -> SeriesHistogram {
        let mut histogram = SeriesHistogram::default();
        let due = self
            .acknowledged()
            .filter(|i| (from_ns..until_ns).contains(&i.due_ns));
        due.for_each(|i| histogram.record(i.ended_ns.saturating_sub(i.due_ns)));
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Due every 10 ms; those due between 100 and 600 ms end at 600 ms: the target stood still.
    fn stalled() -> Inserts {
        let all = (0..100_u64).map(|n| {
            let due_ns = n * 10_000_000;
            let stalls = (100_000_000..600_000_000).contains(&due_ns);
            Insert {
                due_ns,
                begun_ns: due_ns,
                ended_ns: if stalls {
                    600_000_000 + n
                } else {
                    due_ns + 100_000
                },
                failed: (n == 99).then(|| "sqlstate-23514".to_owned()),
                ..Insert::default()
            }
        });
        Inserts {
            all: all.collect(),
            not_begun: 0,
        }
    }

    #[test]
    fn a_stall_is_a_gap_and_late_responses() {
        let inserts = stalled();
        assert_eq!(inserts.count(), 99);
        assert_eq!(
            inserts.failures(),
            BTreeMap::from([("sqlstate-23514".to_owned(), 1)])
        );
        let gap = inserts.worst_gap_ns(50_000_000, 900_000_000);
        assert!((509_000_000..511_000_000).contains(&gap), "{gap}");
        // To the next insert, where the stretch ends before it; from its begin.
        assert_eq!(inserts.worst_gap_ns(200_000_000, 300_000_000), 400_000_010);
        // None came.
        assert_eq!(
            inserts.worst_gap_ns(1_500_000_000, 1_700_000_000),
            200_000_000
        );
        let response = inserts.response_times(100_000_000, 600_000_000);
        assert_eq!(response.len(), 50);
        let median = response.percentile_ns(50.0).unwrap_or_default();
        assert!((240_000_000..270_000_000).contains(&median), "{median}");
        let steps = inserts.completions(20_000_000);
        assert_eq!(steps.iter().sum::<u32>(), 99);
        assert_eq!((steps[0], steps[10], steps[30]), (2, 0, 52));
    }
}
