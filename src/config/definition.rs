//! All that a run was asked to do, its levels, and what makes no sense.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Arrivals, ConfigError, KeepAwakeChoice, ModelConfig, Protocol, ServerConfig, combine,
    own_server,
};
use crate::arm::{Arm, Mode};
use crate::factor::{ClientRate, FactorLists, Factors, OfferedRate};
use crate::procarray::locks::LockChoice;

/// Everything a run was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The mode.
    pub mode: Mode,
    /// The arms, in order of presentation.
    pub arms: Vec<Arm>,
    /// Foreground readers.
    pub readers: u32,
    /// Their total rate.
    pub reader_rate: OfferedRate,
    /// Clients.
    pub clients: u32,
    /// Their total rate.
    pub client_rate: ClientRate,
    /// Connections in the pools (in-process and PgBouncer).
    pub pool_size: u32,
    /// The values of each factor.
    pub factors: FactorLists,
    /// Whether levels whose page size the host does not grant may be left out;
    /// otherwise the run is partial without them.
    pub page_size_if_granted: bool,
    /// Measured time per arm and level, over all its blocks, in ns.
    pub duration_ns: u64,
    /// Warm-up of each block, in ns.
    pub warmup_ns: u64,
    /// Blocks per arm and level.
    pub blocks: u32,
    /// Fresh starts at each level.
    pub starts: u32,
    /// Seed of order and arrivals.
    pub seed: u64,
    /// Spacing of paced arrivals.
    pub arrivals: Arrivals,
    /// How cores are kept awake.
    pub keep_awake: KeepAwakeChoice,
    /// The percentile quoted in headlines (99 = p99).
    pub quoted_percentile: f64,
    /// Model settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelConfig>,
    /// Server settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerConfig>,
}

/// Longest warm-up and measured part of one block together.
const LONGEST_BLOCK: Duration = Duration::from_secs(3600);

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
                    level.lock = level
                        .profile()
                        .ok()
                        .map(|p| LockChoice::from(p.version().lock));
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
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        if self.arms.is_empty() {
            return fail("--arms is empty: name at least one arm".into());
        }
        if let Some(arm) = self.arms.iter().find(|a| !a.exists_in(self.mode)) {
            let arms: Vec<&str> = Arm::all_in(self.mode).iter().map(|a| a.name()).collect();
            return fail(format!(
                "the {} has no arm '{arm}': choose from {}",
                self.mode,
                arms.join(", ")
            ));
        }
        let is_url = self.server.as_ref().is_some_and(ServerConfig::is_url);
        let absent = |arm: &Arm| Some((*arm, arm.needs_own_server().filter(|_| is_url)?));
        if let Some((arm, why)) = self.arms.iter().find_map(absent) {
            return fail(format!(
                "arm '{arm}' is for servers that procbench starts ({why}): the one at --server URL is left as it is"
            ));
        }
        for (name, value) in [
            ("--readers", self.readers),
            ("--clients", self.clients),
            ("--pool-size", self.pool_size),
            ("--blocks", self.blocks),
            ("--starts", self.starts),
        ] {
            if value == 0 {
                return fail(format!("{name} must be at least 1"));
            }
        }
        if self.readers > 1000 || self.clients > 1000 || self.pool_size > 1000 {
            return fail("--readers, --clients and --pool-size can be 1000 at most".into());
        }
        if self.blocks > MOST_BLOCKS {
            return fail(format!(
                "--blocks {} is too many: at most {MOST_BLOCKS}",
                self.blocks
            ));
        }
        if self.factors.standing.is_empty() {
            return fail("--standing is empty: give one or more numbers, such as 0,500".into());
        }
        if let Some(n) = self.factors.standing.iter().find(|&&n| n > 100_000) {
            return fail(format!(
                "--standing {n} is more than PostgreSQL can hold: at most 100000"
            ));
        }
        if let Some(model) = &self.model {
            model.validate(&self.factors)?;
        }
        if let Some(server) = &self.server {
            server.validate(&self.factors)?;
            let mut rates = self.factors.client_rate.iter().chain([&self.client_rate]);
            if server.is_url() && rates.any(|r| matches!(r, ClientRate::Share(_))) {
                return fail(
                    "--client-rate as a share needs a calibration in a closed loop, which is not done to a server that is not ours: give rates per second"
                        .into(),
                );
            }
            if let Some(arm) = self.arms.iter().find(|a| a.needs_pgbouncer())
                && server.protocol == Protocol::Prepared
            {
                // Its pool is one of transactions, and to 1.20 it knows no prepared statements.
                return fail(format!(
                    "--protocol prepared is not for arm '{arm}': give --arms without PgBouncer"
                ));
            }
            own_server::check_cap(self, server)?;
        }
        let levels = self.levels().len();
        if levels == 0 {
            return fail(
                "--log-connections setup_durations needs PostgreSQL 18 or later: give --pg 18, or off beside it"
                    .into(),
            );
        }
        if levels > MOST_LEVELS {
            return fail(format!(
                "{levels} combinations of --standing and the other lists are too many: at most {MOST_LEVELS}"
            ));
        }
        if self.duration_ns == 0 {
            return fail("--duration must be longer than zero".into());
        }
        if self.block_ns() < 1_000_000 {
            return fail(format!(
                "--duration over {} blocks leaves less than 1 ms per block: give more time or fewer blocks",
                self.blocks
            ));
        }
        if Duration::from_nanos(self.block_ns().saturating_add(self.warmup_ns)) > LONGEST_BLOCK {
            return fail(
                "a block (duration / blocks + warm-up) can last one hour at most: give more blocks"
                    .into(),
            );
        }
        if self.starts > self.blocks {
            return fail(format!(
                "--starts {} is more than --blocks {}: every start needs a block",
                self.starts, self.blocks
            ));
        }
        Ok(())
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
        (experiment::find("churn-tail").unwrap().config)(Mode::Model, Scale::Quick)
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
        let mut server =
            (experiment::find("churn-tail").unwrap().config)(Mode::Server, Scale::Quick);
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
                let config = (experiment.config)(mode, Scale::Full);
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
                .0
                .contains("--standing is empty")
        );
    }
}
