//! Lock by lock: readers' and writers' tails, and what the lock counted.

use super::accounting::account_cells;
use super::format::{duration, quantity};
use super::section::{Section, Table, cell, struck_mark};
use crate::stats::{Analysis, LockLevel, queue_columns};

/// Both tables; none where the lock does not vary.
pub fn lock_tables(analysis: &Analysis) -> Vec<Section> {
    [tails(analysis), queues(analysis)]
        .into_iter()
        .flatten()
        .collect()
}

fn queues(analysis: &Analysis) -> Option<Section> {
    let columns: Vec<&str> = queue_columns().collect();
    let mut table = Table::new(["lock"], &columns);
    for lock in &analysis.locks {
        if let Some(churn) = analysis.churn_under(lock) {
            let mut row = vec![lock.lock.clone()];
            row.extend(account_cells(&columns, &churn.account));
            table.push(row);
        }
    }
    let caption = "What each lock counted under unpooled";
    let note = "The warm-up is counted, too. Longest ones are the maximum over all blocks.";
    Section::table(caption, table, [note])
}

fn tails(analysis: &Analysis) -> Option<Section> {
    let mut header = Vec::new();
    for times in [analysis.clock().name(), "service"] {
        header.extend(["p50", "p99"].map(|statistic| format!("{times} {statistic}")));
    }
    for wait in ["readers' wait", "writers' wait"] {
        let shown = ["p50", "p90", "p99", "max"];
        header.extend(shown.map(|statistic| format!("{wait} {statistic}")));
    }
    header.push("shared found it busy".to_owned());
    let mut table = Table::new(["lock"], header);
    for lock in &analysis.locks {
        table.push(tail_row(analysis, lock));
    }
    let caption = "Every lock under unpooled: times of running statements, and waits for the lock";
    let note = "Readers wait when they take a snapshot, writers in ProcArrayAdd.";
    Section::table(caption, table, [note])
}

fn tail_row(analysis: &Analysis, lock: &LockLevel) -> Vec<String> {
    let churn = analysis.churn_under(lock);
    let mark = struck_mark(churn.is_some_and(|c| c.struck().is_some()));
    let mut row = vec![format!("{}{mark}", lock.lock)];
    for times in [&lock.readers, &lock.readers_service] {
        row.extend([50.0, 99.0].map(|p| cell(times.at(p).map(|e| duration(e.value_ns)))));
    }
    for wait in [&lock.readers_wait, &lock.writers_wait] {
        row.extend([50.0, 90.0, 99.0].map(|p| cell(wait.at(p).map(|e| duration(e.value_ns)))));
        row.push(cell(wait.max_ns.map(|ns| duration(ns as f64))));
    }
    let busy = churn.and_then(|c| c.counted("shared found busy"));
    row.push(cell(busy.map(|b| quantity(b.value, b.unit))));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::section::markdown;
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn only_what_was_counted_has_a_column() {
        let mut run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let text = markdown(&lock_tables(&analyse(&run)));
        assert!(text.contains("response p99") && !text.contains("longest queue"));
        for block in &mut run.blocks {
            let name = "procarraylock.longest-queue".to_owned();
            block.counters.insert(name, 7);
        }
        let analysis = analyse(&run);
        let text = markdown(&lock_tables(&analysis));
        assert!(
            text.contains("longest queue") && !text.contains("wake-ups"),
            "{text}"
        );
        let markdown = markdown(&lock_tables(&analysis));
        assert!(markdown.contains("| std | 7 |"), "{markdown}");
        let one = sample_run(8);
        assert_eq!(lock_tables(&analyse(&one)), []);
    }

    #[test]
    fn the_summary_denies_no_wait_that_it_shows() {
        let mut run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        for block in &mut run.blocks {
            let times = block.series[&crate::record::SeriesKey::READER_SERVICE].clone();
            block.series.insert(crate::stats::READERS_WAIT, times);
        }
        let analysis = analyse(&run);
        let experiment = crate::experiment::find("locks").unwrap();
        let text = crate::report::summary_text::markdown(experiment, &[&analysis], &[]);
        assert!(text.contains("readers' wait p50"), "{text}");
        assert!(!text.contains("no lock wait was traced"), "{text}");
    }
}
