//! One start of a server: its load threads and standing connections, and one
//! block on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::arms::Setup;
use super::burner::{Burn, Burner, BurnerAccount};
use super::cores::Cores;
use super::fork_count::ForkCount;
use super::frontend::FrontendError;
use super::levels::Asked;
use super::life::{self, THROES, broke_connections, stable_children};
use super::load_thread::{BlockLoad, LoadError, LoadThread, READERS};
use super::premapping;
use super::provision::RunningServer;
use super::standing::{Standing, StandingPlan};
use super::trace::Watch;
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::console::detail;
use crate::factor::{Factors, OfferedRate};
use crate::load::Window;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::Failure;
use crate::record::{BlockCpu, BlockRecord, CpuAccount, CpuGroup, Role};
use crate::seed::derive_seed;
use crate::stats::Bursts;

/// From the request to the start of the load.
const LEAD_NS: u64 = 5_000_000;
/// Between two attempts at a block.
const PAUSE: Duration = Duration::from_millis(200);
/// How long operations may take beyond the end of the window.
const DRAIN_NS: u64 = 2_000_000_000;

/// What one block is to do.
pub struct BlockRequest {
    /// The arm.
    pub arm: Arm,
    /// Total rate of the clients.
    pub client_rate: OfferedRate,
    /// Warm-up and measured time, in ns.
    pub lengths_ns: (u64, u64),
    /// What an operation of `cpu-burn` is asked to use, or why it is not known.
    pub burn: Result<Bursts, String>,
    /// Tells the block's arrivals from those of other rounds.
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
    /// Forks, what the preloaded library did, and what `cpu-burn` was asked for.
    pub counters: BTreeMap<String, u64>,
}

