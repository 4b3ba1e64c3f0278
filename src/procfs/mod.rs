//! Observing server processes through `/proc`: no query, no lock of the server's.
//!
//! Processes vanish while being read; that is never an error here, the process is just not counted.
//! CPU times come in clock ticks of 10 ms (`USER_HZ`).

use std::fs;

mod machine;
mod server_tasks;
mod task;

pub(crate) use machine::{MachineCpu, free_huge_pages, machine_cpu};
pub(crate) use server_tasks::ServerTasks;
pub(crate) use task::TaskCpu;

/// Nanoseconds per tick of `/proc/PID/stat`: `USER_HZ` is 100 on every architecture we run on,
/// whatever the kernel's own `HZ`.
const NS_PER_TICK: u64 = 10_000_000;

/// The fields of `/proc/PID/stat` used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    /// CPU time in user and system mode, in ns.
    pub(crate) own_ns: u64,
    /// That of its children which it has reaped.
    pub(crate) reaped_children_ns: u64,
    /// Start time in ticks after boot; with the PID it names one process for good.
    pub(crate) start_ticks: u64,
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
pub(crate) fn process_stat(pid: u32) -> Option<ProcessStat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<ProcessStat> {
    // The name (field 2) may itself contain spaces and parentheses: cut after the last one.
    let after_name = text.get(text.rfind(')')? + 1..)?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    // fields[0] is field 3 of proc(5).
    let ticks = |field: usize| -> Option<u64> {
        let value: i64 = fields.get(field - 3)?.parse().ok()?;
        Some(u64::try_from(value).unwrap_or(0) * NS_PER_TICK)
    };
    Some(ProcessStat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        own_ns: ticks(14)? + ticks(15)?,
        reaped_children_ns: ticks(16)? + ticks(17)?,
        start_ticks: fields.get(22 - 3)?.parse().ok()?,
    })
}

/// The number behind a name and blanks in `/proc/PID/status` or `/proc/meminfo`.
pub(crate) fn numbered(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// What a process's PID is in its own PID namespace: the last number of `NSpid` in `/proc/PID/status`.
pub(crate) fn innermost_pid(pid: u32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// Whether this very process (PID and start time) still runs; a zombie does not.
pub(crate) fn is_running(pid: u32, start_ticks: u64) -> bool {
    process_stat(pid)
        .is_some_and(|s| s.start_ticks == start_ticks && !matches!(s.state, 'Z' | 'X' | 'x'))
}

/// All PIDs visible in `/proc`.
pub(crate) fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// The live children of a process, exited but not yet reaped ones included.
///
/// Uses `/proc/PID/task/PID/children`, else a scan of all parents.
/// `None` when the process itself is gone or not visible.
pub(crate) fn children(pid: u32) -> Option<Vec<u32>> {
    match fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        Ok(text) => Some(
            text.split_ascii_whitespace()
                .filter_map(|p| p.parse().ok())
                .collect(),
        ),
        Err(_) => {
            process_stat(pid)?;
            Some(
                all_pids()
                    .into_iter()
                    .filter(|&p| process_stat(p).is_some_and(|s| s.parent == pid))
                    .collect(),
            )
        }
    }
}

/// A process's child by the id it has in its own PID namespace, which a container's is not ours.
/// `None` when there is none, or it is not visible.
pub(crate) fn child_known_as(parent: u32, id: u32) -> Option<u32> {
    let knows = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let ids = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
        (ids.split_ascii_whitespace().last()? == id.to_string()).then_some(())
    };
    // The last forked come last.
    let mut newest = children(parent)?.into_iter().rev();
    newest.find(|pid| knows(pid).is_some())
}

/// How many children the postmaster has: backends, connections still being accepted, auxiliary
/// processes, and exited ones it has not reaped. `None` when the postmaster is gone.
///
/// The kernel's list may miss an entry while children exit; poll until it is stable.
pub fn child_count(postmaster_pid: u32) -> Option<usize> {
    children(postmaster_pid).map(|c| c.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn stat_survives_a_hostile_process_name() {
        let line = "7 (a) S 9 (b) R 3 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 991 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_ticks), ('R', 3, 991));
        assert_eq!(stat.own_ns, 11 * NS_PER_TICK);
        assert_eq!(stat.reaped_children_ns, 15 * NS_PER_TICK);
    }

    #[test]
    fn truncated_stat_is_none() {
        assert_eq!(parse_stat("7 (x) R 3 7"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn children_are_counted_while_they_live() {
        let me = std::process::id();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // Spawned by this test's thread: not in the main thread's list, so look at the scan.
        let parent = process_stat(child.id()).unwrap();
        assert_eq!(parent.parent, me);
        assert!(is_running(child.id(), parent.start_ticks));
        assert!(!is_running(child.id(), parent.start_ticks + 1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(child_count(child.id()), None);
    }
}
