//! What differs from one PostgreSQL version's ProcArray to the next.

use super::locks::LockKind;
use crate::names::named_enum;

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

named_enum! {
    /// A PostgreSQL version, as far as the ProcArray knows it (`--pg`).
    #[derive(Default)]
    pub enum PgProfile: "PostgreSQL version" {
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
}

impl PgProfile {
    /// What it is like.
    pub const fn version(self) -> &'static Version {
        match self {
            Self::V13 => &V13,
            Self::V15 => &V15,
            Self::V16 => &V16,
            Self::V17 => &V17,
            Self::V18 => &V18,
        }
    }

    /// Its major version.
    pub const fn major(self) -> u32 {
        self.version().major
    }

    /// That of a major version; none of one whose PGPROC is not known.
    pub fn of_major(major: u32) -> Option<Self> {
        let known = |p: &Self| p.major() == if major == 14 { 15 } else { major };
        Self::ALL.iter().copied().find(known)
    }

    /// That of a version by name.
    ///
    /// # Errors
    /// A version that the model does not have.
    pub fn of_version(given: &str) -> Result<Self, String> {
        match given {
            "14" => Err("PostgreSQL 14 has the ProcArray of 15: say 15".to_owned()),
            other => other.parse(),
        }
    }
}

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
        let strides = [13, 14, 16, 17, 18].map(|m| Some(PgProfile::of_major(m)?.version().stride));
        assert_eq!(strides, [856, 880, 880, 888, 832].map(Some));
        assert_eq!(PgProfile::of_major(19), None);
        let refused = |given: &str| PgProfile::of_version(given).unwrap_err();
        assert!(refused("14").ends_with("say 15"));
        assert_eq!(
            refused("12"),
            "unknown PostgreSQL version '12': choose from 13, 15, 16, 17, 18"
        );
    }
}
