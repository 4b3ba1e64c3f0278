//! What a run was asked to do: typed, validated, stored in the run file.

mod combine;
mod keep_awake;
mod model;
mod own_server;
mod server;
mod server_choice;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::arm::{Arm, Mode};
use crate::factor::{ClientRate, Factors, OfferedRate};
use crate::procarray::SlotOrder;

pub use crate::factor::{Auth, Combine, LogConnections, PgSource, StandingState, Tls};
pub use keep_awake::KeepAwakeChoice;
pub use model::{Background, ModelConfig};
pub use own_server::{GENTLE_CLIENT_RATE, OwnServer, gentle};
pub use server::{ServerConfig, default_shared_buffers, size_kb};
pub use server_choice::{EndpointHost, ServerChoice, ServerUrl, ServerUrlError};

/// How arrivals of a paced load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Independent arrivals with exponential gaps (the default).
    Poisson,
    /// Equal gaps, with a random phase for each worker.
    Even,
}

/// When a disconnect counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Disconnect {
    /// At the server's EOF: the backend has left the ProcArray.
    Wait,
    /// At once after Terminate, as libpq does.
    Close,
}

/// How statements are sent; the names are pgbench's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The text each time (Query).
    #[default]
    Simple,
    /// Prepared once per connection (Parse), then executed (Bind, Describe, Execute).
    Prepared,
}

/// The statement that readers and clients run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// pgbench's select-only script: one row of `pgbench_accounts` by key.
    SelectOnly,
    /// Any SQL text.
    Sql(String),
}

impl FromStr for Statement {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.trim() {
            "" => Err("the query is empty".to_owned()),
            "select-only" => Ok(Statement::SelectOnly),
            sql => Ok(Statement::Sql(sql.to_owned())),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::SelectOnly => f.write_str("select-only"),
            Statement::Sql(sql) => f.write_str(sql),
        }
    }
}

/// One value, or a list of them; each by its name.
fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    let names = match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::Many(names) => names,
    };
    names
        .iter()
        .map(|name| name.parse().map_err(serde::de::Error::custom))
        .collect()
}

/// Every level with every value of one more factor.
fn crossed<T: ToString>(
    levels: &[Factors],
    values: &[T],
    set: impl Fn(&mut Factors, String),
) -> Vec<Factors> {
    let each = |level: &Factors, value: &T| {
        let mut level = level.clone();
        set(&mut level, value.to_string());
        level
    };
    levels
        .iter()
        .flat_map(|level| values.iter().map(move |value| each(level, value)))
        .collect()
}

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
    /// Their total rates, a level each; empty where the rate is no factor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_rates: Vec<ClientRate>,
    /// Connections in the pools (in-process and PgBouncer).
    pub pool_size: u32,
    /// Numbers of standing connections.
    pub standing: Vec<u32>,
    /// Where churn finds its slots, a level each. One alone in files of earlier
    /// versions.
    #[serde(rename = "slot_order", deserialize_with = "one_or_many")]
    pub slot_orders: Vec<SlotOrder>,
    /// Measured time per arm at each level, over all its blocks, in ns.
    pub duration_ns: u64,
    /// Warm-up of each block, in ns.
    pub warmup_ns: u64,
    /// Blocks per arm at each level.
    pub blocks: u32,
    /// Fresh starts at each level.
    pub visits: u32,
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

/// A request that makes no sense; one line, says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Longest warm-up and measured part of one block together.
const LONGEST_BLOCK: Duration = Duration::from_secs(3600);

/// Most blocks of an arm; every block's histograms are kept in memory and in the run file.
const MOST_BLOCKS: u32 = 10_000;

/// Most levels of a run: a thousand numbers of standing connections, or fewer
/// with other factors beside them.
const MOST_LEVELS: usize = 1_000;

