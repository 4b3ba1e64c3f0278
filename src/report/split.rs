//! Where traced statements spent their time: all of them and the slow ones, arm by arm.

use itertools::Itertools;

use super::figure::{Row, RowFigure, RowGroup, RowMark};
use super::format::{count, duration};
use super::grouped::grouped;
use super::level_title::title_in;
use super::section::{Section, Table, cell};
use crate::config::Tracing;
use crate::record::{SeriesKey, StatementClass, StatementPart};
use crate::stats::{Analysis, ContenderSummary, LevelSummary, StatementSplit, splits};

/// The fewest slow statements that are worth a row of their own.
const ENOUGH: u64 = 10;

/// All statements, and the slow ones if they are enough.
fn shown(contender: &ContenderSummary) -> impl Iterator<Item = StatementSplit> + use<> {
    let is_shown = |s: &StatementSplit| s.class == StatementClass::All || s.statements >= ENOUGH;
    splits(contender).into_iter().filter(is_shown)
}

/// `all`, `over 200 µs`, `over 200 µs by the lock`.
fn name(class: StatementClass, slow_over_ns: Option<u64>) -> String {
    let over = format!("over {}", duration(slow_over_ns.unwrap_or_default() as f64));
    match class {
        StatementClass::All => "all".to_owned(),
        StatementClass::Slow => over,
        StatementClass::SlowByLock => format!("{over} by the lock"),
    }
}

/// Every contender's shown splits.
fn all(
    analysis: &Analysis,
) -> impl Iterator<Item = (&LevelSummary, &ContenderSummary, StatementSplit)> {
    let contenders = analysis.contenders();
    contenders
        .flat_map(|(level, contender)| shown(contender).map(move |split| (level, contender, split)))
}

/// The table; `None` without a trace of statements.
pub(super) fn split_table(analysis: &Analysis) -> Option<Section> {
    let parts = StatementPart::ALL.iter().map(|p| p.name());
    let header = ["statements", "untraced mean", "traced mean"]
        .into_iter()
        .chain(parts);
    let mut table = Table::by_level(&analysis.varying, &["arm", "which"], header);
    let server = analysis.run.config.server.as_ref();
    let are_twins = server.is_none_or(|s| s.trace == Tracing::Twins);
    for (level, contender, split) in all(analysis) {
        // Of the same arrivals in the block before, without a probe.
        let untraced = contender
            .merged
            .get(&SeriesKey::READER_SERVICE)
            .and_then(|s| s.mean_ns())
            .filter(|_| are_twins && split.class == StatementClass::All);
        let name = name(split.class, analysis.run.slow_over_ns);
        let mut row = vec![contender.label(), name, count(split.statements)];
        row.push(cell(untraced.map(duration)));
        row.push(duration(split.total_ns()));
        row.extend(split.parts.iter().map(|p| duration(p.1)));
        table.push_level(&level.factors, row);
    }
    let mut notes = vec!["Means per statement, warm-up included. The parts add up to the traced service time. They are told by the readers' backends' turns on the CPU and by who held ProcArrayLock. By the lock: slow, and not without the three waits for it.".to_owned()];
    let caption = match are_twins {
        true => "Where the time of running statements went (traced twins)",
        false => "Where the time of running statements went (traced)",
    };
    if are_twins {
        notes.push("Traced minus untraced mean is what observing costs. Not a share of any quoted percentile: the twins run after the blocks that are quoted.".to_owned());
    }
    Section::table(caption, table, notes)
}

/// The figure: one bar for all statements and one for the slow ones of each arm.
pub(super) fn split_figure(analysis: &Analysis) -> Option<RowFigure> {
    let drawn = all(analysis).filter(|(.., split)| split.class != StatementClass::SlowByLock);
    let bars = drawn.map(|(level, contender, split)| {
        let parts = split.parts.iter().filter(|p| p.1 > 0.0);
        let name = name(split.class, analysis.run.slow_over_ns);
        let row = Row {
            label: format!("{}, {name}", contender.label()),
            marks: parts.map(|p| RowMark::part(p.0.name(), p.1)).collect(),
            samples: split.statements,
            ..Row::default()
        };
        (title_in(analysis, &level.factors), row)
    });
    let groups = grouped(bars)
        .into_iter()
        .map(|(title, rows)| RowGroup { title, rows });
    let groups = groups.collect_vec();
    (!groups.is_empty()).then(|| RowFigure {
        title: "Where the time of running statements went".to_owned(),
        subtitle: "Means of traced statements: they add up. Look at how much of the slow ones is the lock's, and how much is waiting for a CPU".to_owned(),
        quantity: "mean service time of one traced statement".to_owned(),
        groups,
        ..RowFigure::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::report::figure::Figure;
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    /// Every block's twin: 100 statements of 30 us on the CPU and 10 us in the client; of `unpooled` 20 of them
    /// waited 400 us for a holder that ran.
    fn run() -> Run {
        let mut run = sample_run(8);
        run.slow_over_ns = Some(200_000);
        for block in &mut run.blocks {
            let slow = if block.arm == Arm::Unpooled { 20 } else { 0 };
            for &class in StatementClass::ALL {
                let statements = match class {
                    StatementClass::All => 100,
                    _ => slow,
                };
                let sums = [
                    (StatementPart::OnCpu, 30_000 * statements),
                    (StatementPart::HolderRunning, 400_000 * slow),
                    (StatementPart::Client, 10_000 * statements),
                ];
                let sums = sums.map(|(part, ns)| (part.counter(class), ns));
                block.counters.extend(sums);
                block.counters.insert(class.counter(), statements);
            }
        }
        run
    }

    #[test]
    fn all_statements_and_slow_ones_are_split_into_parts_that_add_up() {
        let analysis = analyse(&run());
        let text = markdown(&split_table(&analysis));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|l| l.contains("| unpooled |"))
            .map(|l| l.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows[0][3], "all");
        assert_eq!((rows[0][4], rows[0][6]), ("800", "120 µs"), "{text}");
        assert_eq!(rows[1][3..5], ["over 200 µs", "160"]);
        assert_eq!((rows[1][6], rows[1][9]), ("440 µs", "400 µs"), "{text}");
        assert_eq!(rows[2][3..5], ["over 200 µs by the lock", "160"]);
        assert!(!text.contains("| kept-open | over"));
        let svg = split_figure(&analysis).unwrap().svg().unwrap();
        assert!(svg.contains("lock-holder-running") && svg.contains("unpooled, over"));
        let untraced = analyse(&sample_run(8));
        assert_eq!(split_table(&untraced), None);
        assert!(split_figure(&untraced).is_none());
    }
}
