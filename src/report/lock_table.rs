//! Lock by lock: readers' and writers' tails, and what the lock counted.

use super::format::{count, duration};
use super::text_table::TextTable;
use crate::arm::Arm;
use crate::record::Run;
use crate::stats::{Analysis, LockLevel, SeriesTail, lock_levels};

/// Both tables for the terminal; empty where the lock does not vary.
pub fn lock_tables(run: &Run, summary: &Analysis) -> String {
    tables(run, summary)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}\n{}\n\n", rows.terminal()))
        .collect()
}

/// Both tables as Markdown; empty where the lock does not vary.
pub(super) fn lock_tables_markdown(run: &Run, summary: &Analysis) -> String {
    tables(run, summary)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}:\n\n{}\n", rows.markdown()))
        .collect()
}

fn tables(run: &Run, summary: &Analysis) -> Vec<(&'static str, TextTable)> {
    let levels = lock_levels(run, summary);
    if levels.is_empty() {
        return Vec::new();
    }
    let mut all = vec![(
        "Every lock under unpooled: running statements, their snapshots' wait for the lock, ProcArrayAdd's wait for it",
        tails(&levels),
    )];
    all.extend(queues(&levels).map(|rows| {
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

fn share(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

fn tails(levels: &[LockLevel<'_>]) -> TextTable {
    let clock = levels
        .first()
        .and_then(|l| l.level.contender(Arm::Unpooled, false))
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
    for l in levels {
        let struck = l
            .level
            .contender(Arm::Unpooled, false)
            .is_some_and(|c| c.struck().is_some());
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
        row.push(share(l.share("shared-waits", "shared")));
        rows.push(row);
    }
    TextTable(rows)
}

/// What a column shows of a lock; `None` where it was not counted.
type Column = (&'static str, fn(&LockLevel<'_>) -> Option<String>);

const COLUMNS: [Column; 10] = [
    ("held exclusively", |l| {
        l.exclusive_busy().map(|s| share(Some(s)))
    }),
    ("shared barged", |l| l.counter("shared-barges").map(count)),
    ("exclusive barged", |l| {
        l.counter("exclusive-barges").map(count)
    }),
    ("queue, sum of lengths", |l| {
        l.counter("queue-length-sum").map(count)
    }),
    ("longest queue", |l| l.counter("longest-queue").map(count)),
    ("most grants to others in one exclusive wait", |l| {
        l.counter("longest-starvation-grants").map(count)
    }),
    ("longest exclusive wait", |l| {
        l.counter("longest-starvation-ns")
            .map(|ns| duration(ns as f64))
    }),
    ("wake-ups", |l| l.counter("wake-ups").map(count)),
    ("woken shared", |l| l.counter("woken-shared").map(count)),
    ("woken exclusive", |l| {
        l.counter("woken-exclusive").map(count)
    }),
];

/// The lock's own account, as far as any block has one.
fn queues(levels: &[LockLevel<'_>]) -> Option<TextTable> {
    let counted: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, of)| levels.iter().any(|l| of(l).is_some()))
        .collect();
    if counted.is_empty() {
        return None;
    }
    let mut header = vec!["lock".to_owned()];
    header.extend(counted.iter().map(|c| c.0.to_owned()));
    let mut rows = vec![header];
    for l in levels {
        let mut row = vec![l.lock.clone()];
        row.extend(
            counted
                .iter()
                .map(|(_, of)| of(l).unwrap_or_else(|| "-".to_owned())),
        );
        rows.push(row);
    }
    Some(TextTable(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::analyse;
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn only_what_was_counted_has_a_column() {
        let mut run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let text = lock_tables(&run, &analyse(&run));
        assert!(text.contains("response p99") && !text.contains("longest queue"));
        for block in &mut run.blocks {
            let name = "procarraylock.longest-queue".to_owned();
            block.counters.insert(name, 7);
        }
        let summary = analyse(&run);
        let text = lock_tables(&run, &summary);
        assert!(
            text.contains("longest queue") && !text.contains("wake-ups"),
            "{text}"
        );
        let markdown = lock_tables_markdown(&run, &summary);
        assert!(markdown.contains("| std | 7 |"), "{markdown}");
        let one = sample_run(8);
        assert_eq!(lock_tables(&one, &analyse(&one)), "");
    }
}
