//! Settings only the model has.

use serde::{Deserialize, Serialize};

use super::{ConfigError, one_or_many};
use crate::factor::Factors;
use crate::procarray::locks::{LockChoice, LockKind};
use crate::procarray::{Ablations, MappingKind, PageSize, PgProfile};

/// What goes on beside readers and clients, in every arm of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Background {
    /// Backends that get an xid and commit, again and again.
    pub committers: u32,
    /// Their transactions, over all of them, per second. Where
    /// [`ModelConfig::commit_rates`] makes levels, the level's.
    pub commit_rate_per_second: f64,
    /// Subtransactions of each of them that get an xid.
    pub subtransactions: u32,
    /// As many of these, the last ones, roll back.
    pub rolled_back_subtransactions: u32,
    /// Readings of `pg_stat_activity`, per second.
    pub monitor_rate_per_second: f64,
    /// Horizon scans (`ComputeXidHorizons`), per second.
    pub horizon_rate_per_second: f64,
    /// Parallel workers that start and end, per second.
    pub parallel_workers_per_second: f64,
}

/// Settings only the model has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The PostgreSQL versions whose ProcArray is modelled, a level each. 15 in
    /// files of earlier versions.
    #[serde(
        rename = "pg",
        default = "only_default",
        deserialize_with = "one_or_many"
    )]
    pub profiles: Vec<PgProfile>,
    /// How connections see the shared memory, a level each.
    #[serde(
        rename = "mapping",
        default = "only_default",
        deserialize_with = "one_or_many"
    )]
    pub mappings: Vec<MappingKind>,
    /// Page sizes of the shared memory, a level each.
    #[serde(
        rename = "page_size",
        default = "only_default",
        deserialize_with = "one_or_many"
    )]
    pub page_sizes: Vec<PageSize>,
    /// Whether levels whose page size the host does not grant may be left out;
    /// otherwise the run is partial without them.
    #[serde(default)]
    pub page_size_if_granted: bool,
    /// Which of PostgreSQL's mechanisms are at work.
    #[serde(default)]
    pub ablations: Ablations,
    /// What goes on beside readers and clients.
    #[serde(default)]
    pub background: Background,
    /// Rates of the committers, a level each; empty where they are no factor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commit_rates: Vec<f64>,
    /// The locks that stand for ProcArrayLock and XidGenLock, a level each;
    /// empty for the version's own. One alone in files of earlier versions.
    #[serde(rename = "lock", deserialize_with = "one_or_many")]
    pub locks: Vec<LockChoice>,
    /// Snapshots per statement takes (2 for a simple-protocol SELECT).
    pub snapshots_per_statement: u32,
    /// Shared acquisitions of a connection before its first statement is over,
    /// beyond the statement's own; `None` for the version's own number
    /// ([`PgProfile::snapshots_per_connect`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots_per_connect: Option<u32>,
    /// CPU burnt for the fork of each connection, in ns, outside any lock.
    pub fork_cpu_ns: u64,
    /// CPU burnt for authentication, catalogue loading and exit of each
    /// connection, in ns, outside any lock.
    pub session_cpu_ns: u64,
    /// Where the two CPU costs come from, in words.
    pub cpu_cost_source: String,
    /// A known delay inside ProcArrayAdd's exclusive section, in ns: the positive control.
    pub inject_hold_ns: u64,
}

fn only_default<T: Default>() -> Vec<T> {
    vec![T::default()]
}

/// Most committers, monitors and the like.
const MOST_BACKGROUND: u32 = 1_000;
/// Most operations per second of any of them.
const FASTEST: f64 = 10_000_000.0;

impl ModelConfig {
    /// The version, where there is one; the first of several.
    pub fn profile(&self) -> PgProfile {
        self.profiles.first().copied().unwrap_or_default()
    }

    /// Snapshots of a connection beyond its statement's own.
    pub fn connect_snapshots(&self) -> u32 {
        self.snapshots_per_connect
            .unwrap_or_else(|| self.profile().snapshots_per_connect())
    }

    /// Threads of the background, at the level that has most of them.
    pub fn background_threads(&self) -> u32 {
        let b = &self.background;
        let mut commit_rates = self.commit_rates.iter().chain([&b.commit_rate_per_second]);
        let committers = if commit_rates.any(|rate| *rate > 0.0) {
            b.committers
        } else {
            0
        };
        let others = [
            b.monitor_rate_per_second,
            b.horizon_rate_per_second,
            b.parallel_workers_per_second,
        ];
        committers + others.iter().filter(|rate| **rate > 0.0).count() as u32
    }

