//! Sweeps in words: the names of lines, slopes, tables.

use itertools::Itertools;

use super::format::{count, interval, interval_95, quantity, slope};
use super::level_title::standing;
use super::section::{Section, Table, cell, struck_mark};
use crate::factor::{Factor, varying};
use crate::stats::{Along, Analysis, Estimate, SweepLine, Swept, Unit};

/// What tells the lines of a sweep apart.
pub(super) struct LineNames {
    factors: Vec<Factor>,
    standing: bool,
    arms: bool,
}

impl LineNames {
    pub(super) fn of(lines: &[SweepLine]) -> Self {
        let rests = lines.iter().map(|l| &l.rest);
        LineNames {
            factors: varying(rests.clone()),
            standing: !rests.map(|r| r.standing).all_equal(),
            arms: !lines.iter().map(|l| l.arm).all_equal(),
        }
    }

    /// The line's name but for these factors: `PostgreSQL 15, 4k`; its arm, where nothing tells it from others.
    pub(super) fn name(&self, line: &SweepLine, but: &[Factor]) -> String {
        match &self.parts(line, but)[..] {
            [] => line.arm.to_string(),
            parts => parts.join(", "),
        }
    }

    /// The parts of the name, most telling first.
    pub(super) fn parts(&self, line: &SweepLine, but: &[Factor]) -> Vec<String> {
        let rest = &line.rest;
        let factors = self.factors.iter().filter(|f| !but.contains(f));
        let values = factors.filter_map(|&f| {
            let value = rest.get(f)?;
            Some(match f {
                Factor::CommitRate => format!("{value} commits/s"),
                Factor::PageSize | Factor::Mapping => value,
                _ => format!("{} {value}", f.title()),
            })
        });
        values
            .chain(self.standing.then(|| standing(rest)))
            .chain(self.arms.then(|| line.arm.to_string()))
            .collect()
    }
}

/// `+212 µs (95 % +205 to +220) per 1,000 standing connections`.
pub(super) fn slope_words(unit: Unit, estimate: Estimate) -> String {
    let words = interval_95(estimate, |per_one| slope(per_one, unit));
    format!("{words} per 1,000 standing connections")
}

/// Every sweep of the run as a table.
pub(super) fn sweep_tables(analysis: &Analysis) -> Vec<Section> {
    analysis.sweeps.iter().filter_map(section).collect()
}

fn section(swept: &Swept) -> Option<Section> {
    let (sweep, lines) = (&swept.sweep, &swept.lines);
    let places = lines.iter().flat_map(|l| &l.points).map(|p| p.at);
    let places = places.sorted_by(f64::total_cmp).dedup().collect_vec();
    let header = places.iter().map(|at| count(at.round() as u64));
    let header = header.chain(["slope per 1,000 (95 %)".to_owned()]);
    let names = LineNames::of(lines);
    let mut table = Table::new(["line"], header);
    for line in lines {
        let mut row = vec![names.name(line, &[])];
        row.extend(places.iter().map(|at| {
            let point = line.points.iter().find(|p| p.at == *at);
            cell(point.map(|p| {
                let words = interval(p.estimate, |value| quantity(value, swept.unit));
                format!("{words}{}", struck_mark(p.struck.is_some()))
            }))
        }));
        let of_line = line.slope.filter(|_| sweep.along == Along::Standing);
        let of_line = of_line.map(|e| interval(e, |per_one| slope(per_one, swept.unit)));
        row.push(cell(of_line));
        table.push(row);
    }
    let (what, along) = (sweep.quantity_words, sweep.along.words());
    let mut arms = sweep
        .arms
        .iter()
        .filter(|a| lines.iter().any(|l| l.arm == **a));
    let caption = format!("{what} ({}), by {along}", arms.join(", "));
    let notes = vec!["In brackets: bootstrap 95 % interval.".to_owned()];
    Section::table(caption, table, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::procarray::SlotOrder;
    use crate::record::{Run, SeriesHistogram, SeriesKey};
    use crate::report::section::markdown;
    use crate::testing::sample_run;

    /// A run of `membership-hold` whose hold is `1000 + 100 N` ns in front and 1000 ns behind.
    fn run() -> Run {
        let mut run = sample_run(8);
        run.experiment = "membership-hold".to_owned();
        for block in &mut run.blocks {
            let front = block.round % 2 == 0;
            block.factors.slot_order = Some(if front {
                SlotOrder::Front
            } else {
                SlotOrder::Behind
            });
            let n = u64::from(block.factors.standing);
            let mut hold = SeriesHistogram::default();
            for _ in 0..50 {
                hold.record(1000 + if front { 100 * n } else { 0 });
            }
            let key: SeriesKey = "client.procarray-add.hold.service".parse().unwrap();
            block.series.insert(key, hold);
        }
        run
    }

    #[test]
    fn lines_are_named_by_what_varies_and_have_their_slope() {
        let run = run();
        let analysis = analyse(&run);
        let text = markdown(&sweep_tables(&analysis));
        for part in [
            "slots front",
            "slots behind",
            "2.00 µs",
            "+100 µs",
            "slope per 1,000",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(
            text.contains("| slots behind | 1.00 µs (1.00 to 1.00) |"),
            "{text}"
        );
        let other = sample_run(8);
        assert_eq!(sweep_tables(&analyse(&other)), []);
    }

    #[test]
    fn a_slope_has_the_quantity_s_unit() {
        let estimate = Estimate {
            value_ns: 1e-4,
            low_ns: 0.0,
            high_ns: 2e-4,
        };
        assert_eq!(
            slope_words(Unit::Share, estimate),
            "+10.0 points (95 % +0.0 to +20.0) per 1,000 standing connections"
        );
    }
}
