//! Numbers and units for people, in text and in figures.

use itertools::Itertools;
use textwrap::{Options, fill};

use crate::stats::{Contrast, Estimate, Unit};

/// How many standing connections one unit of a slope is about.
const SLOPE_STEP: f64 = 1_000.0;
/// Narrow no-break space between number and unit in figures.
const THIN: &str = "\u{202f}";
/// The minus of figures, as wide as the plus.
const MINUS: &str = "\u{2212}";

/// Unit for a magnitude in ns: its length in ns and its symbol. What three digits round up to the next one has it.
fn unit_of(magnitude_ns: f64) -> (f64, &'static str) {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| magnitude_ns >= 0.9995 * unit);
    unit.unwrap_or((1.0, "ns"))
}

/// A duration with three significant digits: `850 ns`, `72.4 µs`, `1.23 ms`, `2.00 s`.
pub(crate) fn duration(ns: f64) -> String {
    let (unit, symbol) = unit_of(ns.abs());
    let value = ns / unit;
    let decimals = match value.abs() {
        a if unit == 1.0 || a >= 99.95 => 0,
        a if a >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {symbol}")
}

/// A duration in the unit of another one, beside which it stands: `0.30 ms` beside `19.6 ms`.
pub(crate) fn in_unit_of(other_ns: f64, ns: f64) -> String {
    let (unit, symbol) = unit_of(other_ns.abs());
    let value = ns / unit;
    match value.abs() {
        a if a >= 99.95 => format!("{value:.0} {symbol}"),
        a if a >= 9.995 => format!("{value:.1} {symbol}"),
        a if a >= 0.0995 => format!("{value:.2} {symbol}"),
        _ => format!("{value:.4} {symbol}"),
    }
}

/// A difference, always with its sign: `+120 µs`, `-3.00 µs`, `0 ns`.
pub(crate) fn difference(ns: f64) -> String {
    let ns = if ns.abs() < 0.5 { 0.0 } else { ns };
    let sign = if ns > 0.0 { "+" } else { "" };
    format!("{sign}{}", duration(ns))
}

/// A count: `12,345`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).join(",")
}

/// A rate per second, without the unit: `0.25`, `1,234`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 10.0 {
        format!("{per_second:.2}")
    } else {
        count(per_second.round() as u64)
    }
}

/// A share in per cent: never zero where it is not.
pub(crate) fn share(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        p if p < 0.001 => "below 0.001 %".to_owned(),
        p if p < 0.1 => format!("{p:.3} %"),
        p if p < 10.0 => format!("{p:.2} %"),
        p => format!("{p:.0} %"),
    }
}

/// At most so many decimals (one or more), the last one not zero.
fn trimmed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A value whose unit is data: `12.3 µs`, `-3.00 µs`, `1.25 %`, `1,234 per second`, `6`.
pub(crate) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => duration(value),
        Unit::NsDifference => difference(value),
        Unit::NsPerConnection => difference(value * SLOPE_STEP),
        Unit::Share => format!("{:.2} %", 100.0 * value),
        Unit::ShareDifference => points(value),
        Unit::Count => count(value.round() as u64),
        Unit::PerSecond => format!("{} per second", count(value.round() as u64)),
        Unit::Number if value.abs() >= 99.95 => format!("{value:.0}"),
        Unit::Number if value.abs() >= 9.995 => trimmed(value, 1),
        Unit::Number => trimmed(value, 2),
    }
}

/// A difference of shares, always with its sign: `+3.40 pp`, `-0.12 pp`, `0 pp`.
fn points(difference: f64) -> String {
    match 100.0 * difference {
        0.0 => "0 pp".to_owned(),
        p => format!("{p:+.2} pp"),
    }
}

/// The difference of a contrast with its interval, in its unit.
pub(crate) fn change(contrast: &Contrast) -> String {
    interval(contrast.difference, |value| quantity(value, contrast.unit))
}

/// The smallest detectable effect of a contrast, without a sign.
pub(crate) fn detectable(contrast: &Contrast) -> String {
    let effect = quantity(contrast.detectable, contrast.unit);
    effect.trim_start_matches('+').to_owned()
}

