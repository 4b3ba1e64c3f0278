//! Observing server processes through `/proc`: no query, no lock of the server's.
//!
//! Processes vanish while being read; that is never an error here, the process is just not counted.
//! CPU times come in clock ticks of 10 ms (`USER_HZ`).

use std::collections::BTreeMap;
use std::fs;

use crate::record::CpuAccount;

/// Nanoseconds per tick of `/proc/PID/stat`: `USER_HZ` is 100 on every architecture we run on,
/// whatever the kernel's own `HZ`.
const NS_PER_TICK: u64 = 10_000_000;

/// How often a tree reading is repeated when processes were reaped during it.
const TREE_ATTEMPTS: usize = 4;

/// CPU time in user and system mode, nanoseconds, resolution 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTime {
    /// User mode.
    pub user_ns: u64,
    /// Kernel mode.
    pub system_ns: u64,
}

impl CpuTime {
    /// User plus system.
    pub fn total_ns(self) -> u64 {
        self.user_ns + self.system_ns
    }

    fn plus(self, other: CpuTime) -> CpuTime {
        CpuTime {
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
        }
    }
}

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

/// The fields of `/proc/PID/stat` used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) own: CpuTime,
    pub(crate) reaped_children: CpuTime,
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
        own: CpuTime {
            user_ns: ticks(14)?,
            system_ns: ticks(15)?,
        },
        reaped_children: CpuTime {
            user_ns: ticks(16)?,
            system_ns: ticks(17)?,
        },
        start_ticks: fields.get(22 - 3)?.parse().ok()?,
    })
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

/// How many children the postmaster has: backends, connections still being accepted, auxiliary
/// processes, and exited ones it has not reaped. `None` when the postmaster is gone.
///
/// The kernel's list may miss an entry while children exit; poll until it is stable.
pub fn child_count(postmaster_pid: u32) -> Option<usize> {
    children(postmaster_pid).map(|c| c.len())
}

/// CPU time of one process, without its children. `None` when it is gone.
pub fn process_cpu(pid: u32) -> Option<CpuTime> {
    process_stat(pid).map(|s| s.own)
}

/// CPU time of a server: the postmaster, its live children, and those it has already reaped.
///
/// A child that exits during the reading could be counted twice or not at all; the reading is
/// repeated when the postmaster's account of reaped children moved meanwhile, and where that does
/// not settle (thousands of exits a second) the last reading errs by the children that left during it.
/// `None` when the postmaster is gone.
pub fn process_tree_cpu(postmaster_pid: u32) -> Option<CpuTime> {
    let mut total = CpuTime::default();
    for _ in 0..TREE_ATTEMPTS {
        let before = process_stat(postmaster_pid)?;
        total = before.own.plus(before.reaped_children);
        for child in children(postmaster_pid)? {
            if let Some(stat) = process_stat(child)
                && stat.parent == postmaster_pid
            {
                total = total.plus(stat.own).plus(stat.reaped_children);
            }
        }
        if process_stat(postmaster_pid)?.reaped_children == before.reaped_children {
            break;
        }
    }
    Some(total)
}

/// What one single-threaded process has had of the CPU so far, and how long it waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskCpu {
    /// On a CPU, in ns; in steps of 10 ms where the kernel has no `schedstat`.
    pub used_ns: u64,
    /// Runnable, waiting for a CPU, in ns.
    pub run_delay_ns: Option<u64>,
    /// How often it was put on a CPU: unchanged, it has not run since.
    timeslices: Option<u64>,
    /// Voluntary and involuntary context switches.
    pub switches: Option<(u64, u64)>,
}

