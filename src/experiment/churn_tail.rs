//! `churn-tail`: what churn does to the response time of running queries.

use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::Arrivals;
use crate::config::KeepAwakeChoice;
use crate::config::{
    Background, Config, Disconnect, ModelConfig, OwnServer, Protocol, ServerConfig, Statement,
    default_shared_buffers,
};
use crate::factor::OfferedRate;
use crate::factor::Transport;
use crate::factor::{Auth, ClientRate, Combine, LogConnections, StandingState, Tls};
use crate::procarray::{Ablations, MappingKind, PageSize, PgProfile, SlotOrder};
use crate::record::Run;
use crate::stats::{Analysis, Statistic, Verdict};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "churn-tail",
    question: "What does connection churn do to the response time of queries that are already running, against each control?",
    prediction: "Reconnecting for each transaction raises the readers' p99 against kept-open connections doing the same transactions. Most of the rise is CPU, which fork-only shows too; what unpooled adds to fork-only grows with the number of standing connections (PostgreSQL 14 and later, slots in front, 4 kB pages).",
    refuted_by: "No rise of p99 from kept-open to unpooled at the largest number of standing connections; or unpooled no higher than fork-only there.",
    primary_outcome: "p99 response time of running statements, unpooled against kept-open, at the largest number of standing connections (first version, slot order and page size of the list: front, 4 kB).",
    declared_percentile: 99.0,
    assess,
    answer: Answer::Contrast,
    limits: &[
        "Not how much of an effect is ProcArrayLock: no lock wait was traced here. `unpooled` minus `fork-only` still holds authentication, catalogue loading and page faults outside the lock.",
        "Not that percentiles' differences add up: they are contrasts between arms, never parts of a whole.",
    ],
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[Scale::Quick, Scale::Full],
    config,
};

/// The prediction is about the server.
fn assess(run: &Run, summary: &Analysis) -> String {
    let (Mode::Server, Some(level)) = (run.mode, summary.primary_level()) else {
        return String::new();
    };
    let p99 = Statistic::Percentile(99.0);
    let verdict = |second| level.effect(Arm::Unpooled, second)?.at(p99).map(|e| e.1);
    let (Some(rise), Some(beyond)) = (verdict(Arm::KeptOpen), verdict(Arm::ForkOnly)) else {
        return String::new();
    };
    let told = match (rise, beyond) {
        (r, b) if !r.is_usable() || !b.is_usable() => "cannot be held against this run",
        (Verdict::Higher, Verdict::Higher) => {
            "stands as far as it was tested: a rise, and more than fork-only's"
        }
        (Verdict::Higher, _) => {
            "is not supported in its second part: a rise, but unpooled was not shown to be higher than fork-only"
        }
        _ => "is not supported: no rise was shown",
    };
    format!(
        "the prediction {told} (p99, {} standing).",
        level.factors.standing
    )
}

/// The way through the connection, with its first control.
const QUICK_ARMS: [Arm; 7] = [
    Arm::Quiet,
    Arm::KeptOpen,
    Arm::Unpooled,
    Arm::Pool,
    Arm::Pgbouncer,
    Arm::PgbouncerKept,
    Arm::ForkOnly,
];

fn config(mode: Mode, scale: Scale) -> Config {
    let (arms, standing) = match scale {
        Scale::Quick => (QUICK_ARMS.to_vec(), vec![0, 500]),
        Scale::Full => (Arm::all().collect(), vec![0, 2000]),
    };
    let (blocks, visits, block_ms, warmup_ms) = match (scale, mode) {
        (Scale::Quick, Mode::Server) => (9, 3, 500, 100),
        (Scale::Quick, Mode::Model) => (9, 3, 300, 50),
        (Scale::Full, Mode::Server) => (8, 3, 350, 100),
        (Scale::Full, Mode::Model) => (9, 3, 400, 50),
    };
    let mut server = default_server();
    let mut slot_orders = vec![SlotOrder::Front];
    if scale == Scale::Full && mode == Mode::Server {
        slot_orders.push(SlotOrder::Behind);
        server.page_sizes = PageSize::ALL.to_vec();
        server.page_size_if_granted = true;
    }
    Config {
        mode,
        arms: arms.into_iter().filter(|a| a.exists_in(mode)).collect(),
        readers: 2,
        reader_rate: OfferedRate::PerSecond(1000.0),
        clients: 8,
        client_rate: ClientRate::Auto,
        client_rates: Vec::new(),
        pool_size: 4,
        standing,
        slot_orders,
        duration_ns: u64::from(blocks) * block_ms * 1_000_000,
        warmup_ns: warmup_ms * 1_000_000,
        blocks,
        visits,
        seed: 74,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Auto,
        quoted_percentile: 99.0,
        model: (mode == Mode::Model).then(default_model),
        server: (mode == Mode::Server).then_some(server),
    }
}

/// The model's settings where nothing else is asked for.
pub(super) fn default_model() -> ModelConfig {
    ModelConfig {
        profiles: vec![PgProfile::default()],
        mappings: vec![MappingKind::default()],
        page_sizes: vec![PageSize::default()],
        page_size_if_granted: false,
        ablations: Ablations::default(),
        background: Background::default(),
        commit_rates: Vec::new(),
        locks: Vec::new(),
        snapshots_per_statement: 2,
        snapshots_per_connect: None,
        fork_cpu_ns: 500_000,
        session_cpu_ns: 1_500_000,
        cpu_cost_source: "assumed, not measured: give --fork-cpu and --session-cpu, or run the chapter, which takes them from its server run".to_owned(),
        inject_hold_ns: 0,
    }
}

/// The server's settings where nothing else is asked for.
pub(super) fn default_server() -> ServerConfig {
    ServerConfig {
        server: "auto".to_owned(),
        sources: Vec::new(),
        transports: vec![Transport::default()],
        page_sizes: vec![PageSize::default()],
        page_size_if_granted: false,
        auths: vec![Auth::default()],
        tls: vec![Tls::default()],
        shared_buffers: default_shared_buffers(),
        scram_iterations: Vec::new(),
        standing_states: vec![StandingState::default()],
        log_connections: vec![LogConnections::default()],
        combine: Combine::default(),
        query: Statement::Sql("SELECT 1".to_owned()),
        disconnect: Disconnect::Wait,
        protocol: Protocol::Simple,
        pgbouncer: None,
        own: OwnServer::default(),
    }
}
