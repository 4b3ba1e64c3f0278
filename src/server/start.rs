//! One start of a server: its load threads and standing connections, and one
//! block on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::arms::Setup;
use super::burner::{Burn, Burner, BurnerAccount};
use super::fork_count::ForkCount;
use super::levels::Asked;
use super::life::{self, THROES, broke_connections, stable_children};
use super::load_thread::{BlockLoad, LoadError, LoadThread, READERS};
use super::provision::{RunningServer, start_pgbouncer};
use super::standing::{Standing, StandingPlan};
use super::trace::Watch;
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::factor::{Factors, OfferedRate};
use crate::load::Window;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::Failure;
use crate::record::{BlockCpu, BlockRecord, CpuAccount, CpuGroup, Role};
use crate::seed::derive_seed;
use crate::stats::ConnectionCost;

/// From the request to the start of the load.
const LEAD_NS: u64 = 5_000_000;
/// How long operations may take beyond the end of the window.
const DRAIN_NS: u64 = 2_000_000_000;

/// One stretch of measuring what a connection costs: warm-up and measured time; both count, as all CPU does.
const STRETCH_NS: (u64, u64) = (50_000_000, 450_000_000);

/// Stretches of `unpooled` go on until the server has used so much CPU for it: exited backends' CPU comes in
/// steps of 10 ms, which are then about 1 % ...
const ENOUGH_CPU_NS: f64 = 800e6;

/// ... but no longer than this.
const MOST_STRETCHES: u64 = 8;

/// A rough first value and one that takes the cost of fork and exit into account.
const TRIALS_OF_BURNING: u64 = 2;

