//! A server's processes: the postmaster, its children, and those it has reaped.

use std::collections::BTreeMap;

use super::{TaskCpu, children, process_stat};
use crate::record::CpuAccount;

/// How often a reading is repeated when processes were reaped during it.
const TREE_ATTEMPTS: usize = 4;

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
    /// Reads them. A child that exits during the reading could be counted twice or not at all: the reading is
    /// repeated when the postmaster's account of reaped children moved meanwhile. Where that does not settle
    /// (thousands of exits per second) the last reading errs by the children that left during it. `None`
    /// when the postmaster is gone.
    pub fn read(postmaster: u32, earlier: Option<&ServerTasks>) -> Option<Self> {
        let mut tasks = ServerTasks::default();
        for _ in 0..TREE_ATTEMPTS {
            let before = process_stat(postmaster)?.reaped_children_ns;
            tasks = ServerTasks {
                postmaster: TaskCpu::read(postmaster, earlier.map(|e| &e.postmaster))?,
                reaped_ns: before,
                children: children(postmaster)?
                    .into_iter()
                    .filter_map(|pid| {
                        let earlier = earlier.and_then(|e| e.children.get(&pid));
                        Some((pid, TaskCpu::read(pid, earlier)?))
                    })
                    .collect(),
            };
            if process_stat(postmaster)?.reaped_children_ns == before {
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
                None => task.so_far,
            });
        }
        // Those that exited meanwhile have taken along what they had used before, too.
        let total = |t: &ServerTasks| {
            t.reaped_ns + t.children.values().map(|c| c.so_far.used_ns).sum::<u64>()
        };
        sum.used_ns = total(self).saturating_sub(total(earlier));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::NS_PER_TICK;
    use std::process::{Command, Stdio};

    #[test]
    fn a_server_is_its_own_children_and_those_it_has_reaped() {
        let task = |used_ns| TaskCpu {
            so_far: CpuAccount {
                used_ns,
                run_delay_ns: Some(used_ns / 10),
                voluntary_switches: Some(used_ns / 100),
                involuntary_switches: Some(1),
            },
            timeslices: Some(1),
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
        let tasks = ServerTasks::read(shell.id(), None);
        shell.kill().unwrap();
        shell.wait().unwrap();
        let times: Vec<f64> = line.split_whitespace().map(shell_time_ns).collect();
        assert_eq!(times.len(), 4, "{line}");
        let children_ns = times[2] + times[3];
        assert!(children_ns >= 100e6, "{line}");
        // Each of four figures is cut to a whole tick.
        let reaped_ns = tasks.unwrap().reaped_ns as f64;
        let off = (reaped_ns - children_ns).abs();
        assert!(
            off <= 4.0 * NS_PER_TICK as f64,
            "{reaped_ns} against {line}"
        );
    }
}
