//! The words of a figure's marks.

use super::curves::{Along, Curve, CurveFigure, CurvePanel, CurvePoint};
use super::rows::{Row, RowFigure, RowGroup, RowMark};
use super::signs::Signs;
use super::told::Told;
use crate::record::percentile_name;
use crate::report::format::{count, number, quantity};
use crate::stats::{Estimate, Unit, Verdict};

/// Value and interval.
fn of_value(e: Estimate, unit: Unit) -> Told {
    let words = |value| quantity(value, unit);
    let has_ends = e.low_ns < e.high_ns;
    Told {
        value: words(e.value_ns),
        interval: match has_ends {
            true => format!("{} to {}", words(e.low_ns), words(e.high_ns)),
            false => String::new(),
        },
        ..Told::default()
    }
}

fn samples(number: u64) -> String {
    match number {
        0 => String::new(),
        _ => count(number),
    }
}

/// What must be known beside the number; why stands in the caption.
fn remark(verdict: Option<Verdict>, signs: &[&Signs], is_struck: bool) -> String {
    let is_struck = is_struck || signs.iter().any(|s| s.struck.is_some());
    let has_caution = signs.iter().any(|s| s.caution.is_some());
    let verdict = verdict.map(Verdict::words).into_iter();
    let struck = is_struck.then(|| "struck out, not to be quoted".to_owned());
    let caution = has_caution.then(|| "read with care".to_owned());
    let all: Vec<String> = verdict.chain(struck).chain(caution).collect();
    all.join("; ")
}

/// A percentile with a decimal for each of its nines, begun ones counted: 78.5, 98.53, 99.9.
fn rounded(percentile: f64) -> f64 {
    let nines = -(1.0 - percentile / 100.0).log10();
    let step = 10f64.powi(nines.ceil().max(1.0) as i32);
    (percentile * step).round() / step
}

impl CurveFigure {
    /// What a point says that is drawn from `low` to `high` at `x`.
    pub(super) fn told(
        &self,
        panel: &CurvePanel,
        curve: &Curve,
        point: &CurvePoint,
        (x, [low, high]): (f64, [f64; 2]),
    ) -> Told {
        let along = panel.caption.as_ref().unwrap_or(&self.caption);
        Told {
            place: [x, high, x, low],
            panel: panel.title.clone(),
            series: curve.label.clone(),
            at: match self.along {
                Along::Percentiles => percentile_name(rounded(point.at)),
                Along::Names(names) => {
                    let name = names.get((point.at as usize).saturating_sub(1));
                    format!("{along}: {}", name.copied().unwrap_or_default())
                }
                Along::Even | Along::Decades if point.at.fract() == 0.0 => {
                    format!("{along}: {}", count(point.at as u64))
                }
                Along::Even | Along::Decades => format!("{along}: {}", number(point.at)),
            },
            // What is behind a single point may be rounds, or time: the caption says it.
            samples: samples(curve.samples),
            remark: remark(point.verdict, &[&curve.signs], point.struck),
            ..of_value(point.estimate, self.unit)
        }
    }
}

impl RowFigure {
    /// What a mark says.
    pub(super) fn told(
        &self,
        group: &RowGroup,
        row: &Row,
        mark: &RowMark,
        place: [f64; 4],
    ) -> Told {
        Told {
            place,
            panel: group.title.clone(),
            series: mark.series.clone(),
            at: row.label.clone(),
            samples: samples(row.samples),
            remark: remark(mark.verdict, &[&row.signs, &mark.signs], false),
            ..of_value(mark.estimate, self.form.unit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_has_as_many_decimals_as_it_needs() {
        for (percentile, name) in [
            (0.0, "p0"),
            (50.0, "p50"),
            (78.455_653, "p78.5"),
            (98.532_2, "p98.53"),
            (99.9, "p99.9"),
            (99.616_881, "p99.617"),
            (99.99, "p99.99"),
        ] {
            assert_eq!(percentile_name(rounded(percentile)), name);
        }
    }
}
