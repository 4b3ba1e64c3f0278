//! From runs to figures: which series go where, and what stands under them.

use std::path::{Path, PathBuf};

use super::arm_signs::signs;
use super::cells_drawing::cells_figure;
use super::cost_drawing::cost_figure;
use super::cpu_drawing::cpu;
use super::export::series_csv;
use super::figure::{
    Along, Curve, CurveFigure, CurvePanel, CurvePoint, Figure, FigureError, NoiseBand, Row,
    RowFigure, RowForm, RowGroup, RowMark, Signs, write_figure,
};
use super::footer::footer;
use super::level_title::{level_title, varying_first};
use super::lock_drawing::lock_tails;
use super::phase_drawing::phase_bars;
use super::phases::phase_csv;
use super::sweep_drawing::sweep_figures;
use crate::arm::Arm;
use crate::arm::Mode;
use crate::factor::{Factor, Factors};
use crate::record::{RunHead, levels_side_by_side, percentile_name, write_atomically};
use crate::stats::{Analysis, Answer, ContenderSummary, LevelSummary, Statistic, Unit};

/// Draws everything one run has to show, into `dir`, and writes the percentiles
/// of every recorded series beside it.
///
/// # Errors
/// When a file cannot be written.
pub fn draw_run(
    analysis: &Analysis,
    dir: &Path,
    redraw: &str,
) -> Result<Vec<PathBuf>, FigureError> {
    let run = &analysis.run;
    let table = series_csv(analysis);
    write_atomically(&dir.join("percentiles.csv"), table.as_bytes())?;
    match analysis.answer {
        Answer::Contrast => {}
        Answer::Costs => {
            return at_once(vec![
                Box::new(|| draw(cost_figure(analysis, redraw), dir, "transactions")),
                Box::new(|| draw(cpu(analysis, redraw), dir, "cpu")),
            ]);
        }
        Answer::Phases => {
            let table = phase_csv(analysis);
            write_atomically(&dir.join("phase-table.csv"), table.as_bytes())?;
            return draw(phase_bars(analysis, redraw), dir, "phases");
        }
        Answer::Sweeps(_) | Answer::Counts => {
            let sweeps = sweep_figures(analysis, redraw);
            return at_once(
                sweeps
                    .into_iter()
                    .map(|(stem, figure)| -> Drawing<'_> {
                        Box::new(move || draw(Some(figure), dir, &stem))
                    })
                    .collect(),
            );
        }
    }
    at_once(vec![
        Box::new(|| draw(response_times(&[analysis], redraw), dir, "response-time")),
        Box::new(|| draw(excess(&[analysis], redraw), dir, "excess")),
        Box::new(|| draw(cells_figure(analysis, redraw), dir, "cells")),
        Box::new(|| {
            let figure = (run.mode == Mode::Server)
                .then(|| cpu(analysis, redraw))
                .flatten();
            draw(figure, dir, "cpu")
        }),
        Box::new(|| draw(lock_tails(analysis, redraw), dir, "locks")),
    ])
}

/// The names of the figures among the files written, without extension.
pub fn stems(written: &[PathBuf]) -> Vec<String> {
    written
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "png"))
        .filter_map(|p| Some(p.file_stem()?.to_string_lossy().into_owned()))
        .collect()
}

/// Draws several runs onto common axes, into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn draw_comparison(
    items: &[&Analysis],
    dir: &Path,
    redraw: &str,
) -> Result<Vec<PathBuf>, FigureError> {
    at_once(vec![
        Box::new(|| draw(excess(items, redraw), dir, "compare-excess")),
        Box::new(|| draw(response_times(items, redraw), dir, "compare-response-time")),
    ])
}

type Drawing<'a> = Box<dyn FnOnce() -> Result<Vec<PathBuf>, FigureError> + Send + 'a>;

