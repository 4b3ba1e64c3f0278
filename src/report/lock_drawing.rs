//! The figure of a run whose lock varies: readers' and writers' tails side by side.

use super::arm_signs::signs;
use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::level_title::interval_over_blocks;
use crate::record::percentile_name;
use crate::stats::{Analysis, LockLevel, SeriesTail};

/// Percentiles that are drawn, where the samples carry them.
const DRAWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// One row per lock: readers' time and writers' wait under `unpooled`. `None`
/// where the lock does not vary.
pub fn lock_tails(analysis: &Analysis) -> Option<RowFigure> {
    let clock = analysis.churn_under(analysis.locks.first()?)?.quoted.clock;
    let locks = analysis.locks.iter();
    let column = |title: String, tail: fn(&LockLevel) -> &SeriesTail| RowGroup {
        title,
        rows: locks.clone().map(|l| row(analysis, l, tail(l))).collect(),
    };
    let readers = format!("Readers: {clock} time of a statement");
    let writers = "Writers: ProcArrayAdd's wait for the lock".to_owned();
    let groups = vec![
        column(readers, |l| &l.readers),
        column(writers, |l| &l.writers_wait),
    ];
    let mut rows = groups.iter().flat_map(|c| &c.rows);
    let drawn = rows.any(|r| !r.marks.is_empty());
    drawn.then(|| RowFigure {
        form: RowForm::Percentiles,
        title: "Who waits, under which lock, while clients connect and disconnect".to_owned(),
        subtitle: "Each row is one lock under the same load. Look along a row: a lock that spares its readers may do so at the writers' cost. Look down a column: what changes from row to row is the lock's, not PostgreSQL's".to_owned(),
        interval: interval_over_blocks(&[analysis]),
        groups,
        ..RowFigure::default()
    })
}

fn row(analysis: &Analysis, lock: &LockLevel, tail: &SeriesTail) -> Row {
    let at = |p: f64| {
        let e = tail.at(p)?;
        // A logarithmic axis has no zero; no clock tells less than 1 ns.
        Some(RowMark {
            series: percentile_name(p),
            estimate: e.map(|ns| ns.max(1.0)),
            signs: Signs::default(),
            verdict: None,
        })
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
        let figure = lock_tails(&analysis).unwrap();
        for column in &figure.groups {
            let labels: Vec<&str> = column.rows.iter().map(|r| r.label.as_str()).collect();
            assert_eq!(labels, ["std", "sharded"]);
        }
        // p50, p90 and p99 of the readers under two locks, and the header; nobody timed a writer.
        assert_eq!(figure.csv().lines().count(), 1 + 3 * 2);
        let svg = figure.svg().unwrap();
        assert_eq!(svg.matches("too few samples").count(), 2);
        let one = sample_run(8);
        assert!(lock_tails(&analyse(&one)).is_none());
    }
}
