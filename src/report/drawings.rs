//! From runs to figures: which series go where, and what stands under them.

use std::path::{Path, PathBuf};

use itertools::Itertools;

use super::arm_signs::signs;
use super::comparable;
use super::cost_drawing::{cost_figure, cpu_figure, throughput_figure};
use super::difference_drawing::{cells_figure, excess};
use super::dose_drawing::dose_figure;
use super::export::series_csv;
use super::figure::{
    Along, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint, Figure, FigureError, Look,
    NoiseBand, RowFigure, write_figure,
};
use super::footer::footer;
use super::level_title::{interval_over_blocks, level_title, series_name, title_in, varying_first};
use super::lock_drawing::lock_tails;
use super::phase_drawing::phase_bars;
use super::phases::phase_csv;
use super::split::split_figure;
use super::sweep_beside::figures_beside;
use super::sweep_drawing::{PANELS, sweep_figures};
use super::wait_drawing::wait_figure;
use crate::arm::{Arm, Mode};
use crate::parallel::each;
use crate::record::{RunHead, write_atomically};
use crate::stats::{Analysis, Answer, ContenderSummary, LevelSummary, Statistic, Unit};

/// A figure with the name of its files.
pub type Drawing = (String, Box<dyn Figure + Sync>);

/// Draws everything one run has to show, into `dir`; if for the screen, it also writes the percentiles of every
/// recorded series beside it.
///
/// # Errors
/// When a file cannot be written.
pub fn draw_run(analysis: &Analysis, look: Look, dir: &Path) -> Result<Vec<PathBuf>, FigureError> {
    if look == Look::Screen {
        let write_csv = |name, text: String| write_atomically(&dir.join(name), text.as_bytes());
        write_csv("percentiles.csv", series_csv(analysis))?;
        if analysis.answer == Answer::Phases {
            write_csv("phase-table.csv", phase_csv(analysis))?;
        }
    }
    write_all(of_run(analysis), look, dir)
}

/// Every figure that one run has to show.
fn of_run(analysis: &Analysis) -> Vec<Drawing> {
    let items = &[analysis];
    let footer = footer(items);
    let curves = |stem: &str, figure| curves(stem, figure, &footer);
    let rows = |stem: &str, figure| rows(stem, figure, &footer);
    let is_server = analysis.run.mode == Mode::Server;
    let drawings = match analysis.answer {
        Answer::Contrast => vec![
            curves("response-time", response_times(items)),
            rows("excess", excess(items)),
            rows("cells", cells_figure(analysis)),
            curves("dose-response", dose_figure(analysis)),
            rows("cpu", cpu_figure(analysis).filter(|_| is_server)),
            rows("locks", lock_tails(analysis)),
            rows("lock-wait", wait_figure(items)),
            rows("statement-parts", split_figure(analysis)),
        ],
        Answer::Costs => vec![
            rows("transactions", cost_figure(analysis)),
            rows("cpu", cpu_figure(analysis)),
            rows("throughput", throughput_figure(analysis)),
        ],
        Answer::Phases => vec![rows("phases", phase_bars(analysis))],
        Answer::Sweeps(_) | Answer::Counts => {
            let sweeps = sweep_figures(analysis).into_iter();
            sweeps.map(|(stem, f)| curves(&stem, Some(f))).collect()
        }
    };
    drawings.into_iter().flatten().collect()
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
    look: Look,
    dir: &Path,
) -> Result<Vec<PathBuf>, FigureError> {
    write_all(of_comparison(items), look, dir)
}

/// Figures of several runs on common axes; where they are sweeps, these answer, and come first.
fn of_comparison(items: &[&Analysis]) -> Vec<Drawing> {
    let footer = footer(items);
    let sweeps = figures_beside(items).into_iter();
    let mut drawings: Vec<_> = sweeps
        .map(|(stem, f)| curves(&stem, Some(f), &footer))
        .collect();
    drawings.extend([
        rows("compare-excess", excess(items), &footer),
        curves("compare-response-time", response_times(items), &footer),
        rows("compare-lock-wait", wait_figure(items), &footer),
    ]);
    drawings.into_iter().flatten().collect()
}

