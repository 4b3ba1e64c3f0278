//! procbench's side: its own closed loop, as `procbench server --client-rate max` runs it.

use anyhow::{Context, anyhow, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use procbench::arm::Mode;
use procbench::config::{Config, Disconnect, KeepAwakeChoice, Protocol, ServerConfig, Statement};
use procbench::experiment::{self, Scale};
use procbench::factor::ClientRate;
use procbench::factor::Factors;
use procbench::factor::OfferedRate;
use procbench::load::driver::Bench;
use procbench::load::plan::{BlockSpec, PlannedStart};
use procbench::load::{Cancel, ClientRates};
use procbench::record::Role;
use procbench::server::ServerBench;

use super::cell::{Cell, Load, Stretch};

/// As few statements of the readers as a run allows: pgbench has no readers.
const HARDLY_EVER: OfferedRate = OfferedRate::PerSecond(0.001);

/// What procbench is asked for: of a server that is there already, and the bench's own.
pub fn config(cell: Cell, seconds: u32, seed: u64, url: &str) -> anyhow::Result<Config> {
    let mut config = experiment::find("churn-tail")?.config(Mode::Server, Scale::Quick);
    config.arms = vec![cell.arm()];
    config.readers = 1;
    config.reader_rate = HARDLY_EVER;
    config.clients = cell.clients;
    config.client_rate = ClientRate::Given(OfferedRate::Max);
    config.factors.standing = vec![0];
    config.blocks = 1;
    config.starts = 1;
    config.duration_ns = u64::from(seconds) * 1_000_000_000;
    // pgbench has none.
    config.warmup_ns = 0;
    config.keep_awake = KeepAwakeChoice::Off;
    config.seed = seed;
    ServerConfig::take_as_is(&mut config.factors);
    if let Some(server) = &mut config.server {
        server.server = url.parse().map_err(|e| anyhow!("{url}: {e}"))?;
        server.own.no_cap = true;
        server.query = Statement::SelectOnly;
        server.disconnect = Disconnect::Close;
        server.protocol = match cell.load {
            Load::Churn => Protocol::Simple,
            Load::Prepared => Protocol::Prepared,
        };
    }
    config.validate()?;
    Ok(config)
}

/// procbench, connected.
pub struct Procbench<'a> {
    bench: ServerBench<'a>,
    cell: Cell,
    blocks: u32,
}

impl<'a> Procbench<'a> {
    /// Opens the persistent connections.
    pub fn open(cell: Cell, config: &'a Config, cancel: &Cancel) -> anyhow::Result<Self> {
        let asked_for = config.server.as_ref().context("no server is configured")?;
        let mut bench = ServerBench::new((config, asked_for), cancel.clone(), &|_| {});
        bench.prepare()?;
        bench.set_client_rates(ClientRates::default());
        bench.open_start(&PlannedStart {
            index: 0,
            factors: Factors::standing(0),
            blocks: Vec::new(),
        })?;
        Ok(Procbench {
            bench,
            cell,
            blocks: 0,
        })
    }

    /// One stretch. Its time is that of the whole block, from the order to the end of the last worker, and
    /// its CPU that of the whole process meanwhile: threads that only give orders or wait are in it.
    pub fn measure(&mut self) -> anyhow::Result<Stretch> {
        self.blocks += 1;
        let spec = BlockSpec {
            index: self.blocks,
            arm: self.cell.arm(),
            twin: false,
            factors: Factors::standing(0),
            round: self.blocks,
            start: 0,
        };
        let before = own_cpu_us()?;
        let block = self.bench.run_block(&spec)?;
        let cpu_us = own_cpu_us()? - before;
        let tally = block.tallies.get(&Role::Client);
        let tally = tally.context("procbench's clients did nothing")?;
        ensure!(
            tally.error_count() == 0 && tally.cut_off == 0,
            "procbench's clients failed: {:?}, {} cut off",
            tally.errors,
            tally.cut_off
        );
        let done = tally.succeeded() as f64;
        ensure!(done > 0.0, "procbench did no transaction");
        Ok(Stretch {
            per_second: done * 1e9 / block.cpu.over_ns as f64,
            cpu_us: cpu_us / done,
        })
    }
}

/// CPU of this process, all threads, in us.
fn own_cpu_us() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let us = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 * 1e6 + t.tv_usec() as f64;
    Ok(us(usage.user_time()) + us(usage.system_time()))
}
