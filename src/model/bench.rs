//! The model's bench: a fresh array for each visit, threads for each block.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam::channel;

use super::roles::{Backend, ClientRole, Means, OperationCounts, ReaderRole};
use crate::arm::Arm;
use crate::config::{Config, ModelConfig};
use crate::load::clock::thread_cpu_ns;
use crate::load::cpu::{CpuReading, Watched};
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, Visit};
use crate::load::thread_loop::{ThreadOperation, drive};
use crate::load::{
    Cancel, Clock, ClockQuality, MonotonicClock, OfferedRate, Schedule, Window, Worker, derive_seed,
};
use crate::procarray::locks::{LockVisitor, SharedExclusiveLock};
use crate::procarray::{NoProbe, ProcArray, ProcArrayConfig, ProcArrayCounts};
use crate::record::{
    AbsentArm, Block, BlockCpu, BlockRecord, Factors, Operation, Recorder, Role, RoleTally,
    ServerProvenance,
};

/// From the order to the start of the load: threads are started meanwhile.
const LEAD_NS: u64 = 20_000_000;
const DRAIN_NS: u64 = 1_000_000_000;
/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (20_000_000, 150_000_000);
/// Inner phases are looked at after one statement in this many, where a
/// statement costs less than ten clock reads.
const LOOK_ONE_IN: u32 = 16;

/// Model mode's [`Bench`].
pub struct ModelBench<'a> {
    config: &'a Config,
    model: ModelConfig,
    cancel: Cancel,
    began_ns: u64,
    client_rate: OfferedRate,
    visit: Option<Box<dyn AnyVisit>>,
    clock: ClockQuality,
    remarks: Vec<String>,
}

/// What one block is to do.
struct BlockOrder<'a> {
    config: &'a Config,
    model: &'a ModelConfig,
    arm: Arm,
    rates: (OfferedRate, OfferedRate),
    lengths_ns: (u64, u64),
    seed: u64,
    sampling: Sampling,
    cancel: &'a Cancel,
}

/// How sparsely very short operations are timed.
#[derive(Debug, Clone, Copy)]
struct Sampling {
    look_one_in: u32,
    closed_loop_one_in: u32,
}

struct Measured {
    window: Window,
    record: BlockRecord,
    counts: OperationCounts,
    locks: ProcArrayCounts,
}

/// A visit whose lock type is known inside only.
trait AnyVisit {
    fn measure(&mut self, order: &BlockOrder<'_>) -> Measured;
    fn statement_ns(&mut self, snapshots: u32) -> f64;
}

struct VisitOn<L> {
    array: ProcArray<L>,
    readers: Vec<Backend>,
    kept_open: Vec<Backend>,
    pooled: Vec<Backend>,
}

struct Opener<'a> {
    config: &'a Config,
    model: &'a ModelConfig,
    standing: u32,
}

impl LockVisitor for Opener<'_> {
    type Output = Result<Box<dyn AnyVisit>, Failure>;

    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let config = self.config;
        let persistent = config.readers + config.clients + config.pool_size;
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: persistent + self.standing + config.clients,
            inject_hold: Duration::from_nanos(self.model.inject_hold_ns),
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
                    Ok(Backend {
                        slot,
                        snapshot: array.new_snapshot(),
                    })
                })
                .collect()
        };
        let (readers, kept_open, pooled) = (
            open(config.readers)?,
            open(config.clients)?,
            open(config.pool_size)?,
        );
        array
            .open_standing(
                self.standing as usize,
                config.clients as usize,
                config.slot_order,
            )
            .ok_or_else(too_small)?;
        Ok(Box::new(VisitOn {
            array,
            readers,
            kept_open,
            pooled,
        }))
    }
}

/// What one worker thread hands back.
struct Finished {
    role: Role,
    recorder: Recorder,
    tally: RoleTally,
    cpu_ns: u64,
    counts: OperationCounts,
}