    /// The locks in words.
    pub fn lock_words(&self) -> String {
        if !self.locks.is_empty() {
            return listed(&self.locks);
        }
        match &self.profiles[..] {
            [one] => one.lock().to_string(),
            _ => "each version's own".to_owned(),
        }
    }

    /// The model's part of every level, crossed into `levels`.
    pub(super) fn cross_into(&self, mut levels: Vec<Factors>) -> Vec<Factors> {
        levels = super::crossed(&levels, &self.profiles, |l, v| l.pg = Some(v));
        if self.locks.is_empty() {
            for (level, profile) in levels.iter_mut().zip(self.profiles.iter().cycle()) {
                level.lock = Some(LockChoice::from(profile.lock()).to_string());
            }
        } else {
            levels = super::crossed(&levels, &self.locks, |l, v| l.lock = Some(v));
        }
        levels = super::crossed(&levels, &self.mappings, |l, v| l.mapping = Some(v));
        levels = super::crossed(&levels, &self.page_sizes, |l, v| l.page_size = Some(v));
        if !self.commit_rates.is_empty() {
            levels = super::crossed(&levels, &self.commit_rates, |l, v| l.commit_rate = Some(v));
        }
        levels
    }

    /// The settings at one level: every list holds the level's value alone.
    ///
    /// # Errors
    /// A factor's value that the model does not know, in one line.
    pub fn at(&self, level: &Factors) -> Result<ModelConfig, ConfigError> {
        fn only<T>(target: &mut Vec<T>, named: Option<&str>) -> Result<(), ConfigError>
        where
            T: std::str::FromStr<Err: std::fmt::Display> + Default,
        {
            if let Some(name) = named {
                let value = name
                    .parse()
                    .map_err(|e: T::Err| ConfigError(e.to_string()))?;
                *target = vec![value];
            } else {
                target.truncate(1);
                if target.is_empty() {
                    target.push(T::default());
                }
            }
            Ok(())
        }
        let mut one = self.clone();
        only(&mut one.profiles, level.pg.as_deref())?;
        only(&mut one.locks, level.lock.as_deref())?;
        only(&mut one.mappings, level.mapping.as_deref())?;
        only(&mut one.page_sizes, level.page_size.as_deref())?;
        if let Some(rate) = level.commit_rate.as_deref() {
            let rate = rate
                .parse()
                .map_err(|_| ConfigError(format!("'{rate}' is not a rate of commits")))?;
            one.background.commit_rate_per_second = rate;
        }
        one.commit_rates.clear();
        Ok(one)
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        for (name, empty, such_as) in [
            ("--pg", self.profiles.is_empty(), "15,18"),
            ("--mapping", self.mappings.is_empty(), "fresh,shared"),
            ("--page-size", self.page_sizes.is_empty(), "4k,2m"),
        ] {
            if empty {
                return fail(format!(
                    "{name} is empty: give one or more, such as {such_as}"
                ));
            }
        }
        let b = &self.background;
        for (name, value) in [
            ("--committers", b.committers),
            ("--subtransactions", b.subtransactions),
        ] {
            if value > MOST_BACKGROUND {
                return fail(format!("{name} can be {MOST_BACKGROUND} at most"));
            }
        }
        if b.rolled_back_subtransactions > b.subtransactions {
            return fail(format!(
                "--rolled-back-subtransactions {} are more than there are: give --subtransactions {0} or more",
                b.rolled_back_subtransactions
            ));
        }
        let rates = [
            ("--commit-rate", b.commit_rate_per_second),
            ("--monitor-rate", b.monitor_rate_per_second),
            ("--horizon-rate", b.horizon_rate_per_second),
            ("--parallel-rate", b.parallel_workers_per_second),
        ];
        let commit_rates = self.commit_rates.iter().map(|&r| ("--commit-rate", r));
        for (name, rate) in rates.into_iter().chain(commit_rates) {
            if !(0.0..=FASTEST).contains(&rate) {
                return fail(format!(
                    "{name} {rate} makes no sense: 0 to {FASTEST} per second"
                ));
            }
        }
        let commits = b.commit_rate_per_second > 0.0 || self.commit_rates.iter().any(|&r| r > 0.0);
        if commits && b.committers == 0 {
            return fail("--commit-rate needs someone who commits: give --committers".into());
        }
        let reuses = self.ablations.reuse && self.profiles.iter().all(|p| p.has_dense_arrays());
        if !reuses && self.locks.iter().any(|lock| lock.reuse_check) {
            return fail(
                "+reuse-check needs snapshots that are reused: not in PostgreSQL 13, and not --without reuse"
                    .into(),
            );
        }
        let foreign = self
            .locks
            .iter()
            .find(|l| !matches!(l.kind, LockKind::LwLock17 | LockKind::LwLock18));
        if let Some(lock) = foreign
            && self.mappings.contains(&MappingKind::Forked)
        {
            return fail(format!(
                "--mapping forked needs a lock that works between processes, and {lock} does not: give --lock lwlock-17 or lwlock-18"
            ));
        }
        Ok(())
    }
}