/// What one block is to do.
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
    /// The readers' threads, then the clients', each with its share of the role's workers.
    threads: Vec<(Role, f64, LoadThread)>,
    /// The helper of `cpu-burn`, or why there is none. In the server's cgroup, hence gone before it.
    pub burner: RefCell<Result<Burner, String>>,
    /// Kept until the load threads are gone.
    standing: Standing,
    /// PgBouncer, if its arms run.
    pub pgbouncer: Option<RunningServer>,
    /// The server.
    pub server: RunningServer,
    /// Its trace, where blocks are traced.
    pub watch: Watch,
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
            let full = message.contains("53300") || message.contains("too many clients");
            let hint = full.then_some(
                ": ask for fewer standing connections, or raise the server's max_connections",
            );
            let hint = hint.unwrap_or_default();
            Failure::Fatal(format!("{what}: {message}{hint}"))
        };
        let pgbouncer = if arms.iter().any(|a| a.needs_pgbouncer()) {
            let started = start_pgbouncer(&server, &asked.pgbouncer_spec(level), &|_| {});
            Some(started.map_err(|e| failed("PgBouncer", e.to_string()))?)
        } else {
            None
        };
        let mut watch = Watch::of(server.pid());
        let mut threads = Vec::new();
        let (readers, clients) = (asked.config.readers, asked.config.clients);
        let shares = asked.reader_shares().map(|n| (Role::Reader, n, readers));
        for (role, count, of) in shares.chain([(Role::Client, clients, clients)]) {
            if role == Role::Client {
                watch.note_readers();
            }
            let (pgbouncer, arms) = match role {
                Role::Reader => (None, vec![READERS]),
                _ => (pgbouncer.as_ref(), arms.to_vec()),
            };
            let setup = Setup {
                role,
                server: server.endpoint().clone(),
                pgbouncer: pgbouncer.map(|p| p.endpoint().clone()),
                count,
                load: asked.server.clone(),
                arms,
                pool_size: asked.config.pool_size,
            };
            let thread = LoadThread::start(setup, &asked.cancel)
                .map_err(|e| failed(&format!("the {role}s cannot connect"), e.to_string()))?;
            threads.push((role, f64::from(count) / f64::from(of), thread));
        }
        let plan = StandingPlan {
            level,
            placeholders: u32::from(asked.is_ours()) * asked.churn_slots(),
            descending: server.pg_major().is_none_or(|major| major <= 16),
        };
        let standing = Standing::open(server.endpoint(), plan, &asked.cancel)
            .map_err(|e| failed("the standing connections cannot be opened", e.to_string()))?;
        let watched = Watched {
            postmaster: server.pid(),
            pgbouncer: pgbouncer.as_ref().and_then(RunningServer::pid),
        };
        let burner = if arms.contains(&Arm::CpuBurn) {
            Burner::of_server(asked.helper_program.as_deref(), watched.postmaster)
        } else {
            Err("cpu-burn was not asked for".to_owned())
        };
        Ok(ServerStart {
            asked,
            threads,
            burner: RefCell::new(burner),
            standing,
            pgbouncer,
            watch,
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
        life::settle(&self.server, self.base_children, &self.asked.cancel)
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
        let mut begun = Vec::new();
        for ((role, share, thread), number) in self.threads.iter().zip(10..) {
            let (rate, path) = match role {
                Role::Reader => (config.reader_rate.share(*share), number),
                _ => (request.client_rate, 2),
            };
            let load = BlockLoad {
                arm: request.arm,
                window,
                rate,
                arrivals: config.arrivals,
                seed: derive_seed(config.seed, &[request.seed_path, path]),
                burn: burn.clone(),
                keep_statements: self.watch.is_attached(),
                cancel: self.asked.cancel.clone(),
            };
            begun.push((*role, thread, thread.begin(load)));
        }
        // Every thread is waited for, also when another one has failed.
        let ended: Vec<_> = begun
            .into_iter()
            .map(|(role, thread, answer)| (role, self.outcome(&window, thread, &answer)))
            .collect();
        let mut record = BlockRecord::default();
        for (role, outcome) in ended {
            record.merge(&outcome.map_err(|e| self.load_failure(role, request.arm, e))?);
        }
        let after = CpuReading::take(self.watched, Some(&before));
        let mut cpu = before.until(&after, &record);
        self.last_reading.replace(Some(after));
        let mut counters = Vec::from_iter(self.count_forks());
        self.check_alive(request.arm, &record)?;
        self.standing.check().map_err(Failure::StartLost)?;
        if let Some(after) = self.burner_account(request.arm)? {
            let before = burnt_before.unwrap_or_default();
            let used_ns = after.used_ns.saturating_sub(before.used_ns);
            cpu.used_ns.insert("burner".to_owned(), used_ns);
            let account = CpuAccount {
                used_ns,
                ..CpuAccount::default()
            };
            cpu.groups.insert(CpuGroup::Burner, account);
            let outside = matches!(&*self.burner.borrow(), Ok(b) if b.outside_cgroup.is_some());
            counters.extend([
                ("burn.asked-ns", request.burn_ns.unwrap_or(0)),
                ("burn.forks", after.forked - before.forked),
                ("burn.outside-cgroup", u64::from(outside)),
            ]);
        }
        let counters = counters.into_iter().map(|(name, n)| (name.to_owned(), n));
        Ok(BlockOutcome {
            window,
            record,
            cpu,
            counters: counters.collect(),
        })
    }

    /// Measures what a connection costs the server, which is what `cpu-burn` has to burn, before any block; later
    /// blocks of `quiet`, `unpooled` and `cpu-burn` add to it.
    ///
    /// # Errors
    /// As [`ServerStart::run_block`].
    pub fn measure_cost(&self, client_rate: OfferedRate) -> Result<ConnectionCost, Failure> {
        let mut cost = ConnectionCost::default();
        let mut turn = 0;
        let mut stretch = |cost: &mut ConnectionCost, arm: Arm| -> Result<(), Failure> {
            turn += 1;
            self.settle();
            let burn_ns = cost.next_request_ns();
            let BlockOutcome { record, cpu, .. } = self.run_block(&BlockRequest {
                arm,
                client_rate,
                lengths_ns: STRETCH_NS,
                burn_ns,
                seed_path: derive_seed(0x4255_524E, &[turn]),
            })?;
            cost.add(arm, &cpu, &record.tallies, burn_ns.unwrap_or(0));
            Ok(())
        };
        stretch(&mut cost, Arm::Quiet)?;
        for _ in 0..MOST_STRETCHES {
            stretch(&mut cost, Arm::Unpooled)?;
            if cost.unpooled_seen_ns() >= ENOUGH_CPU_NS || self.asked.cancel.is_cancelled() {
                break;
            }
        }
        for _ in 0..TRIALS_OF_BURNING {
            match stretch(&mut cost, Arm::CpuBurn) {
                // Shows up again, and is named, in the run.
                Err(Failure::ArmLost(_)) => break,
                other => other?,
            }
        }
        Ok(cost)
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
        let account = match &mut *self.burner.borrow_mut() {
            Ok(burner) if arm == Arm::CpuBurn => Some(burner.account()),
            _ => None,
        };
        account.transpose().map_err(Failure::ArmLost)
    }

    fn count_forks(&self) -> Option<(&'static str, u64)> {
        self.forks.borrow_mut().take(self.watched.postmaster?)
    }

    fn outcome(
        &self,
        window: &Window,
        thread: &LoadThread,
        answer: &Receiver<Result<BlockRecord, LoadError>>,
    ) -> Result<BlockRecord, LoadError> {
        let deadline_ns = window.drain_until_ns + 5_000_000_000;
        match thread.wait(answer, deadline_ns, &self.asked.cancel) {
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
        life::death(&self.server, self.pgbouncer.as_ref(), arm, patience, sign)
    }

    /// What it means that workers could not do their block; readers need what `quiet` needs.
    fn load_failure(&self, role: Role, arm: Arm, error: LoadError) -> Failure {
        let reason = match error {
            LoadError::Harness(reason) => return Failure::Fatal(reason),
            LoadError::Lost(reason) => reason,
        };
        let (needing, who, lost): (_, _, fn(String) -> Failure) = match role {
            Role::Reader => (Arm::Quiet, format!("the {role}s"), Failure::StartLost),
            _ => (arm, arm.to_string(), Failure::ArmLost),
        };
        let sign = format!("({role}s cannot reconnect: {reason})");
        let death = self.death(needing, THROES, &sign);
        death.unwrap_or_else(|| lost(format!("{who} cannot reconnect: {reason}")))
    }

    /// What a block says about whether the server still serves.
    fn check_alive(&self, arm: Arm, record: &BlockRecord) -> Result<(), Failure> {
        let throes = u32::from(broke_connections(record));
        if let Some(death) = self.death(arm, throes * THROES, "in mid-run") {
            return Err(death);
        }
        let readers = record.tallies.get(&Role::Reader);
        if let Some(tally) = readers
            && tally.scheduled > 0
            && tally.succeeded() == 0
            && !self.asked.cancel.is_cancelled()
        {
            let class = tally.errors.keys().next();
            let class = class.map_or("cut off", |c| c.0.as_str());
            return Err(Failure::Fatal(format!(
                "no reader statement succeeded ({class})"
            )));
        }
        Ok(())
    }
}
