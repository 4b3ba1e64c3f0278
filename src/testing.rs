//! Made-up runs for unit tests.

use std::collections::BTreeMap;

use crate::arm::Arm;
use crate::arm::Mode;
use crate::clock::ClockQuality;
use crate::config::Arrivals;
use crate::config::Config;
use crate::config::KeepAwakeChoice;
use crate::factor::{Auth, ClientRate, FactorLists, Factors, OfferedRate, Transport};
use crate::load::plan::{BlockSpec, Plan};
use crate::procarray::{PageSize, SlotOrder};
use crate::record::{
    Block, BlockCpu, CpuAccount, CpuGroup, Provenance, Role, RoleTally, Run, RunHead, RunStatus,
    SCHEMA_VERSION, SeriesHistogram, SeriesKey, Throttling,
};

/// A block whose readers saw `1000 * scale` ns, plus a spread.
pub fn sample_block(spec: &BlockSpec, scale: u64) -> Block {
    let mut response = SeriesHistogram::default();
    for i in 0..500u64 {
        response.record(1000 * scale + i * scale);
    }
    block_with(spec, response)
}

/// A block whose reader response times are `response`.
pub fn block_with(spec: &BlockSpec, response: SeriesHistogram) -> Block {
    let count = response.len();
    let tally = RoleTally {
        scheduled: count,
        begun_in_window: count,
        recorded: count,
        ..RoleTally::default()
    };
    let mut client = RoleTally::default();
    if spec.arm != Arm::Quiet {
        client = RoleTally {
            scheduled: 50,
            begun_in_window: 50,
            recorded: 50,
            ..RoleTally::default()
        };
    }
    Block {
        index: spec.index,
        arm: spec.arm,
        twin: spec.twin,
        round: spec.round,
        start: spec.start,
        factors: spec.factors.clone(),
        start_ns: u64::from(spec.index) * 1_000_000,
        measured_ns: 500_000_000,
        settle_ns: 0,
        settled: true,
        tallies: BTreeMap::from([(Role::Reader, tally), (Role::Client, client)]),
        cpu: BlockCpu {
            over_ns: 500_000_000,
            ..BlockCpu::default()
        },
        counters: BTreeMap::new(),
        series: BTreeMap::from([
            (SeriesKey::READER_RESPONSE, response.clone()),
            (SeriesKey::READER_SERVICE, response),
        ]),
    }
}

/// A block like `block`, whose readers saw `1000 * scale` ns, plus a spread.
pub fn sample_block_like(block: &Block, scale: u64) -> Block {
    let spec = BlockSpec {
        index: block.index,
        arm: block.arm,
        twin: block.twin,
        round: block.round,
        start: block.start,
        factors: block.factors.clone(),
    };
    sample_block(&spec, scale)
}

/// A small configuration.
pub fn sample_config() -> Config {
    Config {
        mode: Mode::Model,
        arms: vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled],
        arms_by_name: false,
        readers: 1,
        reader_rate: OfferedRate::PerSecond(1000.0),
        clients: 2,
        client_rate: ClientRate::Given(OfferedRate::PerSecond(100.0)),
        pool_size: 2,
        factors: FactorLists {
            standing: vec![0, 10],
            slot_order: vec![SlotOrder::Front],
            ..FactorLists::default()
        },
        page_size_if_granted: false,
        duration_ns: 4_000_000_000,
        warmup_ns: 1_000_000,
        blocks: 8,
        starts: 6,
        seed: 1,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Off,
        quoted_percentile: 99.0,
        slow_over_ns: None,
        model: None,
        server: None,
    }
}

/// A run of the small configuration with `blocks` blocks per arm, whose
/// unpooled readers are three times slower.
pub fn sample_run(blocks: u32) -> Run {
    let config = Config {
        blocks,
        ..sample_config()
    };
    let levels: Vec<Factors> = config
        .factors
        .standing
        .iter()
        .map(|&n| Factors::standing(n))
        .collect();
    let plan = Plan::new(&config, &config.arms, &levels);
    let scale = |arm| if arm == Arm::Unpooled { 3 } else { 1 };
    Run {
        head: RunHead {
            schema_version: SCHEMA_VERSION,
            run_id: "abc123".into(),
            experiment: "churn-tail".into(),
            mode: Mode::Model,
            status: RunStatus::Complete,
            started_at: "2026-11-23T00:00:00Z".into(),
            elapsed_ns: 1,
            client_rate_per_second: Some(100.0),
            calibration: None,
            slow_over_ns: None,
            clock: ClockQuality {
                read_cost_ns: 20.0,
                step_ns: 10,
                source: "tsc".into(),
            },
            provenance: Provenance::default(),
            absent_arms: Vec::new(),
            absent_levels: Vec::new(),
            remarks: Vec::new(),
            config,
        },
        blocks: plan
            .starts
            .iter()
            .flat_map(|v| &v.blocks)
            .map(|spec| sample_block(spec, scale(spec.arm)))
            .collect(),
    }
}

