//! The effect of churn level by level as a figure, around zero with each level's own noise floor.

use super::arm_signs::level_groups;
use super::contrast_table::{PAIRS, has_many_levels};
use super::figure::{Row, RowFigure, RowForm, RowMark, Signs};
use super::footer::footer;
use crate::arm::Arm;
use crate::stats::{Analysis, ContenderSummary, LevelSummary, Statistic};

/// The cells as a figure: a group each, a row for each pair, around zero with the cell's own noise floor.
pub fn cells_figure(analysis: &Analysis, redraw: &str) -> Option<RowFigure> {
    let run = &analysis.run;
    if !has_many_levels(analysis) {
        return None;
    }
    let statistic = Statistic::Percentile(run.config.quoted_percentile);
    let series = run.mode.to_string();
    let rows = |level: &_| {
        let row = |&pair: &_| row(level, pair, statistic, &series);
        PAIRS.iter().filter_map(row).collect()
    };
    let groups = level_groups(analysis, rows, |level| {
        let floor = level.noise_floor_ns(statistic).into_iter();
        floor.map(|floor| (series.clone(), floor)).collect()
    });
    let name = statistic.to_string();
    (!groups.is_empty()).then(|| RowFigure {
        form: RowForm::Differences,
        title: format!("What connecting and disconnecting add to the {name} of running statements, cell by cell"),
        subtitle: "unpooled minus each control. Right of the shaded band the difference is larger than what two sets of blocks of one arm show".to_owned(),
        quantity: format!("difference at {name}, response time"),
        interval: "95 % bootstrap interval over rounds".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
    })
}

fn row(level: &LevelSummary, pair: (Arm, Arm), statistic: Statistic, series: &str) -> Option<Row> {
    let (contrast, _) = level.found(pair.0, pair.1, statistic)?;
    let sides = [pair.0, pair.1].map(|arm| level.contender(arm, false));
    let struck = sides
        .iter()
        .flatten()
        .find_map(|c: &&ContenderSummary| c.struck().map(ToString::to_string));
    let signs = Signs {
        struck,
        caution: sides.iter().flatten().find_map(|c| c.caution()),
    };
    Some(Row {
        // The subtitle says of what.
        label: format!("minus {}", pair.1),
        marks: vec![RowMark {
            series: series.to_owned(),
            estimate: contrast.difference,
            signs,
        }],
        ..Row::default()
    })
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
        let figure = cells_figure(&analysis, "procbench figures DIR").unwrap();
        assert_eq!(figure.groups.len(), 4);
        assert!(figure.svg().unwrap().contains("minus kept-open"));
        assert!(cells_figure(&analyse(&sample_run(8)), "").is_none());
    }
}
