//! How often the locks were taken, found busy and held, and what snapshots and
//! membership did, from the counters inside them.

use std::collections::BTreeMap;

use super::format::count;
use super::level_title::level_title;
use super::text_table::TextTable;
use crate::record::{Role, RoleTally, Run};
use crate::stats::{Analysis, ContenderSummary, merged_counters};

/// More rows than this are for the summary file, not for the terminal.
const MOST_ROWS: usize = 40;

/// One contender's counters over its blocks.
struct Account<'a> {
    counters: BTreeMap<String, u64>,
    contender: &'a ContenderSummary,
    /// Time over which it was counted, in ns.
    load_ns: u64,
    /// Whether whatever was counted was done by readers and the arm's clients in
    /// the measured window: no warm-up, nobody in the background.
    closed: bool,
}

impl Account<'_> {
    fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(name).copied()
    }

    /// The sum of counters over the sum of others.
    fn ratio(&self, of: &[&str], over: &[&str]) -> Option<f64> {
        let sum = |names: &[&str]| -> Option<u64> { names.iter().map(|n| self.counter(n)).sum() };
        let over = sum(over).filter(|n| *n > 0)?;
        Some(sum(of)? as f64 / over as f64)
    }

    /// Acquisitions by clients for each of their operations.
    fn per_client(&self, lock: &str, by_readers: u64) -> Option<f64> {
        let done = self
            .contender
            .tallies
            .get(&Role::Client)
            .map_or(0, RoleTally::succeeded);
        let taken = self.counter(lock)?;
        (self.closed && done > 0).then(|| taken.saturating_sub(by_readers) as f64 / done as f64)
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// What a column shows; `None` where it was not counted.
type Column = (&'static str, fn(&Account<'_>) -> Option<String>);

const MEMBERSHIP: [&str; 2] = ["operations.procarray-add", "operations.procarray-remove"];

const COLUMNS: [Column; 17] = [
    ("ProcArrayLock shared / client op", |a| {
        let by_readers = a.counter("operations.reader-snapshot")?;
        a.per_client("procarraylock.shared", by_readers).map(number)
    }),
    ("exclusive / client op", |a| {
        a.per_client("procarraylock.exclusive", 0).map(number)
    }),
    ("XidGenLock shared / client op", |a| {
        a.per_client("xidgenlock.shared", 0).map(number)
    }),
    ("XidGenLock exclusive / client op", |a| {
        a.per_client("xidgenlock.exclusive", 0).map(number)
    }),
    ("shared", |a| a.counter("procarraylock.shared").map(count)),
    ("shared found busy", |a| {
        a.ratio(&["procarraylock.shared-waits"], &["procarraylock.shared"])
            .map(percent)
    }),
    ("exclusive", |a| {
        a.counter("procarraylock.exclusive").map(count)
    }),
    ("exclusive found busy", |a| {
        a.ratio(
            &["procarraylock.exclusive-waits"],
            &["procarraylock.exclusive"],
        )
        .map(percent)
    }),
    ("held exclusively", |a| {
        let held = a.counter("procarraylock.exclusive-held-ns")?;
        (a.load_ns > 0).then(|| percent(held as f64 / a.load_ns as f64))
    }),
    ("XidGenLock exclusive", |a| {
        a.counter("xidgenlock.exclusive").map(count)
    }),
    ("XidGenLock / add or remove", |a| {
        // Commits take it, too.
        let commits = a.counter("operations.get-new-transaction-id").unwrap_or(0);
        if commits > 0 {
            return None;
        }
        a.ratio(&["xidgenlock.exclusive"], &MEMBERSHIP).map(number)
    }),
    ("snapshots reused", |a| {
        a.ratio(&["operations.snapshot-reused"], &["operations.snapshot"])
            .map(percent)
    }),
    ("faults / add", |a| {
        a.ratio(&["faults.procarray-add"], &MEMBERSHIP[..1])
            .map(number)
    }),
    ("most faults in an add", |a| {
        a.counter("faults.procarray-add.largest").map(count)
    }),
    ("faults / remove", |a| {
        a.ratio(&["faults.procarray-remove"], &MEMBERSHIP[1..])
            .map(number)
    }),
    ("group size", |a| {
        a.ratio(&["group-clear.members"], &["group-clear.groups"])
            .map(number)
    }),
    ("largest group", |a| {
        a.counter("group-clear.groups").filter(|n| *n > 0)?;
        a.counter("group-clear.largest").map(count)
    }),
];

const CAPTION: &str = "What the model's locks and operations counted (warm-up included; a regression guard, not evidence about PostgreSQL: the model takes each lock as often as it was written to; what was not put in are waits, faults, reuse and group sizes)";

/// The table for the terminal; empty for a server run and for one without counters.
pub fn accounting_table(run: &Run, summary: &Analysis) -> String {
    match rows(run, summary) {
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
pub(super) fn accounting_markdown(run: &Run, summary: &Analysis) -> String {
    rows(run, summary).map_or_else(String::new, |rows| {
        format!("{CAPTION}:\n\n{}\n", rows.markdown())
    })
}

fn rows(run: &Run, summary: &Analysis) -> Option<TextTable> {
    let model = run.config.model.as_ref()?;
    let b = &model.background;
    let closed = run.config.warmup_ns == 0
        && b.committers == 0
        && b.monitor_rate_per_second == 0.0
        && b.horizon_rate_per_second == 0.0
        && b.parallel_workers_per_second == 0.0;
    let mut accounts: Vec<(String, Account<'_>)> = Vec::new();
    for level in &summary.levels {
        for contender in level.contenders.iter().filter(|c| !c.twin) {
            let blocks = run.blocks_of(contender.arm, false, &level.factors);
            let counters = merged_counters(&blocks);
            if counters.is_empty() {
                continue;
            }
            let name = format!(
                "{}, {}",
                level_title(&level.factors, &summary.varying),
                contender.label()
            );
            let measured: u64 = blocks.iter().map(|b| b.measured_ns).sum();
            let account = Account {
                counters,
                contender,
                load_ns: measured + run.config.warmup_ns * blocks.len() as u64,
                closed,
            };
            accounts.push((name, account));
        }
    }
    let shown: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(_, of)| accounts.iter().any(|(_, a)| of(a).is_some()))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let mut header = vec!["level and arm".to_owned()];
    header.extend(shown.iter().map(|c| c.0.to_owned()));
    let mut rows = vec![header];
    for (name, account) in &accounts {
        let mut row = vec![name.clone()];
        row.extend(
            shown
                .iter()
                .map(|(_, of)| of(account).unwrap_or_else(|| "-".to_owned())),
        );
        rows.push(row);
    }
    Some(TextTable(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::arm::Mode;
    use crate::stats::analyse;
    use crate::testing::run_under_locks;

    /// 50 clients' connections a block, two exclusive and six shared each, beside
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
        let text = accounting_markdown(&run, &analyse(&run));
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
        let text = accounting_table(&run, &analyse(&run));
        assert!(
            !text.contains("client op") && text.contains("held exclusively"),
            "{text}"
        );
        let mut server = counted(0);
        server.mode = Mode::Server;
        server.config.model = None;
        assert_eq!(accounting_table(&server, &analyse(&server)), "");
    }
}
