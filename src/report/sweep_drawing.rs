//! From sweeps to figures: which lines go into which panel, and how they look.

use super::figure::{self, Curve, CurveFigure, CurvePanel, CurvePoint, Signs, stroke_of_case};
use super::footer::footer;
use super::grouped::grouped;
use super::sweep_words::{LineNames, slope_words};
use crate::factor::{Factor, Factors};
use crate::stats::Analysis;
use crate::stats::{Along, Quantity, Sweep, SweepLine, Swept};

/// Most panels of one figure.
const PANELS: usize = 4;

/// Every figure of the sweeps that the run's experiment asks for, with their
/// file names without extension.
pub fn sweep_figures(analysis: &Analysis, redraw: &str) -> Vec<(String, CurveFigure)> {
    let sweeps = analysis.sweeps.iter();
    sweeps
        .flat_map(|swept| figures(analysis, swept, redraw))
        .collect()
}

fn figures(analysis: &Analysis, swept: &Swept, redraw: &str) -> Vec<(String, CurveFigure)> {
    let Swept { sweep, lines, .. } = swept;
    let names = LineNames::of(lines);
    let own: Vec<Factor> = Factor::beside_standing()
        .filter(|f| sweep.panels.contains(f))
        .collect();
    let panels: Vec<(Factors, Vec<&SweepLine>)> = grouped(lines.iter().map(|line| {
        let mut key = line.rest.only(&own);
        key.standing = 0;
        (key, line)
    }));
    let varying = crate::factor::varying(panels.iter().map(|p| &p.0));
    let looks = Looks::of(lines, &names, &own);
    let drawn: Vec<CurvePanel> = panels
        .iter()
        .map(|(key, lines)| CurvePanel {
            title: panel_title(key, &varying),
            curves: lines
                .iter()
                .map(|line| curve(sweep, line, &names, (&own, &looks)))
                .collect(),
            noise: None,
        })
        .collect();
    drawn
        .chunks(PANELS)
        .enumerate()
        .map(|(i, panels)| {
            let stem = if i == 0 {
                sweep.stem.to_owned()
            } else {
                format!("{}-{}", sweep.stem, i + 1)
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
                interval: format!(
                    "95 % bootstrap interval over the blocks of each point (arm {})",
                    sweep.arm
                ),
                panels: panels.to_vec(),
                notes: notes(sweep, lines, &names),
                footer: footer(&[analysis], redraw),
            };
            (stem, figure)
        })
        .collect()
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
    words.collect::<Vec<_>>().join(", ")
}

/// Colours go by the first part of a line's name, dashes by the others.
struct Looks {
    first: Vec<String>,
    others: Vec<Vec<String>>,
}

impl Looks {
    fn of(lines: &[SweepLine], names: &LineNames, own: &[Factor]) -> Self {
        let mut looks = Looks {
            first: Vec::new(),
            others: Vec::new(),
        };
        for line in lines {
            let (first, others) = split(names.parts(&line.rest, own));
            if !looks.first.contains(&first) {
                looks.first.push(first);
            }
            if !looks.others.contains(&others) {
                looks.others.push(others);
            }
        }
        looks
    }

    fn look(&self, parts: Vec<String>) -> (usize, usize) {
        let (first, others) = split(parts);
        let place = |found: Option<usize>| found.unwrap_or(0);
        (
            place(self.first.iter().position(|f| *f == first)),
            place(self.others.iter().position(|o| *o == others)),
        )
    }
}

fn split(parts: Vec<String>) -> (String, Vec<String>) {
    let mut parts = parts.into_iter();
    (parts.next().unwrap_or_default(), parts.collect())
}

fn curve(
    sweep: &Sweep,
    line: &SweepLine,
    names: &LineNames,
    (own, looks): (&[Factor], &Looks),
) -> Curve {
    // A logarithmic axis has no zero; no clock tells less than 1 ns.
    let floor = if sweep.logarithmic { 1.0 } else { 0.0 };
    Curve {
        label: names.name(&line.rest, own),
        stroke: stroke_of_case(looks.look(names.parts(&line.rest, own))),
        points: line
            .points
            .iter()
            .map(|p| CurvePoint {
                at: p.at,
                estimate: p.estimate.map(|value| value.max(floor)),
                samples: p.samples,
                struck: p.struck.is_some(),
            })
            .collect(),
        samples: 0,
        // The reasons are among the notes.
        signs: Signs {
            struck: None,
            caution: line
                .points
                .iter()
                .any(|p| !p.cautions.is_empty())
                .then(String::new),
        },
    }
}

/// Slopes, sample counts, and every reason for a sign once.
fn notes(sweep: &Sweep, lines: &[SweepLine], names: &LineNames) -> Vec<String> {
    let mut notes = Vec::new();
    if sweep.along == Along::Standing {
        let steepest = lines
            .iter()
            .filter_map(|l| Some((l, l.slope?)))
            .max_by(|a, b| a.1.value_ns.total_cmp(&b.1.value_ns));
        if let Some((line, slope)) = steepest {
            notes.push(format!(
                "Steepest line: {}: {}",
                names.name(&line.rest, &[]),
                slope_words(sweep.quantity.unit(), slope)
            ));
        }
    }
    let points = || lines.iter().flat_map(|l| &l.points);
    let fewest = points().map(|p| p.samples).min().unwrap_or(0);
    let most = points().map(|p| p.samples).max().unwrap_or(0);
    notes.push(match sweep.quantity {
        Quantity::Cpu(_) => format!(
            "Time behind a point: {} to {}",
            super::format::duration(fewest as f64),
            super::format::duration(most as f64)
        ),
        _ => format!(
            "Samples behind a point: {} to {}",
            super::format::count(fewest),
            super::format::count(most)
        ),
    });
    let mut said: Vec<(String, String)> = Vec::new();
    for line in lines {
        let name = names.name(&line.rest, &[]);
        for point in &line.points {
            let struck = point.struck.iter().map(|s| format!("○ {s}"));
            for reason in struck.chain(point.cautions.iter().map(|c| format!("† {c}"))) {
                said.push((reason, name.clone()));
            }
        }
    }
    notes.extend(grouped(said).into_iter().map(|(reason, mut of)| {
        of.dedup();
        if of.len() == lines.len() {
            format!("{reason}: every line")
        } else if of.len() > 4 {
            format!("{reason}: {} of {} lines", of.len(), lines.len())
        } else {
            format!("{reason}: {}", of.join("; "))
        }
    }));
    notes
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
        let figures = sweep_figures(&analysis, "procbench figures DIR");
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
        assert!(svg.contains("PostgreSQL 15, 2m") && svg.contains("Steepest line"));
        let other = sample_run(8);
        assert!(sweep_figures(&analyse(&other), "").is_empty());
    }
}
