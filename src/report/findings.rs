//! What was found, conclusion first, and never more than the statistics allow.

use super::contrast_table;
use super::format::{difference, duration, interval_95};
use super::level_title::level_title;
use super::lock_witness;
use super::prediction;
use super::section::Section;
use super::survival;
use crate::arm::Mode;
use crate::record::RunHead;
use crate::stats::{Analysis, Claim, Contrast, Verdict};

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

/// A contrast with its verdict, noise floor and p-value.
pub(super) fn judgement(c: &Contrast, verdict: Verdict, floor: Option<f64>) -> String {
    let floor = floor.map_or("unknown".to_owned(), duration);
    let p = c.p_value.map_or(String::new(), |p| format!(", p = {p:.3}"));
    let by = interval_95(c.difference, difference);
    match verdict {
        Verdict::Higher | Verdict::Lower => format!("{by}, above the noise floor of {floor}{p}"),
        Verdict::WithinNoiseFloor => {
            format!("{by}, within the noise floor of {floor}{p}: not to be relied on")
        }
        Verdict::NoDifferenceShown => {
            format!("{by}: no difference shown (noise floor {floor}{p})")
        }
        Verdict::TooFewRounds => format!("{by}, from too few rounds to say"),
        Verdict::NoNoiseFloor => format!("{by}, without a usable A/A twin to judge it by"),
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
        Claim::NoEffectShown => "**No effect of churn beyond the noise was shown.**",
        Claim::NoConclusion => "**No conclusion.**",
    };
    let kind = if analysis.is_declared {
        "the declared primary outcome"
    } else {
        "exploratory, since the parameters are not an experiment's"
    };
    let judged = |c: &Contrast, verdict| judgement(c, verdict, p.noise_floor_ns);
    let against = p.against_quiet.map(|(c, verdict)| judged(&c, verdict));
    let against = against.map_or(String::new(), |judged| {
        format!(" Against no client transactions (quiet): {judged}.")
    });
    let (place, at, clock) = (place(run), p.name(), analysis.clock());
    let by = judged(&p.contrast, p.verdict);
    let level = level_title(&p.factors, &analysis.varying);
    format!(
        "{place}: {what} Reconnecting for each transaction instead of keeping connections open changed the {at} {clock} time by {by} ({level}; {kind}).{against}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
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
                "**Running queries were faster under churn.**",
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
            let primary = text.contains("declared primary outcome");
            assert_ne!(primary, text.contains("exploratory"), "{text}");
            primary
        };
        assert!(kind(|_| {}));
        assert!(!kind(|run| run.config.quoted_percentile = 90.0));
        assert!(!kind(|run| run.experiment = "model".to_owned()));
    }
}