fn listed<T: ToString>(values: &[T]) -> String {
    let names: Vec<String> = values.iter().map(T::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::Config;
    use crate::experiment::{self, Scale};

    fn config() -> Config {
        (experiment::find("churn-tail").unwrap().config)(Mode::Model, Scale::Quick)
    }

    fn model(change: impl FnOnce(&mut ModelConfig)) -> Config {
        let mut config = config();
        change(config.model.as_mut().unwrap());
        config
    }

    #[test]
    fn every_list_makes_levels_and_a_version_brings_its_lock() {
        let config = model(|m| {
            m.profiles = vec![PgProfile::V13, PgProfile::V18];
            m.mappings = vec![MappingKind::Shared, MappingKind::Fresh];
            m.page_sizes = vec![PageSize::Small, PageSize::Huge];
            m.commit_rates = vec![0.0, 10.0, 1000.0];
            m.background.committers = 1;
        });
        config.validate().unwrap();
        let levels = config.levels();
        assert_eq!(levels.len(), config.standing.len() * 2 * 2 * 2 * 3);
        for level in &levels {
            let own = match level.pg.as_deref() {
                Some("13") => "lwlock-17",
                _ => "lwlock-18",
            };
            assert_eq!(level.lock.as_deref(), Some(own));
        }
        let one = config.model.unwrap().at(&levels[23]).unwrap();
        assert_eq!(one.profiles, [PgProfile::V18]);
        assert_eq!(one.locks, [LockKind::LwLock18.into()]);
        assert_eq!(one.mappings, [MappingKind::Fresh]);
        assert_eq!(one.page_sizes, [PageSize::Huge]);
        assert_eq!(one.background.commit_rate_per_second, 1000.0);
        assert_eq!(one.connect_snapshots(), 3);
    }

    #[test]
    fn a_file_from_before_versions_is_postgres_15_as_it_is() {
        let mut old = serde_json::to_value(config()).unwrap();
        let fields = old["model"].as_object_mut().unwrap();
        for name in ["pg", "mapping", "page_size", "ablations", "background"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        fields.insert("lock".into(), "lwlock-17".into());
        fields.insert("snapshots_per_connect".into(), 4.into());
        let config: Config = serde_json::from_value(old).unwrap();
        let model = config.model.unwrap();
        assert_eq!(model.profiles, [PgProfile::V15]);
        assert_eq!(model.mappings, [MappingKind::Shared]);
        assert_eq!(model.ablations, Ablations::default());
        assert_eq!(model.background, Background::default());
        assert_eq!(model.connect_snapshots(), 4);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        let refused = |change: fn(&mut ModelConfig)| model(change).validate().unwrap_err().0;
        assert!(refused(|m| m.profiles.clear()).contains("--pg is empty"));
        assert!(refused(|m| m.mappings.clear()).contains("--mapping is empty"));
        assert!(refused(|m| m.page_sizes.clear()).contains("--page-size is empty"));
        assert!(refused(|m| m.commit_rates = vec![5.0]).contains("--committers"));
        assert!(
            refused(|m| m.background.monitor_rate_per_second = -1.0).contains("--monitor-rate")
        );
        assert!(refused(|m| m.background.committers = 1_001).contains("--committers"));
        let too_many = refused(|m| m.background.rolled_back_subtransactions = 1);
        assert!(
            too_many.contains("--subtransactions 1 or more"),
            "{too_many}"
        );
        let nothing_to_reuse = refused(|m| {
            m.profiles = vec![PgProfile::V15, PgProfile::V13];
            m.locks = vec!["std+reuse-check".parse().unwrap()];
        });
        assert!(nothing_to_reuse.starts_with("+reuse-check needs snapshots"));
        let forked = refused(|m| {
            m.mappings = vec![MappingKind::Forked];
            m.locks = vec![LockKind::Std.into()];
        });
        assert!(
            forked.contains("between processes, and std does not"),
            "{forked}"
        );
        let own = model(|m| m.mappings = vec![MappingKind::Forked]);
        assert!(own.validate().is_ok());
    }
}
