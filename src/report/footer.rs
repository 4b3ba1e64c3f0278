//! What stands under every figure: what was measured, on which machine, how to draw it again.

use super::level_title::listed;
use crate::config::ModelConfig;
use crate::factor::{FactorLists, Factors};
use crate::stats::Analysis;

/// The lines under a figure of these runs.
pub(super) fn footer(items: &[&Analysis], redraw: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for analysis in items {
        let run = &analysis.run;
        let p = &run.provenance;
        let what = match &p.server {
            Some(server) => format!(
                "PostgreSQL {}, {}, {}, auth {}",
                server.versions(),
                server.kind,
                server.transport,
                server.auth
            ),
            None => run
                .config
                .model
                .as_ref()
                .map_or(String::new(), |m| model_words(m, &run.config.factors)),
        };
        let rate = match (
            &run.config.factors.client_rate[..],
            run.client_rate_per_second,
        ) {
            ([], Some(rate)) => format!("{rate}/s"),
            ([], None) => "closed loop".to_owned(),
            (rates, _) => listed(rates),
        };
        lines.push(format!(
            "{} run {} ({}): {what}; {} readers at {}, {} clients at {rate}; slots {}; {} blocks of {} ms per arm and level",
            run.mode,
            run.run_id,
            run.started_at,
            run.config.readers,
            run.config.reader_rate,
            run.config.clients,
            listed(&run.config.factors.slot_order),
            run.config.blocks,
            run.config.block_ns() / 1_000_000,
        ));
        if let Some(reason) = run.partial_reason() {
            lines.push(format!("PARTIAL: {reason}"));
        }
    }
    if let Some(run) = items.first().map(|a| &a.run) {
        let p = &run.provenance;
        lines.push(format!(
            "{}, {} cores, Linux {}; procbench {} ({}); clock {} {:.0} ns per read",
            p.cpu_model,
            p.cores,
            p.kernel,
            p.tool_version,
            p.tool_revision,
            run.clock.source,
            run.clock.read_cost_ns
        ));
    }
    lines.push(format!("redraw: {redraw}"));
    lines
}

/// The model in words: versions, lock, mapping, what is switched off, what goes on beside.
fn model_words(model: &ModelConfig, asked: &FactorLists) -> String {
    let mut words = format!(
        "in-process ProcArray as in PostgreSQL {}, lock {}, mapping {}, pages {}",
        listed(&asked.pg),
        lock_words(asked),
        listed(&asked.mapping),
        listed(&asked.page_size)
    );
    let ablations = model.ablations.to_string();
    if !ablations.is_empty() {
        words += &format!(", {ablations}");
    }
    let b = &model.background;
    if b.committers > 0 {
        let rate = match &asked.commit_rate[..] {
            [] => b.commit_rate_per_second.to_string(),
            rates => listed(rates),
        };
        words += &format!(", {} committers at {rate}/s", b.committers);
        if b.subtransactions > 0 {
            words += &format!(" with {} subtransactions", b.subtransactions);
            if b.rolled_back_subtransactions > 0 {
                words += &format!(", {} rolled back", b.rolled_back_subtransactions);
            }
        }
    }
    for (what, rate) in [
        ("pg_stat_activity", b.monitor_rate_per_second),
        ("horizon scans", b.horizon_rate_per_second),
        ("parallel workers", b.parallel_workers_per_second),
    ] {
        if rate > 0.0 {
            words += &format!(", {what} at {rate}/s");
        }
    }
    words
}

/// The locks in words.
pub(super) fn lock_words(asked: &FactorLists) -> String {
    if !asked.lock.is_empty() {
        return listed(&asked.lock);
    }
    match &asked.pg[..] {
        [one] => {
            let level = Factors {
                pg: Some(one.clone()),
                ..Factors::default()
            };
            level
                .profile()
                .map_or(String::new(), |p| p.version().lock.to_string())
        }
        _ => "each version's own".to_owned(),
    }
}