/// A slope per 1,000 standing connections, with the sign; its quantity has this unit.
pub(crate) fn slope(per_connection: f64, unit: Unit) -> String {
    let value = per_connection * SLOPE_STEP;
    match unit {
        Unit::Ns | Unit::NsDifference | Unit::NsPerConnection => difference(value),
        Unit::Share | Unit::ShareDifference => format!("{:+.1} points", 100.0 * value),
        Unit::Count | Unit::PerSecond | Unit::Number => format!("{value:+.2}"),
    }
}

/// A value and the ends of its interval; a unit that all share is said once.
fn with_ends(e: Estimate, of: &str, words: impl Fn(f64) -> String) -> String {
    let all = [e.value_ns, e.low_ns, e.high_ns].map(words);
    let split = all.each_ref().map(|w| w.split_once(' ').unwrap_or((w, "")));
    let [value, low, high] = &all;
    match split {
        [(_, unit), (low, of_low), (high, of_high)] if unit == of_low && unit == of_high => {
            format!("{value} ({of}{low} to {high})")
        }
        _ => format!("{value} ({of}{low} to {high})"),
    }
}

/// In tables whose header says of which interval: `+2.20 ms (+1.14 to +3.14)`.
pub(crate) fn interval(e: Estimate, words: impl Fn(f64) -> String) -> String {
    with_ends(e, "", words)
}

/// In sentences: `+2.20 ms (95 % +1.14 to +3.14)`.
pub(crate) fn interval_95(e: Estimate, words: impl Fn(f64) -> String) -> String {
    with_ends(e, "95 % ", words)
}

/// With no line break before a unit.
pub(crate) fn unbroken(words: &str) -> String {
    const UNITS: [&str; 5] = ["%", "pp", "ms", "µs", "ns"];
    let glued = |text: String, unit| text.replace(&format!(" {unit}"), &format!("\u{a0}{unit}"));
    UNITS.into_iter().fold(words.to_owned(), glued)
}

/// In lines, none of which begins with a unit.
pub(crate) fn filled<'a>(text: &str, options: impl Into<Options<'a>>) -> String {
    fill(&unbroken(text), options).replace('\u{a0}', " ")
}

/// For figures: thin spaces and a typographic minus.
fn typeset(text: &str) -> String {
    text.replace(' ', THIN).replace('-', MINUS)
}

/// Label of an axis tick: `100 ns`, `1 µs`, `10 ms`.
pub(crate) fn tick(ns: f64) -> String {
    let (unit, symbol) = unit_of(ns);
    format!("{}{THIN}{symbol}", trimmed(ns / unit, 3))
}

/// Label of a tick on a signed axis: `0`, `+1 µs`, `−100 ns`.
pub(crate) fn signed_tick(ns: f64) -> String {
    if ns == 0.0 {
        return "0".to_owned();
    }
    let sign = if ns < 0.0 { MINUS } else { "+" };
    format!("{sign}{}", tick(ns.abs()))
}

/// Label of a tick on an axis of differences of shares: `+2 pp`, `−0.5 pp`.
pub(crate) fn points_tick(share: f64) -> String {
    let points = trimmed(100.0 * share, 3);
    let sign = if share > 0.0 { "+" } else { "" };
    typeset(&format!("{sign}{points} pp"))
}

/// A measured difference, as in tables: `+512 µs`, `−0.12 pp`.
pub(crate) fn signed(value: f64, unit: Unit) -> String {
    typeset(&quantity(value, unit))
}

/// The same with its interval: `+3.40 pp (+1.20 to +5.10)`.
pub(crate) fn signed_interval(e: Estimate, unit: Unit) -> String {
    interval(e, |value| quantity(value, unit)).replace('-', MINUS)
}

/// A measured time, as in tables: `512 µs`, `1.20 ms`.
pub(crate) fn measured(ns: f64) -> String {
    typeset(&duration(ns))
}

/// A number with at most three decimals: `48,000`, `0.25`.
pub(crate) fn number(value: f64) -> String {
    let text = trimmed(value, 3);
    match text.parse() {
        Ok(whole) => count(whole),
        Err(_) => text,
    }
}

