//! What connections are made of, as a figure: stacked means, the server's own account under the client's.

use super::figure::{Row, RowFigure, RowGroup, RowMark, Signs};
use super::footer::footer;
use super::grouped::grouped;
use super::level_title::level_title;
use super::phases::setup_parts;
use crate::factor::{Factor, Factors};
use crate::factor::{LogConnections, Tls};
use crate::stats::Analysis;
use crate::stats::Anatomy;

/// Factors that head a group of bars instead of naming one.
const HEADINGS: [Factor; 2] = [Factor::Pg, Factor::SlotOrder];

/// Mean phases at every level; `None` for experiments of other kinds.
pub fn phase_bars(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    let heads: Vec<Factor> = analysis
        .varying
        .iter()
        .copied()
        .filter(|f| HEADINGS.contains(f))
        .collect();
    let found = &analysis.anatomies;
    let arms = found.iter().any(|a| a.arm != found[0].arm);
    let titled = found.iter().map(|anatomy| {
        let mut label = label(&anatomy.factors, &analysis.varying);
        if arms || label.is_empty() {
            label = [label, anatomy.arm.to_string()].join(" ").trim().to_owned();
        }
        (level_title(&anatomy.factors, &heads), bars(anatomy, label))
    });
    let group = |(title, bars): (String, Vec<Vec<Row>>)| RowGroup {
        title,
        rows: bars.into_iter().flatten().collect(),
        floors_ns: Vec::new(),
    };
    let groups: Vec<RowGroup> = grouped(titled).into_iter().map(group).collect();
    (!groups.is_empty()).then(|| RowFigure {
        title: "What a connection is made of".to_owned(),
        subtitle: subtitle(found),
        quantity: "mean time of one connection, from connect() to its close".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
        ..RowFigure::default()
    })
}

fn subtitle(found: &[Anatomy]) -> String {
    let mut text = "Means: they add up to the whole, percentiles would not. Look at what startup is beside the query it was for".to_owned();
    if found.iter().any(|a| a.server.is_some()) {
        text +=
            "; under it, the server's own account of the same connections, from accept() to ready";
    }
    text
}

/// `tcp, scram, TLS`.
fn label(level: &Factors, varying: &[Factor]) -> String {
    let words = varying
        .iter()
        .filter(|f| !HEADINGS.contains(f))
        .filter_map(|&f| {
            let value = level.get(f)?;
            match f {
                Factor::Transport | Factor::Auth => Some(value),
                Factor::ScramIterations => Some(format!("{value} iter.")),
                Factor::Tls => (value != Tls::Off.to_string()).then(|| "TLS".to_owned()),
                Factor::LogConnections => {
                    (value == LogConnections::Off.to_string()).then(|| "no log".to_owned())
                }
                _ => Some(format!("{} {value}", f.title())),
            }
        });
    words.collect::<Vec<_>>().join(", ")
}

fn bars(anatomy: &Anatomy, label: String) -> Vec<Row> {
    let bar = |label, marks, caution| Row {
        label,
        marks,
        signs: Signs {
            struck: anatomy.struck.clone(),
            caution,
        },
        ..Row::default()
    };
    let caution = (!anatomy.cautions.is_empty()).then(|| anatomy.cautions.join("; "));
    let phases = anatomy.phases.iter().filter(|p| p.adds_up);
    let ours = phases
        .map(|p| RowMark::part(p.phase.name(), p.mean.value_ns))
        .collect();
    let mut bars = vec![bar(label, ours, caution)];
    if let Some(account) = &anatomy.server {
        let parts = setup_parts(account);
        // The last one is the total of the others.
        let parts = parts[..parts.len() - 1].iter();
        let parts = parts
            .map(|(name, mean)| RowMark::part(name, mean.value_ns))
            .collect();
        // What is said of the client's bar holds for the server's under it, and is not said twice.
        bars.push(bar("the server's own account".to_owned(), parts, None));
    }
    bars
}
