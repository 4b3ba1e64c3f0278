//! Mechanisms that can be switched off, and one that PostgreSQL could have instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of PostgreSQL's mechanisms are at work (`--without`, `--pgxactoff`). One that the
/// profile does not have is not there, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Ablations {
    /// Committers that find ProcArrayLock busy join a group (`ProcArrayGroupClearXid`).
    /// Without: they queue for the lock.
    pub group_clear: bool,
    /// A snapshot is reused while no xid has completed (`GetSnapshotDataReuse`, 14 and later).
    /// Without: every one is built by scanning.
    pub reuse: bool,
    /// Adding and removing store a new `pgxactoff` into every following PGPROC (14 and later).
    /// Without: who needs its offset searches `pgprocnos` for it.
    pub renumbering: bool,
    /// Adding and removing hold XidGenLock, too (14 and later). Without: who gets an xid takes
    /// ProcArrayLock shared around the store of it instead, as offsets must not change meanwhile.
    pub xid_gen_lock: bool,
    /// `pgxactoff` in an array of its own, indexed by slot number, instead of in the PGPROC.
    /// No PostgreSQL has it.
    pub own_pgxactoff_array: bool,
}

impl Default for Ablations {
    /// As PostgreSQL.
    fn default() -> Self {
        Self {
            group_clear: true,
            reuse: true,
            renumbering: true,
            xid_gen_lock: true,
            own_pgxactoff_array: false,
        }
    }
}

/// A mechanism's name, and where it is switched off.
type Mechanism = (&'static str, fn(&mut Ablations) -> &mut bool);

const MECHANISMS: [Mechanism; 4] = [
    ("group-clear", |a| &mut a.group_clear),
    ("reuse", |a| &mut a.reuse),
    ("renumbering", |a| &mut a.renumbering),
    ("xidgenlock", |a| &mut a.xid_gen_lock),
];

impl Ablations {
    /// As PostgreSQL, without the mechanisms in a list separated by commas (`--without`).
    ///
    /// # Errors
    /// Names the first that is none.
    pub fn without(names: &str) -> Result<Self, String> {
        let mut ablations = Self::default();
        for name in names.split(',').map(str::trim) {
            let mechanism = MECHANISMS.iter().find(|m| m.0 == name);
            let (_, switch) = mechanism.ok_or_else(|| {
                let known = MECHANISMS.map(|m| m.0).join(", ");
                format!("unknown mechanism \"{name}\": use any of {known}, separated by commas")
            })?;
            *switch(&mut ablations) = false;
        }
        Ok(ablations)
    }
}

impl fmt::Display for Ablations {
    /// What differs from PostgreSQL, as on the command line; nothing where nothing does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut switches = *self;
        let off = MECHANISMS.iter().filter(|m| !*m.1(&mut switches));
        let off: Vec<_> = off.map(|m| m.0).collect();
        let mut parts = Vec::new();
        if !off.is_empty() {
            parts.push(format!("--without {}", off.join(",")));
        }
        if self.own_pgxactoff_array {
            parts.push("--pgxactoff own-array".to_owned());
        }
        f.pad(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_is_switched_off_by_its_name() {
        let two = Ablations::without("reuse, xidgenlock").unwrap();
        assert!(!two.reuse && !two.xid_gen_lock && two.group_clear && two.renumbering);
        assert_eq!(two.to_string(), "--without reuse,xidgenlock");
        let all = Ablations::without("group-clear,reuse,renumbering,xidgenlock").unwrap();
        assert!(!all.group_clear && !all.renumbering);
        assert_eq!(Ablations::default().to_string(), "");
        let error = Ablations::without("locks").unwrap_err();
        assert!(error.starts_with("unknown mechanism \"locks\": use any of group-clear"));
    }

    #[test]
    fn a_stored_run_without_them_is_as_postgres() {
        assert_eq!(
            serde_json::from_str::<Ablations>("{}").unwrap(),
            Ablations::default()
        );
        let changed = Ablations {
            own_pgxactoff_array: true,
            ..Ablations::default()
        };
        let json = serde_json::to_string(&changed).unwrap();
        assert_eq!(serde_json::from_str::<Ablations>(&json).unwrap(), changed);
    }
}
