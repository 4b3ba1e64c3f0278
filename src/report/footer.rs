//! What stands under every figure, and in its caption: what was measured, on which machine.

use itertools::Itertools;

use crate::config::ModelConfig;
use crate::factor::{FactorLists, Factors};
use crate::names::counted;
use crate::record::RunHead;
use crate::stats::Analysis;

/// The lines of these runs' captions; the first, which runs they are, stands in the picture, too.
pub(super) fn footer(items: &[&Analysis]) -> Vec<String> {
    let name = |a: &&Analysis| {
        let partial = a.run.partial_reason().map_or("", |_| ", partial");
        format!("{} run {}{partial}", a.run.mode, a.run.run_id)
    };
    let mut lines = vec![items.iter().map(name).join("; ")];
    for run in items.iter().map(|a| &a.run) {
        lines.push(load_words(run));
        let partial = run.partial_reason();
        lines.extend(partial.map(|reason| format!("PARTIAL: {reason}")));
    }
    if let Some(first) = items.first() {
        let (p, clock) = (&first.run.provenance, &first.run.clock);
        let tool = format!("procbench {} ({})", p.tool_version, p.tool_revision);
        let clock = format!(
            "clock {} {:.0} ns per read",
            clock.source, clock.read_cost_ns
        );
        lines.push(format!("{}; {tool}; {clock}", p.machine()));
    }
    lines
}

/// What was measured, under which load, how often.
fn load_words(run: &RunHead) -> String {
    let (config, factors) = (&run.config, &run.config.factors);
    let what = match (&run.provenance.server, &config.model) {
        (Some(server), _) => {
            let versions = server.versions();
            let reached = format!("{}, auth {}", server.transport, server.auth);
            format!("PostgreSQL {versions}, {}, {reached}", server.kind)
        }
        (None, Some(model)) => model_words(model, factors),
        (None, None) => String::new(),
    };
    let rate = match (&factors.client_rate[..], run.client_rate_per_second) {
        ([], Some(rate)) => format!("{rate}/s"),
        ([], None) => "closed loop".to_owned(),
        (rates, _) => rates.iter().join(", "),
    };
    let name = format!("{} run {} ({})", run.mode, run.run_id, run.started_at);
    let readers = format!(
        "{} at {}",
        counted(config.readers, "reader"),
        config.reader_rate
    );
    let clients = format!("{} at {rate}", counted(config.clients, "client"));
    // Where slots lie on a server that is not ours is not known.
    let slots = match config.is_of_others() {
        true => String::new(),
        false => format!("; slots {}", factors.slot_order.iter().join(", ")),
    };
    let block_ms = config.block_ns() / 1_000_000;
    let blocks = format!(
        "{} of {block_ms} ms per arm and level",
        counted(config.blocks, "block")
    );
    format!("{name}: {what}; {readers}, {clients}{slots}; {blocks}")
}

/// The model in words: versions, lock, mapping, what is switched off, what goes on beside.
fn model_words(model: &ModelConfig, asked: &FactorLists) -> String {
    let mut words = vec![
        format!(
            "in-process ProcArray as in PostgreSQL {}",
            asked.pg.iter().join(", ")
        ),
        format!("lock {}", lock_words(asked)),
        format!("mapping {}", asked.mapping.iter().join(", ")),
        format!("pages {}", asked.page_size.iter().join(", ")),
    ];
    let ablations = model.ablations.to_string();
    words.extend((!ablations.is_empty()).then_some(ablations));
    let b = &model.background;
    if b.committers > 0 {
        let rate = match &asked.commit_rate[..] {
            [] => b.commit_rate_per_second.to_string(),
            rates => rates.iter().join(", "),
        };
        let with = match b.subtransactions {
            0 => String::new(),
            n => format!(" with {}", counted(n, "subtransaction")),
        };
        words.push(format!(
            "{} at {rate}/s{with}",
            counted(b.committers, "committer")
        ));
        if b.subtransactions > 0 && b.rolled_back_subtransactions > 0 {
            words.push(format!("{} rolled back", b.rolled_back_subtransactions));
        }
    }
    let others = [
        ("pg_stat_activity", b.monitor_rate_per_second),
        ("horizon scans", b.horizon_rate_per_second),
        ("parallel workers", b.parallel_workers_per_second),
    ];
    let others = others.iter().filter(|(_, rate)| *rate > 0.0);
    words.extend(others.map(|(what, rate)| format!("{what} at {rate}/s")));
    words.join(", ")
}

/// The locks in words.
pub(super) fn lock_words(asked: &FactorLists) -> String {
    match (&asked.lock[..], &asked.pg[..]) {
        ([], [one]) => {
            let level = Factors {
                pg: Some(one.clone()),
                ..Factors::default()
            };
            let profile = level.profile();
            profile.map_or(String::new(), |p| p.version().lock.to_string())
        }
        ([], _) => "each version's own".to_owned(),
        (locks, _) => locks.iter().join(", "),
    }
}
