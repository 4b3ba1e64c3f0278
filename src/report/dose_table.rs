//! The lock's part of slow statements, observed beside predicted, level by level.

use itertools::Itertools;

use super::busy_table::{error, observed, points, predicted};
use super::findings::judgement;
use super::format::{duration, rate};
use super::section::{Section, Table, cell};
use crate::arm::Arm;
use crate::factor::{Factor, Factors};
use crate::names::counted;
use crate::procarray::PageSize;
use crate::stats::{Analysis, Cells, Compared, Dose, Statistic, TRACED_ON, Verdict};

/// A row for each level of a run whose standing connections or rates vary.
pub(super) fn dose_table(analysis: &Analysis) -> Option<Section> {
    let words = ["faults under the lock", "verdict"];
    let numbers = ["connections/s", "observed (95 %)", "predicted", "error"];
    let mut table = Table::by_level(&analysis.varying, &words, numbers);
    for dose in &analysis.doses {
        let faults = match dose.cells {
            Cells::WithFaults => "yes",
            Cells::Placebo => "no (placebo)",
        };
        let part = &dose.lock_part;
        let row = [
            faults.to_owned(),
            cell(dose.verdict.map(Verdict::words)),
            rate(dose.per_second),
            observed(part, points),
            predicted(part, points),
            error(part),
        ];
        table.push_level(&dose.factors, row);
    }
    let mut notes = vec![
        format!(
            "Observed: unpooled minus premapped. Error: observed minus the nearer end of the prediction. {}",
            held_against(&analysis.doses)
        ),
        format!("{} {}", predicted_from(analysis), holds_words(analysis)),
    ];
    notes.extend(at_huge_pages(analysis));
    let run = format!("{} run `{}`", analysis.run.mode, analysis.run.run_id);
    let caption = format!("{run}: dose and response, the lock's part of slow statements");
    Section::table(caption, table, notes)
}

/// At how many levels the prediction is met, of those whose lock's part is shown: a placebo meets it by being one.
fn held_against(doses: &[Dose]) -> String {
    let shown = doses.iter();
    let shown =
        shown.filter(|d| d.cells == Cells::WithFaults && d.verdict.is_some_and(Verdict::is_shown));
    let parts = shown.map(|d| &d.lock_part).collect_vec();
    let is = |wanted| move |p: &&&Compared| p.meets() == Some(wanted);
    let met = parts.iter().filter(is(true)).count();
    let above = parts
        .iter()
        .filter(is(false))
        .filter(|p| p.error() > Some(0.0))
        .count();
    let times = |p: &&Compared| Some(p.observed?.value_ns / p.predicted.high);
    let times = parts.iter().filter_map(times).minmax_by(f64::total_cmp);
    let times = times.into_option().map_or(String::new(), |(least, most)| {
        format!(" There it is {least:.1} to {most:.1} times the upper end of the prediction.")
    });
    let levels = counted(parts.len(), "level");
    format!(
        "Of {levels} where the lock's part is shown and not struck out, its interval meets the prediction at {met}, and lies above it at {above}.{times}"
    )
}

/// Where there is nothing to map beforehand, the difference from a bare fork is the evidence.
fn at_huge_pages(analysis: &Analysis) -> Option<String> {
    let mut all = analysis.interactions.iter();
    let other = |f: &Factors| f.page_size == Some(PageSize::Huge);
    let i =
        all.find(|i| i.factor == Factor::PageSize && i.second == Arm::ForkOnly && other(&i.other))?;
    let level = analysis.level(&i.other)?;
    let mut contrasts = i.contrasts.iter();
    let (contrast, verdict) = contrasts.find(|c| c.0.statistic == Statistic::SlowShare)?;
    level.contender(Arm::Premapped, false).is_none().then(|| {
        format!(
            "At 2 MB pages premapped is refused: it leaves next to nothing to map. The evidence there is the interaction, unpooled minus fork-only with 4 kB pages less the same with 2 MB: {}.",
            judgement(contrast, *verdict)
        )
    })
}

