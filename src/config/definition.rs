//! All that a run was asked to do, its levels, and what makes no sense.

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use super::{
    Arrivals, KeepAwakeChoice, ModelConfig, Protocol, ServerConfig, combine, own_server, values,
};
use crate::arm::{Arm, Mode};
use crate::factor::{ClientRate, Combine, FactorLists, Factors, OfferedRate};
use crate::procarray::locks::LockChoice;

/// Everything a run was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(next_help_heading = "Load")]
pub struct Config {
    /// The mode.
    #[arg(skip = Mode::Model)]
    pub mode: Mode,
    /// Arms to run, with commas (default: all that the mode has)
    #[arg(long, value_delimiter = ',', value_name = "ARM,...")]
    pub arms: Vec<Arm>,
    /// Whether somebody named these arms: a placebo runs only then.
    #[arg(skip)]
    #[serde(default)]
    pub arms_by_name: bool,
    /// Foreground readers
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub readers: u32,
    /// Total rate of the readers' statements: per second, or 'max' for a closed loop
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub reader_rate: OfferedRate,
    /// Clients
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub clients: u32,
    /// Their total rate.
    #[arg(skip = ClientRate::Auto)]
    pub client_rate: ClientRate,
    /// Connections in the in-process pool and in PgBouncer's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pool_size: u32,
    /// The values of each factor.
    #[arg(skip)]
    pub factors: FactorLists,
    /// Whether levels whose page size the host does not grant may be left out;
    /// otherwise the run is partial without them.
    #[arg(skip)]
    pub page_size_if_granted: bool,
    /// Measured time per arm and level (one combination of all lists), over all its blocks (10s, 500ms)
    #[arg(long = "duration", value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    pub duration_ns: u64,
    /// Warm-up of each block
    #[arg(long = "warmup", value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub warmup_ns: u64,
    /// Blocks per arm and level
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub blocks: u32,
    /// Fresh server starts (or arrays) per level
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub starts: u32,
    /// Seed of the block order and of the arrivals
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub seed: u64,
    /// Spacing of paced arrivals
    #[arg(long, value_enum)]
    pub arrivals: Arrivals,
    /// Keep idle cores awake: auto, pm (power management), spin (SCHED_IDLE spinners) or off
    #[arg(long, value_name = "HOW")]
    pub keep_awake: KeepAwakeChoice,
    /// Percentile to quote in headlines and verdicts
    #[arg(long = "quote", value_name = "P", value_parser = values::percentile)]
    pub quoted_percentile: f64,
    /// Statements slower than this are slow (200us); default: the p99 of the baseline arm (kept-open), from a calibration
    #[arg(long = "slow-over", value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_over_ns: Option<u64>,
    /// Model settings.
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelConfig>,
    /// Server settings.
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerConfig>,
}

/// Longest warm-up and measured part of one block together, in ns.
const LONGEST_BLOCK: u64 = 3_600_000_000_000;

/// Most blocks of an arm; every block's histograms are kept in memory and in the run file.
const MOST_BLOCKS: u32 = 10_000;

/// Most levels of a run: a thousand numbers of standing connections, or fewer
/// with other factors beside them.
const MOST_LEVELS: usize = 1_000;

impl Config {
    /// The levels: every combination of the factors' values that can exist, in the order in which they
    /// were asked for. Of a server by URL nothing is set, so nothing of it is a factor.
    pub fn levels(&self) -> Vec<Factors> {
        let mut levels = self.factors.combinations(self.mode);
        match &self.server {
            Some(server) => {
                // With nothing standing there is nothing to lie in front of or behind.
                let first = self.factors.slot_order.first();
                levels.retain(|l| l.standing > 0 || l.slot_order.as_ref() == first);
                combine::keep(&mut levels, &self.factors, server.combine);
            }
            None if self.factors.lock.is_empty() => {
                for level in &mut levels {
                    let profile = level.profile().ok();
                    level.lock = profile.map(|p| LockChoice::from(p.version().lock));
                }
            }
            None => {}
        }
        levels
    }

