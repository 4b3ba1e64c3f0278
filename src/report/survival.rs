//! Whether a conclusion survives the choice of lock, in one sentence each.

use super::grouped::grouped;
use crate::stats::{Analysis, Conclusion, Verdict};

/// A sentence for every conclusion; none where the lock does not vary.
pub fn sentences(analysis: &Analysis) -> Vec<String> {
    analysis.conclusions.iter().map(sentence).collect()
}

/// Names, the verdict in brackets after those that share it.
fn with_verdicts(locks: &[(&str, Option<Verdict>)]) -> String {
    let worded = locks.iter().map(|(lock, verdict)| {
        let words = verdict.map_or("not measured", Verdict::words);
        (words, *lock)
    });
    let groups: Vec<String> = grouped(worded)
        .into_iter()
        .map(|(words, locks)| format!("{} ({words})", locks.join(", ")))
        .collect();
    groups.join("; ")
}

fn sentence(conclusion: &Conclusion) -> String {
    let all: Vec<(&str, Option<Verdict>)> = conclusion
        .by_lock
        .iter()
        .map(|(lock, found)| (lock.as_str(), found.map(|f| f.1)))
        .collect();
    let (judged, unjudged): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(_, verdict)| verdict.is_some_and(Verdict::is_usable));
    let (holds, fails): (Vec<_>, Vec<_>) = judged
        .iter()
        .copied()
        .partition(|(_, verdict)| *verdict == Some(Verdict::Higher));
    let names = |locks: &[(&str, Option<Verdict>)]| {
        let names: Vec<&str> = locks.iter().map(|l| l.0).collect();
        names.join(", ")
    };
    let outcome = match (judged.len(), holds.len()) {
        (0 | 1, _) => format!(
            "nothing can be said about the choice of lock, of which {} could be judged",
            judged.len()
        ),
        (n, 0) => format!("shown under none of {n} locks: {}", with_verdicts(&fails)),
        (n, m) if n == m && unjudged.is_empty() => {
            format!(
                "survives the choice of lock: it holds under all {n} ({})",
                names(&holds)
            )
        }
        (n, m) if n == m => format!(
            "holds under all {n} locks that could be judged ({}), which is not every lock",
            names(&holds)
        ),
        _ => format!(
            "not shown to survive the choice of lock: it holds under {}, and is not shown under {} (which does not show that these locks differ). What it says about PostgreSQL rests on PostgreSQL's own lock alone",
            names(&holds),
            with_verdicts(&fails)
        ),
    };
    let rest = if unjudged.is_empty() {
        String::new()
    } else {
        format!(" Not judged: {}.", with_verdicts(&unjudged))
    };
    format!("\"{}\": {outcome}.{rest}", conclusion.claim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Contrast, Estimate, Statistic};

    fn told(verdicts: &[(&str, Option<Verdict>)]) -> String {
        let contrast = Contrast {
            statistic: Statistic::Mean,
            difference: Estimate {
                value_ns: 1.0,
                low_ns: 1.0,
                high_ns: 1.0,
            },
            magnitude_95_ns: 1.0,
            p_value: None,
            rounds: 8,
        };
        sentence(&Conclusion {
            claim: "readers wait".to_owned(),
            by_lock: verdicts
                .iter()
                .map(|(lock, v)| ((*lock).to_owned(), v.map(|v| (contrast, v))))
                .collect(),
        })
    }

    #[test]
    fn the_same_verdict_under_every_lock_survives() {
        assert_eq!(
            told(&[("a", Some(Verdict::Higher)), ("b", Some(Verdict::Higher))]),
            "\"readers wait\": survives the choice of lock: it holds under all 2 (a, b)."
        );
        let none = told(&[
            ("a", Some(Verdict::NoDifferenceShown)),
            ("b", Some(Verdict::Lower)),
        ]);
        assert!(
            none.contains("none of 2 locks: a (no difference shown); b (lower)"),
            "{none}"
        );
    }

    #[test]
    fn a_split_names_both_sides_and_what_is_left_for_postgresql() {
        let split = told(&[
            ("a", Some(Verdict::Higher)),
            ("b", Some(Verdict::WithinNoiseFloor)),
            ("c", Some(Verdict::WithinNoiseFloor)),
        ]);
        assert!(
            split.contains("holds under a, and is not shown under b, c (within the noise floor)"),
            "{split}"
        );
        assert!(split.contains("PostgreSQL's own lock alone"));
    }

    #[test]
    fn struck_and_unmeasured_locks_never_count_as_survival() {
        let some = told(&[
            ("a", Some(Verdict::Higher)),
            ("b", Some(Verdict::Higher)),
            ("c", Some(Verdict::StruckOut)),
            ("d", None),
        ]);
        assert!(some.contains("which is not every lock"), "{some}");
        assert!(
            some.ends_with("Not judged: c (struck out); d (not measured)."),
            "{some}"
        );
        let one = told(&[
            ("a", Some(Verdict::Higher)),
            ("b", Some(Verdict::TooFewRounds)),
        ]);
        assert!(
            one.contains("nothing can be said") && !one.contains("survives"),
            "{one}"
        );
    }
}
