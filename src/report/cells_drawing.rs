//! The effect of churn level by level as a figure, around zero with each level's own noise floor.

use super::contrast_table::{PAIRS, has_many_levels};
use super::figure::{Row, RowFigure, RowForm, RowGroup, RowMark, Signs};
use super::footer::footer;
use super::level_title::level_title;
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
    let groups: Vec<RowGroup> = analysis
        .levels
        .iter()
        .map(|level| RowGroup {
            title: level_title(&level.factors, &analysis.varying),
            rows: PAIRS
                .iter()
                .filter_map(|&pair| row(level, pair, statistic, &series))
                .collect(),
            floors_ns: level
                .noise_floor_ns(statistic)
                .map(|floor| (series.clone(), floor))
                .into_iter()
                .collect(),
        })
        .filter(|g| !g.rows.is_empty())
        .collect();
    let name = statistic.to_string();
    (!groups.is_empty()).then(|| RowFigure {
        title: format!("What connecting and disconnecting add to the {name} of running statements, cell by cell"),
        subtitle: "unpooled minus each control. Right of the shaded band the difference is larger than what two sets of blocks of one arm show".to_owned(),
        quantity: format!("difference at {name}, response time"),
        interval: "95 % bootstrap interval over rounds".to_owned(),
        footer: footer(&[analysis], redraw),
        ..RowFigure::one_column(RowForm::Differences, groups)
    })
}

fn row(level: &LevelSummary, pair: (Arm, Arm), statistic: Statistic, series: &str) -> Option<Row> {
    let (contrast, _) = level.effect(pair.0, pair.1)?.at(statistic)?;
    let sides = [pair.0, pair.1].map(|arm| level.contender(arm, false));
    let struck = sides
        .iter()
        .flatten()
        .find_map(|c: &&ContenderSummary| c.struck().map(ToString::to_string));
    let d = contrast.difference;
    Some(Row {
        // The subtitle says of what.
        label: format!("minus {}", pair.1),
        marks: vec![RowMark {
            series: series.to_owned(),
            value_ns: d.value_ns,
            low_ns: d.low_ns,
            high_ns: d.high_ns,
            signs: Signs {
                struck,
                caution: sides.iter().flatten().find_map(|c| c.caution()),
            },
        }],
        samples: 0,
        signs: Signs::default(),
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
        assert_eq!(figure.columns[0].groups.len(), 4);
        assert!(figure.svg().unwrap().contains("minus kept-open"));
        assert!(cells_figure(&analyse(&sample_run(8)), "").is_none());
    }
}
