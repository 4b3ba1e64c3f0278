//! One visit's array, and one block of its roles on threads; generic over the lock.

use std::time::Duration;

use crossbeam::channel;

use super::backend::Backend;
use super::background::{self, BackgroundKind, BackgroundRole};
use super::client::{ClientRole, Means};
use super::operation_counts::OperationCounts;
use super::reader::ReaderRole;
use super::worker_thread::carry_out;
use crate::arm::Arm;
use crate::config::{Config, ModelConfig};
use crate::load::driver::Failure;
use crate::load::{
    Cancel, Clock, MonotonicClock, OfferedRate, Schedule, Window, Worker, derive_seed,
};
use crate::procarray::locks::{LockExtremes, LockVisitor, SharedExclusiveLock};
use crate::procarray::{NoProbe, ProcArray, ProcArrayConfig, ProcArrayCounts, SlotOrder};
use crate::record::{BlockRecord, Operation, Role};

/// From the order to the start of the load: threads are started meanwhile.
const LEAD_NS: u64 = 20_000_000;
const DRAIN_NS: u64 = 1_000_000_000;

/// What one block is to do.
pub(super) struct BlockOrder<'a> {
    pub(super) config: &'a Config,
    pub(super) model: &'a ModelConfig,
    pub(super) arm: Arm,
    pub(super) rates: (OfferedRate, OfferedRate),
    pub(super) lengths_ns: (u64, u64),
    pub(super) seed: u64,
    pub(super) sampling: Sampling,
    pub(super) cancel: &'a Cancel,
}

/// How sparsely very short operations are timed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    pub(super) look_one_in: u32,
    pub(super) closed_loop_one_in: u32,
}

pub(super) struct Measured {
    pub(super) window: Window,
    pub(super) record: BlockRecord,
    pub(super) counts: OperationCounts,
    /// Of [`Measured::counts`], the snapshots that readers took under the lock.
    pub(super) reader_snapshots: u64,
    pub(super) locks: ProcArrayCounts,
    pub(super) extremes: LockExtremes,
}

/// A visit whose lock type is known inside only.
pub(super) trait AnyVisit {
    fn measure(&mut self, order: &BlockOrder<'_>) -> Measured;
    fn statement_ns(&mut self, snapshots: u32) -> f64;
}

struct VisitOn<L> {
    array: ProcArray<L>,
    readers: Vec<Backend>,
    kept_open: Vec<Backend>,
    pooled: Vec<Backend>,
    background: Vec<(BackgroundKind, Backend)>,
}

pub(super) struct Opener<'a> {
    pub(super) config: &'a Config,
    pub(super) model: &'a ModelConfig,
    pub(super) standing: u32,
    pub(super) slot_order: SlotOrder,
    pub(super) reuse_check: bool,
}

impl LockVisitor for Opener<'_> {
    type Output = Result<Box<dyn AnyVisit>, Failure>;

    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let config = self.config;
        let background = background::kinds(&self.model.background);
        let persistent =
            config.readers + config.clients + config.pool_size + background.len() as u32;
        let churning = config.clients + background::churning(&self.model.background);
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: persistent + self.standing + churning,
            inject_hold: Duration::from_nanos(self.model.inject_hold_ns),
            lock_free_reuse: self.reuse_check,
            profile: self.model.profile(),
            mapping: self.model.mappings.first().copied().unwrap_or_default(),
            page_size: self.model.page_sizes.first().copied().unwrap_or_default(),
            ablations: self.model.ablations,
            ..ProcArrayConfig::default()
        })
        .map_err(|e| Failure::Fatal(e.to_string()))?;
        // As in server mode, the roles' own connections come first; so every
        // arm of the visit has the same number of connections.
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
        let (readers, kept_open, pooled) = (
            open(config.readers)?,
            open(config.clients)?,
            open(config.pool_size)?,
        );
        let background = background
            .iter()
            .copied()
            .zip(open(background.len() as u32)?)
            .collect();
        array
            .open_standing(self.standing as usize, churning as usize, self.slot_order)
            .ok_or_else(too_small)?;
        Ok(Box::new(VisitOn {
            array,
            readers,
            kept_open,
            pooled,
            background,
        }))
    }
}

impl<L: SharedExclusiveLock> VisitOn<L> {
    fn reader_worker(order: &BlockOrder<'_>, window: Window, index: usize) -> Worker {
        let load = (order.rates.0, order.config.readers);
        let mut worker = worker(
            order,
            window,
            (Role::Reader, Operation::Statement),
            load,
            index,
        );
        worker.time_one_in(order.sampling.closed_loop_one_in);
        worker
    }

    fn client_worker(order: &BlockOrder<'_>, window: Window, index: usize) -> Worker {
        let load = (order.rates.1, order.config.clients);
        let what = (Role::Client, Operation::Transaction);
        let mut worker = worker(order, window, what, load, index);
        // Arms that fork are long enough to time each transaction.
        let short = [Arm::KeptOpen, Arm::Pool, Arm::Vacuum, Arm::Commit];
        if short.contains(&order.arm) {
            worker.time_one_in(order.sampling.closed_loop_one_in);
        }
        worker
    }

