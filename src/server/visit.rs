//! One visit to a server: its load threads and standing connections, and one
//! block on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::burner::{Burn, Burner, BurnerAccount};
use super::crew::{BlockOrder, CrewError};
use super::death::{self, Died};
use super::fork_count::{ForkCount, Forks};
use super::load_thread::LoadThread;
use super::provision::{RunningPgBouncer, RunningServer};
use super::settle;
use super::standing::Standing;
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::Config;
use crate::factor::Factors;
use crate::factor::OfferedRate;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::Failure;
use crate::load::{Cancel, Window};
use crate::record::{BlockCpu, BlockRecord, CpuAccount, CpuGroup, Role};
use crate::seed::derive_seed;

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
    /// What a child of `cpu-burn` is asked to use, in ns.
    pub burn_ns: Option<u64>,
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
    /// Forks, and what `cpu-burn` was asked for.
    pub counters: BTreeMap<String, u64>,
}

/// A server with everything that is connected to it. Fields drop in order:
/// load first, the server last.
pub struct OpenVisit {
    /// Reader threads, each with its number of readers.
    pub readers: Vec<(LoadThread, u32)>,
    /// The clients' thread.
    pub clients: LoadThread,
    /// The helper of `cpu-burn`, or why there is none. In the server's cgroup, hence gone before it.
    pub burner: RefCell<Result<Burner, String>>,
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
    /// The last reading of it, which spares much of the next.
    pub last_reading: RefCell<Option<CpuReading>>,
    /// Counts the postmaster's forks.
    pub forks: RefCell<ForkCount>,
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
    /// [`Failure::ArmLost`] when only the arm's own connections are lost; [`Failure::VisitLost`] when the server
    /// is, and also when standing connections are: the block was not measured with the number it is filed under.
    pub fn measure(&self, stretch: &Stretch<'_>) -> Result<Measured, Failure> {
        let config = stretch.config;
        let burn = self.burn(stretch)?;
        let burnt_before = self.burner_account(stretch)?;
        self.count_forks();
        let before = CpuReading::take(self.watched, self.last_reading.take().as_ref());
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
            burn: burn.clone(),
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
        let after = CpuReading::take(self.watched, Some(&before));
        let mut cpu = before.until(&after, &record);
        self.last_reading.replace(Some(after));
        let mut counters: BTreeMap<String, u64> = BTreeMap::new();
        let forks = self.count_forks().and_then(Forks::counter);
        counters.extend(forks.map(|(name, forks)| (name.to_owned(), forks)));
        self.check_alive(stretch, &record)?;
        self.standing
            .check()
            .map_err(|lost| Failure::VisitLost(lost.to_string()))?;
        if let Some(after) = self.burner_account(stretch)? {
            let before = burnt_before.unwrap_or_default();
            let used_ns = after.used_ns.saturating_sub(before.used_ns);
            cpu.used_ns.insert("burner".to_owned(), used_ns);
            let account = CpuAccount {
                used_ns,
                ..CpuAccount::default()
            };
            cpu.groups.insert(CpuGroup::Burner, account);
            counters.insert("burn.asked-ns".to_owned(), stretch.burn_ns.unwrap_or(0));
            counters.insert("burn.forks".to_owned(), after.forked - before.forked);
            let outside = matches!(&*self.burner.borrow(), Ok(b) if b.outside_cgroup().is_some());
            counters.insert("burn.outside-cgroup".to_owned(), u64::from(outside));
        }
        Ok(Measured {
            window,
            record,
            cpu,
            counters,
        })
    }

    /// The operation of `cpu-burn`, where this is one.
    fn burn(&self, stretch: &Stretch<'_>) -> Result<Option<Burn>, Failure> {
        if stretch.arm != Arm::CpuBurn {
            return Ok(None);
        }
        let unknown = || Failure::ArmLost("what a connection costs is not known".to_owned());
        let cpu_ns = stretch.burn_ns.ok_or_else(unknown)?;
        match &*self.burner.borrow() {
            Ok(burner) => Ok(Some(burner.burn(cpu_ns))),
            Err(reason) => Err(Failure::ArmLost(reason.clone())),
        }
    }

    fn burner_account(&self, stretch: &Stretch<'_>) -> Result<Option<BurnerAccount>, Failure> {
        match &mut *self.burner.borrow_mut() {
            Ok(burner) if stretch.arm == Arm::CpuBurn => burner
                .account()
                .map(Some)
                .map_err(|e| Failure::ArmLost(e.to_string())),
            _ => Ok(None),
        }
    }

    fn count_forks(&self) -> Option<Forks> {
        let postmaster = self.watched.postmaster?;
        Some(self.forks.borrow_mut().take(postmaster))
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
        Failure::VisitLost(match self.who_died(Arm::Quiet, death::THROES) {
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
            Some(Died::Server) => Failure::VisitLost(format!(
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
                return Err(Failure::VisitLost("the server died in mid-run".to_owned()));
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
