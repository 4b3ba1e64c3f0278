//! Control groups, version 1 and 2, as far as CPU goes: which ones a process is in, how they throttle it,
//! and moving a process of ours into a server's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::record::Throttling;

/// A process could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// `/proc` does not show the other process's cgroup.
    #[error("the server's cgroup is not known")]
    Unknown,
    /// The kernel refused.
    #[error("cannot write {path}: {problem}")]
    Refused {
        /// The group's file.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
}

/// Moves `pid` into the cgroups of `target` that decide on CPU; nothing to do where it is there already.
///
/// # Errors
/// When a group does not take it.
pub fn join(pid: u32, target: u32) -> Result<(), CgroupError> {
    let (own, wanted) = (cpu_groups(pid), cpu_groups(target));
    if wanted.is_empty() {
        return Err(CgroupError::Unknown);
    }
    for group in wanted.iter().filter(|g| !own.contains(g)) {
        let path = group.join("cgroup.procs");
        fs::write(&path, pid.to_string())
            .map_err(|problem| CgroupError::Refused { path, problem })?;
    }
    Ok(())
}

/// How often, so far, a process's cgroup was throttled by its CPU quota. `None` where that is not counted.
pub fn throttling(pid: u32) -> Option<Throttling> {
    let stat_of = |group: PathBuf| fs::read_to_string(group.join("cpu.stat")).ok();
    let mut groups = cpu_groups(pid).into_iter();
    groups.find_map(|group| parse_cpu_stat(&stat_of(group)?))
}

/// `cpu.stat`: `throttled_usec` in version 2, `throttled_time` (ns) in version 1.
fn parse_cpu_stat(text: &str) -> Option<Throttling> {
    let value = |name: &str| -> Option<u64> {
        let mut lines = text.lines().filter_map(|l| l.split_once(' '));
        lines.find(|(n, _)| *n == name)?.1.trim().parse().ok()
    };
    Some(Throttling {
        periods: value("nr_throttled")?,
        ns: value("throttled_time").or_else(|| Some(value("throttled_usec")? * 1_000))?,
    })
}

/// The directories of the cgroups that decide where and how long a process runs.
fn cpu_groups(pid: u32) -> Vec<PathBuf> {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    parse_cpu_groups(
        &read(format!("/proc/{pid}/cgroup")),
        &read("/proc/self/mountinfo".to_owned()),
    )
}

/// Of lines `HIERARCHY:CONTROLLERS:PATH` (cgroups(7)), with the directories where the hierarchies are mounted.
fn parse_cpu_groups(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| -> Option<PathBuf> {
        let (_, line) = line.split_once(':')?;
        // No controllers: version 2.
        let (controllers, path) = line.split_once(':')?;
        let of_cpu = |c: &str| matches!(c, "" | "cpu" | "cpuacct" | "cpuset");
        if !controllers.split(',').any(of_cpu) {
            return None;
        }
        let mut mounts = mountinfo.lines();
        let (root, point) = mounts.find_map(|mount| mounted(mount, controllers))?;
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    };
    cgroup.lines().filter_map(of_line).collect()
}

/// Root and mount point of a line of `/proc/PID/mountinfo`, if it is the hierarchy with these controllers.
fn mounted<'a>(line: &'a str, controllers: &str) -> Option<(&'a str, &'a str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let is_it = match kind {
        "cgroup2" => controllers.is_empty(),
        "cgroup" => controllers
            .split(',')
            .all(|c| options.split(',').any(|o| o == c)),
        _ => false,
    };
    is_it.then_some((before.next()?, before.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 /docker/outer /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
33 25 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 25 8:1 / /home rw - ext4 /dev/sda1 rw";

    #[test]
    fn groups_of_both_versions_are_found_where_they_are_mounted() {
        let text = "4:memory:/a\n3:cpuset:/docker/outer/x\n1:cpu,cpuacct:/docker/x\n0::/";
        let found = parse_cpu_groups(text, MOUNTS);
        let dirs: Vec<&str> = found.iter().filter_map(|m| m.to_str()).collect();
        assert_eq!(
            dirs,
            [
                "/sys/fs/cgroup/cpuset/x",
                "/sys/fs/cgroup/cpu,cpuacct/docker/x",
                "/sys/fs/cgroup/unified/"
            ]
        );
    }

    #[test]
    fn throttling_of_both_versions_is_in_ns() {
        let v1 = "nr_periods 9\nnr_throttled 2\nthrottled_time 5000";
        let v2 = "usage_usec 1\nnr_periods 9\nnr_throttled 2\nthrottled_usec 5\nnr_bursts 0";
        let both = Some(Throttling {
            periods: 2,
            ns: 5_000,
        });
        assert_eq!(parse_cpu_stat(v1), both);
        assert_eq!(parse_cpu_stat(v2), both);
        assert_eq!(parse_cpu_stat("usage_usec 1"), None);
    }

    #[test]
    fn this_process_may_join_its_own_groups_and_a_dead_one_has_none() {
        let me = std::process::id();
        join(me, me).unwrap();
        assert!(matches!(join(me, 0), Err(CgroupError::Unknown)));
    }
}
