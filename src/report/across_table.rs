//! Contrasts across levels: differences in differences, and means over cells.

use super::format::{change, detectable};
use super::level_title::title_in;
use super::section::{Section, Table, cell};
use crate::names::counted;
use crate::stats::{Analysis, Cells, Contrast, Verdict};

/// The lock's signature: what the declared pairs differ by more where page faults under the lock are expected.
pub(super) fn across_table(analysis: &Analysis) -> Option<Section> {
    let numbers = ["difference (95 %)", "detectable", "p", "rounds", "starts"];
    let mut table = Table::new(["contrast", "over", "at", "verdict"], numbers);
    let mut push = |what: String, over: String, found: &(Contrast, Verdict)| {
        let (c, verdict) = found;
        table.push(vec![
            what,
            over,
            c.statistic.to_string(),
            verdict.words(),
            change(c),
            detectable(c),
            cell(c.p_value.map(|p| format!("{p:.3}"))),
            c.rounds.to_string(),
            c.starts.to_string(),
        ]);
    };
    for pooled in &analysis.pooled {
        let over = match pooled.cells {
            Cells::WithFaults => format!(
                "{} with faults under the lock",
                counted(pooled.levels, "cell")
            ),
            Cells::Placebo => format!(
                "{}: {}",
                counted(pooled.levels, "placebo cell"),
                pooled.lack.join(", ")
            ),
        };
        for found in &pooled.contrasts {
            let what = format!("{} minus {}", pooled.first, pooled.second);
            push(what, over.clone(), found);
        }
    }
    for i in &analysis.interactions {
        let over = format!("primary level less {}", title_in(analysis, &i.other));
        for found in &i.contrasts {
            push(
                format!("{} minus {}", i.first, i.second),
                over.clone(),
                found,
            );
        }
    }
    if analysis.pooled.is_empty() && analysis.interactions.is_empty() {
        return None;
    }
    let run = format!("{} run `{}`", analysis.run.mode, analysis.run.run_id);
    let caption = format!("{run}: contrasts across levels");
    let note = "Faults under the lock are expected on 14 and later, with slots in front of standing connections and 4 kB pages; the other cells are placebos. Intervals resample starts, then rounds; labels are exchanged within the rounds of every cell.";
    Section::table(caption, table, [note])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::section::markdown;
    use crate::testing::lock_run;

    #[test]
    fn interactions_and_pools_have_a_row_for_each_statistic() {
        let text = markdown(&across_table(&analyse(&lock_run(12, 40, 0))));
        for row in [
            "| unpooled minus premapped | 2 cells with faults under the lock | slow share | higher | +4.00 pp",
            "| unpooled minus premapped | 4 placebo cells: 2 MB pages, slots behind | slow share |",
            "| unpooled minus premapped | primary level less ",
        ] {
            assert!(text.contains(row), "{row} in {text}");
        }
        assert!(across_table(&analyse(&crate::testing::sample_run(12))).is_none());
    }
}
