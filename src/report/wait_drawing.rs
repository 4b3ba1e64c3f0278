//! Readers' waits for ProcArrayLock under churn: the model's and a traced server's on one axis.

use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::level_title::{interval_over_blocks, level_title, series_name, title_in};
use crate::record::{levels_side_by_side, percentile_name};
use crate::stats::{Analysis, LockWaits};

/// Percentiles that are drawn, where the samples carry them: most snapshots find the lock free.
const DRAWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];
/// Most levels of one figure.
const LEVELS: usize = 6;

/// A row for each run and level at which waits were measured; `None` without any.
pub(super) fn wait_figure(items: &[&Analysis]) -> Option<RowFigure> {
    let all: Vec<_> = items.iter().map(|a| a.level_factors()).collect();
    let (levels, named) = levels_side_by_side(&all);
    let group = |level: &_| {
        let row = |analysis: &&Analysis| {
            let waits = analysis
                .waits
                .iter()
                .find(|w| w.factors.agrees_with(level))?;
            let row = row(series_name(&analysis.run, items), waits);
            // The figure is about those that waited; few samples do not carry them.
            let tails = [99.0, 99.9].map(percentile_name);
            let mut marks = row.marks.iter();
            marks.any(|m| tails.contains(&m.series)).then_some(row)
        };
        RowGroup {
            title: match items {
                [one] => title_in(one, level),
                _ => level_title(level, &named),
            },
            rows: items.iter().filter_map(row).collect(),
        }
    };
    let groups: Vec<RowGroup> = levels.iter().map(group).collect();
    let mut groups: Vec<RowGroup> = groups.into_iter().filter(|g| !g.rows.is_empty()).collect();
    // The most standing connections are the ones of the primary outcome.
    groups.drain(..groups.len().saturating_sub(LEVELS));
    let rows = groups.iter().flat_map(|group| &group.rows);
    let mut marks = rows.flat_map(|row| &row.marks);
    let begins_at_none = marks.any(|mark| mark.estimate.low_ns <= 1.0);
    let none = if begins_at_none { " (1 ns: none)" } else { "" };
    (!groups.is_empty()).then(|| RowFigure {
        form: RowForm::Percentiles,
        title: "How long running statements wait for ProcArrayLock under churn".to_owned(),
        subtitle: "Most snapshots find the lock free. Look at the rightmost marks: those waited for a connection that joined or left".to_owned(),
        quantity: format!("wait of one snapshot{none}"),
        interval: interval_over_blocks(items),
        groups,
        ..RowFigure::default()
    })
}

fn row(label: String, waits: &LockWaits) -> Row {
    let mark = |p: f64| {
        Some(RowMark {
            series: percentile_name(p),
            // A logarithmic axis has no zero: who did not wait has no mark, and an interval from there begins at 1 ns.
            estimate: waits
                .tail
                .at(p)
                .filter(|e| e.value_ns > 1.0)?
                .map(|ns| ns.max(1.0)),
            signs: Signs::default(),
            verdict: None,
        })
    };
    Row {
        label,
        marks: DRAWN.into_iter().filter_map(mark).collect(),
        samples: waits.tail.samples,
        signs: Signs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::{Arm, Mode};
    use crate::experiment::analyse;
    use crate::report::figure::Figure;
    use crate::testing::sample_run;

    #[test]
    fn model_and_traced_server_share_an_axis_and_an_untraced_one_has_no_row() {
        let mut model = sample_run(8);
        for block in model.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            for name in ["procarraylock.shared", "procarraylock.shared-waits"] {
                block.counters.insert(name.to_owned(), 1_000);
            }
            let key = "reader.snapshot.wait.service".parse().unwrap();
            let series = block.series.entry(key).or_default();
            (0..1_000).for_each(|i| series.record(30 + i));
        }
        let mut server = model.clone();
        server.mode = Mode::Server;
        let (model, traced) = (analyse(&model), analyse(&server));
        server.blocks.iter_mut().for_each(|b| b.counters.clear());
        let untraced = analyse(&server);
        let labels = |items: &[&Analysis]| -> Vec<Vec<String>> {
            let groups = wait_figure(items).unwrap().groups.into_iter();
            groups
                .map(|g| g.rows.into_iter().map(|r| r.label).collect())
                .collect()
        };
        assert_eq!(
            labels(&[&traced, &model]),
            [["server", "model"], ["server", "model"]]
        );
        assert_eq!(labels(&[&untraced, &model]), [["model"], ["model"]]);
        assert!(wait_figure(&[&untraced]).is_none());
        let csv = wait_figure(&[&traced, &model]).unwrap().csv();
        // p50, p90 and p99 of 8,000 waits, of two runs at two levels.
        assert_eq!(csv.lines().count(), 1 + 3 * 4, "{csv}");
    }

    #[test]
    fn who_did_not_wait_has_no_mark_and_without_a_tail_there_is_no_figure() {
        let of = |waited: u64, blocks| {
            let mut run = sample_run(blocks);
            for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
                for name in ["procarraylock.shared", "procarraylock.shared-waits"] {
                    block.counters.insert(name.to_owned(), 100);
                }
                let key = "reader.snapshot.wait.service".parse().unwrap();
                let series = block.series.entry(key).or_default();
                (0..100).for_each(|i| series.record(if i < waited { 200_000 } else { 0 }));
            }
            wait_figure(&[&analyse(&run)])
        };
        let figure = of(3, 12).unwrap();
        let marks = figure.groups[0].rows[0].marks.iter();
        let marks: Vec<&str> = marks.map(|m| m.series.as_str()).collect();
        assert_eq!(marks, ["p99"]);
        assert!(of(0, 12).is_none());
        // 800 waits do not carry a p99.
        assert!(of(30, 8).is_none());
    }
}
