//! The effect of churn cell by cell: one cell for each combination of factors, its contrasts with
//! their intervals beside the noise floor of the same cell.

use super::drawings::caution;
use super::figure::{ContrastFigure, ContrastGroup, ContrastMark, ContrastRow};
use super::footer::footer;
use super::format::{difference, duration};
use super::level_title::{level_title, short_title};
use super::text_table::TextTable;
use crate::arm::Arm;
use crate::factor::Factor;
use crate::record::RunHead;
use crate::record::percentile_name;
use crate::stats::{Analysis, ContenderSummary, Contrast, LevelSummary, Statistic, Verdict};

/// What is told of every cell: churn against the same transactions without it, against a bare fork, and
/// against the same CPU without the ProcArray.
const PAIRS: [(Arm, Arm); 3] = [
    (Arm::Unpooled, Arm::KeptOpen),
    (Arm::Unpooled, Arm::ForkOnly),
    (Arm::Unpooled, Arm::CpuBurn),
];

/// With no more levels than this their tables already say it.
const FEW_LEVELS: usize = 2;

/// Whether a run has so many combinations that they are told in cells.
pub fn has_cells(analysis: &Analysis) -> bool {
    let run = &analysis.run;
    analysis.levels.len() > FEW_LEVELS
        && !analysis.varying.contains(&Factor::Lock)
        && [Arm::Unpooled, Arm::KeptOpen]
            .iter()
            .all(|a| run.config.arms.contains(a))
}

fn quoted(run: &RunHead) -> Statistic {
    Statistic::Percentile(run.config.quoted_percentile)
}

fn effect(
    level: &LevelSummary,
    pair: (Arm, Arm),
    statistic: Statistic,
) -> Option<(Contrast, Verdict)> {
    level.effect(pair.0, pair.1)?.at(statistic).copied()
}

fn pair_words((first, second): (Arm, Arm)) -> String {
    format!("{first} minus {second}")
}

/// One sentence for each pair: in how many cells it was shown, and in which it was not.
pub fn sentences(analysis: &Analysis) -> Vec<String> {
    let run = &analysis.run;
    if !has_cells(analysis) {
        return Vec::new();
    }
    let statistic = quoted(run);
    let name = percentile_name(run.config.quoted_percentile);
    PAIRS
        .iter()
        .filter_map(|&pair| {
            let cells: Vec<(String, Contrast, Verdict)> = analysis
                .levels
                .iter()
                .filter_map(|level| {
                    let (contrast, verdict) = effect(level, pair, statistic)?;
                    let title = short_title(&level.factors, &analysis.varying);
                    Some((title, contrast, verdict))
                })
                .collect();
            (!cells.is_empty()).then(|| sentence(&name, pair, &cells))
        })
        .collect()
}

fn sentence(name: &str, pair: (Arm, Arm), cells: &[(String, Contrast, Verdict)]) -> String {
    let with = |verdict| -> Vec<&(String, Contrast, Verdict)> {
        cells.iter().filter(|c| c.2 == verdict).collect()
    };
    let mut parts = Vec::new();
    for verdict in [
        Verdict::Higher,
        Verdict::Lower,
        Verdict::WithinNoiseFloor,
        Verdict::NoDifferenceShown,
        Verdict::TooFewRounds,
        Verdict::NoNoiseFloor,
        Verdict::StruckOut,
    ] {
        let of = with(verdict);
        if of.is_empty() {
            continue;
        }
        let each: Vec<String> = of
            .iter()
            .map(|(title, contrast, _)| {
                format!("{title}: {}", difference(contrast.difference.value_ns))
            })
            .collect();
        parts.push(format!(
            "{} in {} ({})",
            verdict.words(),
            of.len(),
            each.join("; ")
        ));
    }
    format!(
        "{} at {name}, {} cells: {}",
        pair_words(pair),
        cells.len(),
        parts.join(", ")
    )
}

/// The cells as a table for the terminal.
pub fn cell_table(analysis: &Analysis) -> String {
    table(analysis).map_or_else(String::new, |(caption, rows)| {
        format!("{caption}\n{}\n\n", rows.terminal())
    })
}

/// The same as Markdown.
pub(super) fn cell_table_markdown(analysis: &Analysis) -> String {
    table(analysis).map_or_else(String::new, |(caption, rows)| {
        format!("{caption}:\n\n{}\n", rows.markdown())
    })
}

