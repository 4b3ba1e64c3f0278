//! The lock's part by cause and by trace, beside each other.

use super::format::{interval, quantity};
use super::section::{Section, Table, cell};
use crate::stats::{Analysis, Estimate, LockPart, Unit};

const CAUSE: &str = "unpooled minus premapped, by cause";
const TRACE: &str = "unpooled minus premapped, by trace";

/// Traced over untraced mean service time from which the trace is not of the same server any more.
const MUCH_SLOWER: f64 = 2.0;

/// The table; `None` where no statements were traced.
pub(super) fn lock_part_table(analysis: &Analysis) -> Option<Section> {
    let words = ["slow by ProcArrayLock", "intervals"];
    let mut table = Table::by_level(&analysis.varying, &words, ["of all statements (95 %)"]);
    for part in &analysis.lock_parts {
        let words = part.agrees().map(|agrees| match agrees {
            true => "overlap",
            false => "do not overlap",
        });
        let mut push = |what: String, words: Option<&str>, e: Estimate, unit| {
            let row = [
                what,
                cell(words.map(str::to_owned)),
                interval(e, |share| quantity(share, unit)),
            ];
            table.push_level(&part.factors, row);
        };
        for (what, e) in [(CAUSE, part.by_cause), (TRACE, part.by_trace)] {
            if let Some(e) = e {
                push(what.to_owned(), words, e, Unit::ShareDifference);
            }
        }
        for (arm, e) in &part.traced {
            push(format!("{arm}, by trace"), None, *e, Unit::Share);
        }
    }
    let clock = analysis.clock();
    let mut notes = vec![format!(
        "By cause: by how much more statements are slow ({clock} time, blocks without probes). By trace: how many more statements without probes would be slow if they waited for ProcArrayLock as the traced ones did (service time, warm-up included)."
    )];
    let found = analysis.lock_parts.iter().filter_map(LockPart::agrees);
    let (agree, apart): (Vec<bool>, Vec<bool>) = found.partition(|agrees| *agrees);
    if !apart.is_empty() {
        let of = agree.len() + apart.len();
        notes.push(format!("Cause and trace disagree at {} of {of} levels: their intervals do not overlap. The trace leaves out queueing behind a slow statement.", apart.len()));
    }
    let slowed = analysis.lock_parts.iter().filter_map(|p| p.slowed);
    let most = slowed.fold(0.0, f64::max);
    if most > MUCH_SLOWER {
        notes.push(format!("Observing cost much: traced statements under unpooled took up to {most:.1} times as long as untraced ones. Of a traced statement only its wait for the lock counts here."));
    }
    Section::table("The lock's part, by cause and by trace", table, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::experiment::analyse;
    use crate::factor::Factors;
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    #[test]
    fn cause_and_trace_stand_beside_each_other_and_where_they_disagree_it_is_said() {
        let mut analysis = analyse(&sample_run(1));
        assert_eq!(lock_part_table(&analysis), None);
        let part = |by_trace: f64| LockPart {
            factors: Factors::standing(10),
            by_cause: Some(0.025.into()),
            by_trace: Some(by_trace.into()),
            traced: vec![(Arm::Unpooled, by_trace.into())],
            slowed: Some(1.2),
        };
        analysis.lock_parts = vec![part(0.025)];
        let same = markdown(&lock_part_table(&analysis));
        for what in [CAUSE, TRACE] {
            let row = format!("| 10 | {what} | overlap | +2.50 pp (+2.50 to +2.50) |");
            assert!(same.contains(&row), "{same}");
        }
        assert!(same.contains("| unpooled, by trace | - | 2.50 %"), "{same}");
        assert!(!same.contains("disagree") && !same.contains("cost much"));
        analysis.lock_parts[0].slowed = Some(7.3);
        let dear = markdown(&lock_part_table(&analysis));
        assert!(dear.contains("up to 7.3 times as long"), "{dear}");
        analysis.lock_parts.push(part(0.003));
        let less = markdown(&lock_part_table(&analysis));
        let row = format!("| {TRACE} | do not overlap | +0.30 pp");
        assert!(less.contains(&row), "{less}");
        assert!(less.contains("disagree at 1 of 2 levels"), "{less}");
    }
}
