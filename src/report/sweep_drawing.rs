//! From sweeps to figures: which lines go into which panel, and how they look.

use itertools::Itertools;

use super::dose_drawing::predicted_line;
use super::figure::{
    self, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint, Signs, stroke_of_case,
};
use super::format::{count, duration};
use super::grouped::grouped;
use super::sweep_words::{LineNames, slope_words};
use crate::arm::Stroke;
use crate::factor::{Factor, Factors, varying};
use crate::stats::{
    Along, Analysis, BUSY_SHARE, BusyPrediction, Estimate, Quantity, Sweep, SweepLine, SweepPoint,
    Swept,
};

/// Most panels of one figure.
pub(super) const PANELS: usize = 4;

/// Every figure of the sweeps that the run's experiment asks for, with their
/// file names without extension.
pub(super) fn sweep_figures(analysis: &Analysis) -> Vec<(String, CurveFigure)> {
    let of = |swept| figures(swept, &analysis.busy);
    analysis.sweeps.iter().flat_map(of).collect()
}

/// The first figure of one sweep; `None` where it has no line.
pub(super) fn figure_of(swept: &Swept, busy: &[BusyPrediction]) -> Option<(String, CurveFigure)> {
    figures(swept, busy).into_iter().next()
}

/// With what was predicted, where the sweep is of that.
fn figures(swept: &Swept, predicted: &[BusyPrediction]) -> Vec<(String, CurveFigure)> {
    let Swept { sweep, lines, .. } = swept;
    let names = LineNames::of(lines);
    let own = Factor::beside_standing()
        .filter(|f| sweep.panels.contains(f))
        .collect_vec();
    // Colours go by the first part of a line's name, dashes by the others.
    let (mut inks, mut dashes) = (Vec::new(), Vec::new());
    let predicted = predicted
        .iter()
        .filter(|_| sweep.quantity == BUSY_SHARE)
        .collect_vec();
    let curves = lines.iter().flat_map(|line| {
        let mut parts = names.parts(line, &own).into_iter();
        let ink = place(&mut inks, parts.next());
        let case = (ink, place(&mut dashes, parts.collect_vec()));
        let label = names.name(line, &own);
        let beside = match lines.len() {
            1 => "predicted".to_owned(),
            _ => format!("predicted: {label}"),
        };
        let colour = stroke_of_case(case).colour;
        let beside = predicted_line(beside, colour, predicted_points(&predicted, line));
        let mut key = line.rest.only(&own);
        key.standing = 0;
        let curve = curve(sweep, line, label, stroke_of_case(case));
        let beside = Some(beside).filter(|beside| !beside.points.is_empty());
        std::iter::once(curve)
            .chain(beside)
            .map(move |curve| (key.clone(), curve))
    });
    let panels = grouped(curves);
    let varying = varying(panels.iter().map(|p| &p.0));
    let panels = panels.into_iter().map(|(key, curves)| CurvePanel {
        title: panel_title(&key, &varying),
        curves,
        noise: None,
        caption: None,
    });
    let panels = panels.collect_vec();
    let figure = |(i, panels): (usize, &[CurvePanel])| {
        let stem = match i {
            0 => sweep.stem.to_owned(),
            _ => format!("{}-{}", sweep.stem, i + 1),
        };
        let figure = CurveFigure {
            title: sweep.title.to_owned(),
            subtitle: sweep.look_at.to_owned(),
            quantity: sweep.quantity_words.to_owned(),
            unit: sweep.quantity.unit(),
            logarithmic: sweep.logarithmic,
            caption: sweep.along.words().to_owned(),
            along: match sweep.along {
                Along::Standing | Along::ClientRate => figure::Along::Even,
                Along::CommitRate => figure::Along::Decades,
            },
            interval: match sweep.arms {
                [arm] => {
                    format!("95 % bootstrap interval over the blocks of each point (arm {arm})")
                }
                _ => "95 % bootstrap interval over the blocks of each point".to_owned(),
            },
            panels: panels.to_vec(),
            notes: notes(sweep, lines, &names),
            footer: Vec::new(),
        };
        (stem, figure)
    };
    panels.chunks(PANELS).enumerate().map(figure).collect()
}

/// The place of an item among those that came before, or the next one.
fn place<T: PartialEq>(known: &mut Vec<T>, item: T) -> usize {
    known.iter().position(|k| *k == item).unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    })
}

/// `slots front, mapping fresh`.
fn panel_title(key: &Factors, varying: &[Factor]) -> String {
    let words = varying.iter().filter_map(|&f| {
        let value = key.get(f)?;
        Some(match f {
            Factor::CommitRate if value == "0" => "no commits".to_owned(),
            Factor::CommitRate => format!("{value} commits/s"),
            _ => format!("{} {value}", f.title()),
        })
    });
    words.collect_vec().join(", ")
}

fn curve(sweep: &Sweep, line: &SweepLine, label: String, stroke: Stroke) -> Curve {
    // A logarithmic axis has no zero; no clock tells less than 1 ns.
    let floor = if sweep.logarithmic { 1.0 } else { 0.0 };
    let point = |p: &SweepPoint| CurvePoint {
        at: p.at,
        estimate: p.estimate.map(|value| value.max(floor)),
        samples: p.samples,
        struck: p.struck.is_some(),
        verdict: None,
    };
    let mut cautions = line.points.iter().flat_map(|p| &p.cautions).unique();
    let caution = cautions.join("; ");
    Curve {
        label,
        form: CurveForm::Line,
        stroke,
        points: line.points.iter().map(point).collect(),
        samples: 0,
        // Points are struck one by one; the reasons are among the notes.
        signs: Signs {
            struck: None,
            caution: Some(caution).filter(|caution| !caution.is_empty()),
        },
    }
}

