//! One start's array, and one block of its roles on threads; generic over the lock.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel;
use parking_lot::Mutex;

use super::arms::client_of;
use super::backend::Connection;
use super::background;
use super::block_threads::BlockThreads;
use super::operation_counts::OperationCounts;
use super::reader;
use super::worker_thread::{Finished, Pool, RoleContext, RunRole, Work};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::{Config, ModelConfig};
use crate::factor::{Factors, OfferedRate};
use crate::load::driver::Failure;
use crate::load::{Cancel, Schedule, Window, Worker};
use crate::procarray::locks::{LockExtremes, LockVisitor, SharedExclusiveLock};
use crate::procarray::{PgProfile, ProcArray, ProcArrayConfig, ProcArrayCounts};
use crate::record::{BlockRecord, Operation, Role};
use crate::seed::derive_seed;

/// From the request to the start of the load: threads are started meanwhile.
const LEAD_NS: u64 = 20_000_000;
const DRAIN_NS: u64 = 1_000_000_000;

/// What one block is to do.
pub(super) struct BlockTask {
    pub(super) config: Config,
    pub(super) model: ModelConfig,
    pub(super) arm: Arm,
    pub(super) client_rate: OfferedRate,
    /// Warm-up and measured time.
    pub(super) lengths_ns: (u64, u64),
    pub(super) seed: u64,
    /// Very short operations are timed one in so many: closed loops of statements, and snapshots.
    pub(super) one_in: u32,
    pub(super) cancel: Cancel,
}

pub(super) struct Measured {
    pub(super) window: Window,
    pub(super) record: BlockRecord,
    pub(super) counts: OperationCounts,
    /// The readers' part of [`Measured::counts`].
    pub(super) by_readers: OperationCounts,
    pub(super) locks: ProcArrayCounts,
    pub(super) extremes: LockExtremes,
}

/// A start whose lock type is known inside only.
pub(super) trait AnyStart {
    /// Carries out a block.
    ///
    /// # Errors
    /// When it could not be ended: the start is then unusable.
    fn measure(&mut self, task: BlockTask) -> Result<Measured, Failure>;
    /// What so many snapshots cost, in ns; 0 where there is no reader.
    fn statement_ns(&mut self, snapshots: u32) -> f64;
}

/// What one thread does in every block, on which connection.
struct Part {
    work: Work,
    /// Among those of its kind, for the seed.
    index: u64,
    /// Of the thread, as long as a block lasts.
    connection: Arc<Mutex<Connection>>,
}

struct StartOn<L> {
    array: Arc<ProcArray<L>>,
    /// Readers first.
    parts: Vec<Part>,
    pooled: Vec<Connection>,
}

pub(super) struct StartOpener<'a> {
    pub(super) config: &'a Config,
    pub(super) model: &'a ModelConfig,
    pub(super) profile: PgProfile,
    pub(super) level: &'a Factors,
}

impl LockVisitor for StartOpener<'_> {
    type Output = Result<Box<dyn AnyStart>, Failure>;

    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let config = self.config;
        let background = background::works(&self.model.background);
        let persistent =
            config.readers + config.clients + config.pool_size + background.len() as u32;
        let churning = config.clients + background::churning(&self.model.background);
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: persistent + self.level.standing + churning,
            inject_hold: Duration::from_nanos(self.model.inject_hold_ns),
            lock_free_reuse: self.level.lock.is_some_and(|l| l.reuse_check),
            profile: self.profile,
            mapping: self.level.mapping.unwrap_or_default(),
            page_size: self.level.page_size.unwrap_or_default(),
            ablations: self.model.ablations,
            ..ProcArrayConfig::default()
        })
        .map_err(|e| Failure::Fatal(e.to_string()))?;
        // As in server mode, the roles' own connections come first; so every
        // arm of the start has the same number of connections.
        let too_small = || Failure::Fatal("the array has too few slots".to_owned());
        let connect = || -> Result<Connection, Failure> {
            let slot = array.init_process().ok_or_else(too_small)?;
            array.add(slot);
            let snapshot = array.new_snapshot();
            Ok(Connection { slot, snapshot })
        };
        let open = |works: Vec<Work>| -> Result<Vec<Part>, Failure> {
            let part = |(index, work)| {
                let connection = Arc::new(Mutex::new(connect()?));
                Ok(Part {
                    work,
                    index,
                    connection,
                })
            };
            (0..).zip(works).map(part).collect()
        };
        let readers = Work {
            role: Role::Reader,
            operation: Operation::Statement,
            rate: config.reader_rate,
            threads: config.readers,
        };
        let clients = Work {
            role: Role::Client,
            operation: Operation::Transaction,
            // The block has its own.
            rate: OfferedRate::Max,
            threads: config.clients,
        };
        let mut parts = open(readers.on_each_thread().collect())?;
        parts.extend(open(clients.on_each_thread().collect())?);
        let pooled = (0..config.pool_size).map(|_| connect());
        let pooled = pooled.collect::<Result<_, _>>()?;
        parts.extend(open(background)?);
        let (standing, order) = (self.level.standing as usize, self.level.slot_order);
        let opened = array.open_standing(standing, churning as usize, order.unwrap_or_default());
        opened.ok_or_else(too_small)?;
        Ok(Box::new(StartOn {
            array: Arc::new(array),
            parts,
            pooled,
        }))
    }
}

