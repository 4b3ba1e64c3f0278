//! Settings only the model has.

use anyhow::{anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::values;
use crate::factor::{FactorLists, Factors};
use crate::procarray::locks::LockKind;
use crate::procarray::{Ablations, MappingKind, PgProfile};

/// What goes on beside readers and clients, in every arm of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Background {
    /// Backends that commit beside readers and clients (1 where --commit-rate asks for some)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub committers: u32,
    /// Their transactions, over all of them, per second; where the rate is a factor, the level's.
    #[arg(skip)]
    pub commit_rate_per_second: f64,
    /// Subtransactions with an xid in each of them
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub subtransactions: u32,
    /// How many of these roll back, each under ProcArrayLock exclusively
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rolled_back_subtransactions: u32,
    /// Readings of pg_stat_activity per second
    #[arg(
        long = "monitor-rate",
        value_name = "RATE",
        allow_negative_numbers = true
    )]
    pub monitor_rate_per_second: f64,
    /// Horizon scans (as vacuum and pruning do) per second
    #[arg(
        long = "horizon-rate",
        value_name = "RATE",
        allow_negative_numbers = true
    )]
    pub horizon_rate_per_second: f64,
    /// Parallel workers started and ended per second
    #[arg(
        long = "parallel-rate",
        value_name = "RATE",
        allow_negative_numbers = true
    )]
    pub parallel_workers_per_second: f64,
}

/// Settings only the model has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ModelConfig {
    /// Which of PostgreSQL's mechanisms are at work.
    #[arg(skip)]
    pub ablations: Ablations,
    /// What goes on beside readers and clients.
    #[command(flatten)]
    pub background: Background,
    /// Snapshots per statement
    #[arg(long = "snapshots", value_name = "N", allow_negative_numbers = true)]
    pub snapshots_per_statement: u32,
    /// CPU burnt for the fork of each connection (500us)
    // Outside any lock.
    #[arg(long = "fork-cpu", value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub fork_cpu_ns: u64,
    /// CPU burnt for authentication, catalogue loading and exit of each connection (1500us)
    // Outside any lock.
    #[arg(long = "session-cpu", value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub session_cpu_ns: u64,
    /// Where the two CPU costs come from, in words.
    #[arg(skip)]
    pub cpu_cost_source: String,
    /// Positive control: a known delay inside ProcArrayAdd's exclusive section
    #[arg(long = "inject-hold", value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    pub inject_hold_ns: u64,
}

/// Most committers, monitors and the like.
const MOST_BACKGROUND: u32 = 1_000;
/// Most operations per second of any of them.
const FASTEST: f64 = 10_000_000.0;

impl ModelConfig {
    /// Threads of the background, at the level that has most of them.
    pub fn background_threads(&self, lists: &FactorLists) -> u32 {
        let b = &self.background;
        let others = [
            b.monitor_rate_per_second,
            b.horizon_rate_per_second,
            b.parallel_workers_per_second,
        ];
        let committers = if self.commits(lists) { b.committers } else { 0 };
        committers + others.iter().filter(|rate| **rate > 0.0).count() as u32
    }

    /// The settings at one level: its rate of commits, where that is a factor.
    pub fn at(&self, level: &Factors) -> ModelConfig {
        let mut model = self.clone();
        if let Some(rate) = level.commit_rate {
            model.background.commit_rate_per_second = rate.0;
        }
        model
    }

    pub(super) fn validate(&self, lists: &FactorLists) -> anyhow::Result<()> {
        let profiles = lists
            .pg
            .iter()
            .map(|pg| PgProfile::of_version(&pg.to_string()));
        let profiles: Vec<PgProfile> = profiles
            .collect::<Result<_, _>>()
            .map_err(|problem| anyhow!("--pg: {problem}"))?;
        let b = &self.background;
        for (name, value) in [
            ("--committers", b.committers),
            ("--subtransactions", b.subtransactions),
        ] {
            ensure!(
                value <= MOST_BACKGROUND,
                "{name} can be {MOST_BACKGROUND} at most"
            );
        }
        ensure!(
            b.rolled_back_subtransactions <= b.subtransactions,
            "--rolled-back-subtransactions {0} are more than there are: give --subtransactions {0} or more",
            b.rolled_back_subtransactions
        );
        let rates = [
            ("--commit-rate", b.commit_rate_per_second),
            ("--monitor-rate", b.monitor_rate_per_second),
            ("--horizon-rate", b.horizon_rate_per_second),
            ("--parallel-rate", b.parallel_workers_per_second),
        ];
        let commit_rates = lists.commit_rate.iter().map(|r| ("--commit-rate", r.0));
        for (name, rate) in rates.into_iter().chain(commit_rates) {
            ensure!(
                (0.0..=FASTEST).contains(&rate),
                "{name} {rate} makes no sense: 0 to {FASTEST} per second"
            );
        }
        ensure!(
            b.committers > 0 || !self.commits(lists),
            "--commit-rate needs someone who commits: give --committers"
        );
        let reuses = self.ablations.reuse && profiles.iter().all(|p| p.version().dense_arrays);
        ensure!(
            reuses || !lists.lock.iter().any(|lock| lock.reuse_check),
            "+reuse-check needs snapshots that are reused: not in PostgreSQL 13, and not --without reuse"
        );
        let mut locks = lists.lock.iter();
        if let Some(lock) = locks.find(|l| !l.kind.works_between_processes()) {
            ensure!(
                !lists.mapping.contains(&MappingKind::Forked),
                "--mapping forked needs a lock that works between processes, and {lock} does not: give --lock {}",
                LockKind::between_processes()
            );
        }
        Ok(())
    }

