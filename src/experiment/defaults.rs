//! The configuration that every experiment starts from.

use crate::arm::Mode;
use crate::config::{
    Arrivals, Background, Config, Disconnect, KeepAwakeChoice, ModelConfig, OwnServer, Protocol,
    ServerChoice, ServerConfig, Statement, Tracing,
};
use crate::factor::{
    Auth, ClientRate, Combine, FactorLists, Isolate, LogConnections, OfferedRate, PgSource,
    SharedBuffers, StandingState, Tls, Transport,
};
use crate::procarray::{Ablations, MappingKind, PageSize, PgProfile, SlotOrder};

/// One reader and one client; how much is measured is for [`Lengths`] to say.
pub(super) fn base(mode: Mode) -> Config {
    let is_model = mode == Mode::Model;
    Config {
        mode,
        arms: Vec::new(),
        arms_by_name: false,
        readers: 1,
        reader_rate: OfferedRate::PerSecond(1000.0),
        clients: 1,
        client_rate: ClientRate::Given(OfferedRate::PerSecond(100.0)),
        pool_size: 1,
        factors: factors(mode),
        page_size_if_granted: false,
        duration_ns: 0,
        warmup_ns: 0,
        blocks: 12,
        starts: 6,
        seed: 74,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Auto,
        quoted_percentile: 50.0,
        slow_over_ns: None,
        model: is_model.then(default_model),
        server: (!is_model).then(|| ServerConfig {
            server: ServerChoice::default(),
            combine: Combine::default(),
            query: Statement::Sql("SELECT 1".to_owned()),
            disconnect: Disconnect::Wait,
            protocol: Protocol::Simple,
            pgbouncer: None,
            trace: Tracing::Off,
            own: OwnServer::default(),
        }),
    }
}

/// The values of the factors where nothing else is asked for.
fn factors(mode: Mode) -> FactorLists {
    let both = FactorLists {
        standing: vec![500],
        slot_order: vec![SlotOrder::default()],
        page_size: vec![PageSize::default()],
        ..FactorLists::default()
    };
    match mode {
        Mode::Model => FactorLists {
            pg: vec![PgSource::Major(PgProfile::default().major())],
            mapping: vec![MappingKind::default()],
            ..both
        },
        Mode::Server => FactorLists {
            transport: vec![Transport::default()],
            auth: vec![Auth::default()],
            tls: vec![Tls::default()],
            shared_buffers: vec![SharedBuffers::default()],
            standing_state: vec![StandingState::default()],
            log_connections: vec![LogConnections::default()],
            isolate: vec![Isolate::default()],
            ..both
        },
    }
}

/// Every version that the model has.
pub(super) fn every_profile() -> Vec<PgSource> {
    PgProfile::ALL
        .iter()
        .map(|p| PgSource::Major(p.major()))
        .collect()
}

/// How much is measured at each level.
#[derive(Debug)]
pub struct Lengths {
    /// Blocks of each arm.
    pub blocks: u32,
    /// Starts of the server, or fresh arrays.
    pub starts: u32,
    /// Length of a block, in ms.
    pub block_ms: u64,
    /// Warm-up before it, in ms.
    pub warmup_ms: u64,
}

impl Lengths {
    /// Sets them in `config`.
    pub(super) fn set(self, config: &mut Config) {
        config.duration_ns = u64::from(self.blocks) * self.block_ms * 1_000_000;
        config.warmup_ns = self.warmup_ms * 1_000_000;
        config.blocks = self.blocks;
        config.starts = self.starts;
    }
}

/// A model whose connections use next to no CPU, because of `why`.
pub(super) fn model_with_little_cpu(why: &str) -> ModelConfig {
    ModelConfig {
        fork_cpu_ns: 20_000,
        session_cpu_ns: 20_000,
        cpu_cost_source: format!("far below a real connection's: {why}"),
        ..default_model()
    }
}

/// A model with one committer, whose statements take one snapshot.
pub(super) fn model_with_a_committer() -> ModelConfig {
    ModelConfig {
        background: Background {
            committers: 1,
            ..Background::default()
        },
        snapshots_per_statement: 1,
        ..default_model()
    }
}

/// The model's settings where nothing else is asked for.
pub(super) fn default_model() -> ModelConfig {
    ModelConfig {
        ablations: Ablations::default(),
        background: Background::default(),
        snapshots_per_statement: 2,
        fork_cpu_ns: 500_000,
        session_cpu_ns: 1_500_000,
        cpu_cost_source: "assumed, not measured: give --fork-cpu and --session-cpu, or run the chapter, which takes them from its server run".to_owned(),
        inject_hold_ns: 0,
    }
}