/// What was predicted of a line's levels.
fn predicted_points(predicted: &[&BusyPrediction], line: &SweepLine) -> Vec<CurvePoint> {
    let rest = |level: &Factors| Factors {
        standing: 0,
        ..level.clone()
    };
    let of_line = |p: &&&BusyPrediction| rest(&p.factors) == rest(&line.rest);
    let points = predicted.iter().filter(of_line).map(|p| CurvePoint {
        at: f64::from(p.factors.standing),
        estimate: Estimate::exactly(p.busy.predicted.low),
        samples: p.busy_acquisitions.unwrap_or(0),
        struck: false,
        verdict: None,
    });
    points.sorted_by(|a, b| a.at.total_cmp(&b.at)).collect()
}

/// Slopes, sample counts, and every reason for a struck point once.
fn notes(sweep: &Sweep, lines: &[SweepLine], names: &LineNames) -> Vec<String> {
    let slopes = lines.iter().filter_map(|l| Some((l, l.slope?)));
    let steepest = slopes
        .filter(|_| sweep.along == Along::Standing)
        .max_by(|a, b| a.1.value_ns.total_cmp(&b.1.value_ns));
    let steepest = steepest.map(|(line, slope)| {
        let name = names.name(line, &[]);
        let slope = slope_words(sweep.quantity.unit(), slope);
        format!("Steepest line: {name}: {slope}")
    });
    let samples = lines.iter().flat_map(|l| &l.points).map(|p| p.samples);
    let (fewest, most) = samples.minmax().into_option().unwrap_or_default();
    let samples = match sweep.quantity {
        Quantity::Cpu(_) => {
            let [fewest, most] = [fewest, most].map(|ns| duration(ns as f64));
            format!("Time behind a point: {fewest} to {most}")
        }
        _ => format!(
            "Samples behind a point: {} to {}",
            count(fewest),
            count(most)
        ),
    };
    let mut said: Vec<(String, String)> = Vec::new();
    for line in lines {
        let name = names.name(line, &[]);
        for point in &line.points {
            let struck = point.struck.iter().map(|s| format!("○ {s}"));
            said.extend(struck.map(|reason| (reason, name.clone())));
        }
    }
    let reasons = grouped(said).into_iter().map(|(reason, mut of)| {
        of.dedup();
        match of.len() {
            all if all == lines.len() => format!("{reason}: every line"),
            5.. => format!("{reason}: {} of {} lines", of.len(), lines.len()),
            _ => format!("{reason}: {}", of.join("; ")),
        }
    });
    steepest
        .into_iter()
        .chain([samples])
        .chain(reasons)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::record::{Run, SeriesHistogram, SeriesKey};
    use crate::report::figure::Figure;
    use crate::testing::sample_run;

    /// `membership-hold` with three versions, two slot orders and two mappings.
    fn run() -> Run {
        let mut run = sample_run(8);
        run.experiment = "membership-hold".to_owned();
        let key: SeriesKey = "client.procarray-add.hold.service".parse().unwrap();
        let blocks = std::mem::take(&mut run.blocks);
        for pg in ["13", "15"] {
            for slots in ["front", "behind"] {
                for page_size in ["4k", "2m"] {
                    for block in &blocks {
                        let mut block = block.clone();
                        block.factors.pg = Some(pg.parse().unwrap());
                        block.factors.slot_order = Some(slots.parse().unwrap());
                        block.factors.page_size = Some(page_size.parse().unwrap());
                        let mut hold = SeriesHistogram::default();
                        for i in 0..40 {
                            hold.record(1000 + i + u64::from(block.factors.standing) * 50);
                        }
                        block.series.insert(key, hold);
                        run.blocks.push(block);
                    }
                }
            }
        }
        run
    }

    #[test]
    fn a_panel_for_each_slot_order_and_a_line_for_each_version_and_page_size() {
        let run = run();
        let analysis = analyse(&run);
        let figures = sweep_figures(&analysis);
        let (stem, figure) = &figures[0];
        assert_eq!(stem, "add-hold");
        let titles: Vec<&str> = figure.panels.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(titles, ["slots front", "slots behind"]);
        let curves = &figure.panels[0].curves;
        assert_eq!(curves.len(), 4);
        for (i, a) in curves.iter().enumerate() {
            for b in &curves[i + 1..] {
                assert!(
                    a.stroke != b.stroke && a.label != b.label,
                    "{a:?} and {b:?}"
                );
            }
        }
        let same = figure.panels[1]
            .curves
            .iter()
            .find(|c| c.label == curves[0].label);
        assert_eq!(same.unwrap().stroke, curves[0].stroke);
        let svg = figure.svg().unwrap();
        assert!(svg.contains("PostgreSQL 15, 2m"));
        let caption = figure.caption().join("\n");
        assert!(caption.contains("Steepest line"), "{caption}");
        let other = sample_run(8);
        assert!(sweep_figures(&analyse(&other)).is_empty());
    }
}