/// A server with everything that is connected to it. Fields drop in order:
/// load first, the server last.
pub(super) struct ServerStart<'a> {
    pub asked: Asked<'a>,
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
    /// How the cores are divided, if readers have their own.
    cores: Option<Arc<Cores>>,
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
            Failure::Fatal(format!("{what}: {message}"))
        };
        // Before this thread has fewer cores.
        let shares: Vec<u32> = asked.reader_shares().collect();
        let isolated = Cores::of_level(level, server.pid(), shares.len());
        let cores = isolated.map_err(Failure::StartLost)?;
        let pooled = arms.iter().any(|a| a.needs_pgbouncer());
        let pgbouncer = pooled.then(|| asked.pgbouncer(&server, level, &|_| {}));
        let pgbouncer = pgbouncer.transpose();
        let pgbouncer = pgbouncer.map_err(|e| failed("PgBouncer", e.to_string()))?;
        let mut watch = Watch::of(server.pid());
        let mut threads = Vec::new();
        let (readers, clients) = (asked.config.readers, asked.config.clients);
        let shares = shares.into_iter().map(|n| (Role::Reader, n, readers));
        for (role, count, of) in shares.chain([(Role::Client, clients, clients)]) {
            if role == Role::Client {
                watch.note_readers();
            }
            let (pgbouncer, arms, cores) = match role {
                Role::Reader => (None, vec![READERS], cores.clone()),
                _ => (pgbouncer.as_ref(), arms.to_vec(), None),
            };
            let setup = Setup {
                role,
                server: server.endpoint().clone(),
                pgbouncer: pgbouncer.map(|p| p.endpoint().clone()),
                count,
                load: asked.server.clone(),
                arms,
                pool_size: asked.config.pool_size,
                cores,
            };
            let thread = LoadThread::start(setup, &asked.cancel).map_err(|e| match e {
                FrontendError::Statement { statement, problem } => failed(
                    &format!("the {role}s' statement failed"),
                    format!("{problem}: {statement}"),
                ),
                e => failed(&format!("the {role}s cannot connect"), e.to_string()),
            })?;
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
        if let Some(cores) = &cores {
            let helpers = [watched.pgbouncer, burner.as_ref().ok().map(Burner::pid)];
            cores.move_helpers(helpers).map_err(Failure::StartLost)?;
        }
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
            cores,
        })
    }

    /// Waits until the last block's processes are gone. Returns how long it
    /// took, and whether they went.
    pub fn settle(&self) -> (Duration, bool) {
        life::settle(&self.server, self.base_children, &self.asked.cancel)
    }

    /// Runs one block. Somebody else's server, or pooler, that cannot be reached is waited for, as long as a connection
    /// may take, and the block begun anew: it may be on its way back.
    ///
    /// # Errors
    /// [`Failure::ArmLost`] when only the arm's own connections are lost; [`Failure::StartLost`] when the server
    /// is, and also when standing connections are: the block was not measured with the number it is filed under.
    pub fn run_block(&self, request: &BlockRequest) -> Result<BlockOutcome, Failure> {
        let limit = self.server.endpoint().connect_timeout.unwrap_or_default();
        let until = Instant::now() + limit;
        loop {
            let outcome = self.block(request);
            let (Err(Failure::StartLost(reason)) | Err(Failure::ArmLost(reason))) = &outcome else {
                return outcome;
            };
            if Instant::now() >= until || self.asked.cancel.is_cancelled() {
                return outcome;
            }
            detail(&format!("procbench: {reason}; the block is begun anew"));
            std::thread::sleep(PAUSE);
        }
    }

    fn block(&self, request: &BlockRequest) -> Result<BlockOutcome, Failure> {
        let config = self.asked.config;
        let burn = self.burn(request)?;
        let burnt_before = self.burner_account(burn.as_ref())?;
        let premapped = premapping::begin(&self.server, request.arm)?;
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
        counters.extend(premapping::counters(premapped)?);
        counters.extend(self.standing.slot_counters());
        self.check_alive(request.arm, &record)?;
        self.standing.check().map_err(Failure::StartLost)?;
        if let Some(cores) = &self.cores {
            cores.check().map_err(Failure::StartLost)?;
        }
        if let Some((after, burn)) = self.burner_account(burn.as_ref())?.zip(burn) {
            let before = burnt_before.unwrap_or_default();
            let parent_ns = after.parent_ns.saturating_sub(before.parent_ns);
            let used_ns = parent_ns + after.children_ns.saturating_sub(before.children_ns);
            cpu.used_ns.insert("burner".to_owned(), used_ns);
            let account = CpuAccount {
                used_ns,
                ..CpuAccount::default()
            };
            cpu.groups.insert(CpuGroup::Burner, account);
            let outside = matches!(&*self.burner.borrow(), Ok(b) if b.outside_cgroup.is_some());
            counters.extend(burn.bursts.counters(parent_ns));
            counters.extend([
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

    /// The operation of `cpu-burn`, where this is one.
    fn burn(&self, request: &BlockRequest) -> Result<Option<Burn>, Failure> {
        if request.arm != Arm::CpuBurn {
            return Ok(None);
        }
        let bursts = request.burn.clone().map_err(Failure::ArmLost)?;
        match &*self.burner.borrow() {
            Ok(burner) => Ok(Some(burner.burn(bursts))),
            Err(reason) => Err(Failure::ArmLost(reason.clone())),
        }
    }

    /// What the helper has done so far, if it has something to do; it learns its own part of it.
    fn burner_account(&self, burn: Option<&Burn>) -> Result<Option<BurnerAccount>, Failure> {
        let account = match (&mut *self.burner.borrow_mut(), burn) {
            (Ok(burner), Some(burn)) => Some(burner.account(burn.bursts.parent_ns)),
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
            Err(RecvTimeoutError::Timeout) => {
                let state = ["dead", "alive"][usize::from(self.server.is_alive())];
                let what = format!("a load thread did not end its block (server {state})");
                Err(LoadError::Harness(what))
            }
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
            LoadError::Misplaced(reason) => return Failure::StartLost(reason),
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
            let class = class.map_or_else(|| "cut off".to_owned(), ToString::to_string);
            return Err(Failure::Fatal(format!(
                "no reader statement succeeded ({class})"
            )));
        }
        Ok(())
    }
}
