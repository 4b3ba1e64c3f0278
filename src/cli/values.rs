//! Values as people write them: `30s`, `500us`, `0,100,1000`, `50..5000:log6`.

use std::time::Duration;

/// A duration: a number with `ns`, `us`, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// One line with an example.
pub fn duration(text: &str) -> Result<Duration, String> {
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
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// A duration longer than zero.
///
/// # Errors
/// As [`duration`], and for zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a duration must be longer than zero".to_owned()),
        d => Ok(d),
    }
}

/// A list of whole numbers: single ones, ranges `0..100:5` (five evenly spaced)
/// and `50..5000:log6` (six evenly spaced on a logarithmic scale), with commas.
///
/// # Errors
/// One line with an example.
pub fn numbers(text: &str) -> Result<Vec<u32>, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        all.extend(part_numbers(part.trim())?);
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|n| seen.insert(*n));
    Ok(all)
}

fn part_numbers(part: &str) -> Result<Vec<u32>, String> {
    let bad = || {
        format!("'{part}' is not a number or range: write 0,100,1000 or 0..500:3 or 50..5000:log6")
    };
    let Some((from, rest)) = part.split_once("..") else {
        return part.parse().map(|n| vec![n]).map_err(|_| bad());
    };
    let (to, steps) = rest.split_once(':').ok_or_else(bad)?;
    let (from, to): (u32, u32) = (
        from.parse().map_err(|_| bad())?,
        to.parse().map_err(|_| bad())?,
    );
    let (log, steps) = match steps.strip_prefix("log") {
        Some(steps) => (true, steps),
        None => (false, steps),
    };
    let steps: u32 = steps.parse().map_err(|_| bad())?;
    if from >= to || !(2..=1000).contains(&steps) || (log && from == 0) {
        return Err(bad());
    }
    Ok((0..steps)
        .map(|i| {
            let share = f64::from(i) / f64::from(steps - 1);
            let (from, to) = (f64::from(from), f64::from(to));
            let value = if log {
                from * (to / from).powf(share)
            } else {
                from + (to - from) * share
            };
            value.round() as u32
        })
        .collect())
}

/// A list of rates per second, as [`numbers`].
///
/// # Errors
/// As [`numbers`].
pub fn rates(text: &str) -> Result<Vec<f64>, String> {
    numbers(text).map(|all| all.into_iter().map(f64::from).collect())
}

/// A percentile to quote, such as `99` or `99.9`.
///
/// # Errors
/// Outside 50 to 99.999.
pub fn percentile(text: &str) -> Result<f64, String> {
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
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(duration("1.5ms"), Ok(Duration::from_micros(1500)));
        assert_eq!(duration("30us"), Ok(Duration::from_nanos(30_000)));
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

    #[test]
    fn number_lists() {
        assert_eq!(numbers("0,100,1000"), Ok(vec![0, 100, 1000]));
        assert_eq!(rates("0,10..1000:log3"), Ok(vec![0.0, 10.0, 100.0, 1000.0]));
        assert_eq!(numbers("0..500:3"), Ok(vec![0, 250, 500]));
        assert_eq!(numbers("50..5000:log3,7,50"), Ok(vec![50, 500, 5000, 7]));
        for bad in [
            "",
            "a",
            "-1",
            "5..1:3",
            "0..10:log3",
            "1..10",
            "1..10:1",
            "1,,2",
        ] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }
}
