//! Lock by lock: readers' and writers' tails, and what the lock counted.

use super::accounting::account_table;
use super::format::duration;
use super::quantity::quantity;
use super::text_table::TextTable;
use crate::stats::{Analysis, Counted, FOUND_BUSY, SeriesTail, queue_columns};

/// Both tables for the terminal; empty where the lock does not vary.
pub fn lock_tables(analysis: &Analysis) -> String {
    tables(analysis)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}\n{}\n\n", rows.terminal()))
        .collect()
}

/// Both tables as Markdown; empty where the lock does not vary.
pub(super) fn lock_tables_markdown(analysis: &Analysis) -> String {
    tables(analysis)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}:\n\n{}\n", rows.markdown()))
        .collect()
}

fn tables(analysis: &Analysis) -> Vec<(&'static str, TextTable)> {
    if analysis.locks.is_empty() {
        return Vec::new();
    }
    let mut all = vec![(
        "Every lock under unpooled: running statements, their snapshots' wait for the lock, ProcArrayAdd's wait for it",
        tails(analysis),
    )];
    all.extend(queues(analysis).map(|rows| {
        (
            "What each lock counted under unpooled (warm-up included; longest ones are the maximum over all blocks)",
            rows,
        )
    }));
    all
}

fn at(tail: &SeriesTail, p: f64) -> String {
    tail.at(p).map_or("-".to_owned(), |e| duration(e.value_ns))
}

fn max(tail: &SeriesTail) -> String {
    tail.max_ns.map_or("-".to_owned(), |ns| duration(ns as f64))
}

fn tails(analysis: &Analysis) -> TextTable {
    let clock = analysis
        .locks
        .first()
        .and_then(|l| analysis.churn_under(l))
        .map_or_else(String::new, |c| c.quoted.clock.to_string());
    let mut rows = vec![vec![
        "lock".to_owned(),
        format!("{clock} p50"),
        format!("{clock} p99"),
        "service p50".to_owned(),
        "service p99".to_owned(),
        "readers' wait p50".to_owned(),
        "p90".to_owned(),
        "p99".to_owned(),
        "max".to_owned(),
        "writers' wait p50".to_owned(),
        "p90".to_owned(),
        "p99".to_owned(),
        "max".to_owned(),
        "shared found it busy".to_owned(),
    ]];
    for l in &analysis.locks {
        let churn = analysis.churn_under(l);
        let struck = churn.is_some_and(|c| c.struck().is_some());
        let mark = if struck { " [x]" } else { "" };
        let mut row = vec![
            format!("{}{mark}", l.lock),
            at(&l.readers, 50.0),
            at(&l.readers, 99.0),
            at(&l.readers_service, 50.0),
            at(&l.readers_service, 99.0),
        ];
        for wait in [&l.readers_wait, &l.writers_wait] {
            row.extend([50.0, 90.0, 99.0].map(|p| at(wait, p)));
            row.push(max(wait));
        }
        let busy = churn.and_then(|c| c.counted(FOUND_BUSY));
        row.push(busy.map_or("-".to_owned(), |b| quantity(b.value, b.unit)));
        rows.push(row);
    }
    TextTable(rows)
}

/// The lock's own account, as far as any block has one.
fn queues(analysis: &Analysis) -> Option<TextTable> {
    let accounts: Vec<(String, &[Counted])> = analysis
        .locks
        .iter()
        .filter_map(|l| Some((l.lock.clone(), &analysis.churn_under(l)?.account[..])))
        .collect();
    account_table("lock", queue_columns(), &accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn only_what_was_counted_has_a_column() {
        let mut run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let text = lock_tables(&analyse(&run));
        assert!(text.contains("response p99") && !text.contains("longest queue"));
        for block in &mut run.blocks {
            let name = "procarraylock.longest-queue".to_owned();
            block.counters.insert(name, 7);
        }
        let analysis = analyse(&run);
        let text = lock_tables(&analysis);
        assert!(
            text.contains("longest queue") && !text.contains("wake-ups"),
            "{text}"
        );
        let markdown = lock_tables_markdown(&analysis);
        assert!(markdown.contains("| std | 7 |"), "{markdown}");
        let one = sample_run(8);
        assert_eq!(lock_tables(&analyse(&one)), "");
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
