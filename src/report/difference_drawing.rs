//! What arms add to the time of running statements, as figures around zero.

use itertools::Itertools;

use super::arm_signs::measured;
use super::contrast_table::{has_many_levels, pairs};
use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::format::duration;
use super::level_title::{level_title, series_name, title_in};
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{RunHead, levels_side_by_side};
use crate::stats::{Analysis, ContenderSummary, LevelSummary, Statistic};

/// What the intervals are.
const INTERVAL: &str = "95 % bootstrap interval over rounds";

/// What differences are of: in a title, and on an axis.
fn of_what(at: Statistic, run: &RunHead) -> (String, String) {
    match (at, run.slow_over_ns) {
        (Statistic::SlowShare, Some(over)) => (
            "share of slow statements".to_owned(),
            format!("share of statements slower than {}", duration(over as f64)),
        ),
        _ => (format!("{at} of running statements"), at.to_string()),
    }
}

/// Every arm's excess over the run's own kept-open: of what is quoted, or of both modes a time. What is slow in the model
/// is not what is slow on a server.
pub(super) fn excess(items: &[&Analysis]) -> Option<RowFigure> {
    let run = &items.first()?.run;
    let base = Arm::baseline(&run.config.arms)?;
    let at = match run.quoted_statistic() {
        Statistic::SlowShare if !items.iter().map(|a| a.run.mode).all_equal() => {
            Statistic::CappedMean
        }
        quoted => quoted,
    };
    let (of, axis) = of_what(at, run);
    let levels = items.iter().map(|i| i.level_factors()).collect_vec();
    let (mut levels, named) = levels_side_by_side(&levels);
    // The other levels have a figure of their own.
    if let [one] = items
        && has_many_levels(one)
        && let Some(primary) = one.primary_level()
    {
        let is_primary =
            |key: &Factors| one.level(key).is_some_and(|l| l.factors == primary.factors);
        levels.retain(is_primary);
    }
    let groups = levels.iter().map(|key| {
        let found = items
            .iter()
            .filter_map(|analysis| Some((series_name(&analysis.run, items), analysis.level(key)?)));
        let rows = Arm::ALL.iter().map(|&arm| (arm.to_string(), (arm, base)));
        let title = match items {
            [one] => title_in(one, key),
            _ => level_title(key, &named),
        };
        let caution = |arm: &ContenderSummary, _: Option<&_>| arm.caution();
        group(title, &found.collect_vec(), at, rows, caution)
    });
    let groups = measured(groups)?;
    Some(RowFigure {
        title: format!("What each way of connecting adds to the {of}"),
        subtitle: match items {
            [_] => format!("Each arm minus {base}. Look at the marks that are not pale"),
            _ => {
                format!("Each arm minus its own run's {base}. Look at the marks that are not pale")
            }
        },
        quantity: match items {
            [_] => format!("excess over {base}: {axis}"),
            // Each run has its own threshold.
            _ => format!("excess over {base}: {of}"),
        },
        interval: INTERVAL.to_owned(),
        groups,
        form: RowForm::Differences(at.difference_unit()),
        ..RowFigure::default()
    })
}

/// The effect of churn level by level: a group each, a row for each pair.
pub(super) fn cells_figure(analysis: &Analysis) -> Option<RowFigure> {
    if !has_many_levels(analysis) {
        return None;
    }
    let at = analysis.run.quoted_statistic();
    let (of, axis) = of_what(at, &analysis.run);
    let groups = analysis.levels.iter().map(|level| {
        let found = [(analysis.run.mode.to_string(), level)];
        // The subtitle says of what.
        let rows = pairs(analysis).map(|pair| (format!("minus {}", pair.1), pair));
        let title = title_in(analysis, &level.factors);
        group(title, &found, at, rows, |arm, control| {
            arm.caution().or_else(|| control?.caution())
        })
    });
    let groups = measured(groups)?;
    Some(RowFigure {
        title: format!("What connecting and disconnecting add to the {of}, level by level"),
        subtitle: "unpooled minus each control. Filled marks are differences that the permutation test shows".to_owned(),
        quantity: format!("difference of {axis} ({} time)", analysis.clock()),
        interval: INTERVAL.to_owned(),
        groups,
        form: RowForm::Differences(at.difference_unit()),
        ..RowFigure::default()
    })
}

/// A row for each pair, with a mark for each of the named levels; `caution` is said of an arm and its control.
fn group(
    title: String,
    levels: &[(String, &LevelSummary)],
    at: Statistic,
    rows: impl IntoIterator<Item = (String, (Arm, Arm))>,
    caution: impl Fn(&ContenderSummary, Option<&ContenderSummary>) -> Option<String>,
) -> RowGroup {
    let mark = |name: &str, level: &LevelSummary, (arm, control)| -> Option<RowMark> {
        let (contrast, verdict) = level.found(arm, control, at)?;
        let arm = level.contender(arm, false)?;
        let control = level.contender(control, false);
        let struck = arm.struck().or_else(|| control?.struck());
        let signs = Signs {
            struck: struck.map(ToString::to_string),
            caution: caution(arm, control),
        };
        Some(RowMark {
            series: name.to_owned(),
            estimate: contrast.difference,
            signs,
            verdict: Some(verdict),
        })
    };
    let marks = |pair| {
        let marks = levels.iter().map(|(name, level)| mark(name, level, pair));
        marks.flatten().collect()
    };
    let rows = rows.into_iter().map(|(label, pair)| Row {
        label,
        marks: marks(pair),
        ..Row::default()
    });
    RowGroup {
        title,
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::report::figure::Figure;
    use crate::testing::{sample_run, sample_run_with_versions};

    #[test]
    fn every_combination_is_a_group_and_two_levels_need_none() {
        let analysis = analyse(&sample_run_with_versions(&["13", "15"]));
        let figure = cells_figure(&analysis).unwrap();
        assert_eq!(figure.groups.len(), 4);
        assert!(figure.svg().unwrap().contains("minus kept-open"));
        assert!(cells_figure(&analyse(&sample_run(8))).is_none());
    }
}
