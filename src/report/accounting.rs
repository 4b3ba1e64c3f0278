//! How often the locks were taken, found busy and held, and what snapshots and
//! membership did: from the counters inside the model's, and from a trace of a server's.

use itertools::{Itertools, iproduct};

use super::format::quantity;
use super::level_title::series_name;
use super::section::{Section, Table, cell};
use crate::arm::{Arm, Mode};
use crate::record::levels_side_by_side;
use crate::stats::{
    Analysis, ContenderSummary, Counted, PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, XID_GEN_EXCLUSIVE,
    accounted_columns,
};

const NOTE_OF_MODEL: &str = "The warm-up is counted, too. This is a regression guard, not evidence about PostgreSQL: the model takes each lock as often as it was written to. Only waits, faults, reuse and group sizes were not put in.";

const NOTE_OF_SERVER: &str = "Counted by probes at the functions that take the locks (bpftrace), the warm-up too, of readers and clients alone. A hold has one probe within it on 13 and four on later versions, and is longer by what they cost; faults are exact. Times of traced statements are not to be quoted.";

/// A row for each arm and level; `None` without counters.
pub(super) fn accounting_table(analysis: &Analysis) -> Option<Section> {
    let (caption, note) = match analysis.run.mode {
        Mode::Model => (
            "What the model's locks and operations counted",
            NOTE_OF_MODEL,
        ),
        Mode::Server => (
            "What the server did with its locks (traced)",
            NOTE_OF_SERVER,
        ),
    };
    let columns: Vec<&str> = accounted_columns().collect();
    let mut table = Table::by_level(&analysis.varying, &["arm"], &columns);
    let counted = |c: &ContenderSummary| c.counter("procarraylock.shared").is_some() && !c.twin;
    for (level, contender) in analysis.contenders().filter(|(_, c)| counted(c)) {
        let cells = account_cells(&columns, &contender.account);
        let row = std::iter::once(contender.label()).chain(cells);
        table.push_level(&level.factors, row);
    }
    Section::table(caption, table, [note])
}

/// What one operation of the clients takes, a column for each run: a server's counts beside the model's. `None` where
/// not every run was counted.
pub(super) fn accounts_beside(items: &[&Analysis]) -> Option<Section> {
    const LOCKS: [&str; 3] = [PROCARRAY_SHARED, PROCARRAY_EXCLUSIVE, XID_GEN_EXCLUSIVE];
    let levels = items.iter().map(|i| i.level_factors()).collect_vec();
    let (levels, named) = levels_side_by_side(&levels);
    let names = |lock| {
        items
            .iter()
            .map(move |a| format!("{lock}: {}", series_name(&a.run, items)))
    };
    let mut table = Table::by_level(&named, &["arm"], LOCKS.into_iter().flat_map(names));
    for (level, arm) in iproduct!(&levels, Arm::ALL) {
        let value = |lock: &str, analysis: &&Analysis| {
            let contender = analysis.level(level)?.contender(*arm, false)?;
            let counted = contender.counted(lock)?;
            Some(quantity(counted.value, counted.unit))
        };
        let cells = LOCKS
            .iter()
            .flat_map(|lock| items.iter().map(|a| value(lock, a)));
        let cells = cells.collect_vec();
        if cells.iter().all(Option::is_some) {
            let row = std::iter::once(arm.to_string()).chain(cells.into_iter().flatten());
            table.push_level(level, row);
        }
    }
    let note = "Means over all operations that ended well. A server's counts are a trace's, the model's are its own.";
    Section::table("How often the locks are taken, side by side", table, [note])
}

/// An account's numbers in these columns.
pub(super) fn account_cells(columns: &[&str], account: &[Counted]) -> Vec<String> {
    let value = |column: &&str| {
        let counted = account.iter().find(|c| c.what == *column)?;
        Some(quantity(counted.value, counted.unit))
    };
    columns.iter().map(|column| cell(value(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::report::section::markdown;
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
        let text = markdown(&accounting_table(&analyse(&run)));
        let unpooled = row(&text, "| unpooled ");
        assert_eq!(unpooled[3..6], ["6", "2", "2"], "{text}");
        assert!(unpooled.contains(&"1.00 %".to_owned()), "{text}");
        assert_eq!(row(&text, "| kept-open ")[3..6], ["0", "0", "0"]);
        assert!(
            !text.contains("faults / add") && !text.contains("group size |"),
            "{text}"
        );
        assert!(text.contains("a regression guard"));
    }

    #[test]
    fn with_a_warm_up_nothing_is_divided_by_operations() {
        let run = counted(1_000_000);
        let text = markdown(&accounting_table(&analyse(&run)));
        assert!(
            !text.contains("client op") && text.contains("held exclusively"),
            "{text}"
        );
    }

    #[test]
    fn a_traced_server_is_counted_by_its_trace_and_an_untraced_one_not_at_all() {
        let mut server = counted(0);
        server.mode = Mode::Server;
        server.config.model = None;
        let traced = markdown(&accounting_table(&analyse(&server)));
        assert_eq!(row(&traced, "| unpooled ")[3..6], ["6", "2", "2"]);
        assert!(traced.contains("(traced)"), "{traced}");
        let (a, b) = (analyse(&server), analyse(&counted(0)));
        let beside = markdown(&accounts_beside(&[&a, &b]));
        let cells = row(&beside, "| unpooled ");
        assert_eq!(cells[3..9], ["6", "6", "2", "2", "2", "2"], "{beside}");
        for block in &mut server.blocks {
            block.counters = [("server.forks".to_owned(), 50)].into();
        }
        assert_eq!(accounting_table(&analyse(&server)), None);
        assert_eq!(accounts_beside(&[&analyse(&server), &b]), None);
    }
}