/// The small run with twelve blocks, measured on each of these PostgreSQL versions.
pub fn sample_run_with_versions(versions: &[&str]) -> Run {
    let mut run = sample_run(12);
    let blocks = std::mem::take(&mut run.blocks);
    for pg in versions {
        run.blocks.extend(blocks.iter().cloned().map(|mut block| {
            block.factors.pg = pg.parse().ok();
            block
        }));
    }
    run
}

/// The small run with the CPU that a server run counts: in each block the readers cost the backends 1 ms,
/// and of 60 transactions each costs them 50 us and the clients 10 us.
pub fn sample_run_with_cpu() -> Run {
    let mut run = sample_run(8);
    for block in &mut run.blocks {
        let clients = if block.arm == Arm::Quiet { 0 } else { 60 };
        for (role, tally) in &mut block.tallies {
            tally.begun_in_load = if *role == Role::Client { clients } else { 500 };
        }
        let used = |used_ns| CpuAccount {
            used_ns,
            ..CpuAccount::default()
        };
        let backends = CpuAccount {
            voluntary_switches: Some(10),
            involuntary_switches: Some(2),
            run_delay_ns: Some(1_000_000),
            ..used(1_000_000 + clients * 50_000)
        };
        block.cpu.groups = BTreeMap::from([
            (CpuGroup::Postmaster, used(0)),
            (CpuGroup::Backends, backends),
            (CpuGroup::Reader, used(3_000_000)),
            (CpuGroup::Client, used(clients * 10_000)),
        ]);
        block.cpu.server_throttling = Some(Throttling {
            periods: 1,
            ns: 1_000_000,
        });
    }
    run
}

/// The small run once for each lock; unpooled readers are slower by the lock's scale.
pub fn run_under_locks(blocks: u32, locks: &[(&str, u64)]) -> Run {
    let mut run = sample_run(blocks);
    let mut config = crate::experiment::find("locks")
        .unwrap()
        .config(Mode::Model, crate::experiment::Scale::Quick);
    config.factors.lock = locks.iter().map(|l| l.0.parse().unwrap()).collect();
    run.head.config.factors.standing = vec![10];
    run.head.config.factors.lock = config.factors.lock;
    run.head.config.model = config.model;
    let levels = run.config.levels();
    let plan = Plan::new(&run.config, &run.config.arms, &levels);
    let scale = |spec: &BlockSpec| {
        let of_lock = locks.iter().find(|l| spec.factors.lock == l.0.parse().ok());
        match (spec.arm, of_lock) {
            (Arm::Unpooled, Some((_, scale))) => *scale,
            _ => 1,
        }
    };
    run.experiment = "locks".into();
    run.blocks = plan
        .starts
        .iter()
        .flat_map(|v| &v.blocks)
        .map(|spec| sample_block(spec, scale(spec)))
        .collect();
    run
}

/// `anatomy` with trust and with SCRAM: 8 blocks each of unpooled and of its twin, 50 connections per block.
/// With trust one connection in a block was asked for a password, with SCRAM all were.
pub fn connecting_run() -> Run {
    let mut run = sample_run(8);
    run.experiment = "anatomy".into();
    run.config = crate::experiment::find("anatomy")
        .unwrap()
        .config(Mode::Server, crate::experiment::Scale::Quick);
    run.mode = Mode::Server;
    let level = |auth| Factors {
        auth: Some(auth),
        transport: Some(Transport::Tcp),
        ..Factors::standing(0)
    };
    let levels = [level(Auth::Trust), level(Auth::Scram)];
    let config = Config {
        blocks: 8,
        starts: 4,
        seed: 1,
        ..run.config.clone()
    };
    let plan = Plan::new(&config, &config.arms, &levels);
    let specs = plan.starts.iter().flat_map(|v| &v.blocks);
    run.blocks = specs.map(connecting_block).collect();
    run
}

