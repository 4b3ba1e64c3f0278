//! What was found, one sentence each, and never more than the statistics allow.

use super::drawings::Summarized;
use super::format::{count, difference, duration};
use crate::arm::Arm;
use crate::record::{Mode, Run};
use crate::stats::{Contrast, LevelSummary, RunSummary, Statistic, Verdict};

/// The findings alone, one sentence each.
pub fn findings(item: &Summarized<'_>) -> Vec<String> {
    let (run, summary) = item;
    let mut lines = vec![primary(run, summary)];
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    for level in &summary.levels {
        lines.extend(level_findings(run, level, quoted));
    }
    lines
}

/// Which run a sentence is about.
pub(super) fn place(run: &Run) -> String {
    match run.mode {
        Mode::Server => {
            let version = run
                .provenance
                .server
                .as_ref()
                .and_then(|s| s.version.split(' ').next().map(str::to_owned))
                .unwrap_or_default();
            format!("PostgreSQL {version}")
        }
        Mode::Model => {
            let lock = run
                .config
                .model
                .as_ref()
                .map_or(String::new(), |m| m.lock.to_string());
            format!("Model ({lock})")
        }
    }
}

fn interval(c: &Contrast) -> String {
    let d = c.difference;
    format!(
        "{} (95 % interval {} to {})",
        difference(d.value_ns),
        difference(d.low_ns),
        difference(d.high_ns)
    )
}

fn judgement(c: &Contrast, verdict: Verdict, floor: Option<f64>) -> String {
    let floor = floor.map_or("unknown".to_owned(), duration);
    let p = c.p_value.map_or(String::new(), |p| format!(", p = {p:.3}"));
    match verdict {
        Verdict::Higher | Verdict::Lower => {
            format!(
                "{}, above the run's own noise floor of {floor}{p}",
                interval(c)
            )
        }
        Verdict::WithinNoiseFloor => {
            format!(
                "{}, but two sets of blocks of the same arm differ by up to {floor}, too: not to be relied on{p}",
                interval(c)
            )
        }
        Verdict::NoDifferenceShown => {
            format!(
                "{}: no difference shown{p}; noise floor {floor}",
                interval(c)
            )
        }
        Verdict::TooFewRounds => format!("{}, from too few rounds to say", interval(c)),
        Verdict::StruckOut => format!("{}, struck out by a guard: not to be quoted", interval(c)),
    }
}

fn primary(run: &Run, summary: &RunSummary) -> String {
    let Some(p) = &summary.primary else {
        return format!("{}: the primary outcome was not measured.", place(run));
    };
    let what = match p.verdict {
        Verdict::Higher => "**Churn made running queries slower.**",
        Verdict::Lower => {
            "**Running queries were faster under churn** (look for a cause before believing it)."
        }
        Verdict::WithinNoiseFloor | Verdict::NoDifferenceShown => {
            "**No effect of churn beyond the noise was shown.**"
        }
        Verdict::TooFewRounds | Verdict::StruckOut => "**No conclusion.**",
    };
    format!(
        "{}, primary outcome: {what} With {} standing connections, reconnecting for each transaction instead of keeping connections open changed the readers' {} response time by {}.",
        place(run),
        count(u64::from(p.standing)),
        p.name(),
        judgement(&p.contrast, p.verdict, p.noise_floor_ns)
    )
}

fn level_findings(run: &Run, level: &LevelSummary, quoted: Statistic) -> Vec<String> {
    let mut lines = Vec::new();
    let at = format!(
        "{}, {} standing (exploratory)",
        place(run),
        count(u64::from(level.standing))
    );
    for statistic in [Statistic::Percentile(50.0), quoted] {
        if let Some((c, v)) = level
            .effect(Arm::Unpooled, Arm::KeptOpen)
            .and_then(|e| e.at(statistic))
        {
            lines.push(format!(
                "{at}: unpooled minus kept-open at {statistic}: {}.",
                judgement(c, *v, level.noise_floor_ns(statistic))
            ));
        }
    }
    if let Some((c, v)) = level
        .effect(Arm::Unpooled, Arm::ForkOnly)
        .and_then(|e| e.at(quoted))
    {
        lines.push(format!(
            "{at}: unpooled minus fork-only at {quoted}, that is what logging in, the ProcArray and the catalogue add to a bare fork: {}.",
            judgement(c, *v, level.noise_floor_ns(quoted))
        ));
    }
    for arm in [Arm::Pool, Arm::Pgbouncer] {
        if let Some((c, v)) = level.effect(arm, Arm::KeptOpen).and_then(|e| e.at(quoted)) {
            lines.push(format!(
                "{at}: {arm} minus kept-open at {quoted}: {}.",
                judgement(c, *v, level.noise_floor_ns(quoted))
            ));
        }
    }
    lines.extend(mean_share(level).map(|line| format!("{at}: {line}")));
    if let Some((waits, shared)) = lock_witness(run, level.standing) {
        lines.push(format!(
            "{at}: under unpooled, {} of {} shared acquisitions of the modelled ProcArrayLock found it busy ({:.2} %).",
            count(waits),
            count(shared),
            100.0 * waits as f64 / shared as f64
        ));
    }
    lines
}

