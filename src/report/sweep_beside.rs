//! A sweep of several runs side by side: a server's and the model's, in one figure and one table.

use itertools::Itertools;

use super::figure::CurveFigure;
use super::format::{interval, quantity};
use super::level_title::series_name;
use super::section::{Section, Table, cell, struck_mark};
use super::sweep_drawing::{PANELS, figure_of};
use crate::factor::Factors;
use crate::procarray::MappingKind;
use crate::record::{Phase, levels_side_by_side};
use crate::stats::{Analysis, BUSY_SHARE, Quantity, SweepPoint, Swept};

/// Whether a quantity is the same thing in both modes: what a lock is waited or held for, how often it is found busy, and
/// what is counted. Other times and shares have no common scale.
fn has_a_common_scale(quantity: Quantity) -> bool {
    match quantity {
        Quantity::Time(key, _) => matches!(key.phase, Phase::Hold | Phase::Wait),
        Quantity::Ratio { share, .. } => !share || quantity == BUSY_SHARE,
        Quantity::Cpu(_) => false,
    }
}

/// The sweeps that every run has lines for, each run's own.
fn common<'a>(items: &[&'a Analysis]) -> Vec<Vec<&'a Swept>> {
    let Some(first) = items.first() else {
        return Vec::new();
    };
    let of = |sweep: &Swept| {
        let same = |a: &&'a Analysis| a.sweeps.iter().find(|s| s.sweep == sweep.sweep);
        let all = items.iter().map(same).collect::<Option<Vec<_>>>()?;
        all.iter().all(|s| !s.lines.is_empty()).then_some(all)
    };
    let comparable = |s: &&Swept| has_a_common_scale(s.sweep.quantity);
    first
        .sweeps
        .iter()
        .filter(comparable)
        .filter_map(of)
        .collect()
}

/// Without the model's lines whose mapping no backend has: a backend maps the array when it first touches it.
fn as_in_a_server(swept: &Swept) -> Swept {
    let mut swept = swept.clone();
    let shared = |f: &Factors| f.mapping == Some(MappingKind::Shared);
    swept.lines.retain(|line| !shared(&line.rest));
    swept
}

/// A figure for each common sweep, with panels of each run.
pub(super) fn figures_beside(items: &[&Analysis]) -> Vec<(String, CurveFigure)> {
    let figure = |all: Vec<&Swept>| {
        let mut parts = all.iter().zip(items).filter_map(|(swept, analysis)| {
            let (stem, mut figure) = figure_of(&as_in_a_server(swept), &analysis.busy)?;
            let name = series_name(&analysis.run, items);
            for panel in &mut figure.panels {
                panel.title = match &panel.title[..] {
                    "" => name.clone(),
                    title => format!("{name}: {title}"),
                };
            }
            for note in &mut figure.notes {
                *note = format!("{name}: {note}");
            }
            Some((stem, figure))
        });
        let (stem, mut whole) = parts.next()?;
        for (_, part) in parts {
            whole.panels.extend(part.panels);
            whole.notes.extend(part.notes);
        }
        whole.panels.truncate(PANELS);
        Some((format!("compare-{stem}"), whole))
    };
    common(items).into_iter().filter_map(figure).collect()
}

/// A table of the common sweeps: a row for each level, a column for each quantity and run.
pub(super) fn table_beside(items: &[&Analysis]) -> Option<Section> {
    let sweeps = common(items);
    let levels = items.iter().map(|i| i.level_factors()).collect_vec();
    let (levels, named) = levels_side_by_side(&levels);
    let mut columns = Vec::new();
    for all in &sweeps {
        let words = all.first().map_or("", |s| s.sweep.quantity_words);
        let names = items.iter().map(|a| series_name(&a.run, items));
        columns.extend(names.map(|name| format!("{words}: {name} (95 %)")));
    }
    let mut table = Table::by_level(&named, &[], columns);
    for level in &levels {
        let cells = sweeps.iter().flatten().map(|s| {
            let point = point(s, level)?;
            let value = interval(point.estimate, |v| quantity(v, s.unit));
            Some(value + struck_mark(point.struck.is_some()))
        });
        let cells = cells.collect_vec();
        if cells.iter().any(Option::is_some) {
            table.push_level(level, cells.into_iter().map(cell));
        }
    }
    let note = "A server's holds were traced, and are longer by the probes within them; faults are exact on both sides.";
    Section::table("ProcArrayLock held, side by side", table, [note])
}

/// A sweep's point at a level.
fn point<'a>(swept: &'a Swept, level: &Factors) -> Option<&'a SweepPoint> {
    let (at, rest) = (swept.sweep.along.at(level)?, swept.sweep.along.rest(level));
    let line = swept.line(*swept.sweep.arms.first()?, &rest)?;
    line.points.iter().find(|p| p.at == at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::experiment::analyse;
    use crate::record::{Run, SeriesHistogram, SeriesKey};
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    /// A run of `membership-hold` on 15 in one mode, with holds of `base` + 50 ns for each standing connection.
    fn run(mode: Mode, base: u64) -> Run {
        let mut run = sample_run(8);
        run.experiment = "membership-hold".to_owned();
        run.mode = mode;
        let key: SeriesKey = "client.procarray-add.hold.service".parse().unwrap();
        for block in &mut run.blocks {
            block.factors.pg = Some("15".parse().unwrap());
            block.factors.slot_order = Some("front".parse().unwrap());
            if mode == Mode::Model {
                block.factors.mapping = Some("fresh".parse().unwrap());
            }
            let mut hold = SeriesHistogram::default();
            for _ in 0..50 {
                hold.record(base + 50 * u64::from(block.factors.standing));
            }
            block.series.insert(key, hold);
        }
        run
    }

    #[test]
    fn a_servers_holds_stand_beside_the_models_in_one_figure_and_one_table() {
        let (server, model) = (run(Mode::Server, 4000), run(Mode::Model, 1000));
        let (server, model) = (analyse(&server), analyse(&model));
        let items = [&server, &model];
        let figures = figures_beside(&items);
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].0, "compare-add-hold");
        let titles: Vec<&str> = figures[0].1.panels.iter().map(|p| &p.title[..]).collect();
        assert_eq!(titles.len(), 2);
        assert_ne!(titles[0], titles[1]);
        let text = markdown(&table_beside(&items));
        let row = text.lines().find(|l| l.starts_with("| 10 ")).unwrap();
        assert!(row.contains("4.5") && row.contains("1.5"), "{text}");
        // A run without the sweep, such as an untraced server's, leaves nothing to lay beside.
        let untraced = analyse(&sample_run(8));
        assert!(figures_beside(&[&untraced, &model]).is_empty());
        assert_eq!(table_beside(&[&untraced, &model]), None);
    }
}
