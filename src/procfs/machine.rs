//! The whole machine: `/proc/stat`, `/proc/meminfo`.

use std::fs;

use super::{NS_PER_TICK, numbered};

/// The whole machine's CPU time since boot, nanoseconds over all CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineCpu {
    /// Running something: user, nice, system, interrupts.
    pub busy_ns: u64,
    /// Idle or waiting for I/O.
    pub idle_ns: u64,
    /// Taken away by the hypervisor.
    pub steal_ns: u64,
}

/// CPU time of the whole machine, from the first line of `/proc/stat`.
pub fn machine_cpu() -> Option<MachineCpu> {
    parse_machine(&fs::read_to_string("/proc/stat").ok()?)
}

/// 2 MB pages that nobody uses or has reserved (`/proc/meminfo`). `None` where the kernel has no such pages.
pub fn free_huge_pages() -> Option<u64> {
    parse_huge_pages(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse_huge_pages(meminfo: &str) -> Option<u64> {
    let value = |name| numbered(meminfo, name);
    let is_2_mb = value("Hugepagesize:")? == 2048;
    is_2_mb.then_some(value("HugePages_Free:")?.saturating_sub(value("HugePages_Rsvd:")?))
}

fn parse_machine(text: &str) -> Option<MachineCpu> {
    let line = text.lines().find(|l| l.starts_with("cpu "))?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|f| f.parse().ok())
        .collect();
    let at = |i: usize| ticks.get(i).copied().unwrap_or(0) * NS_PER_TICK;
    (ticks.len() >= 4).then(|| MachineCpu {
        // guest time (fields 9 and 10) is already inside user and nice
        busy_ns: at(0) + at(1) + at(2) + at(5) + at(6),
        idle_ns: at(3) + at(4),
        steal_ns: at(7),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_time_counts_each_state_once() {
        let cpu = parse_machine("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n").unwrap();
        assert_eq!(cpu.busy_ns, 19 * NS_PER_TICK);
        assert_eq!(cpu.idle_ns, 9 * NS_PER_TICK);
        assert_eq!(cpu.steal_ns, 8 * NS_PER_TICK);
        assert!(machine_cpu().unwrap().busy_ns > 0);
    }
}