fn carry_out<O: ThreadOperation>(
    mut worker: Worker,
    cancel: &Cancel,
    mut operation: O,
    counts: impl FnOnce(&O) -> OperationCounts,
) -> Finished {
    let _ = nix::sys::prctl::set_timerslack(1);
    let cpu_before = thread_cpu_ns();
    drive(&mut worker, cancel, &mut operation);
    let cpu_ns = thread_cpu_ns() - cpu_before;
    let counts = counts(&operation);
    let (role, recorder, tally) = worker.finish();
    Finished {
        role,
        recorder,
        tally,
        cpu_ns,
        counts,
    }
}

impl<L: SharedExclusiveLock> VisitOn<L> {
    fn worker(order: &BlockOrder<'_>, window: Window, role: Role, index: usize) -> Worker {
        let (rate, count, operation) = match role {
            Role::Reader => (order.rates.0, order.config.readers, Operation::Statement),
            Role::Client => (order.rates.1, order.config.clients, Operation::Transaction),
        };
        let seed = derive_seed(order.seed, &[role as u64, index as u64]);
        let schedule = Schedule::new(rate, order.config.arrivals, count as usize, seed);
        let mut worker = Worker::new(role, operation, schedule, window);
        // Arms that fork are long enough to time each transaction.
        let short = role == Role::Reader || matches!(order.arm, Arm::KeptOpen | Arm::Pool);
        if short {
            worker.time_one_in(order.sampling.closed_loop_one_in);
        }
        worker
    }
}

