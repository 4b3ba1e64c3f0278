//! A walk over all factors and all outputs: two levels that differ in one factor can be told apart in each.

use super::drawings::of_experiment;
use super::export::{ExportFormat, series_csv};
use super::summary_text::markdown;
use crate::experiment::{analyse, find};
use crate::factor::{Factor, Factors};
use crate::record::{AbsentLevel, Run};
use crate::testing::{sample_run, some_value};

/// What is written of a run, by name. Rows (JSON, CSV) have a walk of their own, in `rows.rs`.
fn outputs(run: &Run) -> Vec<(String, String)> {
    let analysis = analyse(run);
    let export = |format: ExportFormat| {
        let bytes = format.write(run, &analysis).unwrap();
        (format.to_string(), String::from_utf8(bytes).unwrap())
    };
    let details = markdown(find("churn-tail").unwrap(), &[&analysis], &[]);
    let mut all = vec![
        ("DETAILS.md".to_owned(), details),
        ("percentiles.csv".to_owned(), series_csv(&analysis)),
        export(ExportFormat::Hgrm),
        export(ExportFormat::Hlog),
    ];
    for (stem, figure) in of_experiment(&[&analysis]) {
        all.push((format!("{stem}.csv"), figure.csv()));
        all.push((format!("{stem}.svg"), figure.svg().unwrap()));
    }
    all
}

/// Whether a text names this value as its factor's: in words, as a part of a tag, or in the factor's column.
fn names(text: &str, factor: Factor, value: &str) -> bool {
    let title = factor.title();
    let cells = [format!("| {title} |"), format!("| {value} |")];
    text.contains(&format!("{title} {value}"))
        || text.contains(&format!("/{value}/"))
        || cells.iter().all(|cell| text.contains(cell))
}

#[test]
fn every_output_tells_levels_apart_that_differ_in_one_factor() {
    for factor in Factor::beside_standing() {
        let value = some_value(factor);
        let text = value.get(factor).unwrap();
        let mut run = sample_run(1);
        for block in run.blocks.iter_mut().filter(|b| b.factors.standing > 0) {
            block.factors.copy_from(&value, factor);
        }
        for (name, output) in outputs(&run) {
            let key = factor.key();
            assert!(
                names(&output, factor, &text),
                "{name} lacks {key} {text}:\n{output}"
            );
        }
    }
}

#[test]
fn an_absent_level_is_named_by_any_factor() {
    for factor in Factor::beside_standing() {
        let value = some_value(factor);
        let text = value.get(factor).unwrap();
        let mut run = sample_run(1);
        let mut factors = Factors::standing(10);
        factors.copy_from(&value, factor);
        run.absent_levels = vec![AbsentLevel {
            factors,
            reason: "it is not here".to_owned(),
            wanted: true,
        }];
        let details = markdown(find("churn-tail").unwrap(), &[&analyse(&run)], &[]);
        let line = format!(
            "levels with {} {text} were absent: it is not here",
            factor.title()
        );
        assert!(details.contains(&line), "{line}:\n{details}");
    }
}
