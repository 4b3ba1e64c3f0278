//! Who started a container or scratch directory, so that a later run can tell a dead owner from a live one.

use std::fs;

use crate::procfs;

/// Start of the name of everything that this tool starts.
pub(crate) const PREFIX: &str = "procbench-";

/// A process, named for good: PIDs are reused, PIDs with their start times are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Ticks after boot, field 22 of `/proc/PID/stat`.
    pub(crate) start_ticks: u64,
}

impl ProcessId {
    /// Of a running process, where it can be seen.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let start_ticks = procfs::process_stat(pid)?.start_ticks;
        Some(Self { pid, start_ticks })
    }

    /// The owner in a name that begins with an [`own_prefix`].
    pub(crate) fn in_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
        let (pid, start_ticks) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next()?;
        Some(Self { pid, start_ticks })
    }

    pub(crate) fn is_alive(self) -> bool {
        procfs::is_running(self.pid, self.start_ticks)
    }
}

/// `procbench-PID-STARTTIME-` of this process; a random part follows.
pub(crate) fn own_prefix() -> String {
    let pid = std::process::id();
    // Linux always has it; without /proc nothing here works anyway and 0 is never alive.
    let start_ticks = ProcessId::of(pid).map_or(0, |id| id.start_ticks);
    format!("{PREFIX}{pid}-{start_ticks}-")
}

/// Which set of PIDs an owner's number belongs to: boot and PID namespace. Another one's processes
/// cannot be judged dead from here (two containers sharing one Docker socket, a shared /tmp).
pub(crate) fn pid_space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace = namespace.to_string_lossy();
    let inode: String = namespace.chars().filter(char::is_ascii_digit).collect();
    format!("{}-{inode}", boot.trim())
}

/// Whether what this owner left in that PID space may be removed: after a reboot every owner of the
/// earlier boot is dead; of another PID namespace of this boot nothing is known.
pub(crate) fn is_stale(owner: ProcessId, space: &str) -> bool {
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
        let me = ProcessId::of(std::process::id()).unwrap();
        assert_eq!(ProcessId::in_name(&format!("{}x", own_prefix())), Some(me));
        assert!(me.is_alive());
        assert!(!is_stale(me, &here));
        let reused = ProcessId {
            start_ticks: me.start_ticks + 1,
            ..me
        };
        assert!(is_stale(reused, &here));
        let (boot, _) = here.rsplit_once('-').unwrap();
        assert!(!is_stale(reused, &format!("{boot}-1")), "another namespace");
        assert!(is_stale(me, "0000-0000-1"), "an earlier boot");
        assert!(!is_stale(reused, ""), "unknown");
    }

    #[test]
    fn other_names_have_no_owner() {
        for name in [
            "procbench-base.Xa",
            "procbench-1",
            "procbench-1-2",
            "procbench-x-2-a",
            "tmp",
        ] {
            assert_eq!(ProcessId::in_name(name), None, "{name}");
        }
    }
}
