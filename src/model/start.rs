//! One start's array, and one block of its roles on threads; generic over the lock.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel;
use parking_lot::Mutex;

use super::arms::client_of;
use super::backend::Backend;
use super::background::{self, BackgroundKind, BackgroundRole};
use super::block_threads::BlockThreads;
use super::client::{Client, Pool};
use super::operation_counts::OperationCounts;
use super::reader::ReaderRole;
use super::worker_thread::{Finished, carry_out};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::{Config, ModelConfig};
use crate::factor::{Factors, OfferedRate};
use crate::load::driver::Failure;
use crate::load::{Cancel, Schedule, Window, Worker};
use crate::procarray::locks::{LockExtremes, LockVisitor, SharedExclusiveLock};
use crate::procarray::{NoProbe, PgProfile, ProcArray, ProcArrayConfig, ProcArrayCounts};
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
    pub(super) rates: (OfferedRate, OfferedRate),
    pub(super) lengths_ns: (u64, u64),
    pub(super) seed: u64,
    /// Very short operations are timed one in so many: closed loops of statements, and snapshots.
    pub(super) one_in: u32,
    pub(super) cancel: Cancel,
}

impl BlockTask {
    /// The worker `index` of a role whose workers share `load`, a total rate.
    fn worker(
        &self,
        window: Window,
        (role, operation): (Role, Operation),
        (rate, count): (OfferedRate, u32),
        index: usize,
    ) -> Worker {
        let seed = derive_seed(self.seed, &[role as u64, index as u64]);
        let schedule = Schedule::new(rate, self.config.arrivals, count as usize, seed);
        Worker::new(role, operation, schedule, window)
    }
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

/// A backend, of the thread that does its role as long as a block lasts.
type SharedBackend = Arc<Mutex<Backend>>;

struct StartOn<L> {
    array: Arc<ProcArray<L>>,
    readers: Vec<SharedBackend>,
    kept_open: Vec<SharedBackend>,
    pooled: Vec<Backend>,
    background: Vec<(BackgroundKind, SharedBackend)>,
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
        let background = background::kinds(&self.model.background);
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
        let open = |count: u32| -> Result<Vec<Backend>, Failure> {
            (0..count)
                .map(|_| {
                    let slot = array.init_process().ok_or_else(too_small)?;
                    array.add(slot, &mut NoProbe);
                    Ok(Backend::new(slot, array.new_snapshot()))
                })
                .collect()
        };
        let shared = |count: u32| -> Result<Vec<SharedBackend>, Failure> {
            let backends = open(count)?.into_iter();
            Ok(backends.map(|b| Arc::new(Mutex::new(b))).collect())
        };
        let (readers, kept_open) = (shared(config.readers)?, shared(config.clients)?);
        let pooled = open(config.pool_size)?;
        let background = background
            .iter()
            .copied()
            .zip(shared(background.len() as u32)?)
            .collect();
        array
            .open_standing(
                self.level.standing as usize,
                churning as usize,
                self.level.slot_order.unwrap_or_default(),
            )
            .ok_or_else(too_small)?;
        Ok(Box::new(StartOn {
            array: Arc::new(array),
            readers,
            kept_open,
            pooled,
            background,
        }))
    }
}

impl<L: SharedExclusiveLock> StartOn<L> {
    /// Starts every role of the block on a thread of its own. They share the array, so that it
    /// outlives those that may have to be left behind.
    fn start(
        &self,
        threads: &mut BlockThreads<Finished>,
        task: Arc<BlockTask>,
        window: Window,
        pool: Pool,
    ) -> Result<(), Failure> {
        for (index, backend) in self.readers.iter().enumerate() {
            let (array, backend) = (Arc::clone(&self.array), Arc::clone(backend));
            let (task, stop) = (Arc::clone(&task), threads.stop());
            threads.start(move || {
                let what = (Role::Reader, Operation::Statement);
                let load = (task.rates.0, task.config.readers);
                let mut worker = task.worker(window, what, load, index);
                worker.time_one_in(task.one_in);
                let snapshots = task.model.snapshots_per_statement;
                let backend = &mut backend.lock();
                let role = ReaderRole::new(&array, backend, snapshots, task.one_in, &mut worker);
                carry_out(worker, &stop, role, |r| r.counts)
            })?;
        }
        for (index, (kind, backend)) in self.background.iter().enumerate() {
            let kind = *kind;
            let settings = &task.model.background;
            let (role, operation, rate) = kind.work(settings);
            if rate <= 0.0 {
                // Its connection is idle.
                continue;
            }
            let load = (OfferedRate::PerSecond(rate), kind.count(settings));
            let worker = task.worker(window, (role, operation), load, index);
            let (array, backend) = (Arc::clone(&self.array), Arc::clone(backend));
            let (task, stop) = (Arc::clone(&task), threads.stop());
            threads.start(move || {
                let snapshots = task.model.snapshots_per_statement;
                let subtransactions = (&task.model.background).into();
                let backend = &mut backend.lock();
                let role = BackgroundRole::new(&array, kind, backend, snapshots, subtransactions);
                carry_out(worker, &stop, role, |r| r.counts)
            })?;
        }
        let Some(run_client) = client_of::<L>(task.arm) else {
            return Ok(());
        };
        for (index, backend) in self.kept_open.iter().enumerate() {
            let (array, backend) = (Arc::clone(&self.array), Arc::clone(backend));
            let (task, stop) = (Arc::clone(&task), threads.stop());
            let (pool, loss) = (pool.clone(), threads.lock_loss());
            threads.start(move || {
                let client = Client {
                    array: &array,
                    backend: &mut backend.lock(),
                    pool,
                    config: &task.model,
                    lock_loss: &loss,
                    short_one_in: task.one_in,
                    counts: OperationCounts::default(),
                };
                let what = (Role::Client, Operation::Transaction);
                let load = (task.rates.1, task.config.clients);
                run_client(task.worker(window, what, load, index), &stop, client)
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
        for backend in self.pooled.drain(..) {
            // The channel holds them all.
            let _ = give_back.send(backend);
        }
        let mut threads = BlockThreads::new(&task.cancel);
        let pool = (free.clone(), give_back);
        if let Err(failure) = self.start(&mut threads, Arc::new(task), window, pool) {
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
        let Some(mut backend) = self.readers.first().and_then(|backend| backend.try_lock()) else {
            return 0.0;
        };
        let Backend { slot, snapshot, .. } = &mut *backend;
        let mut best = f64::MAX;
        for _ in 0..5 {
            let began = MonotonicClock.now_ns();
            for _ in 0..BATCH {
                for _ in 0..snapshots {
                    self.array.get_snapshot_data(*slot, snapshot, &mut NoProbe);
                }
                self.array.snapshot_reset_xmin(*slot);
            }
            best = best.min((MonotonicClock.now_ns() - began) as f64 / f64::from(BATCH));
        }
        best
    }
}
