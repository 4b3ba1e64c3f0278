//! What a client's transaction is made of, as a figure.

use super::arm_signs::level_groups;
use super::cost_table::with_clients;
use super::figure::{Row, RowFigure, RowMark, Signs};
use super::footer::footer;
use crate::record::{Operation, Phase, Role, SeriesKey};
use crate::stats::{Analysis, Answer, ContenderSummary};

/// The parts of a transaction, in their order.
const PARTS: [(Operation, &str); 4] = [
    (Operation::Checkout, "checkout"),
    (Operation::Connect, "connect"),
    (Operation::Query, "query"),
    (Operation::Disconnect, "disconnect"),
];

/// Mean time of a transaction by its parts, one bar per arm: means add up.
pub fn cost_figure(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    if analysis.answer != Answer::Costs {
        return None;
    }
    let bars = |level: &_| with_clients(level).filter(|c| !c.twin).map(bar).collect();
    let groups = level_groups(analysis, bars, |_| Vec::new());
    (!groups.is_empty()).then(|| RowFigure {
        title: "What a client's transaction is made of".to_owned(),
        subtitle: "Look at how little of an unpooled transaction is its query".to_owned(),
        quantity: "mean service time of one transaction, by its parts".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
        ..RowFigure::default()
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
        signs: Signs {
            struck: contender.struck_for_clients().map(ToString::to_string),
            caution: None,
        },
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::experiment::analyse;
    use crate::report::cost_table::cost_table;
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    #[test]
    fn arms_with_clients_have_a_row_and_their_parts_a_bar() {
        let mut run = sample_run(8);
        let analysis = analyse(&run);
        assert!(cost_table(&analysis).is_none());
        run.experiment = "pool".to_owned();
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            for (operation, ns) in [(Operation::Connect, 3_000_000), (Operation::Query, 200_000)] {
                let key = SeriesKey::service(Role::Client, operation, Phase::Total);
                let mut histogram = crate::record::SeriesHistogram::default();
                histogram.record(ns);
                block.series.insert(key, histogram);
            }
        }
        let analysis = analyse(&run);
        let text = markdown(&cost_table(&analysis));
        assert!(
            text.contains("unpooled") && !text.contains("quiet"),
            "{text}"
        );
        let figure = cost_figure(&analysis, "procbench figures DIR").unwrap();
        assert_eq!(figure.groups[0].rows.len(), 1);
        let parts: Vec<&str> = figure.groups[0].rows[0]
            .marks
            .iter()
            .map(|s| s.series.as_str())
            .collect();
        assert_eq!(parts, ["connect", "query"]);
    }
}
