//! What differs from one PostgreSQL version's ProcArray to the next.

use std::fmt;
use std::str::FromStr;

use super::locks::LockKind;
use crate::names::serde_by_text;

/// All that differs from one version to the next, as far as the model knows it.
///
/// Sizes and counts are those measured on x86-64 builds of 13.16, 15.18, 17.11 and 18, and for
/// 16 those read in its source. 14 has the ProcArray of 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its major version.
    pub major: u32,
    /// Bytes from one PGPROC to the next (`sizeof(PGPROC)`).
    pub stride: usize,
    /// Whether snapshots scan a dense `ProcGlobal->xids`, whose index each PGPROC knows as
    /// `pgxactoff` (since 14), and not `allPgXact` by slot number. Restoring an xmin then takes ProcArrayLock
    /// exclusively, as the leader's flags are copied, and clearing a VACUUM's flags takes it at all.
    pub dense_arrays: bool,
    /// Whether PGPROCs and dense arrays are one allocation, one right behind the other (since 18).
    pub one_allocation: bool,
    /// Whether slots are first given out from the lowest up (since 17, ab355e3a88).
    pub allocates_ascending: bool,
    /// Whether a returned slot goes to the tail of the free list (since 16, 5764f611e1).
    pub recycles_fifo: bool,
    /// Snapshots of a connection that does one `SELECT 1`, beyond the statement's own two. 18
    /// no longer takes one for the startup transaction (952365cded).
    pub snapshots_per_connect: u32,
    /// Snapshots of a login that fails for an unknown role.
    pub snapshots_per_failed_login: u32,
    /// Snapshots of a parallel worker: 7 measured on 15.18, of which the startup transaction's
    /// is gone in 18.
    pub snapshots_per_parallel_worker: u32,
    /// Shared acquisitions of ProcArrayLock per row of `pg_stat_activity`: `BackendPidGetProc`,
    /// since 17 also `ProcNumberGetTransactionIds`.
    pub monitor_shared_per_row: u32,
    /// Its LWLock.
    pub lock: LockKind,
}

/// PostgreSQL 14 and 15, from which the others differ.
const V15: Version = Version {
    major: 15,
    stride: 880,
    dense_arrays: true,
    one_allocation: false,
    allocates_ascending: false,
    recycles_fifo: false,
    snapshots_per_connect: 4,
    snapshots_per_failed_login: 2,
    snapshots_per_parallel_worker: 7,
    monitor_shared_per_row: 1,
    lock: LockKind::LwLock17,
};
const V13: Version = Version {
    major: 13,
    stride: 856,
    dense_arrays: false,
    ..V15
};
const V16: Version = Version {
    major: 16,
    recycles_fifo: true,
    ..V15
};
const V17: Version = Version {
    major: 17,
    stride: 888,
    allocates_ascending: true,
    monitor_shared_per_row: 2,
    ..V16
};
const V18: Version = Version {
    major: 18,
    stride: 832,
    one_allocation: true,
    snapshots_per_connect: 3,
    snapshots_per_failed_login: 1,
    snapshots_per_parallel_worker: 6,
    lock: LockKind::LwLock18,
    ..V17
};

macro_rules! profiles {
    ($($(#[$doc:meta])* $profile:ident = $name:literal,)+) => {
        /// A PostgreSQL version, as far as the ProcArray knows it (`--pg`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum PgProfile {
            $($(#[$doc])* $profile,)+
        }

        impl PgProfile {
            /// Every profile, oldest first.
            pub const ALL: &'static [Self] = &[$(Self::$profile,)+];

            /// What it is like.
            pub const fn version(self) -> &'static Version {
                match self { $(Self::$profile => &$profile,)+ }
            }

            /// Its major version.
            pub const fn major(self) -> u32 {
                self.version().major
            }

            /// The same, as on the command line and in files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$profile => $name,)+ }
            }
        }
    };
}

profiles! {
    /// PostgreSQL 13: PGXACT indexed by slot, everybody's xmin read by every snapshot.
    V13 = "13",
    /// PostgreSQL 14 and 15: dense arrays, snapshots reused.
    #[default]
    V15 = "15",
    /// PostgreSQL 16: as 15, but returned slots go to the tail of the free list.
    V16 = "16",
    /// PostgreSQL 17: as 16, but slots are first given out from the lowest up.
    V17 = "17",
    /// PostgreSQL 18: as 17, with PGPROCs and dense arrays in one allocation.
    V18 = "18",
}

/// No such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProfile {
    /// 14.
    #[error("PostgreSQL 14 has the ProcArray of 15: say 15")]
    SameAs15,
    /// Anything else.
    #[error("unknown PostgreSQL version '{0}': choose from {names}", names = names())]
    Unknown(String),
}

fn names() -> String {
    let names: Vec<&str> = PgProfile::ALL.iter().map(|p| p.name()).collect();
    names.join(", ")
}

impl fmt::Display for PgProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PgProfile {
    type Err = UnknownProfile;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if given == "14" {
            return Err(UnknownProfile::SameAs15);
        }
        let mut all = Self::ALL.iter().copied();
        all.find(|profile| profile.name() == given)
            .ok_or_else(|| UnknownProfile::Unknown(given.to_owned()))
    }
}

serde_by_text!(PgProfile);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused_in_one_line() {
        for &profile in PgProfile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            let json = serde_json::to_string(&profile).unwrap();
            assert_eq!(json, format!("\"{}\"", profile.version().major));
            assert_eq!(serde_json::from_str::<PgProfile>(&json).unwrap(), profile);
        }
        let refused = |given: &str| given.parse::<PgProfile>().unwrap_err().to_string();
        assert!(refused("14").ends_with("say 15"));
        assert_eq!(
            refused("12"),
            "unknown PostgreSQL version '12': choose from 13, 15, 16, 17, 18"
        );
    }
}