fn table(analysis: &Analysis) -> Option<(String, TextTable)> {
    let run = &analysis.run;
    if !has_cells(analysis) {
        return None;
    }
    let statistic = quoted(run);
    let pairs: Vec<(Arm, Arm)> = PAIRS
        .into_iter()
        .filter(|p| run.config.arms.contains(&p.1))
        .collect();
    let mut header = vec!["cell".to_owned()];
    header.extend(pairs.iter().map(|p| format!("{} (95 %)", pair_words(*p))));
    header.extend(["noise floor", "starts", "rounds"].map(str::to_owned));
    let mut rows = vec![header];
    for level in &analysis.levels {
        let mut row = vec![short_title(&level.factors, &analysis.varying)];
        row.extend(pairs.iter().map(|&pair| {
            effect(level, pair, statistic).map_or_else(
                || "-".to_owned(),
                |(contrast, verdict)| {
                    let d = contrast.difference;
                    format!(
                        "{} ({} .. {}) {}",
                        difference(d.value_ns),
                        difference(d.low_ns),
                        difference(d.high_ns),
                        verdict.words()
                    )
                },
            )
        }));
        row.push(
            level
                .noise_floor_ns(statistic)
                .map_or_else(|| "-".to_owned(), duration),
        );
        let churn = level.contender(Arm::Unpooled, false);
        row.push(churn.map_or(0, |c| c.starts).to_string());
        row.push(churn.map_or(0, |c| c.blocks).to_string());
        rows.push(row);
    }
    let name = percentile_name(run.config.quoted_percentile);
    let clock = analysis
        .levels
        .first()
        .and_then(|l| l.contenders.first())
        .map_or_else(String::new, |c| format!(" {}", c.quoted.clock));
    Some((
        format!("what churn adds to the {name}{clock} time of running statements, cell by cell"),
        TextTable(rows),
    ))
}

/// The cells as a figure: a group each, a row for each pair, around zero with the cell's own noise floor.
pub fn cells_figure(analysis: &Analysis, redraw: &str) -> Option<ContrastFigure> {
    let run = &analysis.run;
    if !has_cells(analysis) {
        return None;
    }
    let statistic = quoted(run);
    let series = run.mode.to_string();
    let groups: Vec<ContrastGroup> = analysis
        .levels
        .iter()
        .map(|level| ContrastGroup {
            title: level_title(&level.factors, &analysis.varying),
            rows: PAIRS
                .iter()
                .filter_map(|&pair| row(level, pair, statistic, &series))
                .collect(),
            noise_floor_ns: level
                .noise_floor_ns(statistic)
                .map(|floor| (series.clone(), floor))
                .into_iter()
                .collect(),
        })
        .filter(|g| !g.rows.is_empty())
        .collect();
    let name = percentile_name(run.config.quoted_percentile);
    (!groups.is_empty()).then(|| ContrastFigure {
        title: format!("What connecting and disconnecting add to the {name} of running statements, cell by cell"),
        subtitle: "unpooled minus each control. Right of the shaded band the difference is larger than what two sets of blocks of one arm show".to_owned(),
        quantity: format!("difference at {name}, response time"),
        interval: "95 % bootstrap interval over rounds".to_owned(),
        groups,
        footer: footer(&[analysis], redraw),
    })
}

fn row(
    level: &LevelSummary,
    pair: (Arm, Arm),
    statistic: Statistic,
    series: &str,
) -> Option<ContrastRow> {
    let (contrast, _) = effect(level, pair, statistic)?;
    let sides = [pair.0, pair.1].map(|arm| level.contender(arm, false));
    let struck = sides
        .iter()
        .flatten()
        .find_map(|c: &&ContenderSummary| c.struck().map(ToString::to_string));
    let d = contrast.difference;
    Some(ContrastRow {
        // The subtitle says of what.
        label: format!("minus {}", pair.1),
        marks: vec![ContrastMark {
            series: series.to_owned(),
            value_ns: d.value_ns,
            low_ns: d.low_ns,
            high_ns: d.high_ns,
            struck,
            caution: sides.iter().flatten().find_map(|c| caution(c)),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::report::figure::Figure;
    use crate::testing::sample_run;

    /// Two numbers of standing connections by two versions.
    fn run() -> Run {
        let mut run = sample_run(8);
        let blocks = std::mem::take(&mut run.blocks);
        for pg in ["13", "15"] {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.pg = Some(pg.parse().unwrap());
                run.blocks.push(block);
            }
        }
        run
    }

    #[test]
    fn every_combination_is_a_cell_with_its_own_floor() {
        let run = run();
        let analysis = analyse(&run);
        let text = cell_table(&analysis);
        for part in [
            "10 standing, PostgreSQL 15",
            "unpooled minus kept-open",
            "noise floor",
            "higher",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let told = sentences(&analysis);
        assert!(told[0].contains("4 cells: higher in 4"), "{}", told[0]);
        let figure = cells_figure(&analysis, "procbench figures DIR").unwrap();
        assert_eq!(figure.groups.len(), 4);
        assert!(figure.svg().unwrap().contains("minus kept-open"));
    }

    #[test]
    fn two_levels_need_no_cells() {
        let run = sample_run(8);
        let analysis = analyse(&run);
        assert!(cell_table(&analysis).is_empty());
        assert!(cells_figure(&analysis, "").is_none());
    }
}
