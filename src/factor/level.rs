//! Factors: the settings that make a level. A level is one combination of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The settings under which a block ran, beside its arm; also the key of a
/// level. Ordered by standing connections first. Files may hold factors this
/// version does not know; they are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Factors {
    /// Standing connections.
    pub standing: u32,
    /// PostgreSQL major version, or the model's version profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg: Option<String>,
    /// Where churn finds its slots relative to the standing connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_order: Option<String>,
    /// The model's lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// `tcp` or `unix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Size of the pages that hold shared memory: `4k` or `2m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<String>,
    /// How the mapping of shared memory comes to a new process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Transactions with an xid that end, per second, over all of the model's committers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_rate: Option<String>,
    /// The clients' total rate, as it was asked for: `200/s`, `max`, or a share `50%` of what
    /// the weakest arm sustains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_rate: Option<String>,
    /// Authentication: `trust`, `md5` or `scram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Whether connections are encrypted: `on` or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The server's `shared_buffers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_buffers: Option<String>,
    /// What the standing connections are: `idle` or `in-transaction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_state: Option<String>,
    /// The server's `scram_iterations`, with SCRAM authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram_iterations: Option<String>,
    /// What the server logs about each connection (`log_connections`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_connections: Option<String>,
}

/// A factor beside the number of standing connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// [`Factors::pg`].
    Pg,
    /// [`Factors::slot_order`].
    SlotOrder,
    /// [`Factors::lock`].
    Lock,
    /// [`Factors::transport`].
    Transport,
    /// [`Factors::page_size`].
    PageSize,
    /// [`Factors::mapping`].
    Mapping,
    /// [`Factors::commit_rate`].
    CommitRate,
    /// [`Factors::client_rate`].
    ClientRate,
    /// [`Factors::auth`].
    Auth,
    /// [`Factors::tls`].
    Tls,
    /// [`Factors::shared_buffers`].
    SharedBuffers,
    /// [`Factors::standing_state`].
    StandingState,
    /// [`Factors::scram_iterations`].
    ScramIterations,
    /// [`Factors::log_connections`].
    LogConnections,
}

impl Factor {
    /// Every factor, in the order in which titles name them.
    pub const ALL: [Factor; 14] = [
        Factor::Pg,
        Factor::SlotOrder,
        Factor::Lock,
        Factor::Transport,
        Factor::PageSize,
        Factor::Mapping,
        Factor::CommitRate,
        Factor::ClientRate,
        Factor::Auth,
        Factor::Tls,
        Factor::SharedBuffers,
        Factor::StandingState,
        Factor::ScramIterations,
        Factor::LogConnections,
    ];

    /// The name of its column in files.
    pub fn key(self) -> &'static str {
        match self {
            Factor::Pg => "pg",
            Factor::SlotOrder => "slot_order",
            Factor::Lock => "lock",
            Factor::Transport => "transport",
            Factor::PageSize => "page_size",
            Factor::Mapping => "mapping",
            Factor::CommitRate => "commit_rate",
            Factor::ClientRate => "client_rate",
            Factor::Auth => "auth",
            Factor::Tls => "tls",
            Factor::SharedBuffers => "shared_buffers",
            Factor::StandingState => "standing_state",
            Factor::ScramIterations => "scram_iterations",
            Factor::LogConnections => "log_connections",
        }
    }

    /// The word before the value in titles.
    pub fn name(self) -> &'static str {
        match self {
            Factor::Pg => "PostgreSQL",
            Factor::SlotOrder => "slots",
            Factor::Lock => "lock",
            Factor::Transport => "transport",
            Factor::PageSize => "pages",
            Factor::Mapping => "mapping",
            Factor::CommitRate => "commits/s",
            Factor::ClientRate => "clients at",
            Factor::Auth => "auth",
            Factor::Tls => "TLS",
            Factor::SharedBuffers => "shared_buffers",
            Factor::StandingState => "standing",
            Factor::ScramIterations => "SCRAM iterations",
            Factor::LogConnections => "log_connections",
        }
    }
}

impl Factors {
    /// A level that names its standing connections only.
    pub fn standing(standing: u32) -> Self {
        Factors {
            standing,
            ..Factors::default()
        }
    }

    /// The value of one factor.
    pub fn get(&self, factor: Factor) -> Option<&str> {
        match factor {
            Factor::Pg => &self.pg,
            Factor::SlotOrder => &self.slot_order,
            Factor::Lock => &self.lock,
            Factor::Transport => &self.transport,
            Factor::PageSize => &self.page_size,
            Factor::Mapping => &self.mapping,
            Factor::CommitRate => &self.commit_rate,
            Factor::ClientRate => &self.client_rate,
            Factor::Auth => &self.auth,
            Factor::Tls => &self.tls,
            Factor::SharedBuffers => &self.shared_buffers,
            Factor::StandingState => &self.standing_state,
            Factor::ScramIterations => &self.scram_iterations,
            Factor::LogConnections => &self.log_connections,
        }
        .as_deref()
    }