/// The only shares that add up are those of means.
fn mean_share(level: &LevelSummary) -> Option<String> {
    let mean = |first, second| {
        let (c, v) = level.effect(first, second)?.at(Statistic::Mean)?;
        Some((c.difference.value_ns, *v))
    };
    let (whole, verdict) = mean(Arm::Unpooled, Arm::KeptOpen)?;
    let (fork, fork_verdict) = mean(Arm::ForkOnly, Arm::KeptOpen)?;
    if verdict != Verdict::Higher || fork_verdict != Verdict::Higher {
        return None;
    }
    let share = 100.0 * fork / whole;
    Some(if share < 100.0 {
        format!(
            "of the {} that churn adds to the mean response time, fork-only alone adds {} ({share:.0} %).",
            duration(whole),
            duration(fork)
        )
    } else {
        format!(
            "churn adds {} to the mean response time, fork-only alone {}: no more than a bare fork.",
            duration(whole),
            duration(fork)
        )
    })
}

/// How often readers and churn found the modelled lock busy: the witness that a
/// server run does not have.
fn lock_witness(run: &Run, standing: u32) -> Option<(u64, u64)> {
    let sum = |name: &str| -> u64 {
        run.blocks_of(Arm::Unpooled, false, standing)
            .iter()
            .filter_map(|b| b.counters.get(name))
            .sum()
    };
    let shared = sum("procarraylock.shared");
    (shared > 0).then(|| (sum("procarraylock.shared-waits"), shared))
}

/// Whether model and server point the same way.
pub(super) fn agreement(items: &[Summarized<'_>]) -> Option<String> {
    let verdict = |mode| {
        items
            .iter()
            .find(|(run, _)| run.mode == mode)
            .and_then(|(_, s)| s.primary.as_ref())
            .map(|p| (p.verdict, p.contrast.difference.value_ns))
    };
    let (server, server_ns) = verdict(Mode::Server)?;
    let (model, model_ns) = verdict(Mode::Model)?;
    let both = format!(
        "server {}, model {}",
        difference(server_ns),
        difference(model_ns)
    );
    let usable = |v| !matches!(v, Verdict::StruckOut | Verdict::TooFewRounds);
    Some(if !usable(server) || !usable(model) {
        format!(
            "Model against server: one of the primary outcomes cannot be used, so nothing follows ({both})."
        )
    } else if server == Verdict::Higher && model != Verdict::Higher {
        format!(
            "Model against server: the server shows an effect that the lock model does not ({both}). The modelled lock traffic alone does not explain the server's effect; the model has no page faults under the lock, no fork and no shared CPU accounting of a real server."
        )
    } else if server == model && server == Verdict::Higher {
        let busy = items
            .iter()
            .find(|(run, _)| run.mode == Mode::Model)
            .and_then(|(run, s)| lock_witness(run, s.primary.as_ref()?.standing))
            .map_or(0.0, |(waits, shared)| 100.0 * waits as f64 / shared as f64);
        if busy < 1.0 {
            format!(
                "Model against server: both show an effect ({both}), but in the model only {busy:.2} % of the shared acquisitions found the lock busy: its effect is CPU queueing, not the lock. The agreement says that churn costs CPU; it is no evidence for ProcArrayLock."
            )
        } else {
            format!(
                "Model against server: both show an effect ({both}), and in the model {busy:.1} % of the shared acquisitions found the lock busy. That is consistent with the lock as a part of the cause, not proof of it: in both, churn also uses CPU."
            )
        }
    } else if server == model {
        format!("Model against server: both say the same ({both}).")
    } else {
        format!("Model against server: they do not agree ({both}).")
    })
}
