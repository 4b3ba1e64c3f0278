//! One start of a server: its load threads and standing connections, and one
//! block on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::arms::Setup;
use super::asked::Asked;
use super::block_load::{BlockLoad, LoadError};
use super::burner::{Burn, Burner, BurnerAccount};
use super::death;
use super::fork_count::{ForkCount, Forks};
use super::load_thread::{LoadThread, READERS};
use super::provision::{RunningPgBouncer, RunningServer, start_pgbouncer};
use super::settle::{self, stable_children};
use super::standing::{Standing, StandingPlan};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::factor::{Factors, OfferedRate};
use crate::load::Window;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::Failure;
use crate::record::{BlockCpu, BlockRecord, CpuAccount, CpuGroup, Role};
use crate::seed::derive_seed;

/// From the request to the start of the load.
const LEAD_NS: u64 = 5_000_000;
/// How long operations may take beyond the end of the window.
const DRAIN_NS: u64 = 2_000_000_000;

/// What one block is to do.
#[derive(Debug, Clone, Copy)]
pub struct BlockRequest {
    /// The arm.
    pub arm: Arm,
    /// Total rate of the clients.
    pub client_rate: OfferedRate,
    /// Warm-up and measured time, in ns.
    pub lengths_ns: (u64, u64),
    /// What a child of `cpu-burn` is asked to use, in ns.
    pub burn_ns: Option<u64>,
    /// Tells the block's random numbers from those of other blocks.
    pub seed_path: u64,
}

/// What one block gave.
pub struct BlockOutcome {
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
pub(super) struct ServerStart<'a> {
    asked: Asked<'a>,
    /// Reader threads, each with its number of readers.
    readers: Vec<(LoadThread, u32)>,
    /// The clients' thread.
    clients: LoadThread,
    /// The helper of `cpu-burn`, or why there is none. In the server's cgroup, hence gone before it.
    pub burner: RefCell<Result<Burner, String>>,
    /// Kept until the load threads are gone.
    standing: Standing,
    /// PgBouncer, if its arms run.
    pub pgbouncer: Option<RunningPgBouncer>,
    /// The server.
    pub server: RunningServer,
    /// Its number of processes when nothing churns, where visible.
    base_children: Option<usize>,
    /// Whose CPU is counted.
    watched: Watched,
    /// The last reading of it, which spares much of the next.
    last_reading: RefCell<Option<CpuReading>>,
    /// Counts the postmaster's forks.
    forks: RefCell<ForkCount>,
    /// The settings of every block of the start.
    pub factors: Factors,
}

/// A block that a thread is carrying out.
type Pending<'a> = (&'a LoadThread, Receiver<Result<BlockRecord, LoadError>>);