/// Every figure of an experiment's runs, named as below its directory: those of all runs first, then each run's.
pub fn of_experiment(items: &[&Analysis]) -> Vec<Drawing> {
    let mut all = match items.len() > 1 && comparable::check(items).is_ok() {
        true => of_comparison(items),
        false => Vec::new(),
    };
    for item in items {
        let mode = item.run.mode;
        let named = |(stem, figure)| (format!("{mode}/{stem}"), figure);
        all.extend(of_run(item).into_iter().map(named));
    }
    all
}

/// Curves that there is something for, with the lines under them.
pub(crate) fn curves(
    stem: &str,
    figure: Option<CurveFigure>,
    footer: &[String],
) -> Option<Drawing> {
    let footer = footer.to_vec();
    Some((stem.to_owned(), Box::new(CurveFigure { footer, ..figure? })))
}

/// Rows that there is something for, with the lines under them.
pub(crate) fn rows(stem: &str, figure: Option<RowFigure>, footer: &[String]) -> Option<Drawing> {
    let footer = footer.to_vec();
    Some((stem.to_owned(), Box::new(RowFigure { footer, ..figure? })))
}

/// Draws on all cores: a figure costs some 100 ms, most of it pixels.
///
/// # Errors
/// When a file cannot be written.
pub fn write_all(
    drawings: Vec<Drawing>,
    look: Look,
    dir: &Path,
) -> Result<Vec<PathBuf>, FigureError> {
    let written = each(&drawings, |(stem, figure)| {
        write_figure(figure.as_ref(), look, dir, stem)
    });
    written.into_iter().flatten_ok().collect()
}

fn curve(contender: &ContenderSummary) -> Option<Curve> {
    let point = |&(at, estimate): &_| CurvePoint {
        at,
        estimate,
        samples: 0,
        struck: false,
        verdict: None,
    };
    // Few samples carry one percentile or none: no line can be drawn.
    (contender.curve.len() >= 2).then(|| Curve {
        label: contender.label(),
        form: CurveForm::Line,
        stroke: contender.arm.descriptor().stroke,
        points: contender.curve.iter().map(point).collect(),
        samples: contender.samples,
        signs: signs(contender),
    })
}

/// Where there are more arms than curves can be told apart, those that the question is about.
const TELLING: [Arm; 6] = [
    Arm::KeptOpen,
    Arm::Unpooled,
    Arm::Premapped,
    Arm::Pool,
    Arm::ForkOnly,
    Arm::FailedLogin,
];

/// The arms that have a curve.
fn drawn(arms: &[Arm]) -> &[Arm] {
    match arms.len() > TELLING.len() {
        true => &TELLING,
        false => arms,
    }
}

fn panel(run: &RunHead, level: &LevelSummary, title: String) -> Option<CurvePanel> {
    let is_drawn = |c: &&ContenderSummary| !c.twin && drawn(&run.config.arms).contains(&c.arm);
    let arms = level.contenders.iter().filter(is_drawn);
    let curves = arms.filter_map(curve).collect_vec();
    let base = Arm::baseline(&run.config.arms)?;
    let reference = curves.iter().find(|c| c.label == base.name());
    let floors = level.noise.iter().filter_map(|c| match c.statistic {
        Statistic::Percentile(p) => Some((p, c.magnitude_95)),
        _ => None,
    });
    let floors = floors.collect_vec();
    let noise = reference
        .map(|r| NoiseBand::around(format!("noise floor (A/A) around {base}"), r, &floors))
        .filter(|n| !n.edges.is_empty());
    (!curves.is_empty()).then_some(CurvePanel {
        title,
        curves,
        noise,
        caption: None,
    })
}

