//! What a client's transaction costs, arm by arm: how many a second, how long each, made of what.

use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::footer::footer;
use super::format::{count, duration};
use super::level_title::level_title;
use super::text_table::TextTable;
use crate::arm::Arm;
use crate::record::{ClockKind, Operation, Phase, Role, SeriesKey};
use crate::stats::{Analysis, Answer, ContenderSummary, LevelSummary};

/// What the numbers are; below each table.
const NOTE: &str = "Transactions that ended well per second, with the 95 % bootstrap interval over blocks; times of the clients' transactions, from the instant they were due (response) where they are paced, from their begin (service) in the closed loop.";

/// The parts of a transaction, in their order.
const PARTS: [(Operation, &str); 4] = [
    (Operation::Checkout, "checkout"),
    (Operation::Connect, "connect"),
    (Operation::Query, "query"),
    (Operation::Disconnect, "disconnect"),
];

fn whole(clock: ClockKind) -> SeriesKey {
    SeriesKey::new(Role::Client, Operation::Transaction, Phase::Total, clock)
}

/// The arms with clients at one level.
fn with_clients(level: &LevelSummary) -> impl Iterator<Item = &ContenderSummary> {
    level
        .contenders
        .iter()
        .filter(|c| c.arm != Arm::Quiet && c.client_per_second > 0.0)
}

/// Why an arm's client numbers are struck out, if they are.
fn struck(contender: &ContenderSummary) -> Option<String> {
    contender.struck_for_clients().map(ToString::to_string)
}

/// The tables for the terminal, one per level; empty for runs of other experiments.
pub fn cost_tables(analysis: &Analysis) -> String {
    tables(analysis)
        .into_iter()
        .map(|(caption, table)| format!("{caption}\n{}\n{NOTE}\n\n", table.terminal()))
        .collect()
}

/// The same as Markdown.
pub(super) fn cost_tables_markdown(analysis: &Analysis) -> String {
    tables(analysis)
        .into_iter()
        .map(|(caption, table)| format!("{caption}:\n\n{}\n{NOTE}\n\n", table.markdown()))
        .collect()
}

fn tables(analysis: &Analysis) -> Vec<(String, TextTable)> {
    let run = &analysis.run;
    if analysis.answer != Answer::Costs {
        return Vec::new();
    }
    analysis
        .levels
        .iter()
        .map(|level| {
            let caption = format!(
                "{}, {}: client transactions",
                run.mode,
                level_title(&level.factors, &analysis.varying)
            );
            (caption, table(level))
        })
        .collect()
}

fn table(level: &LevelSummary) -> TextTable {
    let header = [
        "arm",
        "per second (95 %)",
        "clock",
        "mean",
        "p50",
        "p90",
        "p99",
        "note",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for c in with_clients(level) {
        let number = |n: f64| count(n.round() as u64);
        let times = [ClockKind::Response, ClockKind::Service]
            .into_iter()
            .find_map(|clock| Some((clock, c.merged.get(&whole(clock))?)));
        let time = |at: fn(&crate::record::SeriesHistogram) -> Option<f64>| {
            times
                .and_then(|(_, histogram)| at(histogram))
                .map_or_else(|| "-".to_owned(), duration)
        };
        rows.push(vec![
            c.label(),
            c.client_rate.map_or_else(
                || "-".to_owned(),
                |r| {
                    let (low, high) = (number(r.low_ns), number(r.high_ns));
                    format!("{} ({low} .. {high})", number(r.value_ns))
                },
            ),
            times.map_or_else(|| "-".to_owned(), |t| t.0.to_string()),
            time(|h| h.mean_ns()),
            time(|h| h.percentile_ns(50.0).map(|ns| ns as f64)),
            time(|h| h.percentile_ns(90.0).map(|ns| ns as f64)),
            time(|h| h.percentile_ns(99.0).map(|ns| ns as f64)),
            struck(c).map_or_else(String::new, |why| format!("[x] {why}")),
        ]);
    }
    TextTable(rows)
}

/// Mean time of a transaction by its parts, a bar an arm: means add up.
pub fn cost_figure(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    if analysis.answer != Answer::Costs {
        return None;
    }
    let groups: Vec<RowGroup> = analysis
        .levels
        .iter()
        .map(|level| RowGroup {
            title: level_title(&level.factors, &analysis.varying),
            rows: with_clients(level)
                .filter(|c| !c.twin)
                .map(bar)
                .filter(|b| !b.marks.is_empty())
                .collect(),
            floors_ns: Vec::new(),
        })
        .filter(|g| !g.rows.is_empty())
        .collect();
    (!groups.is_empty()).then(|| RowFigure {
        title: "What a client's transaction is made of".to_owned(),
        subtitle: "Look at how little of an unpooled transaction is its query".to_owned(),
        quantity: "mean service time of one transaction, by its parts".to_owned(),
        footer: footer(&[analysis], redraw),
        ..RowFigure::one_column(RowForm::Stacks, groups)
    })
}

fn bar(contender: &ContenderSummary) -> Row {
    let part = |(operation, name): (Operation, &str)| {
        let key = SeriesKey::service(Role::Client, operation, Phase::Total);
        Some(RowMark::part(name, contender.merged.get(&key)?.mean_ns()?))
    };
    Row {
        label: contender.label(),
        marks: PARTS.into_iter().filter_map(part).collect(),
        samples: 0,
        signs: Signs {
            struck: struck(contender),
            caution: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn arms_with_clients_have_a_row_and_their_parts_a_bar() {
        let mut run = sample_run(8);
        let analysis = analyse(&run);
        assert!(cost_tables(&analysis).is_empty());
        run.experiment = "pool".to_owned();
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            for (operation, ns) in [(Operation::Connect, 3_000_000), (Operation::Query, 200_000)] {
                let key = SeriesKey::service(Role::Client, operation, Phase::Total);
                let mut histogram = crate::record::SeriesHistogram::new();
                histogram.record(ns);
                block.series.insert(key, histogram);
            }
        }
        let analysis = analyse(&run);
        let text = cost_tables(&analysis);
        assert!(
            text.contains("unpooled") && !text.contains("quiet"),
            "{text}"
        );
        let figure = cost_figure(&analysis, "procbench figures DIR").unwrap();
        assert_eq!(figure.columns[0].groups[0].rows.len(), 1);
        let parts: Vec<&str> = figure.columns[0].groups[0].rows[0]
            .marks
            .iter()
            .map(|s| s.series.as_str())
            .collect();
        assert_eq!(parts, ["connect", "query"]);
    }
}
