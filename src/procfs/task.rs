//! One process or thread: what it has had of the CPU, and how long it waited for it.

use std::fs;

use super::process_stat;
use crate::record::CpuAccount;

/// CPU that one single-threaded process has used so far, and how long it waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskCpu {
    /// On a CPU, in ns; in steps of 10 ms where the kernel has no `schedstat`.
    pub used_ns: u64,
    /// Runnable, waiting for a CPU, in ns.
    pub run_delay_ns: Option<u64>,
    /// How often it was put on a CPU: unchanged, it has not run since.
    pub(super) timeslices: Option<u64>,
    /// Voluntary and involuntary context switches.
    pub switches: Option<(u64, u64)>,
}

impl TaskCpu {
    /// Reads a process's main thread. `earlier` spares the reading of what cannot have changed since.
    /// `None` when the process is gone.
    pub fn read(pid: u32, earlier: Option<&TaskCpu>) -> Option<Self> {
        let Some((used_ns, run_delay_ns, timeslices)) = schedstat(pid) else {
            return Some(TaskCpu {
                used_ns: process_stat(pid)?.own_ns,
                switches: context_switches(pid),
                ..TaskCpu::default()
            });
        };
        let same = |e: &&TaskCpu| e.used_ns == used_ns && e.timeslices == Some(timeslices);
        Some(TaskCpu {
            used_ns,
            run_delay_ns: Some(run_delay_ns),
            timeslices: Some(timeslices),
            switches: match earlier.filter(same) {
                Some(earlier) => earlier.switches,
                None => context_switches(pid),
            },
        })
    }

    /// The same for the calling thread.
    pub fn of_this_thread() -> Option<Self> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let (used_ns, run_delay_ns, timeslices) = parse_schedstat(&text)?;
        let status = fs::read_to_string("/proc/thread-self/status").ok();
        Some(TaskCpu {
            used_ns,
            run_delay_ns: Some(run_delay_ns),
            timeslices: Some(timeslices),
            switches: status.and_then(|text| parse_switches(&text)),
        })
    }

    /// What was used from `earlier` on; a counter that went back counts as nothing used.
    pub fn since(&self, earlier: &TaskCpu) -> CpuAccount {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        let switches =
            |of: fn((u64, u64)) -> u64| less(self.switches.map(of), earlier.switches.map(of));
        CpuAccount {
            used_ns: self.used_ns.saturating_sub(earlier.used_ns),
            voluntary_switches: switches(|s| s.0),
            involuntary_switches: switches(|s| s.1),
            run_delay_ns: less(self.run_delay_ns, earlier.run_delay_ns),
        }
    }

    /// What a process that did not exist at first has used: everything.
    pub fn all(&self) -> CpuAccount {
        self.since(&TaskCpu {
            run_delay_ns: Some(0),
            switches: Some((0, 0)),
            ..TaskCpu::default()
        })
    }
}

/// CPU time, run-queue delay (both ns) and timeslices of a process's main thread.
fn schedstat(pid: u32) -> Option<(u64, u64, u64)> {
    parse_schedstat(&fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?)
}

fn parse_schedstat(text: &str) -> Option<(u64, u64, u64)> {
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    Some((next()?, next()?, next()?))
}

fn context_switches(pid: u32) -> Option<(u64, u64)> {
    parse_switches(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_switches(status: &str) -> Option<(u64, u64)> {
    let value = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((
        value("voluntary_ctxt_switches:")?,
        value("nonvoluntary_ctxt_switches:")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_task_is_read_again_only_if_it_has_run() {
        let earlier = TaskCpu::of_this_thread().unwrap();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(earlier.switches.unwrap() <= parse_switches(&status).unwrap());
        // A sleeping process: nothing changes, so that a made-up value is taken over.
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let mut first = TaskCpu::read(child.id(), None).unwrap();
        first.switches = Some((77, 7));
        assert_eq!(TaskCpu::read(child.id(), Some(&first)), Some(first));
        assert_eq!(first.since(&first).used_ns, 0);
        assert_eq!(first.all().voluntary_switches, Some(77));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(TaskCpu::read(child.id(), Some(&first)), None);
        assert_eq!(parse_schedstat("12 34"), None);
    }
}