impl<'a> ServerStart<'a> {
    /// Opens everything that is connected to a fresh server: readers, clients, standing connections.
    ///
    /// # Errors
    /// What could not be opened.
    pub fn open(
        asked: Asked<'a>,
        arms: &[Arm],
        server: RunningServer,
        level: &Factors,
    ) -> Result<Self, Failure> {
        let failed = |what: &str, message: String| {
            if asked.cancel.is_cancelled() {
                return Failure::Interrupted;
            }
            let hint = if message.contains("53300") || message.contains("too many clients") {
                ": ask for fewer standing connections, or raise the server's max_connections"
            } else {
                ""
            };
            Failure::Fatal(format!("{what}: {message}{hint}"))
        };
        let pgbouncer = if arms.iter().any(|a| a.needs_pgbouncer()) {
            let started = start_pgbouncer(&server, &asked.pgbouncer_spec(level), &|_| {});
            Some(started.map_err(|e| failed("PgBouncer", e.to_string()))?)
        } else {
            None
        };
        let setup = |role, count, arms| Setup {
            role,
            server: server.endpoint().clone(),
            pgbouncer: pgbouncer.as_ref().map(|p| p.endpoint().clone()),
            count,
            statement: asked.server.query.clone(),
            protocol: asked.server.protocol,
            disconnect: asked.server.disconnect,
            arms,
            pool_size: asked.config.pool_size,
        };
        let readers = asked
            .reader_shares()
            .map(|count| {
                let setup = Setup {
                    pgbouncer: None,
                    ..setup(Role::Reader, count, vec![READERS])
                };
                LoadThread::start("readers", setup, &asked.cancel).map(|thread| (thread, count))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| failed("the readers cannot connect", e.to_string()))?;
        let clients = setup(Role::Client, asked.config.clients, arms.to_vec());
        let clients = LoadThread::start("clients", clients, &asked.cancel)
            .map_err(|e| failed("the clients cannot connect", e.to_string()))?;
        let plan = StandingPlan {
            standing: level.standing,
            placeholders: if asked.is_ours() {
                asked.churn_slots()
            } else {
                0
            },
            order: level.slot_order.unwrap_or_default(),
            state: level.standing_state.unwrap_or_default(),
            descending: server.pg_major().is_none_or(|major| major <= 16),
        };
        let standing = Standing::open(server.endpoint(), plan, &asked.cancel)
            .map_err(|e| failed("the standing connections cannot be opened", e.to_string()))?;
        let watched = Watched {
            postmaster: server.postmaster_pid(),
            pgbouncer: pgbouncer.as_ref().and_then(RunningPgBouncer::pid),
        };
        let burner = if arms.contains(&Arm::CpuBurn) {
            Burner::of_server(asked.helper_program.as_deref(), watched.postmaster)
        } else {
            Err("cpu-burn was not asked for".to_owned())
        };
        Ok(ServerStart {
            asked,
            readers,
            clients,
            burner: RefCell::new(burner),
            standing,
            pgbouncer,
            base_children: stable_children(&server),
            server,
            watched,
            last_reading: RefCell::new(None),
            forks: RefCell::new(ForkCount::start()),
            factors: level.clone(),
        })
    }

    /// Waits until the last block's processes are gone. Returns how long it
    /// took, and whether they went.
    pub fn settle(&self) -> (Duration, bool) {
        settle::settle(&self.server, self.base_children, &self.asked.cancel)
    }

    /// Runs one block.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] when only the arm's own connections are lost; [`Failure::StartLost`] when the server
    /// is, and also when standing connections are: the block was not measured with the number it is filed under.
    pub fn run_block(&self, request: &BlockRequest) -> Result<BlockOutcome, Failure> {
        let config = self.asked.config;
        let burn = self.burn(request)?;
        let burnt_before = self.burner_account(request.arm)?;
        self.count_forks();
        let before = CpuReading::take(self.watched, self.last_reading.take().as_ref());
        let start_ns = MonotonicClock.now_ns() + LEAD_NS;
        let (warmup_ns, measured_ns) = request.lengths_ns;
        let window = Window {
            start_ns,
            measure_from_ns: start_ns + warmup_ns,
            end_ns: start_ns + warmup_ns + measured_ns,
            drain_until_ns: start_ns + warmup_ns + measured_ns + DRAIN_NS,
        };
        let load = |role: u64, rate| BlockLoad {
            arm: request.arm,
            window,
            rate,
            arrivals: config.arrivals,
            seed: derive_seed(config.seed, &[request.seed_path, role]),
            burn: burn.clone(),
            cancel: self.asked.cancel.clone(),
        };
        let readers: Vec<_> = self
            .readers
            .iter()
            .zip(10..)
            .map(|((thread, count), role)| {
                let share = f64::from(*count) / f64::from(config.readers);
                let rate = config.reader_rate.share(share);
                (thread, thread.begin(load(role, rate)))
            })
            .collect();
        let clients = (
            &self.clients,
            self.clients.begin(load(2, request.client_rate)),
        );
        // Every thread is waited for, also when another one has failed.
        let outcome = |pending: &Pending<'_>| self.outcome(&window, pending);
        let readers: Vec<_> = readers.iter().map(outcome).collect();
        let clients = outcome(&clients);
        let mut record = BlockRecord::default();
        for part in readers {
            record.merge(&part.map_err(|e| self.load_failure(Role::Reader, Arm::Quiet, e))?);
        }
        let clients = clients.map_err(|e| self.load_failure(Role::Client, request.arm, e))?;
        record.merge(&clients);
        let after = CpuReading::take(self.watched, Some(&before));
        let mut cpu = before.until(&after, &record);
        self.last_reading.replace(Some(after));
        let mut counters: BTreeMap<String, u64> = BTreeMap::new();
        let forks = self.count_forks().and_then(Forks::counter);
        counters.extend(forks.map(|(name, forks)| (name.to_owned(), forks)));
        self.check_alive(request.arm, &record)?;
        self.standing
            .check()
            .map_err(|lost| Failure::StartLost(lost.to_string()))?;
        if let Some(after) = self.burner_account(request.arm)? {
            let before = burnt_before.unwrap_or_default();
            let used_ns = after.used_ns.saturating_sub(before.used_ns);
            cpu.used_ns.insert("burner".to_owned(), used_ns);
            let account = CpuAccount {
                used_ns,
                ..CpuAccount::default()
            };
            cpu.groups.insert(CpuGroup::Burner, account);
            counters.insert("burn.asked-ns".to_owned(), request.burn_ns.unwrap_or(0));
            counters.insert("burn.forks".to_owned(), after.forked - before.forked);
            let outside = matches!(&*self.burner.borrow(), Ok(b) if b.outside_cgroup.is_some());
            counters.insert("burn.outside-cgroup".to_owned(), u64::from(outside));
        }
        Ok(BlockOutcome {
            window,
            record,
            cpu,
            counters,
        })
    }

    /// The operation of `cpu-burn`, where this is one.
    fn burn(&self, request: &BlockRequest) -> Result<Option<Burn>, Failure> {
        if request.arm != Arm::CpuBurn {
            return Ok(None);
        }
        let unknown = || Failure::ArmLost("what a connection costs is not known".to_owned());
        let cpu_ns = request.burn_ns.ok_or_else(unknown)?;
        match &*self.burner.borrow() {
            Ok(burner) => Ok(Some(burner.burn(cpu_ns))),
            Err(reason) => Err(Failure::ArmLost(reason.clone())),
        }
    }

    fn burner_account(&self, arm: Arm) -> Result<Option<BurnerAccount>, Failure> {
        match &mut *self.burner.borrow_mut() {
            Ok(burner) if arm == Arm::CpuBurn => {
                burner.account().map(Some).map_err(Failure::ArmLost)
            }
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
        (thread, answer): &Pending<'_>,
    ) -> Result<BlockRecord, LoadError> {
        let patience_ns = window.drain_until_ns + 5_000_000_000;
        let left = Duration::from_nanos(patience_ns.saturating_sub(MonotonicClock.now_ns()));
        match thread.wait(answer, Some(Instant::now() + left), &self.asked.cancel) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(LoadError::Harness(format!(
                "a load thread did not end its block (server {})",
                if self.server.is_alive() {
                    "alive"
                } else {
                    "dead"
                }
            ))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(LoadError::Harness("a load thread died".to_owned()))
            }
        }
    }

    /// What it means that something the arm needs has died, if it has.
    fn death(&self, arm: Arm, patience: Duration, sign: &str) -> Option<Failure> {
        death::death(&self.server, self.pgbouncer.as_ref(), arm, patience, sign)
    }

    /// What it means that workers could not do their block; readers need what `quiet` needs.
    fn load_failure(&self, role: Role, arm: Arm, error: LoadError) -> Failure {
        let reason = match error {
            LoadError::Harness(reason) => return Failure::Fatal(reason),
            LoadError::Lost(reason) => reason,
        };
        let sign = format!("({role}s cannot reconnect: {reason})");
        self.death(arm, death::THROES, &sign)
            .unwrap_or_else(|| match role {
                Role::Reader => {
                    Failure::StartLost(format!("the {role}s cannot reconnect: {reason}"))
                }
                _ => Failure::ArmLost(format!("{arm} cannot reconnect: {reason}")),
            })
    }

    /// What a block says about whether the server still serves.
    fn check_alive(&self, arm: Arm, record: &BlockRecord) -> Result<(), Failure> {
        let patience = if death::broke_connections(record) {
            death::THROES
        } else {
            Duration::ZERO
        };
        if let Some(death) = self.death(arm, patience, "in mid-run") {
            return Err(death);
        }
        let readers = record.tallies.get(&Role::Reader);
        if let Some(tally) = readers
            && tally.scheduled > 0
            && tally.succeeded() == 0
            && !self.asked.cancel.is_cancelled()
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
