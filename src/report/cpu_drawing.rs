//! The figure of what a client transaction costs in CPU, and whom.

use super::figure::{Bar, BarGroup, BarSegment, StackedBarFigure};
use super::footer::footer;
use super::level_title::level_title;
use crate::arm::Arm;
use crate::record::CpuGroup;
use crate::stats::Analysis;
use crate::stats::ContenderSummary;

/// A segment's name, and the groups of processes in it.
const PARTS: [(&str, &[CpuGroup]); 4] = [
    ("client", &[CpuGroup::Client]),
    ("server", &[CpuGroup::Postmaster, CpuGroup::Backends]),
    ("pgbouncer", &[CpuGroup::Pooler]),
    ("burner", &[CpuGroup::Burner]),
];

/// CPU that a client transaction costs, by whom: the same numbers as in the table.
pub(super) fn cpu(analysis: &Analysis, redraw: &str) -> Option<StackedBarFigure> {
    let run = &analysis.run;
    let groups: Vec<BarGroup> = analysis
        .levels
        .iter()
        .map(|level| BarGroup {
            title: level_title(&level.factors, &analysis.varying),
            bars: level
                .contenders
                .iter()
                .filter(|c| !c.twin && c.arm != Arm::Quiet && c.client_per_second > 0.0)
                .map(|c| Bar {
                    label: c.label(),
                    segments: segments(c),
                    struck: c.struck().map(ToString::to_string),
                    caution: None,
                })
                .filter(|b| !b.segments.is_empty())
                .collect(),
        })
        .filter(|g: &BarGroup| !g.bars.is_empty())
        .collect();
    let subtitle = if run.config.arms.contains(&Arm::ForkOnly) {
        "Look at unpooled against fork-only: what logging in and out costs beyond a bare fork and exit"
    } else {
        "Look at unpooled against the others: what connecting for each transaction costs"
    };
    (!groups.is_empty()).then(|| StackedBarFigure {
        title: "CPU of one client transaction".to_owned(),
        subtitle: subtitle.to_owned(),
        quantity: "CPU time per transaction (arm minus quiet)".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
    })
}

fn segments(contender: &ContenderSummary) -> Vec<BarSegment> {
    let Some(cost) = &contender.cpu_cost else {
        return Vec::new();
    };
    PARTS
        .iter()
        .filter_map(|(name, groups)| {
            let of: Vec<f64> = groups
                .iter()
                .filter_map(|g| cost.ns.get(g).copied())
                .collect();
            (!of.is_empty()).then(|| BarSegment {
                series: (*name).to_owned(),
                value_ns: of.iter().sum::<f64>().max(0.0),
            })
        })
        .collect()
}