fn connecting_block(spec: &BlockSpec) -> Block {
    let mut block = sample_block(spec, 1);
    let scram = spec.factors.auth == Some(Auth::Scram);
    let mut record = |name: &str, base_ns: u64, count: u64| {
        let mut histogram = SeriesHistogram::default();
        for i in 0..count {
            histogram.record(base_ns + i * base_ns / 100 + u64::from(spec.index));
        }
        block.series.insert(name.parse().unwrap(), histogram);
    };
    record("client.connect.socket.service", 50_000, 50);
    record("client.connect.startup.service", 1_500_000, 50);
    let asked = if scram { 50 } else { 1 };
    record("client.connect.challenge.service", 700_000, asked);
    record("client.connect.exchange.service", 300_000, asked);
    record("client.connect.total.service", 1_560_000, 50);
    record("client.query.total.service", 100_000, 50);
    record("client.disconnect.total.service", 1_000_000, 50);
    record("client.transaction.total.service", 2_800_000, 50);
    block
}

/// A level with a value of this factor that is not its default.
pub fn some_value(factor: crate::factor::Factor) -> Factors {
    let texts = [
        "7",
        "18",
        "behind",
        "std",
        "unix",
        "2m",
        "fresh",
        "12",
        "70/s",
        "md5",
        "on",
        "1GB",
        "in-transaction",
        "9",
        "setup_durations",
        "on",
    ];
    let mut lists = FactorLists::default();
    let text = texts[factor as usize];
    lists.set(factor, text).unwrap();
    let mode = factor.row().modes[0];
    lists.combinations(mode).remove(0)
}

/// A server's `churn-tail` on 15 and 18, slots in front of 10 standing connections with 4 kB and 2 MB pages and
/// behind them with 4 kB, whose threshold is 100 us. In each block of 1,000 statements so many more are slow under
/// `unpooled` than under `premapped`: `faulting` in front of them with 4 kB pages, `elsewhere` in the other cells.
pub fn lock_run(blocks: u32, faulting: u64, elsewhere: u64) -> Run {
    let mut run = sample_run(1);
    run.mode = Mode::Server;
    run.slow_over_ns = Some(100_000);
    run.config.arms = vec![Arm::KeptOpen, Arm::Unpooled, Arm::Premapped];
    run.config.blocks = blocks;
    run.config.factors = FactorLists {
        standing: vec![10],
        pg: ["15", "18"].map(|pg| pg.parse().unwrap()).to_vec(),
        slot_order: vec![SlotOrder::Front, SlotOrder::Behind],
        page_size: PageSize::ALL.to_vec(),
        ..FactorLists::default()
    };
    let level = |pg: &str, slots: &str, pages: &str| Factors {
        pg: pg.parse().ok(),
        slot_order: slots.parse().ok(),
        page_size: pages.parse().ok(),
        ..Factors::standing(10)
    };
    let cells = [("front", "4k"), ("front", "2m"), ("behind", "4k")];
    let levels = ["15", "18"].map(|pg| cells.map(|(slots, pages)| level(pg, slots, pages)));
    let levels = levels.concat();
    let plan = Plan::new(&run.config, &run.config.arms, &levels);
    let block = |spec: &BlockSpec| {
        // The same in both arms of a round, more or less from round to round.
        let mood = 10 + u64::from(spec.round * 7 % 5);
        let treated = spec.factors.slot_order == Some(SlotOrder::Front)
            && spec.factors.page_size == Some(PageSize::Small);
        let slow = mood
            + match (spec.arm, treated) {
                (Arm::Unpooled, true) => faulting,
                (Arm::Unpooled, false) => elsewhere,
                _ => 0,
            };
        let mut times = SeriesHistogram::default();
        for i in 0..1000 {
            times.record(if i < slow { 300_000 } else { 50_000 + i });
        }
        let mut block = block_with(spec, times.clone());
        block.series.insert(SeriesKey::READER_ADJUSTED, times);
        block
    };
    let specs = plan.starts.iter().flat_map(|start| &start.blocks);
    run.blocks = specs.map(block).collect();
    run
}

/// A level under one lock.
pub(crate) fn with_lock(standing: u32, lock: &str) -> Factors {
    Factors {
        lock: Some(lock.parse().unwrap()),
        ..Factors::standing(standing)
    }
}