/// What is predicted, and from what.
pub(super) fn predicted_from(analysis: &Analysis) -> String {
    let over = analysis.run.slow_over_ns.unwrap_or_default();
    format!(
        "Predicted: statements with the times of premapped that meet the lock, and wait for longer than is left to {}: rate times rest of the hold. Its lower end takes the snapshots of one statement as one moment, its upper end as far apart as the statement is long. A holder that loses the CPU, and a queue that drains after it, are not in it.",
        duration(over as f64)
    )
}

/// Where the holds come from.
pub(super) fn holds_words(analysis: &Analysis) -> String {
    let of_run = analysis.doses.iter().filter(|d| d.holds_of_run).count();
    let stored = format!(
        "the tool's stored lines, traced in {TRACED_ON} (docs/reference/own-server.md), not in this run"
    );
    match of_run {
        0 => format!("Holds: {stored}."),
        all if all == analysis.doses.len() => "Holds: traced in this run.".to_owned(),
        some => format!(
            "Holds: traced in this run at {}, elsewhere {stored}.",
            counted(some, "level")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::report::dose_drawing::dose_figure;
    use crate::report::figure::Figure;
    use crate::report::section::markdown;
    use crate::testing::lock_run;

    /// Cells of 15 and 18; those in front of 4 kB pages at three numbers of standing connections.
    fn run() -> Run {
        let mut run = lock_run(12, 40, 0);
        let with_faults =
            |b: &&crate::record::Block| Cells::of(&b.factors) == Some(Cells::WithFaults);
        let blocks: Vec<_> = run.blocks.iter().filter(with_faults).cloned().collect();
        for standing in [2_000, 4_000] {
            run.blocks.extend(blocks.iter().cloned().map(|mut block| {
                block.factors.standing = standing;
                block
            }));
        }
        run
    }

    #[test]
    fn every_level_has_a_row_and_a_mark_and_the_source_of_the_holds_is_said() {
        let analysis = analyse(&run());
        let text = markdown(&dose_table(&analysis));
        assert_eq!(text.matches("| no (placebo) |").count(), 4, "{text}");
        assert_eq!(text.matches("| yes | higher |").count(), 6, "{text}");
        assert!(text.contains("stored lines") && text.contains("+4.00 pp"));
        // Placebos are not counted.
        let held = "Of 6 levels where the lock's part is shown and not struck out";
        assert!(
            text.contains(held) && !text.contains("premapped is refused"),
            "{text}"
        );
        let figure = dose_figure(&analysis).unwrap();
        let csv = figure.csv();
        let of = |name: &str| csv.matches(name).count();
        // At the largest number the primary level's line has no placebo: they are other lines.
        assert_eq!((of(",observed,"), of(",predicted,")), (3, 3), "{csv}");
        assert_eq!(of(",higher"), 6, "{csv}");
        let svg = figure.svg().unwrap();
        assert!(svg.contains("placebo: slots behind") && svg.contains(">predicted<"));
        assert!(svg.contains("pale: no difference shown"));
        let caption = figure.caption().join("\n");
        assert!(caption.contains("stored lines"), "{caption}");
        let mut refused = run();
        refused.config.arms.push(Arm::ForkOnly);
        refused.config.factors.standing = vec![10, 4_000];
        for mut block in refused.blocks.clone() {
            if block.arm == Arm::Premapped {
                block.arm = Arm::ForkOnly;
                refused.blocks.push(block);
            }
        }
        let huge = |b: &crate::record::Block| b.factors.page_size == Some(PageSize::Huge);
        refused
            .blocks
            .retain(|b| !(huge(b) && b.arm == Arm::Premapped));
        for block in &mut refused.blocks {
            if huge(block) {
                block.factors.standing = 4_000;
            }
        }
        let text = markdown(&dose_table(&analyse(&refused)));
        let said = "At 2 MB pages premapped is refused: it leaves next to nothing to map. The evidence there is the interaction, unpooled minus fork-only with 4 kB pages less the same with 2 MB: +4.00 pp";
        assert!(text.contains(said), "{text}");
        let flat = analyse(&lock_run(12, 40, 0));
        assert!(dose_table(&flat).is_none() && dose_figure(&flat).is_none());
    }
}
