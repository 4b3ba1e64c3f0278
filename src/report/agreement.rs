//! Whether model and server point the same way, and whether the modelled lock was busy enough to explain it.

use super::format::difference;
use crate::arm::{Arm, Mode};
use crate::stats::{Analysis, LevelSummary, Verdict};

/// How often readers and churn found the modelled lock busy: the witness that a
/// server run does not have.
pub(super) fn lock_witness(level: &LevelSummary) -> Option<(u64, u64)> {
    let churn = level.contender(Arm::Unpooled, false)?;
    let shared = churn.counter("procarraylock.shared").filter(|n| *n > 0)?;
    Some((
        churn.counter("procarraylock.shared-waits").unwrap_or(0),
        shared,
    ))
}

/// Whether model and server point the same way.
pub(super) fn agreement(items: &[&Analysis]) -> Option<String> {
    let verdict = |mode| {
        items
            .iter()
            .find(|a| a.run.mode == mode)
            .and_then(|a| a.primary.as_ref())
            .map(|p| (p.verdict, p.contrast.difference.value_ns))
    };
    let (server, server_ns) = verdict(Mode::Server)?;
    let (model, model_ns) = verdict(Mode::Model)?;
    let both = format!(
        "server {}, model {}",
        difference(server_ns),
        difference(model_ns)
    );
    let shown = |v| matches!(v, Verdict::Higher);
    Some(if !server.is_usable() || !model.is_usable() {
        format!(
            "Model against server: one of the primary outcomes cannot be used, so nothing follows ({both})."
        )
    } else if shown(server) && shown(model) {
        both_show_it(items, &both)
    } else if shown(server) {
        format!(
            "Model against server: the server shows an effect that the lock model does not ({both}). The modelled lock traffic alone does not explain the server's effect; the model has no page faults under the lock and no real fork."
        )
    } else if shown(model) {
        format!(
            "Model against server: the model shows an effect that the server does not ({both})."
        )
    } else {
        format!("Model against server: neither shows a rise ({both}).")
    })
}

fn both_show_it(items: &[&Analysis], both: &str) -> String {
    let Some((waits, shared, statements)) = items
        .iter()
        .find(|a| a.run.mode == Mode::Model)
        .and_then(|s| {
            let run = &s.run;
            let (waits, shared) = lock_witness(s.level(&s.primary.as_ref()?.factors)?)?;
            let snapshots = run.config.model.as_ref()?.snapshots_per_statement;
            let beyond = 1.0 - run.config.quoted_percentile / 100.0;
            Some((waits, shared, (f64::from(snapshots), beyond)))
        })
    else {
        return format!("Model against server: both show an effect ({both}).");
    };
    let (snapshots, beyond) = statements;
    let touched = snapshots * waits as f64 / shared as f64;
    // Below a tenth of the statements above the percentile, waiting for the
    // lock cannot have made it.
    if touched < beyond / 10.0 {
        format!(
            "Model against server: both show an effect ({both}), but in the model the lock was found busy too seldom to explain it ({:.3} % of statements, where {:.1} % lie above the percentile). What both have in common is CPU: their agreement is no evidence for ProcArrayLock.",
            100.0 * touched,
            100.0 * beyond
        )
    } else {
        format!(
            "Model against server: both show an effect ({both}), and in the model {:.2} % of statements found the lock busy. The lock may be a part of the cause; in both, churn also uses CPU.",
            100.0 * touched
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn a_lock_that_was_seldom_busy_explains_nothing_even_where_both_modes_agree() {
        let agreement_with = |waits: u64| {
            let mut server = sample_run(8);
            server.mode = Mode::Server;
            let mut model = crate::testing::run_under_locks(8, &[("std", 3)]);
            for block in &mut model.blocks {
                let counters = [("shared", 1_000_000), ("shared-waits", waits)];
                block.counters = counters
                    .map(|(name, n)| (format!("procarraylock.{name}"), n))
                    .into();
            }
            agreement(&[&analyse(&server), &analyse(&model)]).unwrap()
        };
        assert!(agreement_with(10).contains("no evidence for ProcArrayLock"));
        assert!(agreement_with(10_000).contains("may be a part of the cause"));
        let one = sample_run(8);
        assert_eq!(agreement(&[&analyse(&one)]), None);
    }
}