    /// Checks that the request makes sense.
    ///
    /// # Errors
    /// One line that says which option is wrong and what to give instead.
    pub fn validate(&self) -> anyhow::Result<()> {
        ensure!(
            !self.arms.is_empty(),
            "--arms is empty: name at least one arm"
        );
        let is_url = self.server.as_ref().is_some_and(ServerConfig::is_url);
        for &arm in &self.arms {
            if !arm.exists_in(self.mode) {
                let arms: Vec<&str> = Arm::all_in(self.mode).iter().map(|a| a.name()).collect();
                bail!(
                    "the {} has no arm '{arm}': choose from {}",
                    self.mode,
                    arms.join(", ")
                );
            }
            if let Some(why) = arm.needs_own_server().filter(|_| is_url) {
                bail!(
                    "arm '{arm}' is for servers that procbench starts ({why}): the one at --server URL is left as it is"
                );
            }
        }
        for (name, value) in [
            ("--readers", self.readers),
            ("--clients", self.clients),
            ("--pool-size", self.pool_size),
            ("--blocks", self.blocks),
            ("--starts", self.starts),
        ] {
            ensure!(value > 0, "{name} must be at least 1");
        }
        ensure!(
            self.readers.max(self.clients).max(self.pool_size) <= 1000,
            "--readers, --clients and --pool-size can be 1000 at most"
        );
        ensure!(
            self.blocks <= MOST_BLOCKS,
            "--blocks {} is too many: at most {MOST_BLOCKS}",
            self.blocks
        );
        ensure!(
            !self.factors.standing.is_empty(),
            "--standing is empty: give one or more numbers, such as 0,500"
        );
        for n in &self.factors.standing {
            ensure!(
                *n <= 100_000,
                "--standing {n} is more than PostgreSQL can hold: at most 100000"
            );
        }
        if let Some(model) = &self.model {
            model.validate(&self.factors)?;
        }
        if let Some(server) = &self.server {
            server.validate(&self.factors)?;
            let mut rates = self.factors.client_rate.iter().chain([&self.client_rate]);
            ensure!(
                !is_url || !rates.any(|r| matches!(r, ClientRate::Share(_))),
                "--client-rate as a share needs a calibration in a closed loop, which is not done to a server that is not ours: give rates per second"
            );
            if let Some(arm) = self.arms.iter().find(|a| a.needs_pgbouncer()) {
                // Its pool is one of transactions, and to 1.20 it knows no prepared statements.
                ensure!(
                    server.protocol != Protocol::Prepared,
                    "--protocol prepared is not for arm '{arm}': give --arms without PgBouncer"
                );
            }
            own_server::check_cap(self, server)?;
        }
        self.check_premapped()?;
        let levels = self.levels().len();
        ensure!(
            levels > 0,
            "--log-connections setup_durations needs PostgreSQL 18 or later: give --pg 18, or off beside it"
        );
        ensure!(
            levels <= MOST_LEVELS,
            "{levels} combinations of --standing and the other lists are too many: at most {MOST_LEVELS}"
        );
        ensure!(
            self.block_ns() >= 1_000_000,
            "--duration over {} blocks leaves less than 1 ms per block: give more time or fewer blocks",
            self.blocks
        );
        ensure!(
            self.block_ns().saturating_add(self.warmup_ns) <= LONGEST_BLOCK,
            "a block (duration / blocks + warm-up) can last one hour at most: give more blocks"
        );
        ensure!(
            self.starts <= self.blocks,
            "--starts {} is more than --blocks {}: every start needs a block",
            self.starts,
            self.blocks
        );
        Ok(())
    }

    /// Whether the levels are the first one and its departures.
    pub fn has_departures(&self) -> bool {
        let departures = |s: &ServerConfig| s.combine == Combine::Departures;
        self.server.as_ref().is_some_and(departures)
    }

    /// Measured length of one block, in ns.
    pub fn block_ns(&self) -> u64 {
        self.duration_ns / u64::from(self.blocks.max(1))
    }

    /// The largest number of standing connections.
    pub fn largest_standing(&self) -> u32 {
        self.factors.standing.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{self, Scale};
    use crate::procarray::SlotOrder;
    use crate::procarray::locks::LockKind;

    fn model_config() -> Config {
        experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Model, Scale::Quick)
    }

    #[test]
    fn levels_are_every_combination_in_the_order_given() {
        let mut config = model_config();
        config.factors.standing = vec![500, 0];
        config.factors.slot_order = vec![SlotOrder::Front, SlotOrder::Behind];
        let checked = LockChoice {
            kind: LockKind::Std,
            reuse_check: true,
        };
        config.factors.lock = vec![LockKind::Std.into(), checked];
        let levels = config.levels();
        assert_eq!(levels.len(), 8);
        let first: Vec<_> = levels[..3]
            .iter()
            .map(|l| (l.standing, l.slot_order.unwrap(), l.lock.unwrap()))
            .collect();
        assert_eq!(
            first,
            [
                (500, SlotOrder::Front, LockKind::Std.into()),
                (500, SlotOrder::Front, checked),
                (500, SlotOrder::Behind, LockKind::Std.into())
            ]
        );
        // The server has no lock to choose, and no slot order without standing connections.
        let mut server = experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Server, Scale::Quick);
        server.factors.standing = vec![500, 0];
        server.factors.slot_order = config.factors.slot_order;
        assert_eq!(server.levels().len(), 3);
    }

    #[test]
    fn a_configuration_survives_its_file() {
        for mode in [Mode::Model, Mode::Server] {
            for experiment in experiment::registry()
                .iter()
                .filter(|e| e.modes.contains(&mode))
            {
                let config = experiment.config(mode, Scale::Full);
                let json = serde_json::to_string(&config).unwrap();
                assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
            }
        }
    }

    #[test]
    fn no_number_of_standing_connections_is_refused() {
        let mut config = model_config();
        config.factors.standing.clear();
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("--standing is empty")
        );
    }
}
