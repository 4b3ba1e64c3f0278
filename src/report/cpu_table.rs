//! CPU by group of processes: what a client transaction costs, and who waited for a core.

use super::format::{count, duration};
use super::level_title::level_title;
use super::text_table::TextTable;
use crate::record::CpuGroup;
use crate::stats::{Analysis, CpuSum, LevelSummary};

/// What the numbers are; below each table.
const NOTE: &str = "CPU of one client transaction; the server's without what the readers' statements cost in quiet. \
Backends: all children of the postmaster, exited ones included, in steps of 10 ms over a block. Switches (voluntary + involuntary) \
and run-queue delay: server side and load threads, per second of load, without those of backends that had exited.";

/// Said where `quiet` was not run.
const GROSS: &str = "quiet was not run: the server's part includes the readers' statements.";

const COLUMNS: [(CpuGroup, &str); 5] = [
    (CpuGroup::Postmaster, "postmaster"),
    (CpuGroup::Backends, "backends"),
    (CpuGroup::Pooler, "pooler"),
    (CpuGroup::Burner, "burner"),
    (CpuGroup::Client, "client"),
];

/// The tables for the terminal, one per level; empty for runs without this accounting.
pub fn cpu_tables(analysis: &Analysis) -> String {
    let run = &analysis.run;
    tables(analysis)
        .map(|(level, table)| {
            format!(
                "{}, {}: CPU\n{}\n{}\n\n",
                run.mode,
                level_title(&level.factors, &analysis.varying),
                table.terminal(),
                note(level)
            )
        })
        .collect()
}

/// The same as Markdown.
pub fn cpu_tables_markdown(analysis: &Analysis) -> String {
    let run = &analysis.run;
    tables(analysis)
        .map(|(level, table)| {
            format!(
                "### CPU, {}, {}\n\n{}\n{}\n\n",
                run.mode,
                level_title(&level.factors, &analysis.varying),
                table.markdown(),
                note(level)
            )
        })
        .collect()
}

fn tables(analysis: &Analysis) -> impl Iterator<Item = (&LevelSummary, TextTable)> {
    analysis
        .levels
        .iter()
        .filter_map(|level| Some((level, level_table(level)?)))
}

fn note(level: &LevelSummary) -> String {
    let mut note = NOTE.to_owned();
    let mut costs = level.contenders.iter().filter_map(|c| c.cpu_cost.as_ref());
    if costs.any(|c| !c.net_of_readers) {
        note += &format!(" {GROSS}");
    }
    if let Some(ratio) = level.burn_ratio {
        note += &format!(
            " cpu-burn used {ratio:.3} times the server CPU of an unpooled transaction (0.95 to 1.05 wanted)."
        );
    }
    note
}

fn level_table(level: &LevelSummary) -> Option<TextTable> {
    let has = |group| {
        let mut contenders = level.contenders.iter();
        contenders.any(|c| c.cpu.groups.contains_key(&group))
    };
    let columns: Vec<(CpuGroup, &str)> = COLUMNS.into_iter().filter(|c| has(c.0)).collect();
    if columns.is_empty() {
        return None;
    }
    let mut header = vec!["arm".to_owned(), "transactions".to_owned()];
    header.extend(columns.iter().map(|c| c.1.to_owned()));
    for what in ["switches/s", "run-queue delay/s"] {
        header.extend(["server", "load"].map(|side| format!("{what} {side}")));
    }
    header.push("throttled".to_owned());
    let mut rows = vec![header];
    for contender in &level.contenders {
        let cost = contender.cpu_cost.as_ref();
        let mut row = vec![contender.label(), count(cost.map_or(0, |c| c.transactions))];
        row.extend(columns.iter().map(|(group, _)| {
            let ns = cost.and_then(|c| c.ns.get(group));
            ns.map_or("-".to_owned(), |ns| duration(*ns))
        }));
        row.extend(waits(&contender.cpu));
        rows.push(row);
    }
    Some(TextTable(rows))
}

fn waits(sum: &CpuSum) -> [String; 5] {
    let none = || "-".to_owned();
    let switches = |load| {
        let both = sum.switches_per_second(load);
        both.map_or_else(none, |(own, forced)| format!("{own:.0} + {forced:.0}"))
    };
    let delay = |load| {
        sum.run_delay_ns_per_second(load)
            .map_or_else(none, duration)
    };
    let throttled = sum.throttling.map(|t| duration(t.ns as f64));
    [
        switches(false),
        switches(true),
        delay(false),
        delay(true),
        throttled.unwrap_or_else(none),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::{sample_run, sample_run_with_cpu};

    #[test]
    fn a_row_an_arm_and_a_column_a_group_that_was_counted() {
        let run = sample_run_with_cpu();
        let text = cpu_tables_markdown(&analyse(&run));
        let row = text.lines().find(|l| l.starts_with("| unpooled ")).unwrap();
        assert_eq!(
            row,
            "| unpooled | 480 | 0 ns | 50.0 us | 10.0 us | 20 + 4 | - | 2.00 ms | - | 8.00 ms |"
        );
        assert!(
            !text.contains("pooler") && !text.contains("burner"),
            "{text}"
        );
        assert!(!text.contains(GROSS), "{text}");
        assert_eq!(text.matches("### CPU").count(), 2);
        let old = sample_run(8);
        assert_eq!(cpu_tables(&analyse(&old)), "");
    }
}
