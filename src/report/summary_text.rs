//! What was found, in plain words: for the terminal and for SUMMARY.md.

use super::drawings::Summarized;
use super::format::{count, difference, duration};
use super::table::pacing_line;
use crate::arm::Arm;
use crate::experiment::Experiment;
use crate::record::{Mode, Run};
use crate::stats::{Contrast, LevelSummary, RunSummary, Severity, Statistic, Verdict};

/// The Markdown summary of an experiment's runs.
pub fn markdown(experiment: &Experiment, items: &[Summarized<'_>], figures: &[String]) -> String {
    let mut out = format!(
        "# {}\n\n**Question.** {}\n\n",
        experiment.name, experiment.question
    );
    out += &format!("**Prediction.** {}\n\n", experiment.prediction);
    out += &format!("**What would refute it.** {}\n\n", experiment.refuted_by);
    out += &format!(
        "**Primary outcome, declared beforehand.** {}\n\n",
        experiment.primary_outcome
    );
    out += "## What was found\n\n";
    for item in items {
        for line in findings(item) {
            out += &format!("- {line}\n");
        }
    }
    if let Some(line) = agreement(items) {
        out += &format!("- {line}\n");
    }
    out += "\n## How sure this is\n\n";
    for item in items {
        for line in certainty(item) {
            out += &format!("- {line}\n");
        }
    }
    out += "\n## What may not be concluded\n\n";
    for line in limits(items) {
        out += &format!("- {line}\n");
    }
    out += "\n## Numbers\n\n";
    for (run, summary) in items {
        out += &number_table(run, summary);
    }
    if !figures.is_empty() {
        out += "## Figures\n\n";
        for figure in figures {
            out += &format!("![{figure}]({figure}.png)\n\n");
        }
    }
    out += "## Where it comes from\n\n";
    for (run, _) in items {
        out += &provenance(run);
    }
    out
}

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

fn place(run: &Run) -> String {
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
fn agreement(items: &[Summarized<'_>]) -> Option<String> {
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

fn certainty(item: &Summarized<'_>) -> Vec<String> {
    let (run, summary) = item;
    let starts: std::collections::BTreeSet<u32> = run.blocks.iter().map(|b| b.visit).collect();
    let mut lines = vec![format!(
        "{}: {} blocks over {} fresh starts, interleaved in random order (seed {}); intervals resample blocks; the swapping test errs in at most 5 % of cases for one outcome. Only the primary outcome is confirmatory; everything else is exploratory and not corrected for multiplicity.",
        place(run),
        run.blocks.len(),
        starts.len(),
        run.config.seed
    )];
    if let Some(reason) = run.partial_reason() {
        lines.push(format!("{}: **the run is partial**: {reason}.", place(run)));
    }
    for absent in &run.absent_arms {
        let how = if absent.lost {
            "lost in mid-run"
        } else {
            "absent"
        };
        lines.push(format!(
            "{}: arm {} was {how}: {}.",
            place(run),
            absent.arm,
            absent.reason
        ));
    }
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for level in &summary.levels {
        for contender in &level.contenders {
            for guard in &contender.guards {
                let kind = if guard.severity() == Severity::Strike {
                    "Struck out"
                } else {
                    "Caution"
                };
                let text = format!("{kind}: {guard}");
                let who = format!("{} at {}", contender.label(), level.standing);
                match said.iter_mut().find(|s| s.0 == text) {
                    Some(found) => found.1.push(who),
                    None => said.push((text, vec![who])),
                }
            }
        }
    }
    let all: usize = summary.levels.iter().map(|l| l.contenders.len()).sum();
    for (text, who) in said {
        let who = if who.len() == all {
            "every arm".to_owned()
        } else {
            who.join(", ")
        };
        lines.push(format!("{}: {text} ({who}).", place(run)));
    }
    lines.push(format!(
        "{}: {}.",
        place(run),
        pacing_line(summary).trim_end()
    ));
    lines.extend(run.remarks.iter().map(|r| format!("{}: {r}.", place(run))));
    lines
}

fn limits(items: &[Summarized<'_>]) -> Vec<String> {
    let mut lines = vec![
        "Not how much of an effect is ProcArrayLock: no lock wait was traced here. `unpooled` minus `fork-only` still holds authentication, catalogue loading and page faults outside the lock.".to_owned(),
        "Not that percentiles' differences add up: they are contrasts between arms, never parts of a whole.".to_owned(),
    ];
    for (run, _) in items {
        let p = &run.provenance;
        match run.mode {
            Mode::Server => {
                lines.push(format!(
                    "Not other machines: load and server share {} cores ({}), so CPU queueing is part of every tail.",
                    p.cores, p.cpu_model
                ));
                lines.push("Not other versions, slot orders or page sizes: one of each was measured, and slot order was arranged but not verified.".to_owned());
            }
            Mode::Model => {
                lines.push("Not PostgreSQL from the model: its threads share page tables (no page faults under the lock), its lock is not an LWLock, and what a fork costs is burnt as plain CPU.".to_owned());
            }
        }
    }
    lines
}

fn number_table(run: &Run, summary: &RunSummary) -> String {
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let mut out = format!(
        "{} run `{}`, response time of running statements:\n\n| standing | arm | samples | mean | p50 | p90 | {quoted} | excess at {quoted} (95 %) | verdict | clients/s |\n|---:|---|---:|---:|---:|---:|---:|---:|---|---:|\n",
        run.mode, run.run_id
    );
    for level in &summary.levels {
        for c in &level.contenders {
            let value = |s| {
                c.estimate(s)
                    .map_or("-".to_owned(), |e| duration(e.value_ns))
            };
            let effect = level
                .effects
                .iter()
                .find(|e| e.first == c.arm && !c.twin)
                .and_then(|e| e.at(quoted));
            out += &format!(
                "| {} | {}{} | {} | {} | {} | {} | {} | {} | {} | {:.0} |\n",
                level.standing,
                c.label(),
                if c.struck().is_some() {
                    " (struck)"
                } else {
                    ""
                },
                count(c.samples),
                value(Statistic::Mean),
                value(Statistic::Percentile(50.0)),
                value(Statistic::Percentile(90.0)),
                value(quoted),
                effect.map_or(String::new(), |(k, _)| format!(
                    "{} ({} .. {})",
                    difference(k.difference.value_ns),
                    difference(k.difference.low_ns),
                    difference(k.difference.high_ns)
                )),
                effect.map_or("", |(_, v)| v.words()),
                c.client_per_second
            );
        }
    }
    out + "\n"
}

fn provenance(run: &Run) -> String {
    let p = &run.provenance;
    let mut out = format!(
        "- {} run `{}` of {}: procbench {} (revision {}, {}), {}, {} cores, Linux {}, clock {} ({:.0} ns a read)\n",
        run.mode,
        run.run_id,
        run.started_at,
        p.tool_version,
        p.tool_revision,
        p.rustc,
        p.cpu_model,
        p.cores,
        p.kernel,
        run.clock.source,
        run.clock.read_cost_ns
    );
    if let Some(server) = &p.server {
        let settings: Vec<String> = [
            "huge_pages",
            "max_connections",
            "shared_buffers",
            "autovacuum",
            "jit",
        ]
        .iter()
        .filter_map(|name| Some(format!("{name} = {}", server.settings.get(*name)?)))
        .collect();
        out += &format!(
            "- server: PostgreSQL {} ({}), {}, {}, auth {}; PgBouncer {}\n",
            server.version,
            server.chosen_because,
            settings.join(", "),
            server.transport,
            server.auth,
            server.pgbouncer.as_deref().unwrap_or("none")
        );
    }
    if let Some(c) = &run.calibration {
        let rates: Vec<String> = c
            .sustained_per_second
            .iter()
            .map(|(arm, rate)| format!("{arm} {rate:.0}/s"))
            .collect();
        out += &format!(
            "- calibration at {} standing connections, closed loop: {}; clients ran at half of the weakest ({}), {}/s\n",
            c.standing,
            rates.join(", "),
            c.weakest,
            c.client_rate_per_second
        );
    }
    out
}
