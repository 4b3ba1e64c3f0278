//! What a client's transaction is made of, and what CPU it costs, as figures.

use super::arm_signs::measured;
use super::cost_table::with_clients;
use super::cpu_table::is_of_load_only;
use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::level_title::{interval_over_blocks, title_in};
use crate::arm::Arm;
use crate::factor::{ClientRate, OfferedRate};
use crate::record::{CpuGroup, Operation, Phase, Role, SeriesKey};
use crate::stats::{Analysis, ContenderSummary, LevelSummary};

/// The parts of a transaction, in their order.
const PARTS: [(Operation, &str); 4] = [
    (Operation::Checkout, "checkout"),
    (Operation::Connect, "connect"),
    (Operation::Query, "query"),
    (Operation::Disconnect, "disconnect"),
];

/// A segment's name, and the groups of processes in it.
const CPU_PARTS: [(&str, &[CpuGroup]); 4] = [
    ("client", &[CpuGroup::Client]),
    ("server", &[CpuGroup::Postmaster, CpuGroup::Backends]),
    ("pgbouncer", &[CpuGroup::Pooler]),
    ("burner", &[CpuGroup::Burner]),
];

/// Mean time of a transaction by its parts, one bar per arm: means add up.
pub(super) fn cost_figure(analysis: &Analysis) -> Option<RowFigure> {
    let parts = |contender: &ContenderSummary| {
        let part = |(operation, name): (Operation, &str)| {
            let key = SeriesKey::service(Role::Client, operation, Phase::Total);
            Some(RowMark::part(name, contender.merged.get(&key)?.mean_ns()?))
        };
        PARTS.into_iter().filter_map(part).collect()
    };
    let levels = analysis.levels.iter();
    let groups = bars(analysis, levels, parts)?;
    Some(RowFigure {
        title: "What a client's transaction is made of".to_owned(),
        subtitle: "Look at how little of an unpooled transaction is its query".to_owned(),
        quantity: "mean service time of one transaction, by its parts".to_owned(),
        groups,
        ..RowFigure::default()
    })
}

/// CPU that a client transaction costs, by whom: the same numbers as in the table.
pub(super) fn cpu_figure(analysis: &Analysis) -> Option<RowFigure> {
    let parts = |contender: &ContenderSummary| {
        let cost = contender.cpu_cost.as_ref();
        let part = |(name, groups): (&str, &[CpuGroup])| {
            let ns = groups.iter().filter_map(|g| cost?.ns.get(g));
            let sum = ns.copied().reduce(|a, b| a + b)?;
            Some(RowMark::part(name, sum.max(0.0)))
        };
        CPU_PARTS.into_iter().filter_map(part).collect()
    };
    let levels = analysis.levels.iter();
    let groups = bars(analysis, levels, parts)?;
    if is_of_load_only(analysis) {
        return Some(RowFigure {
            title: "CPU of the load generator".to_owned(),
            subtitle: "procbench's own CPU. The server's is not seen: what a connection costs it is not known from this run".to_owned(),
            quantity: "CPU time of procbench's client threads per transaction".to_owned(),
            groups,
            ..RowFigure::default()
        });
    }
    let subtitle = if analysis.run.config.arms.contains(&Arm::ForkOnly) {
        "Look at unpooled against fork-only: what logging in and out costs beyond a bare fork and exit"
    } else {
        "Look at unpooled against the others: what connecting for each transaction costs"
    };
    let mut costs = analysis
        .contenders()
        .filter_map(|(_, c)| c.cpu_cost.as_ref());
    let what = match costs.all(|cost| cost.net_of_readers) {
        true => "arm minus quiet",
        false => "the readers' statements included, since quiet was not run",
    };
    Some(RowFigure {
        title: "CPU of one client transaction".to_owned(),
        subtitle: subtitle.to_owned(),
        quantity: format!("CPU time per transaction ({what})"),
        groups,
        ..RowFigure::default()
    })
}

/// How many transactions clients at full speed got done.
pub(super) fn throughput_figure(analysis: &Analysis) -> Option<RowFigure> {
    let rate = |contender: &ContenderSummary| {
        let estimate = contender.client_rate.filter(|rate| rate.low_ns > 0.0);
        let mark = estimate.map(|estimate| RowMark {
            estimate,
            ..RowMark::part("transactions", 0.0)
        });
        mark.into_iter().collect()
    };
    let full = Some(ClientRate::Given(OfferedRate::Max));
    let levels = analysis.levels.iter();
    let levels = levels.filter(|l| l.factors.client_rate == full);
    Some(RowFigure {
        form: RowForm::Rates,
        title: "How many transactions the clients got done".to_owned(),
        subtitle: "At full speed. Look at what reconnecting for each transaction leaves of it; the axis is logarithmic".to_owned(),
        quantity: "transactions per second".to_owned(),
        interval: interval_over_blocks(&[analysis]),
        groups: bars(analysis, levels, rate)?,
        ..RowFigure::default()
    })
}

/// A bar for each arm with clients, level by level; what strikes the readers' percentiles does not strike it.
fn bars<'a>(
    analysis: &'a Analysis,
    levels: impl Iterator<Item = &'a LevelSummary>,
    parts: impl Fn(&ContenderSummary) -> Vec<RowMark>,
) -> Option<Vec<RowGroup>> {
    let bar = |contender: &ContenderSummary| Row {
        label: contender.label(),
        marks: parts(contender),
        signs: Signs {
            struck: contender.struck_for_clients().map(ToString::to_string),
            caution: None,
        },
        ..Row::default()
    };
    measured(levels.map(|level| RowGroup {
        title: title_in(analysis, &level.factors),
        rows: with_clients(level).filter(|c| !c.twin).map(bar).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::experiment::analyse;
    use crate::report::cost_table::cost_table;
    use crate::report::figure::Figure;
    use crate::report::section::markdown;
    use crate::testing::{sample_run, sample_run_with_cpu};

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
        let figure = cost_figure(&analysis).unwrap();
        assert_eq!(figure.groups[0].rows.len(), 1);
        let parts: Vec<&str> = figure.groups[0].rows[0]
            .marks
            .iter()
            .map(|s| s.series.as_str())
            .collect();
        assert_eq!(parts, ["connect", "query"]);
        // Paced clients do what they were told.
        assert!(throughput_figure(&analysis).is_none());
        for block in &mut run.blocks {
            block.factors.client_rate = Some("max".parse().unwrap());
        }
        let figure = throughput_figure(&analyse(&run)).unwrap();
        assert_eq!(figure.groups[0].rows[0].marks.len(), 1);
        let csv = figure.csv();
        assert!(
            csv.starts_with("group,row,series,per_second,low,high,struck"),
            "{csv}"
        );
    }

    #[test]
    fn without_quiet_the_axis_says_whose_cpu_is_in_it_and_a_missing_p99_strikes_no_mean() {
        let mut run = sample_run_with_cpu();
        run.blocks.retain(|block| block.round == 0);
        let figure = cpu_figure(&analyse(&run)).unwrap();
        assert!(figure.quantity.contains("arm minus quiet"));
        let analysis = analyse(&run);
        assert!(analysis.contenders().any(|(_, c)| c.struck().is_some()));
        assert!(
            figure.groups[0]
                .rows
                .iter()
                .all(|r| r.signs.struck.is_none())
        );
        run.blocks.retain(|b| b.arm != Arm::Quiet);
        let figure = cpu_figure(&analyse(&run)).unwrap();
        assert!(figure.quantity.contains("quiet was not run"));
    }
}
