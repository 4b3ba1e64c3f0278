//! A prediction held against a run, in words.

use super::format::{interval_95, quantity};
use crate::stats::{Analysis, Outcome, Statement, Unit, Value};

/// The outcome first, then a line for each part with its numbers; none for a free run.
pub fn sentences(analysis: &Analysis) -> Vec<String> {
    let whole = outcome(analysis).map(str::to_owned).into_iter();
    whole.chain(parts(analysis)).collect()
}

/// What became of the prediction as a whole.
pub(super) fn outcome(analysis: &Analysis) -> Option<&'static str> {
    Some(match analysis.finding.as_ref()?.outcome? {
        Outcome::Stands => "The prediction stands.",
        Outcome::PartlyRefuted => "The prediction is refuted in part.",
        Outcome::Refuted => "The prediction is refuted.",
        Outcome::CannotTell => "The prediction cannot be judged by this run.",
    })
}

/// A line for each part.
fn parts(analysis: &Analysis) -> Vec<String> {
    let statements = analysis.finding.iter().flat_map(|f| &f.statements);
    statements.map(sentence).collect()
}

/// More numbers than this are for a table.
const FEW_VALUES: usize = 3;

/// The same where one screen is to hold it: as sentences, without long lists.
pub(super) fn short_parts(analysis: &Analysis) -> Vec<String> {
    let statements = analysis.finding.iter().flat_map(|f| &f.statements);
    let short = |s: &&Statement| s.values.len() <= FEW_VALUES;
    let mut said: Vec<String> = statements.clone().filter(short).map(sentence).collect();
    if said.is_empty() {
        // An answer is never empty: its numbers are among the details.
        let first = statements.take(1).map(|s| Statement {
            values: Vec::new(),
            ..s.clone()
        });
        said.extend(first.map(|s| sentence(&s)));
    }
    said.iter().map(|line| capitalised(line)).collect()
}

fn capitalised(line: &str) -> String {
    let mut letters = line.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

fn sentence(statement: &Statement) -> String {
    let mut line = statement.claim.clone();
    let because = statement.because.as_deref();
    let outcome = statement.outcome.map(|outcome| match outcome {
        Outcome::Stands => "shown",
        Outcome::Refuted => "refuted",
        Outcome::PartlyRefuted => "refuted in part",
        Outcome::CannotTell => "cannot tell",
    });
    for part in outcome.into_iter().chain(because) {
        line += &format!(": {part}");
    }
    let values: Vec<String> = statement.values.iter().map(value).collect();
    if !values.is_empty() {
        line += &format!(" ({})", values.join("; "));
    }
    line + "."
}

/// `PostgreSQL 15 +212 µs (95 % +205 to +220) per 1,000 standing connections`.
fn value(value: &Value) -> String {
    let e = value.estimate;
    let words = |number| quantity(number, value.unit);
    let number = if e.low_ns < e.high_ns {
        interval_95(e, words)
    } else {
        words(e.value_ns)
    };
    let mut text = format!("{} {number}", value.of).trim().to_owned();
    if value.unit == Unit::NsPerConnection {
        text += " per 1,000 standing connections";
    }
    text
}
