//! One visit to a server: its load threads and standing connections, and one
//! block on them.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::crew::{BlockOrder, CrewError};
use super::death::{self, Died};
use super::load_thread::LoadThread;
use super::provision::{RunningPgBouncer, RunningServer};
use super::settle;
use super::standing::Standing;
use crate::arm::Arm;
use crate::config::Config;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::Failure;
use crate::load::{Cancel, Clock, MonotonicClock, OfferedRate, Window, derive_seed};
use crate::record::{BlockCpu, BlockRecord, Factors, Role};

/// From the order to the start of the load.
const LEAD_NS: u64 = 5_000_000;
/// How long operations may take beyond the end of the window.
const DRAIN_NS: u64 = 2_000_000_000;

/// What one block is to do.
pub struct Stretch<'a> {
    /// The run's settings.
    pub config: &'a Config,
    /// The arm.
    pub arm: Arm,
    /// Total rates of readers and of clients.
    pub rates: (OfferedRate, OfferedRate),
    /// Warm-up and measured time, in ns.
    pub lengths_ns: (u64, u64),
    /// Tells the block's random numbers from those of other blocks.
    pub seed_path: u64,
    /// Stop request.
    pub cancel: &'a Cancel,
}

/// What one block gave.
pub struct Measured {
    /// Its window.
    pub window: Window,
    /// What the workers recorded.
    pub record: BlockRecord,
    /// CPU of everybody.
    pub cpu: BlockCpu,
}

/// A server with everything that is connected to it. Fields drop in order:
/// load first, the server last.
pub struct OpenVisit {
    /// Reader threads, each with its number of readers.
    pub readers: Vec<(LoadThread, u32)>,
    /// The clients' thread.
    pub clients: LoadThread,
    /// Kept until the load threads are gone.
    pub standing: Standing,
    /// PgBouncer, if its arms run.
    pub pgbouncer: Option<RunningPgBouncer>,
    /// The server.
    pub server: RunningServer,
    /// Its number of processes when nothing churns, where visible.
    pub base_children: Option<usize>,
    /// Whose CPU is counted.
    pub watched: Watched,
    /// The settings of every block of the visit.
    pub factors: Factors,
}

/// A block that a thread is carrying out.
type Pending<'a> = (&'a LoadThread, Receiver<Result<BlockRecord, CrewError>>);

impl OpenVisit {
    /// Waits until the last block's processes are gone. Returns how long it
    /// took, and whether they went.
    pub fn settle(&self, cancel: &Cancel) -> (Duration, bool) {
        settle::settle(&self.server, self.base_children, cancel)
    }

    /// Runs one block.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] when only the arm's own connections are lost; [`Failure::Fatal`] also when
    /// standing connections are: the block was not measured with the number it is filed under.
    pub fn measure(&self, stretch: &Stretch<'_>) -> Result<Measured, Failure> {
        let config = stretch.config;
        let before = CpuReading::take(self.watched);
        let start_ns = MonotonicClock.now_ns() + LEAD_NS;
        let (warmup_ns, measured_ns) = stretch.lengths_ns;
        let window = Window {
            start_ns,
            measure_from_ns: start_ns + warmup_ns,
            end_ns: start_ns + warmup_ns + measured_ns,
            drain_until_ns: start_ns + warmup_ns + measured_ns + DRAIN_NS,
        };
        let order = |role: u64, rate| BlockOrder {
            arm: stretch.arm,
            window,
            rate,
            arrivals: config.arrivals,
            seed: derive_seed(config.seed, &[stretch.seed_path, role]),
            cancel: stretch.cancel.clone(),
        };
        let readers: Vec<_> = self
            .readers
            .iter()
            .zip(10..)
            .map(|((thread, count), role)| {
                let share = f64::from(*count) / f64::from(config.readers);
                (
                    thread,
                    thread.begin(order(role, stretch.rates.0.share(share))),
                )
            })
            .collect();
        let clients = (&self.clients, self.clients.begin(order(2, stretch.rates.1)));
        // Every thread is waited for, also when another one has failed.
        let outcome = |pending: &Pending<'_>| self.outcome(&window, stretch.cancel, pending);
        let readers: Vec<_> = readers.iter().map(outcome).collect();
        let clients = outcome(&clients);
        let mut record = BlockRecord::default();
        for part in readers {
            record.merge(&part.map_err(|e| self.reader_failure(e))?);
        }
        match clients {
            Ok(clients) => record.merge(&clients),
            Err(error) => return Err(self.client_failure(stretch.arm, error)),
        }
        let cpu = before.until_now(self.watched, &record);
        self.check_alive(stretch, &record)?;
        self.standing
            .check()
            .map_err(|lost| Failure::Fatal(lost.to_string()))?;
        Ok(Measured {
            window,
            record,
            cpu,
        })
    }