/// Draws on a thread each: a figure costs some 100 ms, most of it pixels.
fn at_once(drawings: Vec<Drawing<'_>>) -> Result<Vec<PathBuf>, FigureError> {
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = drawings.into_iter().map(|d| scope.spawn(d)).collect();
        threads.into_iter().map(|t| t.join()).collect()
    });
    let mut written = Vec::new();
    for result in done {
        written.extend(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(written)
}

fn draw(figure: Option<impl Figure>, dir: &Path, stem: &str) -> Result<Vec<PathBuf>, FigureError> {
    figure.map_or(Ok(Vec::new()), |f| write_figure(&f, dir, stem))
}

fn series_name(run: &RunHead, all: &[&Analysis]) -> String {
    let same_mode = all.iter().filter(|a| a.run.mode == run.mode).count();
    if same_mode > 1 {
        format!("{} {}", run.mode, run.run_id)
    } else {
        run.mode.to_string()
    }
}

fn curve(contender: &ContenderSummary) -> Option<Curve> {
    let point = |&(at, estimate): &_| CurvePoint {
        at,
        estimate,
        samples: 0,
        struck: false,
    };
    // Few samples carry one percentile or none: no line can be drawn.
    (contender.curve.len() >= 2).then(|| Curve {
        label: contender.label(),
        stroke: contender.arm.descriptor().stroke,
        points: contender.curve.iter().map(point).collect(),
        samples: contender.samples,
        signs: signs(contender),
    })
}

fn panel(run: &RunHead, level: &LevelSummary, title: String) -> Option<CurvePanel> {
    let arms = level.contenders.iter().filter(|c| !c.twin);
    let curves: Vec<Curve> = arms.filter_map(curve).collect();
    let base = Arm::baseline(&run.config.arms)?;
    let reference = curves.iter().find(|c| c.label == base.name());
    let floors: Vec<(f64, f64)> = level
        .noise
        .iter()
        .filter_map(|c| match c.statistic {
            Statistic::Percentile(p) => Some((p, c.magnitude_95_ns)),
            Statistic::Mean => None,
        })
        .collect();
    let noise = reference
        .map(|r| NoiseBand::around(format!("noise floor (A/A) around {base}"), r, &floors))
        .filter(|n| !n.edges.is_empty());
    (!curves.is_empty()).then_some(CurvePanel {
        title,
        curves,
        noise,
    })
}

/// Percentile curves of every arm, one panel per run and level (the smallest and the largest where there are
/// more than fit).
pub fn response_times(items: &[&Analysis], redraw: &str) -> Option<CurveFigure> {
    let each = if items.len() > 1 {
        4 / items.len().min(4)
    } else {
        4
    };
    let mut panels = Vec::new();
    for analysis in items.iter().take(4) {
        let run = &analysis.run;
        let levels = &analysis.levels;
        let kept: Vec<&LevelSummary> = levels
            .iter()
            .enumerate()
            .filter(|(i, _)| levels.len() <= each || *i == levels.len() - 1 || *i + 1 < each)
            .map(|(_, l)| l)
            .collect();
        for level in kept {
            let name = series_name(run, items);
            let title = match items.len() {
                // What tells the panels apart comes first: a title may be cut short.
                1 if !analysis.varying.is_empty() => {
                    varying_first(&level.factors, &analysis.varying)
                }
                _ => format!("{name}: {}", level_title(&level.factors, &analysis.varying)),
            };
            panels.extend(panel(run, level, title));
        }
    }
    let analysis = items.first()?;
    let run = &analysis.run;
    let open = analysis.levels.first()?.contenders.first()?.quoted.clock;
    (!panels.is_empty()).then(|| CurveFigure {
        title: "Running statements while others connect and disconnect".to_owned(),
        subtitle: "Look at the right-hand ends: where unpooled leaves the band around kept-open, churn hurts running queries".to_owned(),
        quantity: format!("{open} time of a running statement"),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "percentile, spaced by 1/(1 − p)".to_owned(),
        along: Along::Percentiles,
        interval: format!("95 % bootstrap interval over {} blocks", run.config.blocks),
        panels,
        notes: Vec::new(),
        footer: footer(items, redraw),
    })
}

/// Every arm's excess over the run's own kept-open, at the quoted percentile.
pub fn excess(items: &[&Analysis], redraw: &str) -> Option<RowFigure> {
    let first = &items.first()?.run;
    let base = Arm::baseline(&first.config.arms)?;
    let statistic = Statistic::Percentile(first.config.quoted_percentile);
    let levels: Vec<_> = items.iter().map(|i| i.level_factors()).collect();
    let (levels, named) = levels_side_by_side(&levels);
    let groups: Vec<RowGroup> = levels
        .iter()
        .map(|key| excess_group(items, (key, &named), base, statistic))
        .filter(|g| !g.rows.is_empty())
        .collect();
    let name = percentile_name(first.config.quoted_percentile);
    (!groups.is_empty()).then(|| RowFigure {
        form: RowForm::Differences,
        title: format!("What each way of connecting adds to the {name} of running statements"),
        subtitle: format!(
            "Excess over the same run's own {base}: a snapshot and a query have no common absolute scale"
        ),
        quantity: format!("excess over {base} at {name}"),
        interval: "95 % bootstrap interval over rounds".to_owned(),
        groups,
        footer: footer(items, redraw),
    })
}

fn excess_group(
    items: &[&Analysis],
    (key, named): (&Factors, &[Factor]),
    base: Arm,
    statistic: Statistic,
) -> RowGroup {
    let levels: Vec<(String, &LevelSummary)> = items
        .iter()
        .filter_map(|analysis| {
            let level = analysis.level(key)?;
            Some((series_name(&analysis.run, items), level))
        })
        .collect();
    let excess = |name: &String, level: &LevelSummary, arm: Arm| -> Option<RowMark> {
        let (contrast, _) = level.found(arm, base, statistic)?;
        let contender = level.contender(arm, false)?;
        let base = level
            .contender(base, false)
            .and_then(ContenderSummary::struck);
        let signs = Signs {
            struck: contender.struck().or(base).map(ToString::to_string),
            caution: contender.caution(),
        };
        Some(RowMark {
            series: name.clone(),
            estimate: contrast.difference,
            signs,
        })
    };
    let rows = Arm::all()
        .filter_map(|arm| {
            let marks: Vec<RowMark> = levels
                .iter()
                .filter_map(|(name, level)| excess(name, level, arm))
                .collect();
            (!marks.is_empty()).then(|| Row {
                label: arm.to_string(),
                marks,
                ..Row::default()
            })
        })
        .collect();
    RowGroup {
        title: level_title(key, named),
        rows,
        floors_ns: levels
            .iter()
            .filter_map(|(name, level)| Some((name.clone(), level.noise_floor_ns(statistic)?)))
            .collect(),
    }
}
