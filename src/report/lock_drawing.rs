//! The figure of a run whose lock varies: readers' and writers' tails side by side.

use super::arm_signs::{mark, signs};
use super::figure::{Row, RowColumn, RowFigure, RowForm, RowGroup, Signs};
use super::footer::footer;
use crate::record::percentile_name;
use crate::stats::{Analysis, Estimate, LockLevel, SeriesTail};

/// Percentiles that are drawn, where the samples carry them.
const DRAWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// One row per lock: readers' time and writers' wait under `unpooled`. `None`
/// where the lock does not vary.
pub fn lock_tails(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    let clock = analysis.churn_under(analysis.locks.first()?)?.quoted.clock;
    let column = |title: String, tail: fn(&LockLevel) -> &SeriesTail| RowColumn {
        title,
        groups: vec![RowGroup {
            rows: analysis
                .locks
                .iter()
                .map(|l| row(analysis, l, tail(l)))
                .collect(),
            ..RowGroup::default()
        }],
    };
    let columns = vec![
        column(format!("Readers: {clock} time of a statement"), |l| {
            &l.readers
        }),
        column(
            "Writers: ProcArrayAdd's wait for the lock".to_owned(),
            |l| &l.writers_wait,
        ),
    ];
    let mut rows = columns.iter().flat_map(|c| &c.groups[0].rows);
    rows.any(|r| !r.marks.is_empty()).then(|| RowFigure {
        title: "Who waits, under which lock, while clients connect and disconnect".to_owned(),
        subtitle: "Each row is one lock under the same load. Look along a row: a lock that spares its readers may do so at the writers' cost. Look down a column: what changes from row to row is the lock's, not PostgreSQL's".to_owned(),
        interval: format!("95 % bootstrap interval over {} blocks", analysis.run.config.blocks),
        columns: columns.clone(),
        footer: footer(&[analysis], redraw),
        ..RowFigure::one_column(RowForm::Percentiles, Vec::new())
    })
}

fn row(analysis: &Analysis, lock: &LockLevel, tail: &SeriesTail) -> Row {
    let at = |p: f64| {
        let e = tail.at(p)?;
        // A logarithmic axis has no zero; no clock tells less than 1 ns.
        let e = Estimate {
            value_ns: e.value_ns.max(1.0),
            low_ns: e.low_ns.max(1.0),
            high_ns: e.high_ns.max(1.0),
        };
        Some(mark(&percentile_name(p), e, Signs::default()))
    };
    Row {
        label: lock.lock.clone(),
        marks: DRAWN.into_iter().filter_map(at).collect(),
        samples: tail.samples,
        signs: analysis.churn_under(lock).map(signs).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::figure::Figure;
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn every_lock_has_a_row_in_both_columns() {
        let run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let analysis = analyse(&run);
        let figure = lock_tails(&analysis, "procbench figures DIR").unwrap();
        for column in &figure.columns {
            let labels: Vec<&str> = column.groups[0]
                .rows
                .iter()
                .map(|r| r.label.as_str())
                .collect();
            assert_eq!(labels, ["std", "sharded"]);
        }
        // p50, p90 and p99 of the readers under two locks, and the header; nobody timed a writer.
        assert_eq!(figure.csv().lines().count(), 1 + 3 * 2);
        let svg = figure.svg().unwrap();
        assert_eq!(svg.matches("too few samples").count(), 2);
        let one = sample_run(8);
        assert!(lock_tails(&analyse(&one), "").is_none());
    }
}
