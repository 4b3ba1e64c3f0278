//! What differs from one PostgreSQL version's ProcArray to the next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::locks::LockKind;

/// A PostgreSQL version, as far as the ProcArray knows it (`--pg`).
///
/// Sizes and counts are those measured on x86-64 builds of 13.16, 15.18, 17.11 and 18, and for
/// 16 those read in its source. 14 has the ProcArray of 15.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub enum PgProfile {
    /// PostgreSQL 13: PGXACT indexed by slot, everybody's xmin read by every snapshot.
    V13,
    /// PostgreSQL 14 and 15: dense arrays, snapshots reused.
    #[default]
    V15,
    /// PostgreSQL 16: as 15, but returned slots go to the tail of the free list.
    V16,
    /// PostgreSQL 17: as 16, but slots are first given out from the lowest up.
    V17,
    /// PostgreSQL 18: as 17, with PGPROCs and dense arrays in one allocation.
    V18,
}

/// No such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProfile {
    /// 14.
    #[error("PostgreSQL 14 has the ProcArray of 15: say 15")]
    SameAs15,
    /// Anything else.
    #[error("unknown PostgreSQL version \"{0}\": use one of 13, 15, 16, 17, 18")]
    Unknown(String),
}

impl PgProfile {
    /// Every profile, oldest first.
    pub const ALL: [Self; 5] = [Self::V13, Self::V15, Self::V16, Self::V17, Self::V18];

    /// Its major version.
    pub const fn major(self) -> u32 {
        match self {
            Self::V13 => 13,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// Bytes from one PGPROC to the next (`sizeof(PGPROC)`).
    pub const fn stride(self) -> usize {
        match self {
            Self::V13 => 856,
            Self::V15 | Self::V16 => 880,
            Self::V17 => 888,
            Self::V18 => 832,
        }
    }

    /// Whether snapshots scan a dense `ProcGlobal->xids`, whose index each PGPROC knows as
    /// `pgxactoff` (since 14), and not `allPgXact` by slot number.
    pub const fn has_dense_arrays(self) -> bool {
        self.major() >= 14
    }

    /// Whether slots are first given out from the lowest up (since 17, ab355e3a88).
    pub const fn allocates_ascending(self) -> bool {
        self.major() >= 17
    }

    /// Whether a returned slot goes to the tail of the free list (since 16, 5764f611e1).
    pub const fn recycles_fifo(self) -> bool {
        self.major() >= 16
    }

    /// Snapshots of a connection that does one `SELECT 1`, beyond the statement's own two. 18
    /// no longer takes one for the startup transaction (952365cded).
    pub const fn snapshots_per_connect(self) -> u32 {
        if self.major() >= 18 { 3 } else { 4 }
    }

    /// Snapshots of a login that fails for an unknown role.
    pub const fn snapshots_per_failed_login(self) -> u32 {
        if self.major() >= 18 { 1 } else { 2 }
    }

    /// Shared acquisitions of ProcArrayLock per row of `pg_stat_activity`: `BackendPidGetProc`,
    /// since 17 also `ProcNumberGetTransactionIds`.
    pub const fn monitor_shared_per_row(self) -> u32 {
        if self.major() >= 17 { 2 } else { 1 }
    }

    /// Its LWLock.
    pub const fn lock(self) -> LockKind {
        if self.major() >= 18 {
            LockKind::LwLock18
        } else {
            LockKind::LwLock17
        }
    }
}

impl fmt::Display for PgProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V13 => "13",
            Self::V15 => "15",
            Self::V16 => "16",
            Self::V17 => "17",
            Self::V18 => "18",
        })
    }
}

impl FromStr for PgProfile {
    type Err = UnknownProfile;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if given == "14" {
            return Err(UnknownProfile::SameAs15);
        }
        Self::ALL
            .into_iter()
            .find(|profile| profile.to_string() == given)
            .ok_or_else(|| UnknownProfile::Unknown(given.to_owned()))
    }
}

impl From<PgProfile> for String {
    fn from(profile: PgProfile) -> Self {
        profile.to_string()
    }
}

impl TryFrom<String> for PgProfile {
    type Error = UnknownProfile;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused_in_one_line() {
        for profile in PgProfile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            let json = serde_json::to_string(&profile).unwrap();
            assert_eq!(json, format!("\"{}\"", profile.major()));
            assert_eq!(serde_json::from_str::<PgProfile>(&json).unwrap(), profile);
        }
        let refused = |given: &str| given.parse::<PgProfile>().unwrap_err().to_string();
        assert!(refused("14").ends_with("say 15"));
        assert_eq!(
            refused("12"),
            "unknown PostgreSQL version \"12\": use one of 13, 15, 16, 17, 18"
        );
    }
}
