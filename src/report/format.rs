//! Numbers for people.

/// A duration with three significant digits: `850 ns`, `72.4 us`, `1.23 ms`, `2.00 s`.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        a if a < 1e3 => (ns, "ns"),
        a if a < 1e6 => (ns / 1e3, "us"),
        a if a < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let decimals = match value.abs() {
        a if unit == "ns" || a >= 99.95 => 0,
        a if a >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// A difference, always with its sign: `+120 us`, `-3.00 us`, `0 ns`.
pub fn difference(ns: f64) -> String {
    if ns > 0.0 {
        format!("+{}", duration(ns))
    } else {
        duration(ns)
    }
}

/// A count with thin grouping: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits_with_a_unit() {
        let cases = [
            (0.0, "0 ns"),
            (850.4, "850 ns"),
            (72_440.0, "72.4 us"),
            (1_234_000.0, "1.23 ms"),
            (2e9, "2.00 s"),
            (999_400.0, "999 us"),
            (-3_000.0, "-3.00 us"),
            (123_456.0, "123 us"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(difference(120_000.0), "+120 us");
        assert_eq!(difference(0.0), "0 ns");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
    }
}
