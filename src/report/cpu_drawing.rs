//! The figure of what a client transaction costs in CPU, and whom.

use super::arm_signs::{level_groups, signs};
use super::cost_table::with_clients;
use super::figure::{Row, RowFigure, RowMark, Signs};
use super::footer::footer;
use crate::arm::Arm;
use crate::record::CpuGroup;
use crate::stats::{Analysis, ContenderSummary};

/// A segment's name, and the groups of processes in it.
const PARTS: [(&str, &[CpuGroup]); 4] = [
    ("client", &[CpuGroup::Client]),
    ("server", &[CpuGroup::Postmaster, CpuGroup::Backends]),
    ("pgbouncer", &[CpuGroup::Pooler]),
    ("burner", &[CpuGroup::Burner]),
];

/// CPU that a client transaction costs, by whom: the same numbers as in the table.
pub(super) fn cpu(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    let bars = |level: &_| with_clients(level).filter(|c| !c.twin).map(row).collect();
    let groups = level_groups(analysis, bars, |_| Vec::new());
    let subtitle = if analysis.run.config.arms.contains(&Arm::ForkOnly) {
        "Look at unpooled against fork-only: what logging in and out costs beyond a bare fork and exit"
    } else {
        "Look at unpooled against the others: what connecting for each transaction costs"
    };
    (!groups.is_empty()).then(|| RowFigure {
        title: "CPU of one client transaction".to_owned(),
        subtitle: subtitle.to_owned(),
        quantity: "CPU time per transaction (arm minus quiet)".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
        ..RowFigure::default()
    })
}

fn row(contender: &ContenderSummary) -> Row {
    let part = |(name, groups): &(&str, &[CpuGroup])| {
        let cost = contender.cpu_cost.as_ref()?;
        let of: Vec<f64> = groups
            .iter()
            .filter_map(|g| cost.ns.get(g).copied())
            .collect();
        (!of.is_empty()).then(|| RowMark::part(name, of.iter().sum::<f64>().max(0.0)))
    };
    Row {
        label: contender.label(),
        marks: PARTS.iter().filter_map(part).collect(),
        signs: Signs {
            caution: None,
            ..signs(contender)
        },
        ..Row::default()
    }
}
