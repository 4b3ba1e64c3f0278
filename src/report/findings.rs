//! What was found, conclusion first, and never more than the statistics allow.

use super::contrast_table;
use super::format::{detectable, duration, interval_95, quantity};
use super::level_title::level_title;
use super::lock_witness;
use super::prediction;
use super::section::Section;
use super::survival;
use crate::arm::{Arm, Mode};
use crate::names::counted;
use crate::record::RunHead;
use crate::stats::{Analysis, Claim, Contrast, Found, Primary, Statistic, Verdict};

/// The answer of one experiment's runs.
pub fn answer(items: &[&Analysis]) -> Section {
    let mut lines: Vec<String> = items.iter().flat_map(|a| findings(a)).collect();
    lines.extend(lock_witness::agreement(items));
    Section::list("What was found", lines)
}

/// What one run showed: its primary outcome, what its levels or locks have in common, its prediction.
pub fn findings(analysis: &Analysis) -> Vec<String> {
    let place = place(&analysis.run);
    let mut lines = Vec::new();
    if analysis.is_contrast() {
        // A model's statement is a few snapshots: what it tells of a query is the wait for the lock.
        let of_lock = lock_witness::sentence(analysis);
        if analysis.run.mode == Mode::Server || of_lock.is_none() {
            lines.push(headline(analysis));
        }
        lines.extend(of_lock.map(|said| format!("{place}, {said}")));
        let mut common = survival::sentences(analysis);
        if common.is_empty() {
            common = contrast_table::sentences(analysis);
        }
        let common = common.iter();
        lines.extend(common.map(|line| format!("{place}, exploratory: {line}")));
    }
    let predicted = prediction::sentences(analysis);
    lines.extend(predicted.iter().map(|line| format!("{place}: {line}")));
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
            let version = server.and_then(|s| s.version.split(' ').next());
            format!("PostgreSQL {}", version.unwrap_or_default())
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
            told.extend((!ablations.is_empty()).then_some(ablations));
            match &told[..] {
                [] => "Model".to_owned(),
                told => format!("Model ({})", told.join(", ")),
            }
        }
    }
}

/// A contrast with its verdict and p-value.
pub(super) fn judgement(c: &Contrast, verdict: Verdict) -> String {
    let p = c.p_value.map_or(String::new(), |p| format!(", p = {p:.3}"));
    let by = interval_95(c.difference, |value| quantity(value, c.unit));
    match verdict {
        Verdict::Higher | Verdict::Lower => format!("{by}, shown{p}"),
        Verdict::SmallerThan(_) => format!("{by}: {}{p}", verdict.words()),
        Verdict::CannotTell => format!(
            "{by}: cannot tell (smallest detectable effect {}{p})",
            detectable(c)
        ),
        Verdict::TooFew { rounds, starts } => format!(
            "{by}, from {} over {}: too few ({rounds} over {starts} needed)",
            counted(c.rounds, "round"),
            counted(c.starts, "start")
        ),
        Verdict::StruckOut => format!("{by}, struck out by a guard: not to be quoted"),
    }
}

/// What churn did at the largest number of standing connections. The words are bold
/// only where the arm without any client transactions was faster, too.
fn headline(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let Some(p) = &analysis.primary else {
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
            "**Running queries were faster under churn.** Look for a cause before believing it."
        }
        Claim::Small => {
            "**What churn does to running queries is smaller than the declared bound.**"
        }
        Claim::CannotTell => "**Whether churn made running queries slower is unknown.**",
        Claim::NoConclusion => "**No conclusion.**",
    };
    let kind = if analysis.is_declared {
        "measured as declared"
    } else {
        "exploratory, since the parameters are not an experiment's"
    };
    let also = |what: &str, found: Found| {
        let told = found.map(|(c, verdict)| format!(" {what}: {}.", judgement(&c, verdict)));
        told.unwrap_or_default()
    };
    let (place, clock) = (place(run), analysis.clock());
    let by = judgement(&p.contrast, p.verdict);
    let level = level_title(&p.factors, &analysis.varying);
    let at = match p.contrast.statistic {
        Statistic::SlowShare => format!("share of slow statements ({clock} time)"),
        other => format!("{other} {clock} time"),
    };
    let lock = also("The lock's part (unpooled minus premapped)", p.lock_part);
    let quiet = also("Against no client transactions (quiet)", p.against_quiet);
    let of_100 = of_100(analysis, p).map_or(String::new(), |said| format!(" {said}."));
    format!(
        "{place}: {what}{of_100} Reconnecting for each transaction instead of keeping connections open changed the {at} by {by} ({level}; {kind}).{lock}{quiet}"
    )
}

/// `Of 100 statements 1.0 are slow (over 150 us, the p99 of calm blocks beforehand) without churn, 3.8 with it.`
pub(super) fn of_100(analysis: &Analysis, primary: &Primary) -> Option<String> {
    let over = duration(analysis.run.slow_over_ns? as f64);
    let whence = match analysis.run.config.slow_over_ns {
        Some(_) => "",
        None => ", the p99 of calm blocks beforehand",
    };
    let level = analysis.level(&primary.factors)?;
    let of = |arm| {
        let share = level
            .contender(arm, false)?
            .estimate(Statistic::SlowShare)?;
        Some(format!("{:.1}", 100.0 * share.value_ns))
    };
    let (without, with) = (of(Arm::KeptOpen)?, of(Arm::Unpooled)?);
    Some(format!(
        "Of 100 statements {without} are slow (over {over}{whence}) without churn, {with} with it"
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
        let mut run = sample_run(12);
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
                "**Running queries were faster under churn.**",
            ),
            (
                &[],
                "**Whether churn made running queries slower is unknown.**",
            ),
        ] {
            let text = headline_of(scales, |_| {});
            assert!(text.contains(claim), "{scales:?}: {text}");
            assert_eq!(text.matches("**").count(), 2, "{text}");
        }
    }

    #[test]
    fn few_rounds_and_struck_arms_leave_no_conclusion() {
        type Change = fn(&mut Run);
        let changes: [(Change, &str); 2] = [
            (
                |run| run.blocks.retain(|b| b.round < 5),
                "from 5 rounds over 3 starts: too few (12 over 6 needed)",
            ),
            (
                |run| run.provenance.debug_build = true,
                "struck out by a guard",
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

    fn as_declared(run: &mut Run) {
        let experiment = crate::experiment::find("churn-tail").unwrap();
        let declared = experiment.config(run.mode, crate::experiment::Scale::Quick);
        run.config = declared;
    }

    #[test]
    fn only_the_declared_percentile_of_an_experiment_is_a_primary_outcome() {
        let kind = |change: fn(&mut Run)| {
            let text = headline_of(&[(Arm::Unpooled, 3)], change);
            let primary = text.contains("measured as declared");
            assert_ne!(primary, text.contains("exploratory"), "{text}");
            primary
        };
        assert!(kind(as_declared));
        assert!(!kind(|run| {
            as_declared(run);
            run.config.quoted_percentile = 90.0;
        }));
        assert!(!kind(|run| run.experiment = "model".to_owned()));
    }
}