impl TaskCpu {
    /// Reads a process's main thread. `earlier` spares the reading of what cannot have changed since.
    /// `None` when the process is gone.
    pub fn read(pid: u32, earlier: Option<&TaskCpu>) -> Option<Self> {
        let Some((used_ns, run_delay_ns, timeslices)) = schedstat(pid) else {
            return Some(TaskCpu {
                used_ns: process_stat(pid)?.own.total_ns(),
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

    /// Of the calling thread.
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

/// A server's processes at one instant.
#[derive(Debug, Clone, Default)]
pub struct ServerTasks {
    /// The postmaster.
    pub postmaster: TaskCpu,
    /// CPU of the children it has reaped, in ns, steps of 10 ms.
    pub reaped_ns: u64,
    /// Its children: backends and auxiliary processes.
    pub children: BTreeMap<u32, TaskCpu>,
}

impl ServerTasks {
    /// Reads them. A child that exits during the reading could be counted twice or not at all; the reading
    /// is repeated as that of [`process_tree_cpu`] is. `None` when the postmaster is gone.
    pub fn read(postmaster: u32, earlier: Option<&ServerTasks>) -> Option<Self> {
        let mut tasks = ServerTasks::default();
        for _ in 0..TREE_ATTEMPTS {
            let before = process_stat(postmaster)?.reaped_children;
            tasks = ServerTasks {
                postmaster: TaskCpu::read(postmaster, earlier.map(|e| &e.postmaster))?,
                reaped_ns: before.total_ns(),
                children: children(postmaster)?
                    .into_iter()
                    .filter_map(|pid| {
                        let earlier = earlier.and_then(|e| e.children.get(&pid));
                        Some((pid, TaskCpu::read(pid, earlier)?))
                    })
                    .collect(),
            };
            if process_stat(postmaster)?.reaped_children == before {
                break;
            }
        }
        Some(tasks)
    }

    /// What all backends used since `earlier`, exited ones included in the CPU.
    pub fn backends_since(&self, earlier: &ServerTasks) -> CpuAccount {
        let mut sum = CpuAccount::default();
        for (pid, task) in &self.children {
            sum.add(&match earlier.children.get(pid) {
                Some(before) => task.since(before),
                None => task.all(),
            });
        }
        // Those that exited meanwhile have taken along what they had used before, too.
        let total =
            |t: &ServerTasks| t.reaped_ns + t.children.values().map(|c| c.used_ns).sum::<u64>();
        sum.used_ns = total(self).saturating_sub(total(earlier));
        sum
    }

    /// The postmaster's and all backends' CPU so far, in ns.
    pub fn total_ns(&self) -> u64 {
        let children: u64 = self.children.values().map(|c| c.used_ns).sum();
        self.postmaster.used_ns + self.reaped_ns + children
    }
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
    let value = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
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
    use std::process::{Command, Stdio};

    #[test]
    fn stat_survives_a_hostile_process_name() {
        let line = "7 (a) S 9 (b) R 3 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 991 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_ticks), ('R', 3, 991));
        assert_eq!(stat.own.user_ns, 5 * NS_PER_TICK);
        assert_eq!(stat.own.system_ns, 6 * NS_PER_TICK);
        assert_eq!(stat.reaped_children.total_ns(), 15 * NS_PER_TICK);
    }

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

    #[test]
    fn a_server_is_its_own_children_and_those_it_has_reaped() {
        let task = |used_ns| TaskCpu {
            used_ns,
            run_delay_ns: Some(used_ns / 10),
            timeslices: Some(1),
            switches: Some((used_ns / 100, 1)),
        };
        let tasks = |reaped_ns, children: &[(u32, u64)]| ServerTasks {
            postmaster: task(1_000),
            reaped_ns,
            children: children.iter().map(|&(pid, ns)| (pid, task(ns))).collect(),
        };
        let before = tasks(5_000, &[(1, 100), (2, 400)]);
        // 2 has been reaped with what it had; 3 is new.
        let after = tasks(5_900, &[(1, 150), (3, 300)]);
        let used = after.backends_since(&before);
        assert_eq!(used.used_ns, 900 + 50 + 300 - 400);
        assert_eq!(used.run_delay_ns, Some(5 + 30));
        assert_eq!(used.voluntary_switches, Some(3));
        assert_eq!(after.total_ns(), 1_000 + 5_900 + 450);
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
        assert_eq!(process_cpu(child.id()), None);
        assert_eq!(process_tree_cpu(child.id()), None);
    }

    /// One figure of the shell's `times`, such as `0m0.980000s`.
    fn shell_time_ns(text: &str) -> f64 {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        (minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()) * 1e9
    }

    #[test]
    fn a_shell_that_reaped_busy_children_shows_their_cpu_time() {
        // Children burn CPU until their limit ends them, and are reaped by the shell. The limit goes by
        // ticks that hit the process, which on a loaded machine is not the time it had: the shell says
        // what that was (`times`: itself, then its children), and goes on until it is worth comparing.
        let script = r#"
            while :; do
                (ulimit -t 1; while :; do :; done)
                times >"$1"
                { read -r own; read -r children; } <"$1"
                case "$children" in
                    "0m0.0"*" 0m0.0"*) ;;
                    *) break ;;
                esac
            done
            echo "$own $children"
            exec sleep 60"#;
        let scratch = tempfile::NamedTempFile::new().unwrap();
        let mut shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(shell.stdout.take().unwrap()),
            &mut line,
        )
        .unwrap();
        let cpu = process_tree_cpu(shell.id());
        let alone = process_cpu(shell.id());
        shell.kill().unwrap();
        shell.wait().unwrap();
        let times: Vec<f64> = line.split_whitespace().map(shell_time_ns).collect();
        assert_eq!(times.len(), 4, "{line}");
        let children_ns = times[2] + times[3];
        assert!(children_ns >= 100e6, "{line}");
        // The difference is what was reaped: each of four figures is cut to a whole tick.
        let reaped_ns = cpu.unwrap().total_ns() as f64 - alone.unwrap().total_ns() as f64;
        let off = (reaped_ns - children_ns).abs();
        assert!(
            off <= 4.0 * NS_PER_TICK as f64,
            "{reaped_ns} against {line}"
        );
    }

    #[test]
    fn machine_time_counts_each_state_once() {
        let cpu = parse_machine("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n").unwrap();
        assert_eq!(cpu.busy_ns, 19 * NS_PER_TICK);
        assert_eq!(cpu.idle_ns, 9 * NS_PER_TICK);
        assert_eq!(cpu.steal_ns, 8 * NS_PER_TICK);
        assert!(machine_cpu().unwrap().busy_ns > 0);
    }
}
