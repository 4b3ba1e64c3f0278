//! What else uses this machine's CPU while nothing is measured.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::check::Check;
use crate::procfs::process_stat;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(1);
/// From this share of one core on it is named: less than 5 % of two cores.
const NAMED: f64 = 0.03;

/// CPU time of every process but this one, in ns.
fn used_ns() -> BTreeMap<u32, u64> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok());
    let others = pids.filter(|pid| *pid != std::process::id());
    others
        .filter_map(|pid| Some((pid, process_stat(pid)?.own_ns)))
        .collect()
}

/// The check: the busiest other process, if it is busy enough to be seen in a tail.
pub(super) fn check() -> Check {
    let before = used_ns();
    std::thread::sleep(WATCHED);
    let used = used_ns().into_iter().map(|(pid, ns)| {
        let earlier = before.get(&pid).copied().unwrap_or(ns);
        (ns.saturating_sub(earlier), pid)
    });
    let busiest = used
        .max()
        .map(|(ns, pid)| (ns as f64 / WATCHED.as_nanos() as f64, pid));
    let name = |pid| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        comm.trim().to_owned()
    };
    verdict(busiest.map(|(share, pid)| (share, pid, name(pid))))
}

fn verdict(busiest: Option<(f64, u32, String)>) -> Check {
    match busiest {
        Some((share, pid, name)) if share >= NAMED => Check::caution(
            format!(
                "{name} (process {pid}) uses {:.0} % of a core",
                100.0 * share
            ),
            format!(
                "stop it while you measure; where it cannot be stopped (a kernel thread), keep it off the readers' core of --isolate on: taskset -pc 1 {pid}"
            ),
        ),
        _ => Check::ok("nothing uses more than 3 % of a core"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Status;

    #[test]
    fn a_busy_process_is_named_with_what_to_do() {
        let busy = verdict(Some((0.08, 77, "kdamond.0".to_owned())));
        assert_eq!(busy.status, Status::Caution);
        assert_eq!(busy.detail, "kdamond.0 (process 77) uses 8 % of a core");
        assert!(busy.remedy.unwrap().ends_with("taskset -pc 1 77"));
        for calm in [None, Some((0.01, 1, "init".to_owned()))] {
            assert_eq!(verdict(calm).status, Status::Ok);
        }
    }
}
