//! What the experiments that sweep a factor have in common.

use crate::arm::Mode;
use crate::config::Arrivals;
use crate::config::Config;
use crate::config::KeepAwakeChoice;
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::procarray::SlotOrder;

/// How much is measured at each level.
pub(super) struct SweepLength {
    pub(super) blocks: u32,
    pub(super) visits: u32,
    pub(super) block_ms: u64,
    pub(super) warmup_ms: u64,
}

/// `config` with these blocks.
pub(super) fn lengths(config: Config, length: SweepLength) -> Config {
    Config {
        duration_ns: u64::from(length.blocks) * length.block_ms * 1_000_000,
        warmup_ns: length.warmup_ms * 1_000_000,
        blocks: length.blocks,
        visits: length.visits,
        ..config
    }
}

/// A source of CPU costs in words.
pub(super) fn not_measured(why: &str) -> String {
    format!("far below a real connection's: {why}")
}

/// One reader, one client, medians.
pub(super) fn base(mode: Mode) -> Config {
    Config {
        mode,
        arms: Vec::new(),
        readers: 1,
        reader_rate: OfferedRate::PerSecond(1000.0),
        clients: 1,
        client_rate: ClientRate::Given(OfferedRate::PerSecond(100.0)),
        client_rates: Vec::new(),
        pool_size: 1,
        standing: vec![500],
        slot_orders: vec![SlotOrder::Front],
        duration_ns: 0,
        warmup_ns: 0,
        blocks: 8,
        visits: 4,
        seed: 74,
        arrivals: Arrivals::Poisson,
        keep_awake: KeepAwakeChoice::Auto,
        quoted_percentile: 50.0,
        model: None,
        server: None,
    }
}