impl Config {
    /// The levels: every combination of standing connections and the other
    /// factors, in the order in which they were asked for. Factors that show
    /// only when the server runs are not named.
    pub fn levels(&self) -> Vec<Factors> {
        let mut levels: Vec<Factors> = self
            .standing
            .iter()
            .map(|&n| Factors::standing(n))
            .collect();
        levels = crossed(&levels, &self.slot_orders, |l, v| l.slot_order = Some(v));
        if self.mode == Mode::Server {
            // With nothing standing there is nothing to lie in front of or behind.
            let first = self.slot_orders.first().map(ToString::to_string);
            levels.retain(|l| l.standing > 0 || l.slot_order == first);
        }
        if let Some(model) = &self.model {
            levels = model.cross_into(levels);
        }
        if let Some(server) = &self.server {
            levels = server.cross_into(levels);
        }
        if !self.client_rates.is_empty() {
            levels = crossed(&levels, &self.client_rates, |l, v| l.client_rate = Some(v));
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
            ("--starts", self.visits),
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
        if self.standing.is_empty() {
            return fail("--standing is empty: give one or more numbers, such as 0,500".into());
        }
        if let Some(n) = self.standing.iter().find(|&&n| n > 100_000) {
            return fail(format!(
                "--standing {n} is more than PostgreSQL can hold: at most 100000"
            ));
        }
        if self.slot_orders.is_empty() {
            return fail("--slot-order is empty: give one or more, such as front,behind".into());
        }
        if let Some(model) = &self.model {
            model.validate()?;
        }
        if let Some(server) = &self.server {
            server.validate()?;
            let mut rates = self.client_rates.iter().chain([&self.client_rate]);
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
        if self.visits > self.blocks {
            return fail(format!(
                "--starts {} is more than --blocks {}: every start needs a block",
                self.visits, self.blocks
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
        self.standing.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{self, Scale};
    use crate::procarray::locks::{LockChoice, LockKind};

    fn model_config() -> Config {
        (experiment::find("churn-tail").unwrap().config)(Mode::Model, Scale::Quick)
    }

    #[test]
    fn levels_are_every_combination_in_the_order_given() {
        let mut config = model_config();
        config.standing = vec![500, 0];
        config.slot_orders = vec![SlotOrder::Front, SlotOrder::Behind];
        let checked = LockChoice {
            kind: LockKind::Std,
            reuse_check: true,
        };
        config.model.as_mut().unwrap().locks = vec![LockKind::Std.into(), checked];
        let levels = config.levels();
        assert_eq!(levels.len(), 8);
        let first: Vec<_> = levels[..3]
            .iter()
            .map(|l| {
                let names = (l.slot_order.as_deref(), l.lock.as_deref());
                (l.standing, names.0.unwrap(), names.1.unwrap())
            })
            .collect();
        assert_eq!(
            first,
            [
                (500, "front", "std"),
                (500, "front", "std+reuse-check"),
                (500, "behind", "std")
            ]
        );
        // The server has no lock to choose, and no slot order without standing connections.
        config.model = None;
        config.mode = Mode::Server;
        assert_eq!(config.levels().len(), 3);
    }

    #[test]
    fn files_with_one_slot_order_and_one_lock_are_read() {
        let mut old = serde_json::to_value(model_config()).unwrap();
        assert_eq!(old["slot_order"], serde_json::json!(["front"]));
        old["slot_order"] = "behind".into();
        old["model"]["lock"] = "std".into();
        let config: Config = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(config.slot_orders, [SlotOrder::Behind]);
        assert_eq!(config.model.unwrap().locks, [LockKind::Std.into()]);
        old["model"]["lock"] = serde_json::json!(["mutex"]);
        let error = serde_json::from_value::<Config>(old).unwrap_err();
        assert!(error.to_string().contains("unknown lock \"mutex\""));
    }

    #[test]
    fn an_empty_list_is_refused() {
        let mut config = model_config();
        config.slot_orders.clear();
        let error = config.validate().unwrap_err();
        assert!(error.0.contains("--slot-order is empty"));
    }
}