    fn get_mut(&mut self, factor: Factor) -> &mut Option<String> {
        match factor {
            Factor::Pg => &mut self.pg,
            Factor::SlotOrder => &mut self.slot_order,
            Factor::Lock => &mut self.lock,
            Factor::Transport => &mut self.transport,
            Factor::PageSize => &mut self.page_size,
            Factor::Mapping => &mut self.mapping,
            Factor::CommitRate => &mut self.commit_rate,
            Factor::ClientRate => &mut self.client_rate,
            Factor::Auth => &mut self.auth,
            Factor::Tls => &mut self.tls,
            Factor::SharedBuffers => &mut self.shared_buffers,
            Factor::StandingState => &mut self.standing_state,
            Factor::ScramIterations => &mut self.scram_iterations,
            Factor::LogConnections => &mut self.log_connections,
        }
    }

    /// Standing connections and these factors alone.
    pub fn only(&self, factors: &[Factor]) -> Factors {
        let mut kept = Factors::standing(self.standing);
        for &factor in factors {
            *kept.get_mut(factor) = self.get(factor).map(str::to_owned);
        }
        kept
    }

    /// Whether both have the same number of standing connections and no factor
    /// that both name differs.
    pub fn agrees_with(&self, other: &Factors) -> bool {
        self.standing == other.standing
            && Factor::ALL
                .iter()
                .all(|&f| match (self.get(f), other.get(f)) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                })
    }

    /// How many factors it names beside standing connections.
    pub(crate) fn named(&self) -> usize {
        Factor::ALL
            .iter()
            .filter(|&&f| self.get(f).is_some())
            .count()
    }

    /// Words for the factors that vary, such as `lock std, slots behind`.
    pub fn words(&self, varying: &[Factor]) -> Vec<String> {
        varying
            .iter()
            .filter_map(|&f| Some(format!("{} {}", f.name(), self.get(f)?)))
            .collect()
    }

    /// Standing connections, then the factors that vary: `500, lock std`.
    pub fn label(&self, varying: &[Factor]) -> String {
        std::iter::once(self.standing.to_string())
            .chain(self.words(varying))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The same without blanks, for tags: `500/std`.
    pub fn tag(&self, varying: &[Factor]) -> String {
        std::iter::once(self.standing.to_string())
            .chain(
                varying
                    .iter()
                    .filter_map(|&f| self.get(f).map(str::to_owned)),
            )
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// The factors beside standing connections that do not have one value
/// throughout these levels. A lock that follows from the version (each version's
/// own) is not named beside it.
pub fn varying<'a>(levels: impl IntoIterator<Item = &'a Factors> + Clone) -> Vec<Factor> {
    let combinations = |factors: &[Factor]| {
        let values: BTreeSet<Vec<Option<&str>>> = levels
            .clone()
            .into_iter()
            .map(|l| factors.iter().map(|&f| l.get(f)).collect())
            .collect();
        values.len()
    };
    let versions = combinations(&[Factor::Pg]);
    let lock_follows = versions > 1 && combinations(&[Factor::Pg, Factor::Lock]) == versions;
    Factor::ALL
        .into_iter()
        .filter(|&f| combinations(&[f]) > 1 && !(f == Factor::Lock && lock_follows))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_lock(standing: u32, lock: &str) -> Factors {
        Factors {
            lock: Some(lock.to_owned()),
            ..Factors::standing(standing)
        }
    }

    #[test]
    fn only_factors_that_vary_are_named() {
        let levels = [with_lock(500, "std"), with_lock(500, "sharded")];
        assert_eq!(varying(&levels), [Factor::Lock]);
        assert_eq!(levels[0].label(&varying(&levels)), "500, lock std");
        assert_eq!(levels[1].tag(&[Factor::Lock]), "500/sharded");
        assert_eq!(levels[0].label(&varying(&levels[..1])), "500");
        assert_eq!(varying(&[Factors::standing(0), Factors::standing(9)]), []);
    }

    #[test]
    fn a_lock_that_comes_with_the_version_is_not_named() {
        let level = |pg: &str, lock: &str| Factors {
            pg: Some(pg.to_owned()),
            ..with_lock(500, lock)
        };
        let own = [level("15", "lwlock-17"), level("18", "lwlock-18")];
        assert_eq!(varying(&own), [Factor::Pg]);
        let chosen = [own[0].clone(), own[1].clone(), level("18", "std")];
        assert_eq!(varying(&chosen), [Factor::Pg, Factor::Lock]);
    }
}
