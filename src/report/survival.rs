//! Whether a conclusion survives the choice of lock, in one sentence each.

use itertools::Itertools;

use super::grouped::grouped;
use crate::stats::{Analysis, Conclusion, Verdict};

/// A sentence for every conclusion; none where the lock does not vary.
pub fn sentences(analysis: &Analysis) -> Vec<String> {
    analysis.conclusions.iter().map(sentence).collect()
}

/// A lock's name with what was found under it.
type Judged<'a> = (&'a str, Option<Verdict>);

fn names(locks: &[Judged<'_>]) -> String {
    locks.iter().map(|(lock, _)| lock).join(", ")
}

/// Names, the verdict in brackets after those that share it.
fn with_verdicts(locks: &[Judged<'_>]) -> String {
    let words =
        |verdict: Option<Verdict>| verdict.map_or("not measured".to_owned(), Verdict::words);
    let groups = grouped(locks.iter().map(|&(lock, verdict)| (words(verdict), lock)));
    let told = |(words, locks): (_, Vec<&str>)| format!("{} ({words})", locks.join(", "));
    groups.into_iter().map(told).join("; ")
}

fn sentence(conclusion: &Conclusion) -> String {
    let all = conclusion.by_lock.iter();
    let all = all.map(|(lock, found)| (lock.as_str(), found.map(|f| f.1)));
    let (judged, unjudged): (Vec<Judged<'_>>, Vec<Judged<'_>>) =
        all.partition(|(_, verdict)| verdict.is_some_and(Verdict::is_usable));
    let (holds, fails): (Vec<Judged<'_>>, Vec<Judged<'_>>) = judged
        .into_iter()
        .partition(|(_, verdict)| *verdict == Some(Verdict::Higher));
    let under = names(&holds);
    let outcome = match (holds.len() + fails.len(), holds.len()) {
        (n @ (0 | 1), _) => {
            format!("nothing can be said about the choice of lock, of which {n} could be judged")
        }
        (n, 0) => format!("shown under none of {n} locks: {}", with_verdicts(&fails)),
        (n, m) if n == m && unjudged.is_empty() => {
            format!("survives the choice of lock: it holds under all {n} ({under})")
        }
        (n, m) if n == m => format!(
            "holds under all {n} locks that could be judged ({under}), which is not every lock"
        ),
        _ => format!(
            "not shown to survive the choice of lock: it holds under {under}, and is not shown under {} (which does not show that these locks differ). What it says about PostgreSQL rests on PostgreSQL's own lock alone",
            with_verdicts(&fails)
        ),
    };
    let rest = match &unjudged[..] {
        [] => String::new(),
        unjudged => format!(" Not judged: {}.", with_verdicts(unjudged)),
    };
    format!("\"{}\": {outcome}.{rest}", conclusion.claim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Contrast, Estimate, Statistic};

    const TOO_FEW: Verdict = Verdict::TooFew {
        rounds: 12,
        starts: 6,
    };

    fn told(verdicts: &[(&str, Option<Verdict>)]) -> String {
        let contrast = Contrast {
            statistic: Statistic::Mean,
            difference: Estimate {
                value_ns: 1.0,
                low_ns: 1.0,
                high_ns: 1.0,
            },
            unit: Statistic::Mean.difference_unit(),
            interval_90: [1.0, 1.0],
            magnitude_95: 1.0,
            detectable: 1.0,
            p_value: None,
            rounds: 8,
            starts: 4,
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
            ("a", Some(Verdict::CannotTell)),
            ("b", Some(Verdict::Lower)),
        ]);
        assert!(
            none.contains("none of 2 locks: a (cannot tell); b (lower)"),
            "{none}"
        );
    }

    #[test]
    fn a_split_names_both_sides_and_what_is_left_for_postgresql() {
        let split = told(&[
            ("a", Some(Verdict::Higher)),
            ("b", Some(Verdict::SmallerThan(0.01))),
            ("c", Some(Verdict::SmallerThan(0.01))),
        ]);
        assert!(
            split.contains("holds under a, and is not shown under b, c (smaller than 1 pp)"),
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
        let one = told(&[("a", Some(Verdict::Higher)), ("b", Some(TOO_FEW))]);
        assert!(
            one.contains("nothing can be said") && !one.contains("survives"),
            "{one}"
        );
    }
}
