//! What connections are made of, as a figure: stacked means, the server's own account under the client's.

use itertools::Itertools;

use super::figure::{Row, RowFigure, RowGroup, RowMark, Signs};
use super::grouped::grouped;
use super::level_title::level_title;
use super::phases::setup_parts;
use crate::factor::{Factor, Factors, LogConnections, Tls};
use crate::stats::{Analysis, Anatomy};

/// Factors that head a group of bars instead of naming one.
const HEADINGS: [Factor; 2] = [Factor::Pg, Factor::SlotOrder];

/// Mean phases at every level; `None` for experiments of other kinds.
pub(super) fn phase_bars(analysis: &Analysis) -> Option<RowFigure> {
    let (heads, others): (Vec<Factor>, Vec<Factor>) = analysis
        .varying
        .iter()
        .copied()
        .partition(|f| HEADINGS.contains(f));
    let found = &analysis.anatomies;
    let many_arms = !found.iter().map(|a| a.arm).all_equal();
    let bars = found.iter().flat_map(|anatomy| {
        let mut label = label(&anatomy.factors, &others);
        if many_arms || label.is_empty() {
            label = format!("{label} {}", anatomy.arm).trim().to_owned();
        }
        let title = level_title(&anatomy.factors, &heads);
        bars(anatomy, label).map(move |bar| (title.clone(), bar))
    });
    let groups = grouped(bars)
        .into_iter()
        .map(|(title, rows)| RowGroup { title, rows });
    let groups = groups.collect_vec();
    let accounted = if found.iter().any(|a| a.server.is_some()) {
        "; under it, the server's own account of the same connections, from accept() to ready"
    } else {
        ""
    };
    (!groups.is_empty()).then(|| RowFigure {
        title: "What a connection is made of".to_owned(),
        subtitle: format!("Means: they add up to the whole, percentiles would not. Look at what startup is beside the query it was for{accounted}"),
        quantity: "mean time of one connection, from connect() to its close".to_owned(),
        groups,
        ..RowFigure::default()
    })
}

/// `tcp, scram, TLS`.
fn label(level: &Factors, factors: &[Factor]) -> String {
    let words = factors.iter().filter_map(|&f| {
        let value = level.get(f)?;
        match f {
            Factor::Transport | Factor::Auth => Some(value),
            Factor::ScramIterations => Some(format!("{value} iter.")),
            Factor::Tls => (level.tls != Some(Tls::Off)).then(|| "TLS".to_owned()),
            Factor::LogConnections => {
                (level.log_connections == Some(LogConnections::Off)).then(|| "no log".to_owned())
            }
            _ => Some(format!("{} {value}", f.title())),
        }
    });
    words.collect_vec().join(", ")
}

/// The client's bar, and the server's own where it gave an account.
fn bars(anatomy: &Anatomy, label: String) -> impl Iterator<Item = Row> {
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
    let phases = phases.map(|p| RowMark::part(p.phase.name(), p.mean.value_ns));
    let ours = bar(label, phases.collect(), caution);
    let servers = anatomy.server.as_ref().map(|account| {
        let [parts @ .., _total] = setup_parts(account);
        let parts = parts.map(|(name, mean)| RowMark::part(name, mean.value_ns));
        // What is said of the client's bar holds for the server's under it, and is not said twice.
        bar("the server's own account".to_owned(), parts.to_vec(), None)
    });
    std::iter::once(ours).chain(servers)
}
