//! What was found, one sentence each, and never more than the statistics allow.

use super::agreement::lock_witness;
use super::cells;
use super::format::{count, difference, duration};
use super::level_title::{level_title, short_title};
use super::survival;
use crate::arm::Arm;
use crate::arm::Mode;
use crate::record::RunHead;
use crate::stats::{Analysis, Claim, Contrast, LevelSummary, Statistic, Verdict};

/// The findings alone, one sentence each.
pub fn findings(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    if !analysis.is_contrast() {
        // The experiment's own assessment says what was found.
        return Vec::new();
    }
    let mut lines = vec![headline(analysis)];
    let survival = survival::sentences(analysis);
    if !survival.is_empty() {
        // Lock by lock in the tables; here only what they have in common.
        lines.extend(
            survival
                .into_iter()
                .map(|line| format!("{} (exploratory): {line}", place(run))),
        );
        return lines;
    }
    let cells = cells::sentences(analysis);
    if !cells.is_empty() {
        lines.extend(
            cells
                .into_iter()
                .map(|line| format!("{} (exploratory): {line}", place(run))),
        );
        return lines;
    }
    for level in &analysis.levels {
        // The headline's contrast is not said twice.
        let said = analysis
            .primary
            .as_ref()
            .is_some_and(|p| p.factors == level.factors);
        lines.extend(level_findings(analysis, level, said));
    }
    lines
}

