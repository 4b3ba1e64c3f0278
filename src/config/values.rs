//! Values as people write them: `30s`, `500us`, `99.9`.

/// A duration in ns: a number with `ns`, `us`, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// One line with an example.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is not a duration: write 30s, 500ms, 200us or 5m");
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(bad)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let seconds = match unit {
        "ns" => number * 1e-9,
        "us" | "µs" => number * 1e-6,
        "ms" => number * 1e-3,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(bad()),
    };
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(format!("a duration cannot be negative: '{text}'"));
    }
    if seconds > 7.0 * 86_400.0 {
        return Err(format!("'{text}' is more than a week"));
    }
    // Rounded to the nanosecond, so that 30us is 30,000 ns and not 29,999.
    Ok((seconds * 1e9).round() as u64)
}

/// A duration longer than zero.
///
/// # Errors
/// As [`duration`], and for zero.
pub(super) fn positive_duration(text: &str) -> Result<u64, String> {
    match duration(text)? {
        0 => Err("a duration must be longer than zero".to_owned()),
        ns => Ok(ns),
    }
}

/// A percentile to quote, such as `99` or `99.9`.
///
/// # Errors
/// Outside 50 to 99.999.
pub(super) fn percentile(text: &str) -> Result<f64, String> {
    text.trim_start_matches('p')
        .parse()
        .ok()
        .filter(|p| (50.0..=99.999).contains(p))
        .ok_or_else(|| format!("'{text}' is not a percentile: write 99 or 99.9"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Ok(30_000_000_000));
        assert_eq!(duration("500us"), Ok(500_000));
        assert_eq!(duration("1.5ms"), Ok(1_500_000));
        assert_eq!(duration("30us"), Ok(30_000));
        for bad in [
            "",
            "5",
            "s",
            "-3s",
            "1 fortnight",
            "nans",
            "infs",
            "1e300h",
            "8000h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(positive_duration("0s").is_err());
    }
}
