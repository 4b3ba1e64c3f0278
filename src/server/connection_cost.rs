//! What a connection costs a server, measured before the blocks of a level: what `cpu-burn` is to use.

use std::thread;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::arms::StatementTexts;
use super::frontend::FrontendError;
use super::start::{BlockOutcome, BlockRequest, ServerStart};
use super::target::{Target, event_loop};
use crate::arm::Arm;
use crate::config::{Disconnect, ServerConfig};
use crate::factor::OfferedRate;
use crate::load::driver::Failure;
use crate::procfs::{self, TaskCpu};
use crate::seed::derive_seed;
use crate::stats::ConnectionCost;

/// One stretch of it: warm-up and measured time; both count, as all CPU does.
const STRETCH_NS: (u64, u64) = (50_000_000, 450_000_000);

/// Stretches of `unpooled` go on until the server has used so much CPU for it: exited backends' CPU comes in
/// steps of 10 ms, which are then about 1 % ...
const ENOUGH_CPU_NS: f64 = 800e6;

/// ... but no longer than this.
const MOST_STRETCHES: u64 = 8;

/// A rough first value and one that takes the cost of fork and exit into account.
const TRIALS_OF_BURNING: u64 = 2;

/// Connections whose bursts are looked at.
const PROBES: u32 = 20;

/// How long all of them may take.
const PROBES_LIMIT: Duration = Duration::from_secs(10);

impl ServerStart<'_> {
    /// Measures what a connection costs the server, which is what `cpu-burn` has to burn, before any block; later
    /// blocks of `quiet`, `unpooled` and `cpu-burn` add to it.
    ///
    /// # Errors
    /// As [`ServerStart::run_block`].
    pub fn measure_cost(&self, client_rate: OfferedRate) -> Result<ConnectionCost, Failure> {
        let mut turn = 0;
        let mut stretch = |cost: Option<&mut ConnectionCost>, arm: Arm| -> Result<(), Failure> {
            turn += 1;
            self.settle();
            let unknown = Err("what a connection costs is not known".to_owned());
            let done = self.run_block(&BlockRequest {
                arm,
                client_rate,
                lengths_ns: STRETCH_NS,
                burn: cost.as_ref().map_or(unknown, |c| c.next_request()),
                seed_path: derive_seed(0x4255_524E, &[turn]),
            })?;
            let BlockOutcome { record, cpu, .. } = &done;
            if let Some(cost) = cost {
                cost.add(arm, cpu, &record.tallies, &done.counters);
            }
            Ok(())
        };
        // Under the load that they stand for; they are not counted among its connections.
        let (target, postmaster) = (Target::new(self.server.endpoint()), self.server.pid());
        let phases_ns = thread::scope(|scope| {
            let statements = self.asked.server;
            let probes = scope.spawn(move || probe(&target?, postmaster, statements));
            stretch(None, Arm::Unpooled)?;
            let died = |_| Err(FrontendError::here("the probes' thread died"));
            Ok(probes.join().unwrap_or_else(died))
        })?;
        let unknown = |e| format!("the bursts of a connection could not be seen: {e}");
        let mut cost = ConnectionCost::of_phases(phases_ns.map_err(unknown));
        stretch(Some(&mut cost), Arm::Quiet)?;
        for _ in 0..MOST_STRETCHES {
            stretch(Some(&mut cost), Arm::Unpooled)?;
            if cost.unpooled_seen_ns() >= ENOUGH_CPU_NS || self.asked.cancel.is_cancelled() {
                break;
            }
        }
        for _ in 0..TRIALS_OF_BURNING {
            match stretch(Some(&mut cost), Arm::CpuBurn) {
                // Shows up again, and is named, in the run.
                Err(Failure::ArmLost(_)) => break,
                other => other?,
            }
        }
        Ok(cost)
    }
}

/// Mean CPU of a backend in ns from its fork to its sleep after the first ReadyForQuery, and from there to its
/// sleep after the statement.
fn probe(
    target: &Target,
    postmaster: Option<u32>,
    statements: &ServerConfig,
) -> Result<[f64; 2], FrontendError> {
    let probes = async {
        let mut texts = StatementTexts::new(&statements.query, statements.protocol, u32::MAX);
        let mut sums = [0.0; 2];
        for _ in 0..PROBES {
            let mut connection = target.connect().await?;
            let id = connection.process_id.zip(postmaster);
            let backend = id.and_then(|(id, postmaster)| {
                procfs::child_known_as(postmaster, u32::try_from(id).ok()?)
            });
            let connected = used_when_asleep(backend).await?;
            texts.run_on(&mut connection).await?;
            let queried = used_when_asleep(backend).await?;
            connection.terminate(Disconnect::Wait).await?;
            sums[0] += connected as f64;
            sums[1] += queried.saturating_sub(connected) as f64;
        }
        Ok(sums.map(|ns| ns / f64::from(PROBES)))
    };
    let late = |_| FrontendError::here("the server did not answer in time");
    // The timer is to be made on the event loop.
    event_loop()?.block_on(async { timeout(PROBES_LIMIT, probes).await.map_err(late)? })
}

/// CPU that a backend has used when it waits for its client, in ns.
async fn used_when_asleep(backend: Option<u32>) -> Result<u64, FrontendError> {
    let hidden = || FrontendError::here("its process cannot be found in /proc");
    let backend = backend.ok_or_else(hidden)?;
    loop {
        // ReadyForQuery is sent a little before the backend sleeps.
        sleep(Duration::from_millis(1)).await;
        if procfs::process_stat(backend).ok_or_else(hidden)?.state == 'S' {
            let task = TaskCpu::read(backend, None).ok_or_else(hidden)?;
            return Ok(task.since(&TaskCpu::default()).used_ns);
        }
    }
}