/// Percentile curves of every arm, one panel per run and level (the smallest and the largest where there are
/// more than fit).
fn response_times(items: &[&Analysis]) -> Option<CurveFigure> {
    let each = PANELS / items.len().clamp(1, PANELS);
    let mut panels = Vec::new();
    for analysis in items.iter().take(PANELS) {
        let varying = &analysis.varying;
        // What the others depart from is always among those that are drawn.
        let departs = analysis.run.config.has_departures();
        let primary = analysis.primary_level().filter(|_| departs);
        let is_primary = |l: &&LevelSummary| primary.is_some_and(|p| p.factors == l.factors);
        let levels = analysis.levels.iter().filter(|l| !is_primary(l));
        for (i, level) in primary.into_iter().chain(levels).enumerate() {
            if i + 1 >= each && i + 1 < analysis.levels.len() {
                continue;
            }
            let title = match items.len() {
                // What tells the panels apart comes first.
                1 if analysis.run.config.has_departures() => title_in(analysis, &level.factors),
                1 if !varying.is_empty() && !analysis.run.config.is_of_others() => {
                    varying_first(&level.factors, varying)
                }
                _ => {
                    let level = match items {
                        [one] => title_in(one, &level.factors),
                        _ => level_title(&level.factors, varying),
                    };
                    let name = series_name(&analysis.run, items);
                    match level.is_empty() {
                        true => name,
                        false => format!("{name}: {level}"),
                    }
                }
            };
            panels.extend(panel(&analysis.run, level, title));
        }
    }
    let first = items.first()?;
    let clock = first.levels.first()?.contenders.first()?.quoted.clock;
    (!panels.is_empty()).then(|| CurveFigure {
        title: "Running statements while others connect and disconnect".to_owned(),
        subtitle:
            "Look whether the curves part to the right, by more than the noise floor (shaded)"
                .to_owned(),
        quantity: format!("{clock} time of a running statement"),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "percentile; each further nine takes the same room".to_owned(),
        along: Along::Percentiles,
        interval: interval_over_blocks(items),
        panels,
        notes: other_arms(items).into_iter().collect(),
        footer: Vec::new(),
    })
}

/// The arms without a curve, and where they are.
fn other_arms(items: &[&Analysis]) -> Option<String> {
    let arms = items.iter().map(|a| &a.run.config.arms[..]);
    let others = arms.flat_map(|all| all.iter().filter(|arm| !drawn(all).contains(arm)));
    let others = others.unique().join(", ");
    let excess = match items {
        [_] => "excess",
        _ => "compare-excess",
    };
    (!others.is_empty()).then(|| {
        format!(
            "Without a curve here: {others}; their percentiles are in percentiles.csv, their differences in {excess}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::Block;
    use crate::testing::sample_run;

    #[test]
    fn with_many_arms_six_have_a_curve_and_the_others_are_named() {
        let mut run = sample_run(8);
        let few = response_times(&[&analyse(&run)]).unwrap();
        assert!(few.notes.is_empty(), "{:?}", few.notes);
        let quiet = run.blocks.iter().filter(|b| b.arm == Arm::Quiet).cloned();
        let quiet = quiet.collect_vec();
        for arm in [
            Arm::Pool,
            Arm::ForkOnly,
            Arm::FailedLogin,
            Arm::Vacuum,
            Arm::Commit,
        ] {
            let as_quiet = quiet.iter().cloned().map(|block| Block { arm, ..block });
            run.blocks.extend(as_quiet);
        }
        run.config.arms = run.blocks.iter().map(|b| b.arm).unique().collect();
        let figure = response_times(&[&analyse(&run)]).unwrap();
        let drawn = figure.panels[0].curves.iter();
        let labels = drawn.map(|c| &c.label[..]).collect_vec();
        assert_eq!(
            labels,
            ["kept-open", "unpooled", "pool", "fork-only", "failed-login"]
        );
        assert!(
            figure.notes[0].contains("quiet, vacuum, commit;"),
            "{:?}",
            figure.notes
        );
    }
}