    /// Whether anything commits at some level.
    fn commits(&self, lists: &FactorLists) -> bool {
        self.background.commit_rate_per_second > 0.0 || lists.commit_rate.iter().any(|r| r.0 > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::Config;
    use crate::experiment::{self, Scale};
    use crate::factor::{CommitRate, PgSource};
    use crate::procarray::PageSize;

    fn model(change: impl FnOnce(&mut FactorLists, &mut ModelConfig)) -> Config {
        let mut config = experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Model, Scale::Quick);
        change(&mut config.factors, config.model.as_mut().unwrap());
        config
    }

    #[test]
    fn every_list_makes_levels_and_a_version_brings_its_lock() {
        let config = model(|lists, model| {
            lists.pg = vec![PgSource::Major(13), PgSource::Major(18)];
            lists.mapping = vec![MappingKind::Shared, MappingKind::Fresh];
            lists.page_size = vec![PageSize::Small, PageSize::Huge];
            lists.commit_rate = vec![0, 10, 1000]
                .into_iter()
                .map(CommitRate::from)
                .collect();
            model.background.committers = 1;
        });
        config.validate().unwrap();
        let levels = config.levels();
        assert_eq!(levels.len(), config.factors.standing.len() * 2 * 2 * 2 * 3);
        for level in &levels {
            let own = match level.profile().unwrap() {
                PgProfile::V13 => LockKind::LwLock17,
                _ => LockKind::LwLock18,
            };
            assert_eq!(level.lock, Some(own.into()));
        }
        let last = &levels[23];
        assert_eq!(last.profile(), Ok(PgProfile::V18));
        assert_eq!(
            (last.mapping, last.page_size),
            (Some(MappingKind::Fresh), Some(PageSize::Huge))
        );
        let one = config.model.unwrap().at(last);
        assert_eq!(one.background.commit_rate_per_second, 1000.0);
    }

    /// The rule was written twice: here lwlock-19 was refused, where the array is made it was allowed.
    #[test]
    fn forked_takes_exactly_the_locks_that_work_between_processes() {
        for &kind in LockKind::ALL {
            let config = model(|lists, _| {
                lists.mapping = vec![MappingKind::Forked];
                lists.lock = vec![kind.into()];
            });
            assert_eq!(
                config.validate().is_ok(),
                kind.works_between_processes(),
                "{kind}"
            );
        }
        let able = LockKind::ALL.iter().filter(|k| k.works_between_processes());
        let able: Vec<&str> = able.map(|k| k.name()).collect();
        assert_eq!(able, ["lwlock-17", "lwlock-18", "lwlock-19"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        type Change = fn(&mut FactorLists, &mut ModelConfig);
        let refused = |change: Change| model(change).validate().unwrap_err().to_string();
        let version = refused(|lists, _| lists.pg = vec![PgSource::Major(12)]);
        assert!(
            version.starts_with("--pg: unknown PostgreSQL version"),
            "{version}"
        );
        let commits = refused(|lists, _| lists.commit_rate = vec![CommitRate(5.0)]);
        assert!(commits.contains("--committers"), "{commits}");
        let rate = refused(|_, m| m.background.monitor_rate_per_second = -1.0);
        assert!(rate.contains("--monitor-rate"), "{rate}");
        assert!(refused(|_, m| m.background.committers = 1_001).contains("--committers"));
        let too_many = refused(|_, m| m.background.rolled_back_subtransactions = 1);
        assert!(
            too_many.contains("--subtransactions 1 or more"),
            "{too_many}"
        );
        let nothing_to_reuse = refused(|lists, _| {
            lists.pg = vec![PgSource::Major(15), PgSource::Major(13)];
            lists.lock = vec!["std+reuse-check".parse().unwrap()];
        });
        assert!(nothing_to_reuse.starts_with("+reuse-check needs snapshots"));
        let forked = refused(|lists, _| {
            lists.mapping = vec![MappingKind::Forked];
            lists.lock = vec![LockKind::Std.into()];
        });
        assert!(
            forked.contains("between processes, and std does not"),
            "{forked}"
        );
    }
}
