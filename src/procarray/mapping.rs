//! How a connection sees the shared memory: which page faults it pays.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Through which mapping of the shared memory a connection joins and leaves (`--mapping`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum MappingKind {
    /// Through the process's own, every page of which is mapped: no faults.
    #[default]
    Shared,
    /// Through one made for the connection, no page of which is mapped: a fault per page touched.
    Fresh,
    /// In a forked child that inherits the process's own, no page of which it has mapped, as
    /// PostgreSQL's backends do. LWLocks only, as other locks do not work between processes.
    Forked,
}

/// Page size of the shared memory (`--page-size`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub enum PageSize {
    /// 4 kB.
    #[default]
    #[serde(rename = "4k")]
    Small,
    /// 2 MB (`huge_pages = on`); the host must have some (`vm.nr_hugepages`).
    #[serde(rename = "2m")]
    Huge,
}

/// No mapping of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mapping \"{given}\": use one of shared, fresh, forked")]
pub struct UnknownMapping {
    /// The name as it was given.
    pub given: String,
}

/// No page size of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown page size \"{given}\": use one of 4k, 2m")]
pub struct UnknownPageSize {
    /// The size as it was given.
    pub given: String,
}

impl MappingKind {
    /// Every mapping.
    pub const ALL: [Self; 3] = [Self::Shared, Self::Fresh, Self::Forked];

    /// Whether connecting through it can fault inside the exclusive section.
    pub const fn can_fault(self) -> bool {
        !matches!(self, Self::Shared)
    }
}

impl PageSize {
    /// Every size, smallest first.
    pub const ALL: [Self; 2] = [Self::Small, Self::Huge];

    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => 4 << 10,
            Self::Huge => 2 << 20,
        }
    }
}

impl fmt::Display for MappingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shared => "shared",
            Self::Fresh => "fresh",
            Self::Forked => "forked",
        })
    }
}

impl FromStr for MappingKind {
    type Err = UnknownMapping;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == given)
            .ok_or_else(|| UnknownMapping {
                given: given.to_owned(),
            })
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Small => "4k",
            Self::Huge => "2m",
        })
    }
}

impl FromStr for PageSize {
    type Err = UnknownPageSize;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|size| size.to_string() == given)
            .ok_or_else(|| UnknownPageSize {
                given: given.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused_in_one_line() {
        for kind in MappingKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
        }
        for size in PageSize::ALL {
            assert_eq!(size.to_string().parse(), Ok(size));
            let json = serde_json::to_string(&size).unwrap();
            assert_eq!(json, format!("\"{size}\""));
        }
        let error = "private".parse::<MappingKind>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown mapping \"private\": use one of shared, fresh, forked"
        );
        let error = "1g".parse::<PageSize>().unwrap_err().to_string();
        assert_eq!(error, "unknown page size \"1g\": use one of 4k, 2m");
    }
}
