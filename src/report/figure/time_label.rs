//! Times in words: `100 ns`, `1 µs`, `10 ms`.

/// Narrow no-break space between number and unit.
const THIN: char = '\u{202f}';
/// A typographic minus, as wide as the plus.
const MINUS: char = '\u{2212}';

/// Unit for a magnitude in ns: its length in ns and its symbol.
fn unit_of(magnitude_ns: f64) -> (f64, &'static str) {
    if magnitude_ns >= 1e9 {
        (1e9, "s")
    } else if magnitude_ns >= 1e6 {
        (1e6, "ms")
    } else if magnitude_ns >= 1e3 {
        (1e3, "µs")
    } else {
        (1.0, "ns")
    }
}

/// Up to three decimals, none that is zero.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Label of an axis tick.
pub(super) fn tick(ns: f64) -> String {
    // Rounding of 10^k must not push a tick into the smaller unit.
    let ns = if ns > 0.0 { ns * (1.0 + 1e-9) } else { ns };
    let (unit, symbol) = unit_of(ns);
    format!("{}{THIN}{symbol}", trimmed(ns / unit))
}

/// Label of a tick on a signed axis: `0`, `+1 µs`, `−100 ns`.
pub(super) fn signed_tick(ns: f64) -> String {
    if ns == 0.0 {
        return "0".to_owned();
    }
    let sign = if ns < 0.0 { MINUS } else { '+' };
    format!("{sign}{}", tick(ns.abs()))
}

/// A measured difference at three significant digits: `+512 µs`, `−1.25 ms`.
pub(super) fn signed(ns: f64) -> String {
    let rounded = significant(ns);
    if rounded == 0.0 {
        format!("0{THIN}ns")
    } else {
        signed_tick(rounded)
    }
}

/// A measured time at three significant digits: `512 µs`, `1.25 ms`.
pub(super) fn measured(ns: f64) -> String {
    tick(significant(ns))
}

/// `value` rounded to three significant digits, and not below 0.01 ns.
fn significant(value: f64) -> f64 {
    if value.abs() < 0.01 {
        return 0.0;
    }
    let step = 10f64.powf(value.abs().log10().floor() - 2.0);
    (value / step).round() * step
}

/// A whole number with thin spaces between thousands: `48 000`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// Label of a percentile tick: `99.9 %`.
pub(super) fn percent(percentile: f64) -> String {
    let text = format!("{percentile:.9}");
    format!(
        "{}{THIN}%",
        text.trim_end_matches('0').trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(THIN, " ").replace(MINUS, "-")
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
        assert_eq!(plain(&signed(512_345.0)), "+512 µs");
        assert_eq!(plain(&signed(-1_254_000.0)), "-1.25 ms");
        assert_eq!(plain(&signed(999_900.0)), "+1 ms");
    }

    #[test]
    fn counts_and_percentiles() {
        assert_eq!(plain(&grouped(0)), "0");
        assert_eq!(plain(&grouped(1_234_567)), "1 234 567");
        assert_eq!(plain(&percent(50.0)), "50 %");
        assert_eq!(plain(&percent(99.9)), "99.9 %");
        assert_eq!(plain(&percent(99.9999)), "99.9999 %");
    }
}