/// How `role` is done; none where `arm` has no clients.
fn run_of<L: SharedExclusiveLock>(role: Role, arm: Arm) -> Option<RunRole<L>> {
    match role {
        Role::Reader => Some(reader::run),
        Role::Client => client_of(arm),
        Role::Committer => Some(background::commit),
        Role::Monitor => Some(background::monitor),
        Role::Pruner => Some(background::prune),
        Role::ParallelLeader => Some(background::lead_parallel_workers),
    }
}

impl<L: SharedExclusiveLock> StartOn<L> {
    /// Starts every role of the block on a thread of its own. They share the array, so that it
    /// outlives those that may have to be left behind.
    fn start(
        &self,
        threads: &mut BlockThreads<Finished>,
        task: &Arc<BlockTask>,
        window: Window,
        pool: &Pool,
    ) -> Result<(), Failure> {
        for part in &self.parts {
            let (work, index) = (part.work, part.index);
            let rate = match work.role {
                Role::Client => task.client_rate,
                _ => work.rate,
            };
            // At a rate of zero its connection is idle.
            let is_idle = rate.per_second().is_some_and(|rate| rate <= 0.0);
            let Some(run) = run_of::<L>(work.role, task.arm).filter(|_| !is_idle) else {
                continue;
            };
            let (array, connection) = (Arc::clone(&self.array), Arc::clone(&part.connection));
            let (task, pool) = (Arc::clone(task), pool.clone());
            let (stop, lock_loss) = (threads.stop(), threads.lock_loss());
            threads.start(move || {
                let seed = derive_seed(task.seed, &[work.role as u64, index]);
                let arrivals = task.config.arrivals;
                let schedule = Schedule::new(rate, arrivals, work.threads as usize, seed);
                run(RoleContext {
                    array: &array,
                    config: &task.model,
                    connection: &mut connection.lock(),
                    pool,
                    lock_loss: &lock_loss,
                    worker: Worker::new(work.role, work.operation, schedule, window),
                    stop: &stop,
                    one_in: task.one_in,
                })
            })?;
        }
        Ok(())
    }
}

impl<L: SharedExclusiveLock> AnyStart for StartOn<L> {
    fn measure(&mut self, task: BlockTask) -> Result<Measured, Failure> {
        let locks_before = self.array.lock_counts();
        self.array.take_proc_array_lock_extremes();
        let start_ns = MonotonicClock.now_ns() + LEAD_NS;
        let (warmup_ns, measured_ns) = task.lengths_ns;
        let end_ns = start_ns + warmup_ns + measured_ns;
        let window = Window {
            start_ns,
            measure_from_ns: start_ns + warmup_ns,
            end_ns,
            drain_until_ns: end_ns + DRAIN_NS,
        };
        let (give_back, free) = channel::bounded(self.pooled.len().max(1));
        for connection in self.pooled.drain(..) {
            // The channel holds them all.
            let _ = give_back.send(connection);
        }
        let mut threads = BlockThreads::new(&task.cancel);
        let pool = (free.clone(), give_back);
        if let Err(failure) = self.start(&mut threads, &Arc::new(task), window, &pool) {
            threads.stop().cancel();
            threads.finish()?;
            return Err(failure);
        }
        let mut record = BlockRecord::default();
        let mut counts = OperationCounts::default();
        let mut by_readers = OperationCounts::default();
        for done in threads.finish()? {
            record.merge_worker(done.role, &done.recorder, &done.tally, done.cpu_ns);
            record.busiest_thread_ns = record.busiest_thread_ns.max(done.cpu_ns);
            if done.role == Role::Reader {
                by_readers += done.counts;
            }
            counts += done.counts;
        }
        self.pooled.extend(free.try_iter());
        let locks = self.array.lock_counts() - locks_before;
        Ok(Measured {
            window,
            record,
            counts,
            by_readers,
            locks,
            extremes: self.array.take_proc_array_lock_extremes(),
        })
    }

    fn statement_ns(&mut self, snapshots: u32) -> f64 {
        const BATCH: u32 = 2_000;
        let reader = self.parts.first();
        let reader = reader.filter(|part| part.work.role == Role::Reader);
        let Some(mut connection) = reader.and_then(|reader| reader.connection.try_lock()) else {
            return 0.0;
        };
        let Connection { slot, snapshot } = &mut *connection;
        let mut best = f64::MAX;
        for _ in 0..5 {
            let began = MonotonicClock.now_ns();
            for _ in 0..BATCH {
                for _ in 0..snapshots {
                    self.array.get_snapshot_data(*slot, snapshot);
                }
                self.array.snapshot_reset_xmin(*slot);
            }
            best = best.min((MonotonicClock.now_ns() - began) as f64 / f64::from(BATCH));
        }
        best
    }
}