    /// None where the kind's rate is zero: then its connection is idle.
    fn background_worker(
        order: &BlockOrder<'_>,
        window: Window,
        kind: BackgroundKind,
        index: usize,
    ) -> Option<Worker> {
        let settings = &order.model.background;
        let rate = kind.rate_per_second(settings);
        let load = (OfferedRate::PerSecond(rate), kind.count(settings));
        let what = (kind.role(), kind.operation());
        (rate > 0.0).then(|| worker(order, window, what, load, index))
    }
}

/// The worker `index` of a role whose workers share `load`, a total rate.
fn worker(
    order: &BlockOrder<'_>,
    window: Window,
    (role, operation): (Role, Operation),
    (rate, count): (OfferedRate, u32),
    index: usize,
) -> Worker {
    let seed = derive_seed(order.seed, &[role as u64, index as u64]);
    let schedule = Schedule::new(rate, order.config.arrivals, count as usize, seed);
    Worker::new(role, operation, schedule, window)
}

impl<L: SharedExclusiveLock> AnyVisit for VisitOn<L> {
    fn measure(&mut self, order: &BlockOrder<'_>) -> Measured {
        let locks_before = self.array.lock_counts();
        self.array.take_proc_array_lock_extremes();
        let start_ns = MonotonicClock.now_ns() + LEAD_NS;
        let (warmup_ns, measured_ns) = order.lengths_ns;
        let end_ns = start_ns + warmup_ns + measured_ns;
        let window = Window {
            start_ns,
            measure_from_ns: start_ns + warmup_ns,
            end_ns,
            drain_until_ns: end_ns + DRAIN_NS,
        };
        let array = &self.array;
        let (give_back, free) = channel::bounded(self.pooled.len().max(1));
        for backend in self.pooled.drain(..) {
            // The channel holds them all.
            let _ = give_back.send(backend);
        }
        let mut record = BlockRecord::default();
        let mut counts = OperationCounts::default();
        let mut reader_snapshots = 0;
        let finished = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (index, backend) in self.readers.iter_mut().enumerate() {
                threads.push(scope.spawn(move || {
                    let mut worker = Self::reader_worker(order, window, index);
                    let snapshots = order.model.snapshots_per_statement;
                    let look = order.sampling.look_one_in;
                    let role = ReaderRole::new(array, backend, snapshots, look, &mut worker);
                    carry_out(worker, order.cancel, role, |r| r.counts)
                }));
            }
            for (index, (kind, backend)) in self.background.iter_mut().enumerate() {
                let Some(worker) = Self::background_worker(order, window, *kind, index) else {
                    continue;
                };
                threads.push(scope.spawn(move || {
                    let snapshots = order.model.snapshots_per_statement;
                    let subtransactions = order.model.background.subtransactions;
                    let role =
                        BackgroundRole::new(array, *kind, backend, snapshots, subtransactions);
                    carry_out(worker, order.cancel, role, |r| r.counts)
                }));
            }
            if order.arm != Arm::Quiet {
                for (index, backend) in self.kept_open.iter_mut().enumerate() {
                    let (free, give_back) = (free.clone(), give_back.clone());
                    threads.push(scope.spawn(move || {
                        let mut worker = Self::client_worker(order, window, index);
                        let means = match order.arm {
                            Arm::Unpooled => Means::Unpooled(None),
                            Arm::Pool => Means::Pool(free, give_back),
                            Arm::ForkOnly => Means::ForkOnly,
                            Arm::CpuBurn => Means::CpuBurn,
                            Arm::FailedLogin => Means::FailedLogin(None),
                            Arm::Vacuum => Means::Vacuum(backend),
                            Arm::Commit => Means::Commit(backend),
                            _ => Means::KeptOpen(backend),
                        };
                        let role = ClientRole::new(array, means, order.model, &mut worker);
                        carry_out(worker, order.cancel, role, |r| r.counts)
                    }));
                }
            }
            threads.into_iter().map(|t| t.join()).collect::<Vec<_>>()
        });
        for thread in finished {
            // A panicking role is a bug; it must not look like a quiet one.
            let done = thread.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            record.merge_worker(done.role, &done.recorder, &done.tally, done.cpu_ns);
            record.busiest_thread_ns = record.busiest_thread_ns.max(done.cpu_ns);
            if done.role == Role::Reader {
                reader_snapshots += done.counts.snapshots_taking_the_lock();
            }
            counts += done.counts;
        }
        self.pooled.extend(free.try_iter());
        let locks = self.array.lock_counts() - locks_before;
        Measured {
            window,
            record,
            counts,
            reader_snapshots,
            locks,
            extremes: self.array.take_proc_array_lock_extremes(),
        }
    }

    fn statement_ns(&mut self, snapshots: u32) -> f64 {
        const BATCH: u32 = 2_000;
        let Some(backend) = self.readers.first_mut() else {
            return 0.0;
        };
        let mut best = f64::MAX;
        for _ in 0..5 {
            let began = MonotonicClock.now_ns();
            for _ in 0..BATCH {
                for _ in 0..snapshots {
                    self.array
                        .get_snapshot_data(backend.slot, &mut backend.snapshot, &mut NoProbe);
                }
                self.array.snapshot_reset_xmin(backend.slot);
            }
            best = best.min((MonotonicClock.now_ns() - began) as f64 / f64::from(BATCH));
        }
        best
    }
}