/// Label of a percentile tick: `99.9 %`.
pub(crate) fn percent(percentile: f64) -> String {
    typeset(&format!("{} %", trimmed(percentile, 9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(THIN, " ").replace(MINUS, "-")
    }

    #[test]
    fn three_significant_digits_with_a_unit() {
        let cases = [
            (0.0, "0 ns"),
            (850.4, "850 ns"),
            (72_440.0, "72.4 µs"),
            (1_234_000.0, "1.23 ms"),
            (2e9, "2.00 s"),
            (999_400.0, "999 µs"),
            (999_900.0, "1.00 ms"),
            (-3_000.0, "-3.00 µs"),
            (123_456.0, "123 µs"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(in_unit_of(19_600_000.0, 298_000.0), "0.30 ms");
        assert_eq!(in_unit_of(850.0, 850.0), "850 ns");
        assert_eq!(difference(120_000.0), "+120 µs");
        assert_eq!(difference(-0.3), "0 ns");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(quantity(600.0, Unit::Number), "600");
        assert_eq!(quantity(0.034, Unit::ShareDifference), "+3.40 pp");
        assert_eq!(quantity(-0.0012, Unit::ShareDifference), "-0.12 pp");
        assert_eq!(slope(1e-4, Unit::Share), "+10.0 points");
    }

    #[test]
    fn an_interval_says_a_shared_unit_once() {
        let of = |value_ns, low_ns, high_ns| Estimate {
            value_ns,
            low_ns,
            high_ns,
        };
        let same = of(2.2e6, 1.14e6, 3.14e6);
        assert_eq!(
            interval_95(same, difference),
            "+2.20 ms (95 % +1.14 to +3.14)"
        );
        let mixed = of(1.91e6, 562e3, 3.07e6);
        assert_eq!(
            interval(mixed, difference),
            "+1.91 ms (+562 µs to +3.07 ms)"
        );
        let rate = |n: f64| count(n as u64);
        assert_eq!(
            interval(of(1234.0, 1.0, 2000.0), rate),
            "1,234 (1 to 2,000)"
        );
    }

    #[test]
    fn units_follow_the_magnitude() {
        for (ns, text) in [
            (1.0, "1 ns"),
            (100.0, "100 ns"),
            (1_000.0, "1 µs"),
            (1_500.0, "1.5 µs"),
            (20_000_000.0, "20 ms"),
            (3e9, "3 s"),
            (10f64.powf(3.0), "1 µs"),
            (10f64.powf(6.0), "1 ms"),
        ] {
            assert_eq!(plain(&tick(ns)), text);
        }
    }

    #[test]
    fn signs_are_printed_and_zero_has_none() {
        assert_eq!(plain(&signed_tick(-100.0)), "-100 ns");
        assert_eq!(plain(&signed_tick(1e3)), "+1 µs");
        assert_eq!(plain(&signed_tick(0.0)), "0");
        assert_eq!(plain(&signed(512_345.0, Unit::NsDifference)), "+512 µs");
        assert_eq!(plain(&signed(-1_254_000.0, Unit::NsDifference)), "-1.25 ms");
        assert_eq!(plain(&signed(4e6, Unit::NsDifference)), "+4.00 ms");
        assert_eq!(plain(&signed(-0.0123, Unit::ShareDifference)), "-1.23 pp");
        let e = Estimate {
            value_ns: 0.034,
            low_ns: -0.012,
            high_ns: 0.051,
        };
        let text = signed_interval(e, Unit::ShareDifference);
        assert_eq!(plain(&text), "+3.40 pp (-1.20 to +5.10)");
    }

    #[test]
    fn no_line_begins_with_a_unit() {
        assert_eq!(filled("it is 12 ms", 10), "it is\n12 ms");
        assert_eq!(plain(&measured(4_900_000.0)), "4.90 ms");
    }

    #[test]
    fn counts_and_percentiles() {
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(plain(&percent(50.0)), "50 %");
        assert_eq!(plain(&percent(99.9)), "99.9 %");
        assert_eq!(plain(&percent(99.9999)), "99.9999 %");
    }
}
