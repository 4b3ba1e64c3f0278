//! The argument against connection churn, sentence by sentence, with what the measurements support.

use super::format::{interval_95, quantity, rate};
use super::level_title::level_title;
use super::section::{Section, Table, cell};
use crate::factor::Factor;
use crate::stats::{Analysis, ArgumentRow, ArgumentStep, Support, Value, argument};

/// What the table is about.
pub(super) const CAPTION: &str = "The argument, sentence by sentence";

/// The sentence as it is usually told.
fn told(step: ArgumentStep) -> &'static str {
    match step {
        ArgumentStep::QueriesTakeSnapshots => "Every query takes a snapshot.",
        ArgumentStep::ConnectingExcludes => {
            "Connecting and disconnecting take ProcArrayLock exclusively."
        }
        ArgumentStep::ChurnParalyses => "Churn paralyses every query.",
        ArgumentStep::PoolingCures => "Pooling cures it.",
    }
}

fn verdict(support: Support) -> &'static str {
    match support {
        Support::Supported => "supported",
        Support::Overstated => "overstated",
        Support::Contradicted => "contradicted",
        Support::Undecided => "not decided",
        Support::Missing => "not in this run",
    }
}

/// A wording that the measurements allow.
fn wording(step: ArgumentStep, support: Support) -> &'static str {
    use Support::{Contradicted, Missing, Overstated, Supported, Undecided};
    match (step, support) {
        (_, Missing) => "Nothing: it was not measured.",
        (ArgumentStep::QueriesTakeSnapshots, Supported) => {
            "A SELECT takes ProcArrayLock shared for each of its snapshots; since 14 most reuse the last one, under the same lock."
        }
        (ArgumentStep::QueriesTakeSnapshots, Undecided) => {
            "Nothing about PostgreSQL yet: the model does as it was written."
        }
        (ArgumentStep::QueriesTakeSnapshots, _) => "Some statements took no snapshot.",
        (ArgumentStep::ConnectingExcludes, Supported) => {
            "A connection takes ProcArrayLock exclusively twice, to join and to leave."
        }
        (ArgumentStep::ConnectingExcludes, Undecided) => {
            "Nothing about PostgreSQL yet: the model does as it was written."
        }
        (ArgumentStep::ConnectingExcludes, _) => {
            "A connection does not take ProcArrayLock exclusively just twice."
        }
        (ArgumentStep::ChurnParalyses, Supported) => {
            "Here churn slowed more than half of the running statements beyond what 99 % of them took without it."
        }
        (ArgumentStep::ChurnParalyses, Overstated) => {
            "Churn slows some running statements; at least half of them stay within what 99 % took without it."
        }
        (ArgumentStep::ChurnParalyses, Contradicted) => {
            "Churn was shown not to slow here, or by less than the bound; at least half of the statements stay within what 99 % took without it."
        }
        (ArgumentStep::ChurnParalyses, Undecided) => "This run does not say whether churn slows.",
        (ArgumentStep::PoolingCures, Supported) => {
            "Beside reconnecting clients more running statements are slow than beside kept connections; beside pooled ones no slowing was shown."
        }
        (ArgumentStep::PoolingCures, Overstated) => {
            "Pooling takes away a part of the slowing; the rest was shown to stay."
        }
        (ArgumentStep::PoolingCures, Contradicted) => {
            "Pooled clients slowed running statements, and not shown to be less than reconnecting ones."
        }
        (ArgumentStep::PoolingCures, Undecided) => "This run does not say whether pooling helps.",
    }
}

/// `PostgreSQL 15, 2,000 standing connections, slots front, pages 4k, 138 per second`.
fn regime(row: &ArgumentRow) -> Option<String> {
    let level = row.level.as_ref()?;
    let named = [
        Factor::Pg,
        Factor::SlotOrder,
        Factor::PageSize,
        Factor::Isolate,
    ];
    let mut parts = vec![level_title(level, &named)];
    parts.extend(
        row.per_second
            .map(|r| format!("{} transactions/s", rate(r))),
    );
    Some(parts.join(", "))
}

fn number(value: &Value) -> String {
    let words = |x| quantity(x, value.unit);
    let e = value.estimate;
    let number = match e.low_ns < e.high_ns {
        true => interval_95(e, words),
        false => words(e.value_ns),
    };
    format!("{} {number}", value.of).trim().to_owned()
}

