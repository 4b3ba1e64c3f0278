//! How often the locks were taken, found busy and held, and what snapshots and
//! membership did, from the counters inside them.

use super::level_title::level_title;
use super::quantity::quantity;
use super::text_table::TextTable;
use crate::stats::{Analysis, Counted, accounted_columns};

/// More rows than this are for the summary file, not for the terminal.
const MOST_ROWS: usize = 40;

const CAPTION: &str = "What the model's locks and operations counted (warm-up included; a regression guard, not evidence about PostgreSQL: the model takes each lock as often as it was written to; what was not put in are waits, faults, reuse and group sizes)";

/// The table for the terminal; empty for a server run and for one without counters.
pub fn accounting_table(analysis: &Analysis) -> String {
    match rows(analysis) {
        Some(TextTable(rows)) if rows.len() > MOST_ROWS => {
            format!(
                "What the locks counted: {} rows, in SUMMARY.md\n\n",
                rows.len() - 1
            )
        }
        Some(rows) => format!("{CAPTION}\n{}\n\n", rows.terminal()),
        None => String::new(),
    }
}

/// The same as Markdown, whatever its length.
pub(super) fn accounting_markdown(analysis: &Analysis) -> String {
    rows(analysis).map_or_else(String::new, |rows| {
        format!("{CAPTION}:\n\n{}\n", rows.markdown())
    })
}

fn rows(analysis: &Analysis) -> Option<TextTable> {
    let run = &analysis.run;
    run.config.model.as_ref()?;
    let mut accounts: Vec<(String, &[Counted])> = Vec::new();
    for level in &analysis.levels {
        for contender in level.contenders.iter().filter(|c| !c.twin) {
            if !contender.counters.is_empty() {
                let level = level_title(&level.factors, &analysis.varying);
                let name = format!("{level}, {}", contender.label());
                accounts.push((name, &contender.account));
            }
        }
    }
    account_table("level and arm", accounted_columns(), &accounts)
}

/// A row for each account, with the columns that any of them has; `None` if there is none.
pub(super) fn account_table(
    what: &str,
    columns: impl Iterator<Item = &'static str>,
    accounts: &[(String, &[Counted])],
) -> Option<TextTable> {
    let value = |account: &[Counted], column: &str| {
        let counted = account.iter().find(|c| c.what == column)?;
        Some(quantity(counted.value, counted.unit))
    };
    let shown: Vec<&str> = columns
        .filter(|column| accounts.iter().any(|(_, a)| value(a, column).is_some()))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let header = std::iter::once(what).chain(shown.iter().copied());
    let mut rows = vec![header.map(str::to_owned).collect()];
    for (name, account) in accounts {
        let cells = shown.iter().map(|column| value(account, column));
        let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    Some(TextTable(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::arm::Mode;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::testing::run_under_locks;

    /// 50 clients' connections per block, two exclusive and six shared each, beside
    /// 100 snapshots of readers.
    fn counted(warmup_ns: u64) -> Run {
        let mut run = run_under_locks(8, &[("std", 1)]);
        run.config.warmup_ns = warmup_ns;
        for block in &mut run.blocks {
            let connections = if block.arm == Arm::Unpooled { 50 } else { 0 };
            block.counters = [
                ("operations.procarray-add", connections),
                ("operations.procarray-remove", connections),
                ("operations.snapshot", 100 + 6 * connections),
                ("operations.snapshot-reused", 100),
                ("operations.reader-snapshot", 100),
                ("procarraylock.shared", 100 + 6 * connections),
                ("procarraylock.exclusive", 2 * connections),
                ("procarraylock.exclusive-held-ns", 5_000_000),
                ("xidgenlock.exclusive", 2 * connections),
            ]
            .map(|(name, n)| (name.to_owned(), n))
            .into();
        }
        run
    }

    fn row(text: &str, arm: &str) -> Vec<String> {
        let line = text.lines().find(|l| l.contains(arm)).unwrap();
        line.split('|').map(|c| c.trim().to_owned()).collect()
    }

    #[test]
    fn acquisitions_are_divided_by_the_clients_operations_and_only_what_is_there_is_shown() {
        let run = counted(0);
        let text = accounting_markdown(&analyse(&run));
        let unpooled = row(&text, "standing connections, unpooled");
        assert_eq!(unpooled[2..5], ["6", "2", "2"], "{text}");
        assert!(unpooled.contains(&"1.00 %".to_owned()), "{text}");
        assert_eq!(row(&text, "kept-open")[2..5], ["0", "0", "0"]);
        assert!(
            !text.contains("faults / add") && !text.contains("group size |"),
            "{text}"
        );
        assert!(text.contains("a regression guard"));
    }

    #[test]
    fn with_a_warm_up_nothing_is_divided_by_operations() {
        let run = counted(1_000_000);
        let text = accounting_table(&analyse(&run));
        assert!(
            !text.contains("client op") && text.contains("held exclusively"),
            "{text}"
        );
        let mut server = counted(0);
        server.mode = Mode::Server;
        server.config.model = None;
        assert_eq!(accounting_table(&analyse(&server)), "");
    }
}
