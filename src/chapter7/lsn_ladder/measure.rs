//! One block after the other on one pair.

use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use tokio::time::sleep;

use super::arms::Fault;
use super::record::{Block, LsnLadder, Sample};
use super::sampler::Sampler;
use super::session::{INSERT, make_tables};
use super::{cells, faults, freeze};
use crate::causes::on_one_line;
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::level::Level;
use crate::chapter7::order::Order;
use crate::chapter7::pair::{Pair, STANDBY, at_level, defaults};
use crate::config::Arrivals;
use crate::console::detail;
use crate::experiment::Scale;
use crate::load::Cancel;
use crate::seed::derive_seed;
use crate::server::{FrontendError, event_loop, stop_requested};

/// Inserts per second of both writers while positions are looked at.
const RATE: f64 = 300.0;
/// Reads on the standby at each level where each takes as long as the late replay.
const LATE_READS: u32 = 8;
/// How long the receiver stands still.
const FROZEN: Duration = Duration::from_secs(2);
/// How long a block may take: a standby that dies is waited for without an end.
const LIMIT: Duration = Duration::from_secs(180);

/// How much is measured.
struct Size {
    /// Times each fault.
    rounds: u32,
    /// Commits of each level in each block.
    commits: u32,
    /// How long positions are looked at in each block.
    looked: Duration,
    /// How long each closed loop.
    closed: Duration,
    /// Reads on the standby at each level.
    reads: u32,
}

fn size(scale: Scale) -> Size {
    match scale {
        Scale::Quick => Size {
            rounds: 1,
            commits: 24,
            looked: Duration::from_millis(2_000),
            closed: Duration::from_millis(700),
            reads: 60,
        },
        Scale::Full => Size {
            rounds: 3,
            commits: 40,
            looked: Duration::from_millis(2_500),
            closed: Duration::from_millis(1_000),
            reads: 300,
        },
    }
}

/// Roughly how long all of it takes.
pub fn planned(order: &Order) -> Duration {
    let size = size(order.scale);
    let cells = Duration::from_millis(50) * size.commits * 5;
    let closed = size.closed * 5;
    let late = Duration::from_millis(70) * size.commits;
    let each = size.looked + cells + Duration::from_millis(400);
    let reads = Duration::from_millis(3) * size.reads * 5;
    let round = each * 5 + closed * 2 + late + reads + Duration::from_secs(2);
    round * size.rounds + each + FROZEN + Duration::from_secs(9)
}

/// Measures every fault, then the frozen receiver.
pub fn measure(order: &Order) -> (LsnLadder, Result<(), String>) {
    let mut run = LsnLadder {
        rate_per_second: RATE,
        ..LsnLadder::default()
    };
    let done = measure_into(&mut run, order);
    (run, done)
}

fn measure_into(run: &mut LsnLadder, order: &Order) -> Result<(), String> {
    let pair = Pair::start(order)?;
    run.server_version = pair.primary.server_version().to_owned();
    run.file_system = pair.file_system.clone();
    let runtime = event_loop().map_err(|e| on_one_line(&e))?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = all(run, &pair, order) => done.map_err(|e| on_one_line(&e)),
            () = stop_requested(&order.cancel) => Err("interrupted".to_owned()),
        }
    });
    faults::clear(&pair);
    let stopped = pair.stop();
    done.and(stopped)
}

async fn all(run: &mut LsnLadder, pair: &Pair, order: &Order) -> Result<(), FrontendError> {
    let size = size(order.scale);
    run.acknowledged_without_list = Some(pair.without_list().await?);
    run.defaults = defaults(&pair.primary).await?;
    make_tables(pair).await?;
    pair.make_synchronous(STANDBY).await?;
    let mut rng = Pcg64::seed_from_u64(order.seed);
    let mut next_row = 0;
    for round in 0..=size.rounds {
        let mut faults = Fault::FOUR.to_vec();
        faults.shuffle(&mut rng);
        faults.insert(0, Fault::None);
        if round == size.rounds {
            // The control stands at both ends.
            faults.truncate(1);
        }
        for fault in faults {
            let mut levels = Level::ALL.to_vec();
            levels.shuffle(&mut rng);
            detail(&format!("procbench: round {}: {fault}", round + 1));
            let load = load(order.seed, run.blocks.len() as u64);
            let with_loops = round < size.rounds;
            let block = Case {
                pair,
                fault,
                levels,
                size: &size,
                load,
                with_loops,
            };
            let block = async {
                faults::set(pair, fault).await?;
                block.measure(&mut next_row).await
            };
            run.blocks.push(pair.within(LIMIT, block).await?);
        }
    }
    detail("procbench: the standby's receiver stands still");
    let load = load(order.seed, run.blocks.len() as u64);
    let freeze = freeze::freeze(pair, &load, FROZEN);
    run.freeze = Some(pair.within(LIMIT, freeze).await?);
    Ok(())
}

fn load(seed: u64, place: u64) -> Load {
    Load {
        writers: 2,
        rate_per_second: RATE,
        arrivals: Arrivals::Poisson,
        sql: INSERT.to_owned(),
        seed: derive_seed(seed, &[place]),
    }
}

/// One fault, once.
struct Case<'a> {
    pair: &'a Pair,
    fault: Fault,
    levels: Vec<Level>,
    size: &'a Size,
    load: Load,
    /// Whether closed loops and reads are part of it.
    with_loops: bool,
}

impl Case<'_> {
    async fn measure(&self, next_row: &mut u64) -> Result<Block, FrontendError> {
        let (pair, fault) = (self.pair, self.fault);
        let mut block = Block {
            fault,
            samples: self.look().await?,
            cells: Vec::new(),
            closed: Vec::new(),
            reads: Vec::new(),
        };
        for &level in &self.levels {
            let cell = cells::commits(pair, fault, level, self.size.commits).await?;
            block.cells.push(cell);
        }
        if !self.with_loops {
            return Ok(block);
        }
        let reads = match fault {
            Fault::None => self.size.reads,
            Fault::Apply => LATE_READS,
            _ => 0,
        };
        for &level in self.levels.iter().filter(|_| reads > 0) {
            let read = cells::reads(pair, level, reads, next_row).await?;
            block.reads.push(read);
        }
        let has_loops = matches!(fault, Fault::None | Fault::StandbyDisk);
        for &level in self.levels.iter().filter(|_| has_loops) {
            let closed = cells::closed(pair, level, self.size.closed).await?;
            block.closed.push(closed);
        }
        Ok(block)
    }

    /// The positions beside a steady load.
    async fn look(&self) -> Result<Vec<Sample>, FrontendError> {
        let mut sampler = Sampler::connect(self.pair).await?;
        let endpoint = at_level(&self.pair.primary, Level::Local);
        let load = RunningLoad::start(&[endpoint], &self.load)?;
        let watched = Cancel::default();
        let stop = async {
            sleep(self.size.looked).await;
            watched.cancel();
            Ok::<_, FrontendError>(())
        };
        let watching = sampler.watch(&watched, || load.now_ns());
        let (samples, ()) = tokio::try_join!(watching, stop)?;
        load.stop()?;
        Ok(samples)
    }
}