/// A sentence of the argument and what the runs say of it, in words.
pub(super) struct ClaimInWords {
    pub(super) sentence: &'static str,
    pub(super) verdict: &'static str,
    /// A wording that the measurements allow.
    pub(super) supported: &'static str,
    pub(super) regime: Option<String>,
    pub(super) numbers: Vec<String>,
    /// Its figure, by the name below the chapter's directory.
    pub(super) figure: Option<String>,
    /// What is missing, and the command that gives it.
    pub(super) missing: Option<(&'static str, &'static str)>,
}

/// The argument, sentence by sentence.
pub(super) fn claims(runs: &[&Analysis]) -> Vec<ClaimInWords> {
    let claim = |row: ArgumentRow| ClaimInWords {
        sentence: told(row.step),
        verdict: verdict(row.support),
        supported: wording(row.step, row.support),
        regime: regime(&row),
        numbers: row.values.iter().map(number).collect(),
        figure: row.figure,
        missing: row.missing,
    };
    argument(runs).into_iter().map(claim).collect()
}

/// The sentences, each with its verdict, regime, numbers, figure and a wording that they support.
pub fn argument_section(runs: &[&Analysis]) -> Section {
    let columns = [
        "sentence",
        "verdict",
        "what is supported",
        "regime",
        "numbers",
        "figure",
    ];
    let mut table = Table::new(columns, std::iter::empty::<&str>());
    let mut notes = Vec::new();
    for claim in claims(runs) {
        let numbers = claim.numbers.join("; ");
        table.push(vec![
            claim.sentence.to_owned(),
            claim.verdict.to_owned(),
            claim.supported.to_owned(),
            cell(claim.regime),
            cell((!numbers.is_empty()).then_some(numbers)),
            cell(claim.figure),
        ]);
        notes.extend(claim.missing.map(|(what, command)| {
            format!("Missing for \"{}\" {what}: `{command}`.", claim.sentence)
        }));
    }
    Section {
        caption: CAPTION.to_owned(),
        table,
        notes,
    }
}

/// The sentences with their verdicts alone.
pub(super) fn verdicts(runs: &[&Analysis]) -> Section {
    let mut table = Table::new(["sentence", "verdict"], std::iter::empty::<&str>());
    for row in argument(runs) {
        table.push(vec![
            told(row.step).to_owned(),
            verdict(row.support).to_owned(),
        ]);
    }
    Section {
        caption: CAPTION.to_owned(),
        table,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::experiment::analyse;
    use crate::report::one_page::of_chapter;
    use crate::testing::sample_run;

    #[test]
    fn the_argument_stands_first_and_says_what_is_missing() {
        let text = of_chapter(&[]);
        let table = text.find("The argument, sentence by sentence").unwrap();
        assert!(table < text.find("Each experiment on its own page").unwrap());
        assert_eq!(text.matches("| not in this run |").count(), 4, "{text}");
        assert_eq!(text.matches("\nMissing for ").count(), 4, "{text}");
        assert!(text.contains("Missing for \"Pooling cures it.\""), "{text}");
    }

    #[test]
    fn a_row_has_regime_numbers_and_figure() {
        let mut run = sample_run(12);
        run.mode = Mode::Server;
        run.experiment = "churn-tail".to_owned();
        for block in &mut run.blocks {
            block.start = block.round / 2;
        }
        let text = of_chapter(&[&analyse(&run)]);
        let row = text.lines().find(|l| l.contains("paralyses")).unwrap();
        for part in [
            "| supported |",
            "10 standing connections",
            "100 transactions/s",
            "unpooled minus kept-open +",
            "churn-tail/server/response-time",
        ] {
            assert!(row.contains(part), "{part} in {row}");
        }
        assert!(
            text.contains("[churn-tail](churn-tail/SUMMARY.md)"),
            "{text}"
        );
    }

    #[test]
    fn every_step_has_a_wording_for_every_verdict() {
        let all = argument(&[]).map(|row| row.step);
        for step in all {
            let of = |support| wording(step, support);
            let words = [
                Support::Supported,
                Support::Contradicted,
                Support::Undecided,
            ]
            .map(of);
            assert!(words[0] != words[1] && words[1] != words[2], "{words:?}");
        }
    }
}
