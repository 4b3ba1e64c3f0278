//! One process or thread: what it has had of the CPU, and how long it waited for it.

use std::fs;

use super::{numbered, process_stat};
use crate::record::CpuAccount;

/// CPU that one single-threaded process has used so far, and how long it waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskCpu {
    /// All that it has used; CPU time in steps of 10 ms where the kernel has no `schedstat`.
    pub(super) so_far: CpuAccount,
    /// How often it was put on a CPU: unchanged, it has not run since.
    pub(super) timeslices: Option<u64>,
}

impl TaskCpu {
    /// Reads a process's main thread. `earlier` spares the reading of what cannot have changed since.
    /// `None` when the process is gone.
    pub fn read(pid: u32, earlier: Option<&TaskCpu>) -> Option<Self> {
        let dir = format!("/proc/{pid}");
        let mut task = match schedstat(&dir) {
            Some(task) => task,
            None => TaskCpu {
                so_far: CpuAccount {
                    used_ns: process_stat(pid)?.own_ns,
                    ..CpuAccount::default()
                },
                timeslices: None,
            },
        };
        let slept = |e: &&TaskCpu| {
            e.so_far.used_ns == task.so_far.used_ns
                && e.timeslices == task.timeslices
                && e.timeslices.is_some()
        };
        match earlier.filter(slept) {
            Some(earlier) => {
                let run_delay_ns = task.so_far.run_delay_ns;
                task.so_far = CpuAccount {
                    run_delay_ns,
                    ..earlier.so_far
                };
            }
            None => task.read_switches(&dir),
        }
        Some(task)
    }

    /// The same for the calling thread.
    pub fn of_this_thread() -> Option<Self> {
        let mut task = schedstat("/proc/thread-self")?;
        task.read_switches("/proc/thread-self");
        Some(task)
    }

    /// Voluntary and involuntary context switches, where both are told.
    fn read_switches(&mut self, dir: &str) {
        let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
        let (voluntary, involuntary) = parse_switches(&status).unzip();
        self.so_far.voluntary_switches = voluntary;
        self.so_far.involuntary_switches = involuntary;
    }

    /// What was used from `earlier` on; a counter that went back counts as nothing used.
    pub fn since(&self, earlier: &TaskCpu) -> CpuAccount {
        let (now, then) = (&self.so_far, &earlier.so_far);
        let less = |of: fn(&CpuAccount) -> Option<u64>| Some(of(now)?.saturating_sub(of(then)?));
        CpuAccount {
            used_ns: now.used_ns.saturating_sub(then.used_ns),
            voluntary_switches: less(|a| a.voluntary_switches),
            involuntary_switches: less(|a| a.involuntary_switches),
            run_delay_ns: less(|a| a.run_delay_ns),
        }
    }
}

/// What `schedstat` in a process's or thread's directory says; no switches.
fn schedstat(dir: &str) -> Option<TaskCpu> {
    parse_schedstat(&fs::read_to_string(format!("{dir}/schedstat")).ok()?)
}

/// CPU time, run-queue delay (both ns) and timeslices.
fn parse_schedstat(text: &str) -> Option<TaskCpu> {
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    Some(TaskCpu {
        so_far: CpuAccount {
            used_ns: next()?,
            run_delay_ns: Some(next()?),
            ..CpuAccount::default()
        },
        timeslices: Some(next()?),
    })
}

fn parse_switches(status: &str) -> Option<(u64, u64)> {
    let voluntary = numbered(status, "voluntary_ctxt_switches:")?;
    Some((voluntary, numbered(status, "nonvoluntary_ctxt_switches:")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_task_is_read_again_only_if_it_has_run() {
        let earlier = TaskCpu::of_this_thread().unwrap();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let (voluntary, _) = parse_switches(&status).unwrap();
        assert!(earlier.so_far.voluntary_switches.unwrap() <= voluntary);
        // A sleeping process: nothing changes, so that a made-up value is taken over.
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let mut first = TaskCpu::read(child.id(), None).unwrap();
        first.so_far.voluntary_switches = Some(77);
        assert_eq!(TaskCpu::read(child.id(), Some(&first)), Some(first));
        assert_eq!(first.since(&first).used_ns, 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(TaskCpu::read(child.id(), Some(&first)), None);
        assert_eq!(parse_schedstat("12 34"), None);
    }
}
