//! Numbers whose unit is data.

use super::format::{count, difference, duration};
use crate::stats::Unit;

/// How many standing connections one unit of a slope is about.
pub(super) const SLOPE_STEP: f64 = 1_000.0;

/// A value in words: `12.3 us`, `-3.00 us`, `1.25 %`, `1,234/s`, `6`.
pub(super) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => duration(value),
        Unit::NsDifference => difference(value),
        Unit::NsPerConnection => difference(value * SLOPE_STEP),
        Unit::Share => format!("{:.2} %", 100.0 * value),
        Unit::Count => count(value.round() as u64),
        Unit::PerSecond => format!("{}/s", count(value.round() as u64)),
        Unit::Number => {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}
