//! Control groups, version 1 and 2, as far as CPU goes: which ones a process is in, how they throttle it,
//! and moving a process of ours into a server's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::record::Throttling;

/// One hierarchy in which a process has its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Membership {
    /// The hierarchy's controllers as `/proc/PID/cgroup` writes them; empty for version 2.
    controllers: String,
    /// The group's directory.
    dir: PathBuf,
}

impl Membership {
    /// Whether the hierarchy decides where and how long a process runs.
    fn is_of_cpu(&self) -> bool {
        let of_cpu = |c: &str| matches!(c, "cpu" | "cpuacct" | "cpuset");
        self.controllers.is_empty() || self.controllers.split(',').any(of_cpu)
    }
}

/// A process could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// `/proc` does not show the other process's cgroup.
    #[error("the server's cgroup is not known")]
    Unknown,
    /// The kernel refused.
    #[error("cannot write {path}: {source}")]
    Refused {
        /// The group's file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Moves `pid` into the cgroups of `target` that decide on CPU; nothing to do where it is there already.
///
/// # Errors
/// When a group does not take it.
pub fn join(pid: u32, target: u32) -> Result<(), CgroupError> {
    let (own, wanted) = (memberships(pid), memberships(target));
    if wanted.is_empty() {
        return Err(CgroupError::Unknown);
    }
    for group in wanted.iter().filter(|g| g.is_of_cpu()) {
        if own.contains(group) {
            continue;
        }
        let path = group.dir.join("cgroup.procs");
        fs::write(&path, pid.to_string())
            .map_err(|source| CgroupError::Refused { path, source })?;
    }
    Ok(())
}

/// How often, so far, a process's cgroup was throttled by its CPU quota. `None` where that is not counted.
pub fn throttling(pid: u32) -> Option<Throttling> {
    memberships(pid)
        .iter()
        .filter(|g| g.is_of_cpu())
        .find_map(|g| parse_cpu_stat(&fs::read_to_string(g.dir.join("cpu.stat")).ok()?))
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

fn memberships(pid: u32) -> Vec<Membership> {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    parse_memberships(
        &read(format!("/proc/{pid}/cgroup")),
        &read("/proc/self/mountinfo".to_owned()),
    )
}

/// `HIERARCHY:CONTROLLERS:PATH`, each with the directory where the hierarchy is mounted (cgroups(7)).
fn parse_memberships(cgroup: &str, mountinfo: &str) -> Vec<Membership> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    let of_line = |line: &str| -> Option<Membership> {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let mount = mounts.iter().find(|m| m.holds(controllers))?;
        let below = Path::new(path).strip_prefix(mount.root).ok()?;
        Some(Membership {
            controllers: controllers.to_owned(),
            dir: Path::new(mount.point).join(below),
        })
    };
    cgroup.lines().filter_map(of_line).collect()
}

/// A mounted hierarchy, of a line of `/proc/PID/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    is_v2: bool,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        let kind = after.next()?;
        matches!(kind, "cgroup" | "cgroup2").then_some(())?;
        Some(Mount {
            root: before.next()?,
            point: before.next()?,
            is_v2: kind == "cgroup2",
            options: after.nth(1)?,
        })
    }

    fn holds(&self, controllers: &str) -> bool {
        if controllers.is_empty() || self.is_v2 {
            return controllers.is_empty() && self.is_v2;
        }
        let mut wanted = controllers.split(',');
        wanted.all(|c| self.options.split(',').any(|o| o == c))
    }
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
        let found = parse_memberships(text, MOUNTS);
        let dirs: Vec<&str> = found.iter().filter_map(|m| m.dir.to_str()).collect();
        assert_eq!(
            dirs,
            [
                "/sys/fs/cgroup/memory/a",
                "/sys/fs/cgroup/cpuset/x",
                "/sys/fs/cgroup/cpu,cpuacct/docker/x",
                "/sys/fs/cgroup/unified/"
            ]
        );
        let of_cpu: Vec<bool> = found.iter().map(Membership::is_of_cpu).collect();
        assert_eq!(of_cpu, [false, true, true, true]);
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
