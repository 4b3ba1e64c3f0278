//! Sweeps in words: the names of lines, values with their units, tables.

use super::format::{count, difference, duration};
use super::text_table::TextTable;
use crate::factor::{Factor, Factors, varying};
use crate::stats::{Along, Analysis, Estimate, Quantity, Sweep, SweepLine};

/// How many standing connections one unit of a slope is about.
const SLOPE_STEP: f64 = 1_000.0;

/// What tells the lines of a sweep apart.
pub(super) struct LineNames {
    factors: Vec<Factor>,
    standing: bool,
}

impl LineNames {
    pub(super) fn of(lines: &[SweepLine]) -> Self {
        let rests = || lines.iter().map(|l| &l.rest);
        let first = rests().next().map_or(0, |r| r.standing);
        LineNames {
            factors: varying(rests()),
            standing: rests().any(|r| r.standing != first),
        }
    }

    /// The line's name but for these factors: `PostgreSQL 15, 4k`.
    pub(super) fn name(&self, rest: &Factors, but: &[Factor]) -> String {
        let parts = self.parts(rest, but);
        match &parts[..] {
            [] => "all".to_owned(),
            parts => parts.join(", "),
        }
    }

    /// The parts of the name, most telling first.
    pub(super) fn parts(&self, rest: &Factors, but: &[Factor]) -> Vec<String> {
        let factors: Vec<Factor> = self
            .factors
            .iter()
            .copied()
            .filter(|f| !but.contains(f))
            .collect();
        let mut parts: Vec<String> = factors
            .iter()
            .filter_map(|&f| {
                let value = rest.get(f)?;
                Some(match f {
                    Factor::Pg => format!("PostgreSQL {value}"),
                    Factor::CommitRate => format!("{value} commits/s"),
                    Factor::PageSize | Factor::Mapping => value.to_owned(),
                    _ => format!("{} {value}", f.title()),
                })
            })
            .collect();
        if self.standing {
            parts.push(format!("{} standing", count(u64::from(rest.standing))));
        }
        parts
    }
}

/// A value with its unit.
pub(super) fn value_words(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::Time(..) => duration(value),
        Quantity::Ratio { share: true, .. } | Quantity::Cpu(_) => format!("{:.1} %", 100.0 * value),
        Quantity::Ratio { .. } => format!("{value:.2}"),
    }
}

fn change_words(quantity: Quantity, value: f64) -> String {
    match quantity {
        Quantity::Time(..) => difference(value),
        Quantity::Ratio { share: true, .. } | Quantity::Cpu(_) => {
            format!("{:+.1} points", 100.0 * value)
        }
        Quantity::Ratio { .. } => format!("{value:+.2}"),
    }
}

/// `+212 us (95 % interval +205 us to +220 us) per 1,000 standing connections`.
pub fn slope_words(quantity: Quantity, slope: Estimate) -> String {
    let words = |per_one: f64| change_words(quantity, per_one * SLOPE_STEP);
    format!(
        "{} (95 % interval {} to {}) per 1,000 standing connections",
        words(slope.value_ns),
        words(slope.low_ns),
        words(slope.high_ns)
    )
}

/// A value with its interval: `12.3 us (12.1 us to 12.6 us)`.
pub fn estimate_words(quantity: Quantity, e: Estimate) -> String {
    let words = |value| value_words(quantity, value);
    format!(
        "{} ({} to {})",
        words(e.value_ns),
        words(e.low_ns),
        words(e.high_ns)
    )
}

/// Every sweep of the run as a table for the terminal, values only.
pub fn sweep_tables(analysis: &Analysis) -> String {
    tables(analysis, false)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}\n{}\n\n", rows.terminal()))
        .collect()
}

/// The same as Markdown, with intervals.
pub(super) fn sweep_tables_markdown(analysis: &Analysis) -> String {
    tables(analysis, true)
        .into_iter()
        .map(|(caption, rows)| format!("{caption}:\n\n{}\n", rows.markdown()))
        .collect()
}

fn tables(analysis: &Analysis, intervals: bool) -> Vec<(String, TextTable)> {
    analysis
        .sweeps
        .iter()
        .filter_map(|swept| {
            let (sweep, lines) = (&swept.sweep, &swept.lines);
            let caption = format!(
                "{} ({}), by {}",
                sweep.quantity_words,
                sweep.arm,
                sweep.along.words()
            );
            (!lines.is_empty()).then(|| (caption, table(sweep, lines, intervals)))
        })
        .collect()
}

fn table(sweep: &Sweep, lines: &[SweepLine], intervals: bool) -> TextTable {
    let mut places: Vec<f64> = lines
        .iter()
        .flat_map(|l| l.points.iter().map(|p| p.at))
        .collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let with_slope = sweep.along == Along::Standing && places.len() > 1;
    let mut header = vec!["line".to_owned()];
    header.extend(places.iter().map(|at| count(at.round() as u64)));
    if with_slope {
        header.push("slope per 1,000 (95 % interval)".to_owned());
    }
    let names = LineNames::of(lines);
    let mut rows = vec![header];
    for line in lines {
        let mut row = vec![names.name(&line.rest, &[])];
        row.extend(places.iter().map(|at| {
            line.points.iter().find(|p| p.at == *at).map_or_else(
                || "-".to_owned(),
                |p| {
                    let words = if intervals {
                        estimate_words(sweep.quantity, p.estimate)
                    } else {
                        value_words(sweep.quantity, p.estimate.value_ns)
                    };
                    let struck = if p.struck.is_some() { " [x]" } else { "" };
                    format!("{words}{struck}")
                },
            )
        }));
        if with_slope {
            let words = |v: f64| change_words(sweep.quantity, v * SLOPE_STEP);
            row.push(line.slope.map_or_else(
                || "-".to_owned(),
                |s| {
                    format!(
                        "{} ({} .. {})",
                        words(s.value_ns),
                        words(s.low_ns),
                        words(s.high_ns)
                    )
                },
            ));
        }
        rows.push(row);
    }
    TextTable(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::procarray::SlotOrder;
    use crate::record::{Run, SeriesHistogram, SeriesKey};
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
            let mut hold = SeriesHistogram::new();
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
        let text = sweep_tables(&analysis);
        for part in [
            "slots front",
            "slots behind",
            "2.00 us",
            "+100 us",
            "slope per 1,000",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let markdown = sweep_tables_markdown(&analysis);
        assert!(
            markdown.contains("| slots behind | 1.00 us (1.00 us to 1.00 us) |"),
            "{markdown}"
        );
        let other = sample_run(8);
        assert_eq!(sweep_tables(&analyse(&other)), "");
    }

    #[test]
    fn words_have_the_quantity_s_unit() {
        let share = Quantity::Ratio {
            of: &[],
            over: &[],
            share: true,
        };
        let number = Quantity::Ratio {
            of: &[],
            over: &[],
            share: false,
        };
        let slope = Estimate {
            value_ns: 1e-4,
            low_ns: 0.0,
            high_ns: 2e-4,
        };
        assert_eq!(value_words(share, 0.256), "25.6 %");
        assert_eq!(value_words(number, 215.0), "215.00");
        assert_eq!(
            slope_words(share, slope),
            "+10.0 points (95 % interval +0.0 points to +20.0 points) per 1,000 standing connections"
        );
    }
}
