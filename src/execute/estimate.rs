//! How long a configuration takes, roughly: said before the first block.

use std::time::Duration;

use super::rates::{calibration_time, levels_to_calibrate, needs_calibration};
use super::slow_over::blocks_needed;
use crate::arm::{Arm, Mode};
use crate::config::{Config, ServerConfig, Tracing};

/// Rough time that a configuration takes; printed before the first block.
pub fn estimate(config: &Config) -> Duration {
    // A fresh server: start, initdb, pools, placeholders, then some ms per connection.
    let (start_ms, connection_ms, block_ms) = match config.mode {
        Mode::Server => (2_500, 2, 80),
        Mode::Model => (20, 0, 30),
    };
    let start =
        |standing: u32| Duration::from_millis(start_ms + connection_ms * u64::from(standing));
    let levels = config.levels();
    let starts: Duration = levels.iter().map(|l| start(l.standing)).sum();
    let block = Duration::from_nanos(config.block_ns() + config.warmup_ns)
        + Duration::from_millis(block_ms);
    // Attached and detached each time.
    let is_traced = |s: &ServerConfig| s.trace == Tracing::Twins;
    let traced = match config.server.as_ref().is_some_and(is_traced) {
        true => block + Duration::from_millis(2_500),
        false => Duration::ZERO,
    };
    // Every arm, and the A/A twin.
    let blocks = (config.arms.len() + 1) * levels.len() * config.blocks as usize;
    let calibration = if needs_calibration(config) {
        let most = levels_to_calibrate(config, &levels).len() as u32;
        (start(config.largest_standing()) + calibration_time(config)) * most
    } else {
        Duration::ZERO
    };
    // What a connection costs, at each level: stretches of half a second, more where it costs little.
    let burning = config.mode == Mode::Server && config.arms.contains(&Arm::CpuBurn);
    let learning = if burning {
        Duration::from_secs(4) * levels.len() as u32
    } else {
        Duration::ZERO
    };
    let slow = match config.slow_over_ns {
        Some(_) => 0,
        None => blocks_needed(config).unwrap_or(0) as u32,
    };
    starts * config.starts + (block + traced) * (blocks as u32 + slow) + calibration + learning
}
