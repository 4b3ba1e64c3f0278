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

/// Factors are read within their sentence: `reconnecting costs 117 times the throughput (95 % 114 to 120) and ...`.
fn times(statement: &Statement) -> Option<String> {
    let words = |v: &Value| {
        let of = Some(&v.of).filter(|of| of.starts_with("times the "))?;
        let number = number(v);
        Some(match number.split_once(' ') {
            Some((number, interval)) => format!("{number} {of} {interval}"),
            None => format!("{number} {of}"),
        })
    };
    let all: Option<Vec<String>> = statement.values.iter().map(words).collect();
    let all = all.filter(|all| !all.is_empty())?;
    Some(format!("{} {}.", statement.claim, all.join(" and ")))
}

fn sentence(statement: &Statement) -> String {
    if let Some(said) = times(statement) {
        return said;
    }
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
    let mut text = format!("{} {}", value.of, number(value)).trim().to_owned();
    if value.unit == Unit::NsPerConnection {
        text += " per 1,000 standing connections";
    }
    text
}

/// With its interval, if it has one.
fn number(value: &Value) -> String {
    let e = value.estimate;
    let words = |number| quantity(number, value.unit);
    if e.low_ns < e.high_ns {
        interval_95(e, words)
    } else {
        words(e.value_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;

    #[test]
    fn factors_are_read_within_their_sentence_and_other_numbers_behind_it() {
        let times = Estimate {
            value_ns: 117.0,
            low_ns: 114.0,
            high_ns: 120.0,
        };
        let costs = |of: [&str; 2]| {
            let costs = Statement::judged("reconnecting costs", Outcome::Stands);
            let costs = costs.with(of[0], times, Unit::Number);
            sentence(&costs.with(of[1], 180.0, Unit::Number))
        };
        let wanted = "reconnecting costs 117 times the throughput (95 % 114 to 120) and 180 times the server CPU per transaction.";
        assert_eq!(
            costs([
                "times the throughput",
                "times the server CPU per transaction"
            ]),
            wanted
        );
        let wanted = "reconnecting costs: shown (times as many: 117 (95 % 114 to 120); 180).";
        assert_eq!(costs(["times as many:", ""]), wanted);
    }
}
