//! The values that are asked for of one factor: `front,behind`, `0,100,1000`, `50..5000:log6`.

use std::fmt::Display;
use std::str::FromStr;

/// Values with commas, each kept once.
///
/// # Errors
/// The first value that is none.
pub(super) fn names<T: FromStr<Err: Display> + PartialEq>(text: &str) -> Result<Vec<T>, String> {
    let mut kept: Vec<T> = Vec::new();
    for part in text.split(',') {
        let value = part.parse().map_err(|e: T::Err| e.to_string())?;
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    Ok(kept)
}

/// A list of whole numbers: single ones, ranges `0..100:5` (five evenly spaced)
/// and `50..5000:log6` (six evenly spaced on a logarithmic scale), with commas.
///
/// # Errors
/// One line with an example.
pub(super) fn numbers<T: From<u32>>(text: &str) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        all.extend(part_numbers(part.trim())?);
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|n| seen.insert(*n));
    Ok(all.into_iter().map(T::from).collect())
}

fn part_numbers(part: &str) -> Result<Vec<u32>, String> {
    let bad = || {
        format!("'{part}' is not a number or range: write 0,100,1000 or 0..500:3 or 50..5000:log6")
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
    let Some((from, rest)) = part.split_once("..") else {
        return Ok(vec![number(part)?]);
    };
    let (to, steps) = rest.split_once(':').ok_or_else(bad)?;
    let (from, to) = (number(from)?, number(to)?);
    let log_steps = steps.strip_prefix("log");
    let is_log = log_steps.is_some();
    let steps = number(log_steps.unwrap_or(steps))?;
    if from >= to || !(2..=1000).contains(&steps) || (is_log && from == 0) {
        return Err(bad());
    }
    let (from, to) = (f64::from(from), f64::from(to));
    let value = |i: u32| {
        let share = f64::from(i) / f64::from(steps - 1);
        let value = match is_log {
            true => from * (to / from).powf(share),
            false => from + (to - from) * share,
        };
        value.round() as u32
    };
    Ok((0..steps).map(value).collect())
}

/// Every level with each of these values; the levels as they are where there is none.
pub(super) fn crossed<L: Clone, T: Clone>(
    levels: Vec<L>,
    values: &[T],
    set: impl Fn(&mut L, T),
) -> Vec<L> {
    if values.is_empty() {
        return levels;
    }
    let mut crossed = Vec::with_capacity(levels.len() * values.len());
    for level in levels {
        for value in values {
            let mut level = level.clone();
            set(&mut level, value.clone());
            crossed.push(level);
        }
    }
    crossed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::SlotOrder;

    #[test]
    fn number_lists() {
        let numbers = numbers::<u32>;
        assert_eq!(numbers("0,100,1000"), Ok(vec![0, 100, 1000]));
        assert_eq!(numbers("0,10..1000:log3"), Ok(vec![0, 10, 100, 1000]));
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

    #[test]
    fn names_are_kept_once_and_in_order() {
        let orders = names::<SlotOrder>("behind,front,behind");
        assert_eq!(orders, Ok(vec![SlotOrder::Behind, SlotOrder::Front]));
        assert!(
            names::<SlotOrder>("front,sideways")
                .unwrap_err()
                .contains("'sideways'")
        );
    }
}