/// Which run a sentence is about.
pub fn place(run: &RunHead) -> String {
    match run.mode {
        Mode::Server => {
            let server = run.provenance.server.as_ref();
            // Several are told apart by the levels' titles.
            if server.is_some_and(|s| s.servers.len() > 1) {
                return "Server".to_owned();
            }
            let version = server
                .and_then(|s| s.version.split(' ').next().map(str::to_owned))
                .unwrap_or_default();
            format!("PostgreSQL {version}")
        }
        Mode::Model => {
            let Some(model) = &run.config.model else {
                return "Model".to_owned();
            };
            // Several are told apart by the levels' titles.
            let mut told = Vec::new();
            let asked = &run.config.factors;
            if let [one] = &asked.pg[..] {
                told.push(format!("PostgreSQL {one}"));
            }
            if asked.lock.len() == 1 || (asked.lock.is_empty() && asked.pg.len() == 1) {
                told.push(super::footer::lock_words(asked));
            }
            let ablations = model.ablations.to_string();
            if !ablations.is_empty() {
                told.push(ablations);
            }
            if told.is_empty() {
                return "Model".to_owned();
            }
            format!("Model ({})", told.join(", "))
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

pub(super) fn judgement(c: &Contrast, verdict: Verdict, floor: Option<f64>) -> String {
    let floor = floor.map_or("unknown".to_owned(), duration);
    let p = c.p_value.map_or(String::new(), |p| format!(", p = {p:.3}"));
    let by = interval(c);
    match verdict {
        Verdict::Higher | Verdict::Lower => {
            format!("{by}, above the run's own noise floor of {floor}{p}")
        }
        Verdict::WithinNoiseFloor => format!(
            "{by}, but two sets of blocks of the same arm differ by up to {floor}, too: not to be relied on{p}"
        ),
        Verdict::NoDifferenceShown => {
            format!("{by}: no difference shown{p}; noise floor {floor}")
        }
        Verdict::TooFewRounds => format!("{by}, from too few rounds to say"),
        Verdict::NoNoiseFloor => format!("{by}, without a usable A/A twin to judge it by"),
        Verdict::StruckOut => format!("{by}, struck out by a guard: not to be quoted"),
    }
}

pub(super) fn clock_word(level: &LevelSummary) -> String {
    level
        .contenders
        .first()
        .map_or_else(|| "response".to_owned(), |c| c.quoted.clock.to_string())
}

/// What churn did at the largest number of standing connections. Bold words
/// only where the arm without any client transactions was faster, too.
fn headline(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let (Some(p), Some(level)) = (&analysis.primary, analysis.primary_level()) else {
        return format!("{}: the primary outcome was not measured.", place(run));
    };
    let what = match p.claim {
        Claim::NotSlowerThanQuiet => {
            "**No conclusion: it was not shown to be slower than without any client transactions.**"
        }
        Claim::Slower if run.mode == Mode::Model => {
            "**Churn made the model's running statements slower.**"
        }
        Claim::Slower => "**Churn made running queries slower.**",
        Claim::Faster => {
            "**Running queries were faster under churn** (look for a cause before believing it)."
        }
        Claim::NoEffectShown => "**No effect of churn beyond the noise was shown.**",
        Claim::NoConclusion => "**No conclusion.**",
    };
    let kind = if analysis.is_declared {
        "primary outcome"
    } else {
        "headline (exploratory: the parameters are not an experiment's)"
    };
    let against = p.against_quiet.map_or(String::new(), |(c, v)| {
        format!(
            " Against no client transactions at all (quiet) it is {}.",
            judgement(&c, v, p.noise_floor_ns)
        )
    });
    format!(
        "{}, {kind}: {what} With {}, reconnecting for each transaction instead of keeping connections open changed the readers' {} {} time by {}.{against}",
        place(run),
        level_title(&p.factors, &analysis.varying),
        p.name(),
        clock_word(level),
        judgement(&p.contrast, p.verdict, p.noise_floor_ns)
    )
}

fn level_findings(analysis: &Analysis, level: &LevelSummary, headline_said: bool) -> Vec<String> {
    let run = &analysis.run;
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let at = format!(
        "{}, {} (exploratory)",
        place(run),
        short_title(&level.factors, &analysis.varying)
    );
    let beyond_fork = match run.mode {
        Mode::Server => "what logging in, the ProcArray, the catalogue and exit add to a bare fork",
        Mode::Model => {
            "what the array, its locks and the rest of a connection's CPU add to the fork's"
        }
    };
    let contrasts = [
        (
            Arm::Unpooled,
            Arm::KeptOpen,
            Statistic::Percentile(50.0),
            "",
        ),
        (Arm::Unpooled, Arm::KeptOpen, quoted, ""),
        (Arm::Unpooled, Arm::KeptOpen, Statistic::Mean, ""),
        (Arm::ForkOnly, Arm::KeptOpen, Statistic::Mean, ""),
        (Arm::Unpooled, Arm::ForkOnly, quoted, beyond_fork),
        (
            Arm::Quiet,
            Arm::KeptOpen,
            quoted,
            "what the transactions themselves cost, with the sign turned",
        ),
        (Arm::Pool, Arm::KeptOpen, quoted, ""),
        (Arm::Pgbouncer, Arm::KeptOpen, quoted, ""),
    ];
    let mut lines: Vec<String> = contrasts
        .into_iter()
        .filter(|c| !(headline_said && (c.0, c.1, c.2) == (Arm::Unpooled, Arm::KeptOpen, quoted)))
        .filter_map(|(first, second, statistic, meaning)| {
            let (c, v) = level.effect(first, second)?.at(statistic)?;
            let meaning = if meaning.is_empty() {
                String::new()
            } else {
                format!(" ({meaning})")
            };
            Some(format!(
                "{at}: {first} minus {second} at {statistic}{meaning}: {}.",
                judgement(c, *v, level.noise_floor_ns(statistic))
            ))
        })
        .collect();
    lines.extend(service_line(level, quoted).map(|line| format!("{at}: {line}")));
    if let Some((waits, shared)) = lock_witness(level) {
        lines.push(format!(
            "{at}: under unpooled, {} of {} shared acquisitions of the modelled ProcArrayLock found it busy ({:.3} %).",
            count(waits),
            count(shared),
            100.0 * waits as f64 / shared as f64
        ));
    }
    lines
}

/// The same contrast without the wait before the statement: a reader that is
/// kept from its core waits there, and no lock is involved.
fn service_line(level: &LevelSummary, quoted: Statistic) -> Option<String> {
    let service = level.service.iter().find(|c| c.statistic == quoted)?;
    let response = level
        .effect(Arm::Unpooled, Arm::KeptOpen)?
        .at(quoted)?
        .0
        .difference
        .value_ns;
    if clock_word(level) == "service" {
        return None;
    }
    let much_less = response > 0.0 && service.difference.value_ns < response / 2.0;
    let hint = if much_less {
        "; most of the change in response time is waiting before the statement began: for the CPU or behind an earlier statement"
    } else {
        ""
    };
    Some(format!(
        "unpooled minus kept-open at {quoted} in service time: {}{hint}.",
        interval(service)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::testing::{sample_block_like, sample_run};

    /// The headline of a run whose arms are slower by these factors.
    fn headline_of(scales: &[(Arm, u64)], change: impl Fn(&mut Run)) -> String {
        let mut run = sample_run(8);
        for block in &mut run.blocks {
            let scale = scales.iter().find(|s| s.0 == block.arm);
            *block = sample_block_like(block, scale.map_or(1, |s| s.1));
        }
        change(&mut run);
        findings(&analyse(&run)).remove(0)
    }

    #[test]
    fn the_headline_claims_what_the_verdicts_allow_and_no_more() {
        for (scales, claim) in [
            (
                &[(Arm::Unpooled, 3)][..],
                "**Churn made the model's running statements slower.**",
            ),
            (
                &[(Arm::Unpooled, 3), (Arm::Quiet, 3)],
                "**No conclusion: it was not shown to be slower than without any client transactions.**",
            ),
            (
                &[(Arm::KeptOpen, 3)],
                "**Running queries were faster under churn**",
            ),
            (&[], "**No effect of churn beyond the noise was shown.**"),
        ] {
            let text = headline_of(scales, |_| {});
            assert!(text.contains(claim), "{scales:?}: {text}");
            assert_eq!(text.matches("**").count(), 2, "{text}");
        }
    }

    #[test]
    fn few_rounds_struck_arms_and_a_missing_twin_leave_no_conclusion() {
        type Change = fn(&mut Run);
        let changes: [(Change, &str); 3] = [
            (
                |run| run.blocks.retain(|b| b.round < 5),
                "from too few rounds",
            ),
            (
                |run| run.provenance.debug_build = true,
                "struck out by a guard",
            ),
            (
                |run| run.blocks.retain(|b| !b.twin),
                "without a usable A/A twin",
            ),
        ];
        for (change, why) in changes {
            let text = headline_of(&[(Arm::Unpooled, 3)], change);
            assert!(
                text.contains("**No conclusion.**") && text.contains(why),
                "{text}"
            );
        }
        let text = headline_of(&[], |run| run.blocks.retain(|b| b.arm != Arm::Unpooled));
        assert!(
            text.ends_with("the primary outcome was not measured."),
            "{text}"
        );
    }

    #[test]
    fn only_the_declared_percentile_of_an_experiment_is_a_primary_outcome() {
        let kind = |change: fn(&mut Run)| {
            let text = headline_of(&[(Arm::Unpooled, 3)], change);
            assert_ne!(
                text.contains("primary outcome:"),
                text.contains("exploratory"),
                "{text}"
            );
            text.contains("primary outcome:")
        };
        assert!(kind(|_| {}));
        assert!(!kind(|run| run.config.quoted_percentile = 90.0));
        assert!(!kind(|run| run.experiment = "model".to_owned()));
    }
}