    fn outcome(
        &self,
        window: &Window,
        cancel: &Cancel,
        (thread, answer): &Pending<'_>,
    ) -> Result<BlockRecord, CrewError> {
        let patience_ns = window.drain_until_ns + 5_000_000_000;
        let left = Duration::from_nanos(patience_ns.saturating_sub(MonotonicClock.now_ns()));
        match thread.wait(answer, Some(Instant::now() + left), cancel) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(CrewError::Harness(format!(
                "a load thread did not end its block (server {})",
                if self.server.is_alive() {
                    "alive"
                } else {
                    "dead"
                }
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(CrewError::Harness("a load thread died".to_owned()))
            }
        }
    }

    /// What an arm needs that has died; looked for as long as it may take to show.
    fn who_died(&self, arm: Arm, patience: Duration) -> Option<Died> {
        death::who_died(&self.server, self.pgbouncer.as_ref(), arm, patience)
    }

    fn reader_failure(&self, error: CrewError) -> Failure {
        let reason = match error {
            CrewError::Harness(reason) => return Failure::Fatal(reason),
            CrewError::Lost(reason) => reason,
        };
        Failure::Fatal(match self.who_died(Arm::Quiet, death::THROES) {
            Some(_) => format!("the server died (readers cannot reconnect: {reason})"),
            None => format!("the readers cannot reconnect: {reason}"),
        })
    }

    fn client_failure(&self, arm: Arm, error: CrewError) -> Failure {
        let reason = match error {
            CrewError::Harness(reason) => return Failure::Fatal(reason),
            CrewError::Lost(reason) => reason,
        };
        match self.who_died(arm, death::THROES) {
            Some(Died::Server) => Failure::Fatal(format!(
                "the server died (clients cannot reconnect: {reason})"
            )),
            Some(Died::PgBouncer) => Failure::ArmLost(death::OF_PGBOUNCER.to_owned()),
            None => Failure::ArmLost(format!("{arm} cannot reconnect: {reason}")),
        }
    }

    fn check_alive(&self, stretch: &Stretch<'_>, record: &BlockRecord) -> Result<(), Failure> {
        let patience = if death::broke_connections(record) {
            death::THROES
        } else {
            Duration::ZERO
        };
        match self.who_died(stretch.arm, patience) {
            Some(Died::Server) => {
                return Err(Failure::Fatal("the server died in mid-run".to_owned()));
            }
            Some(Died::PgBouncer) => {
                return Err(Failure::ArmLost(death::OF_PGBOUNCER.to_owned()));
            }
            None => {}
        }
        let readers = record.tallies.get(&Role::Reader);
        if let Some(tally) = readers
            && tally.scheduled > 0
            && tally.succeeded() == 0
            && !stretch.cancel.is_cancelled()
        {
            let class = tally
                .errors
                .keys()
                .next()
                .map_or("cut off", |c| c.0.as_str());
            return Err(Failure::Fatal(format!(
                "no reader statement succeeded ({class})"
            )));
        }
        Ok(())
    }
}
