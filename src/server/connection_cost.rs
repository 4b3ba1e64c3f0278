//! What a connection costs a server, measured before the blocks of a level: what `cpu-burn` is to use.

use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::arms::StatementTexts;
use super::frontend::FrontendError;
use super::start::{BlockRequest, ServerStart};
use super::target::{Target, event_loop};
use crate::arm::Arm;
use crate::config::{Disconnect, ServerConfig};
use crate::factor::OfferedRate;
use crate::load::driver::Failure;
use crate::procfs::{self, TaskCpu};
use crate::record::Role;
use crate::seed::derive_seed;
use crate::stats::{Bursts, ConnectionCost};

/// One stretch of it: warm-up and measured time; both count, as all CPU does.
const STRETCH_NS: (u64, u64) = (50_000_000, 450_000_000);

/// Stretches of `unpooled` go on until the server has used so much CPU for it: exited backends' CPU comes in
/// steps of 10 ms, which are then about 1 % ...
const ENOUGH_CPU_NS: f64 = 800e6;

/// ... but no longer than this.
const MOST_STRETCHES: u64 = 8;

/// A rough first value and one that takes the cost of fork and exit into account.
const TRIALS_OF_BURNING: u64 = 2;

/// For how long connections are looked at one by one in a stretch: all of them end before it does.
const PROBING: Duration = Duration::from_millis(400);

/// Between two of them, so that they add little to the load.
const BETWEEN_PROBES: Duration = Duration::from_millis(10);

/// How long the last one may take.
const PROBES_LIMIT: Duration = Duration::from_secs(10);

impl ServerStart<'_> {
    /// Measures what a connection costs the server, which is what `cpu-burn` has to burn, before any block; later
    /// blocks of `quiet`, `unpooled` and `cpu-burn` add to it.
    ///
    /// # Errors
    /// As [`ServerStart::run_block`].
    pub fn measure_cost(&self, client_rate: OfferedRate) -> Result<ConnectionCost, Failure> {
        let mut cost = ConnectionCost::default();
        let mut turn = 0;
        let mut stretch = |arm: Arm, burn: Result<Bursts, String>| {
            turn += 1;
            self.run_block(&BlockRequest {
                arm,
                client_rate,
                lengths_ns: STRETCH_NS,
                burn,
                seed_path: derive_seed(0x4255_524E, &[turn]),
            })
        };
        self.settle();
        let done = stretch(Arm::Quiet, cost.next_request())?;
        cost.add(Arm::Quiet, &done.cpu, &done.record.tallies, &done.counters);
        let mut probed = Ok(Vec::new());
        for _ in 0..MOST_STRETCHES {
            self.settle();
            let (mut done, found) = thread::scope(|scope| {
                let target = Target::new(self.server.endpoint());
                let (postmaster, statements) = (self.server.pid(), self.asked.server);
                let probes = scope.spawn(move || probe(&target?, postmaster, statements));
                let done = stretch(Arm::Unpooled, cost.next_request())?;
                let died = |_| Err(FrontendError::here("the probes' thread died"));
                Ok((done, probes.join().unwrap_or_else(died)))
            })?;
            // They are connections like the others.
            if let Some(tally) = done.record.tallies.get_mut(&Role::Client) {
                tally.begun_in_load += found.as_ref().map_or(0, |found| found.len() as u64);
            }
            probed = probed.and_then(|so_far| Ok([so_far, found?].concat()));
            cost.add(
                Arm::Unpooled,
                &done.cpu,
                &done.record.tallies,
                &done.counters,
            );
            if cost.unpooled_seen_ns() >= ENOUGH_CPU_NS || self.asked.cancel.is_cancelled() {
                break;
            }
        }
        let unknown =
            |e: FrontendError| format!("the bursts of a connection could not be seen: {e}");
        cost.spread(probed.map(|p| means(&p)).map_err(unknown));
        for _ in 0..TRIALS_OF_BURNING {
            self.settle();
            match stretch(Arm::CpuBurn, cost.next_request()) {
                // Shows up again, and is named, in the run.
                Err(Failure::ArmLost(_)) => break,
                Err(other) => return Err(other),
                Ok(done) => cost.add(
                    Arm::CpuBurn,
                    &done.cpu,
                    &done.record.tallies,
                    &done.counters,
                ),
            }
        }
        Ok(cost)
    }
}

/// CPU of one backend in ns: from the fork to its sleep after the first ReadyForQuery, and from there to its sleep
/// after the statement.
type Phases = [u64; 2];

fn means(all: &[Phases]) -> [f64; 2] {
    [0, 1].map(|i| all.iter().map(|phases| phases[i] as f64).sum::<f64>() / all.len() as f64)
}

/// Looks at one connection after another; at one at least.
fn probe(
    target: &Target,
    postmaster: Option<u32>,
    statements: &ServerConfig,
) -> Result<Vec<Phases>, FrontendError> {
    let began = Instant::now();
    let probes = async {
        let mut texts = StatementTexts::new(&statements.query, statements.protocol, u32::MAX);
        let mut probed = Vec::new();
        while probed.is_empty() || began.elapsed() < PROBING {
            let mut connection = target.connect().await?;
            let id = connection.process_id.zip(postmaster);
            let backend = id.and_then(|(id, postmaster)| {
                procfs::child_known_as(postmaster, u32::try_from(id).ok()?)
            });
            let connected = used_when_asleep(backend).await?;
            texts.run_on(&mut connection).await?;
            let queried = used_when_asleep(backend).await?;
            connection.terminate(Disconnect::Wait).await?;
            probed.push([connected, queried.saturating_sub(connected)]);
            sleep(BETWEEN_PROBES).await;
        }
        Ok(probed)
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
