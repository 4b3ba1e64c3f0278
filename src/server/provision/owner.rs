//! Who started a container or scratch directory, so that a later run can tell a dead owner from a live one.

use std::fmt;
use std::fs;
use std::str::FromStr;

use crate::procfs;

/// A process, named for good: PIDs are reused, PIDs with their start times are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    /// Ticks after boot, field 22 of `/proc/PID/stat`.
    pub(crate) start_ticks: u64,
}

impl Owner {
    /// This process.
    pub(crate) fn me() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            // Linux always has it; without /proc nothing here works anyway and 0 is never alive.
            start_ticks: procfs::process_stat(pid).map_or(0, |s| s.start_ticks),
        }
    }

    pub(crate) fn is_alive(self) -> bool {
        procfs::is_running(self.pid, self.start_ticks)
    }
}

/// `PID:STARTTIME`, the value of the label `procbench.owner`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start_ticks)
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, start) = text.split_once(':').ok_or(())?;
        Ok(Self {
            pid: pid.parse().map_err(|_| ())?,
            start_ticks: start.parse().map_err(|_| ())?,
        })
    }
}

/// Which set of PIDs an owner's number belongs to: boot and PID namespace. Another one's processes
/// cannot be judged dead from here (two containers sharing one Docker socket, a shared /tmp).
pub(crate) fn pid_space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid")
        .map(|p| p.to_string_lossy().into_owned())
        .unwrap_or_default();
    let inode: String = namespace.chars().filter(char::is_ascii_digit).collect();
    format!("{}-{inode}", boot.trim())
}

/// Whether what this owner left in that PID space may be removed: after a reboot every owner of the
/// earlier boot is dead; of another PID namespace of this boot nothing is known.
pub(crate) fn is_stale(owner: Owner, space: &str) -> bool {
    let here = pid_space();
    if space == here {
        return !owner.is_alive();
    }
    let boot = |s: &str| s.rsplit_once('-').map(|(b, _)| b.to_owned());
    boot(space).is_some_and(|b| !b.is_empty()) && boot(space) != boot(&here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dead_owner_of_this_pid_space_or_an_earlier_boot_is_stale() {
        let here = pid_space();
        let me = Owner::me();
        assert_eq!(me.to_string().parse(), Ok(me));
        assert!(me.is_alive());
        assert!(!is_stale(me, &here));
        let reused = Owner {
            start_ticks: me.start_ticks + 1,
            ..me
        };
        assert!(is_stale(reused, &here));
        let (boot, _) = here.rsplit_once('-').unwrap();
        assert!(!is_stale(reused, &format!("{boot}-1")), "another namespace");
        assert!(is_stale(me, "0000-0000-1"), "an earlier boot");
        assert!(!is_stale(reused, ""), "unknown");
    }
}