impl<L: SharedExclusiveLock> AnyVisit for VisitOn<L> {
    fn measure(&mut self, order: &BlockOrder<'_>) -> Measured {
        let locks_before = self.array.lock_counts();
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
        let finished = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (index, backend) in self.readers.iter_mut().enumerate() {
                threads.push(scope.spawn(move || {
                    let mut worker = Self::worker(order, window, Role::Reader, index);
                    let snapshots = order.model.snapshots_per_statement;
                    let look = order.sampling.look_one_in;
                    let role = ReaderRole::new(array, backend, snapshots, look, &mut worker);
                    await_start(&window, order.cancel);
                    carry_out(worker, order.cancel, role, |r| r.counts)
                }));
            }
            if order.arm != Arm::Quiet {
                for (index, backend) in self.kept_open.iter_mut().enumerate() {
                    let (free, give_back) = (free.clone(), give_back.clone());
                    threads.push(scope.spawn(move || {
                        let mut worker = Self::worker(order, window, Role::Client, index);
                        let means = match order.arm {
                            Arm::Unpooled => Means::Unpooled(None),
                            Arm::Pool => Means::Pool(free, give_back),
                            Arm::ForkOnly => Means::ForkOnly,
                            _ => Means::KeptOpen(backend),
                        };
                        let role = ClientRole::new(array, means, order.model, &mut worker);
                        await_start(&window, order.cancel);
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
            counts += done.counts;
        }
        self.pooled.extend(free.try_iter());
        let locks = self.array.lock_counts() - locks_before;
        Measured {
            window,
            record,
            counts,
            locks,
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

/// Sleeps to the common start, so that all workers begin together.
fn await_start(window: &Window, cancel: &Cancel) {
    while !cancel.is_cancelled() {
        let now = MonotonicClock.now_ns();
        if now >= window.start_ns {
            return;
        }
        std::thread::sleep(Duration::from_nanos(
            (window.start_ns - now).min(10_000_000),
        ));
    }
}

impl<'a> ModelBench<'a> {
    /// A bench for `config`, which must have model settings.
    ///
    /// # Errors
    /// When it has none.
    pub fn new(config: &'a Config, cancel: Cancel) -> Result<Self, Failure> {
        let model = config
            .model
            .clone()
            .ok_or_else(|| Failure::Fatal("the model's settings are missing".to_owned()))?;
        Ok(ModelBench {
            config,
            model,
            cancel,
            began_ns: MonotonicClock.now_ns(),
            client_rate: OfferedRate::Max,
            visit: None,
            clock: ClockQuality::measure(),
            remarks: Vec::new(),
        })
    }

    fn sampling(&mut self) -> Sampling {
        let snapshots = self.model.snapshots_per_statement;
        let cost = self
            .visit
            .as_mut()
            .map_or(0.0, |v| v.statement_ns(snapshots));
        let short = cost < 10.0 * self.clock.read_cost_ns;
        let one_in = if short { LOOK_ONE_IN } else { 1 };
        let remark = format!(
            "a clock read costs {:.0} ns and lengthens each timed hold by about as much; wait and hold of snapshots are timed after one statement in {one_in}, in a snapshot of its own; closed loops of statements time one in {one_in}",
            self.clock.read_cost_ns
        );
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
        Sampling {
            look_one_in: one_in,
            closed_loop_one_in: one_in,
        }
    }

    fn measure(
        &mut self,
        arm: Arm,
        rates: (OfferedRate, OfferedRate),
        lengths_ns: (u64, u64),
        seed: u64,
    ) -> Result<(Measured, BlockCpu), Failure> {
        let sampling = self.sampling();
        let visit = self
            .visit
            .as_mut()
            .ok_or_else(|| Failure::Fatal("no visit is open".to_owned()))?;
        let before = CpuReading::take(Watched::default());
        let measured = visit.measure(&BlockOrder {
            config: self.config,
            model: &self.model,
            arm,
            rates,
            lengths_ns,
            seed,
            sampling,
            cancel: &self.cancel,
        });
        let cpu = before.until_now(Watched::default(), &measured.record);
        Ok((measured, cpu))
    }
}

impl Bench for ModelBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        Ok(Vec::new())
    }

    fn set_client_rate(&mut self, rate: OfferedRate) {
        self.client_rate = rate;
    }

    fn open_visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        self.visit = None;
        let opener = Opener {
            config: self.config,
            model: &self.model,
            standing: visit.standing,
        };
        self.visit = Some(self.model.lock.visit(opener)?);
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let (measured, cpu) = self.measure(
            spec.arm,
            (self.config.reader_rate, self.client_rate),
            (self.config.warmup_ns, self.config.block_ns()),
            derive_seed(self.config.seed, &[u64::from(spec.index) + 1]),
        )?;
        let Measured {
            window,
            record,
            counts,
            locks,
        } = measured;
        let counters = BTreeMap::from([
            ("operations.snapshot".to_owned(), counts.snapshots),
            ("operations.procarray-add".to_owned(), counts.adds),
            ("operations.procarray-remove".to_owned(), counts.removes),
            ("procarraylock.shared".to_owned(), locks.proc_array.shared),
            (
                "procarraylock.exclusive".to_owned(),
                locks.proc_array.exclusive,
            ),
            (
                "procarraylock.shared-waits".to_owned(),
                locks.proc_array.shared_waits,
            ),
            (
                "procarraylock.exclusive-waits".to_owned(),
                locks.proc_array.exclusive_waits,
            ),
            ("xidgenlock.exclusive".to_owned(), locks.xid_gen.exclusive),
        ]);
        if locks.proc_array.shared != counts.snapshots
            || locks.proc_array.exclusive != counts.adds + counts.removes
        {
            return Err(Failure::Fatal(format!(
                "the lock's counters do not match the operations ({counters:?}): a bug in procbench"
            )));
        }
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            visit: spec.visit,
            factors: Factors {
                standing: spec.standing,
                pg: Some("15".to_owned()),
                slot_order: Some(self.config.slot_order.to_string()),
                lock: Some(self.model.lock.to_string()),
                transport: None,
                huge_pages: None,
            },
            start_ns: window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: window.measured_ns(),
            settle_ns: 0,
            settled: true,
            tallies: record.tallies,
            cpu,
            counters,
            series: record.series,
        })
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let (measured, _) = self.measure(
            arm,
            (self.config.reader_rate, OfferedRate::Max),
            CALIBRATION_NS,
            derive_seed(0, &[arm.index() as u64]),
        )?;
        let done = measured
            .record
            .tallies
            .get(&Role::Client)
            .map_or(0, RoleTally::succeeded);
        Ok(done as f64 * 1e9 / measured.window.measured_ns() as f64)
    }

    fn close_visit(&mut self) {
        self.visit = None;
    }

    fn visit_overhead(&self, _standing: u32) -> Duration {
        Duration::from_millis(20)
    }

    fn block_overhead(&self) -> Duration {
        Duration::from_millis(30)
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        (None, self.remarks.clone())
    }
}
