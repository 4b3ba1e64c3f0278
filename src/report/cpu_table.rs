//! CPU by group of processes: what a client transaction costs, and who waited for a core.

use super::format::{count, duration};
use super::section::{Section, Table, cell};
use crate::arm::{Arm, Mode};
use crate::record::CpuGroup;
use crate::stats::{Analysis, ContenderSummary, LevelSummary};

/// What the numbers are.
const NOTES: [&str; 3] = [
    "CPU is that of one client transaction, without what the readers' statements cost the server in quiet.",
    "Backends are all children of the postmaster, exited ones included, in steps of 10 ms per block.",
    "Switches (voluntary + involuntary) and run-queue delay are per second of load, without those of backends that had exited.",
];
/// Said where `quiet` was not run.
const GROSS: &str = "quiet was not run: the server's part includes the readers' statements.";
/// Said where `cpu-burn` was.
const BURN: &str =
    "CPU over unpooled's is what cpu-burn used over the server's CPU; 0.95 to 1.05 is wanted.";

/// What the numbers are where the server's processes are not seen.
const LOAD_NOTES: [&str; 2] = [
    "CPU is that of procbench's own client threads for one transaction. The server's CPU is not seen.",
    "Switches (voluntary + involuntary) and run-queue delay are per second of load.",
];

/// Whether only the load generator's CPU is known of a server run: the processes of a server by URL are not seen.
pub(super) fn is_of_load_only(analysis: &Analysis) -> bool {
    let of_server = |c: &ContenderSummary| c.cpu.groups.contains_key(&CpuGroup::Backends);
    analysis.run.mode == Mode::Server && !analysis.contenders().any(|(_, c)| of_server(c))
}

/// Groups of processes with their names in headers.
pub(super) const GROUPS: [(CpuGroup, &str); 5] = [
    (CpuGroup::Postmaster, "postmaster"),
    (CpuGroup::Backends, "backends"),
    (CpuGroup::Pooler, "pooler"),
    (CpuGroup::Burner, "burner"),
    (CpuGroup::Client, "client"),
];

/// A row for each arm and level; `None` for runs without this accounting.
pub(super) fn cpu_table(analysis: &Analysis) -> Option<Section> {
    let contenders = || analysis.contenders();
    if contenders().all(|(_, c)| c.cpu.groups.is_empty()) {
        return None;
    }
    let mut header = vec!["transactions"];
    header.extend(GROUPS.map(|g| g.1));
    header.extend([
        "switches/s server",
        "switches/s load",
        "run-queue delay/s server",
        "run-queue delay/s load",
        "throttled",
        "CPU over unpooled's",
    ]);
    let mut table = Table::by_level(&analysis.varying, &["arm"], header);
    for (level, contender) in contenders() {
        table.push_level(&level.factors, row(level, contender));
    }
    if is_of_load_only(analysis) {
        return Section::table("CPU of the load generator", table, LOAD_NOTES);
    }
    let mut notes = NOTES.to_vec();
    let mut costs = contenders().filter_map(|(_, c)| c.cpu_cost.as_ref());
    if costs.any(|c| !c.net_of_readers) {
        notes.push(GROSS);
    }
    if analysis.levels.iter().any(|l| l.burn_ratio.is_some()) {
        notes.push(BURN);
    }
    let caption = format!("CPU per client transaction, {}", analysis.run.mode);
    Section::table(caption, table, notes)
}

fn row(level: &LevelSummary, contender: &ContenderSummary) -> Vec<String> {
    let (cost, sum) = (contender.cpu_cost.as_ref(), &contender.cpu);
    let transactions = count(cost.map_or(0, |c| c.transactions));
    let mut row = vec![contender.label(), transactions];
    row.extend(GROUPS.map(|(group, _)| {
        let ns = cost.and_then(|c| c.ns.get(&group));
        cell(ns.map(|ns| duration(*ns)))
    }));
    row.extend([false, true].map(|load| {
        let switches = sum.switches_per_second(load);
        cell(switches.map(|(own, forced)| format!("{own:.0} + {forced:.0}")))
    }));
    row.extend([false, true].map(|load| cell(sum.run_delay_ns_per_second(load).map(duration))));
    row.push(cell(sum.throttling.map(|t| duration(t.ns as f64))));
    let burn = level.burn_ratio.filter(|_| contender.arm == Arm::CpuBurn);
    row.push(cell(burn.map(|ratio| format!("{ratio:.3}"))));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::section::markdown;
    use crate::testing::{sample_run, sample_run_with_cpu};

    #[test]
    fn a_row_an_arm_and_a_column_a_group_that_was_counted() {
        let run = sample_run_with_cpu();
        let text = markdown(&cpu_table(&analyse(&run)));
        let row = text.lines().find(|l| l.contains("| unpooled ")).unwrap();
        assert_eq!(
            row,
            "| 0 | unpooled | 480 | 0 ns | 50.0 µs | 10.0 µs | 20 + 4 | 2.00 ms | 8.00 ms |"
        );
        assert!(
            !text.contains("pooler") && !text.contains("burner"),
            "{text}"
        );
        assert!(!text.contains(GROSS), "{text}");
        assert_eq!(text.matches("| unpooled |").count(), 2);
        let mut unseen = run;
        unseen.mode = Mode::Server;
        for block in &mut unseen.blocks {
            block
                .cpu
                .groups
                .retain(|group, _| *group == CpuGroup::Client);
        }
        let text = markdown(&cpu_table(&analyse(&unseen)));
        assert!(text.contains("CPU of the load generator"), "{text}");
        assert!(
            text.contains("CPU is not seen") && !text.contains("postmaster"),
            "{text}"
        );
        let old = sample_run(8);
        assert_eq!(cpu_table(&analyse(&old)), None);
    }
}
