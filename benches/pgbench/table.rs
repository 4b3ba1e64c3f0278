//! The table.

use anyhow::Context;
use procbench::stats::PairedRatio;

use super::cell::{Cell, Stretch};

/// One stretch of each side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    pub procbench: Option<Stretch>,
    pub pgbench: Option<Stretch>,
    pub pgbench_again: Option<Stretch>,
}

type Side = fn(&Round) -> Option<Stretch>;
type Quantity = fn(&Stretch) -> f64;

/// Column titles, as Markdown.
pub fn header() -> String {
    "| load | transactions/s: procbench | pgbench | ratio | pgbench / pgbench | client CPU, us: procbench | pgbench | ratio | pgbench / pgbench |\n\
     |---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned()
}

/// One load's row: medians, ratios to pgbench, and pgbench's own ratio to itself.
pub fn row(cell: Cell, rounds: &[Round]) -> anyhow::Result<String> {
    let quantities: [(Quantity, usize); 2] = [(|s| s.per_second, 0), (|s| s.cpu_us, 1)];
    let mut columns = vec![cell.to_string()];
    for (quantity, decimals) in quantities {
        let of = |side: Side| -> anyhow::Result<Vec<f64>> {
            let values = rounds
                .iter()
                .map(|round| side(round).as_ref().map(quantity));
            values
                .collect::<Option<_>>()
                .context("a round is not whole")
        };
        let ours = of(|r| r.procbench)?;
        let theirs = of(|r| r.pgbench)?;
        let again = of(|r| r.pgbench_again)?;
        columns.push(format!("{:.decimals$}", median(&ours)));
        columns.push(format!("{:.decimals$}", median(&theirs)));
        columns.push(ratio(&ours, &theirs)?);
        columns.push(ratio(&again, &theirs)?);
    }
    Ok(format!("| {} |\n", columns.join(" | ")))
}

fn ratio(first: &[f64], second: &[f64]) -> anyhow::Result<String> {
    let pairs: Vec<_> = first.iter().copied().zip(second.iter().copied()).collect();
    let PairedRatio {
        ratio, low, high, ..
    } = PairedRatio::of(&pairs).context("no ratio: fewer than two rounds, or no CPU was used")?;
    Ok(format!("{ratio:.3} ({low:.3} to {high:.3})"))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}
