//! A lock by name, and whether snapshots may be reused without it.

use std::fmt;
use std::str::FromStr;

use super::LockKind;
use crate::names::{serde_by_text, unknown};

/// What follows a lock's name to put the lock-free reuse check in front of it.
const REUSE_CHECK: &str = "+reuse-check";

/// A lock, alone or with a lock-free reuse check in front of it: a snapshot whose
/// completion counter has not moved is then reused without taking the lock.
///
/// Parses from, displays as and serialises as `NAME` or `NAME+reuse-check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LockChoice {
    /// The lock.
    pub kind: LockKind,
    /// Whether the check stands in front of it.
    pub reuse_check: bool,
}

impl From<LockKind> for LockChoice {
    fn from(kind: LockKind) -> Self {
        Self {
            kind,
            reuse_check: false,
        }
    }
}

impl fmt::Display for LockChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reuse_check {
            f.pad(&format!("{}{REUSE_CHECK}", self.kind))
        } else {
            self.kind.fmt(f)
        }
    }
}

impl FromStr for LockChoice {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let checked = given.strip_suffix(REUSE_CHECK);
        let kind = checked.unwrap_or(given).parse().map_err(|_| {
            let names: Vec<_> = LockKind::ALL.iter().map(|kind| kind.name()).collect();
            let unknown = unknown("lock", given, &names);
            format!("{unknown}, each with or without +reuse-check")
        })?;
        Ok(Self {
            kind,
            reuse_check: checked.is_some(),
        })
    }
}

serde_by_text!(LockChoice);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_with_and_without_the_check() {
        for kind in LockKind::ALL {
            for reuse_check in [false, true] {
                let choice = LockChoice {
                    kind: *kind,
                    reuse_check,
                };
                assert_eq!(choice.to_string().parse(), Ok(choice));
                let json = serde_json::to_string(&choice).unwrap();
                assert_eq!(serde_json::from_str::<LockChoice>(&json).unwrap(), choice);
            }
        }
        for wrong in ["", "+reuse-check", "std+reuse", "mutex+reuse-check"] {
            let error = wrong.parse::<LockChoice>().unwrap_err();
            assert!(
                error.contains(&format!("'{wrong}': ")) && error.contains("choose from lwlock-17")
            );
        }
    }
}
