//! Percentiles by nearest rank over recorded buckets.

/// The value at percentile `p` (0 to 100) of ascending `(value, count)`
/// buckets: the least value such that at least `p` per cent of the samples are
/// not above it. `None` if there are no samples.
pub(super) fn percentile_of_buckets(buckets: &[(u64, u64)], p: f64) -> Option<u64> {
    let total: u64 = buckets.iter().map(|b| b.1).sum();
    if total == 0 {
        return None;
    }
    let rank = rank_of(p, total);
    let mut seen = 0;
    buckets
        .iter()
        .find(|b| {
            seen += b.1;
            seen >= rank
        })
        .map(|b| b.0)
}

/// The nearest rank (from 1) of percentile `p` among `total` samples. The
/// product is nudged down so that 99.9 % of 1,000 is rank 999, not 1,000
/// because of a binary fraction.
pub fn rank_of(p: f64, total: u64) -> u64 {
    let exact = p / 100.0 * total as f64;
    ((exact - exact * 1e-12).ceil() as u64).clamp(1, total)
}

/// How many samples lie above percentile `p` of `total` samples.
pub fn samples_above(p: f64, total: u64) -> u64 {
    if total == 0 {
        0
    } else {
        total - rank_of(p, total)
    }
}

/// A percentile's usual name: `p99.9`, `max` for 100.
pub fn percentile_name(p: f64) -> String {
    if p >= 100.0 {
        "max".to_owned()
    } else {
        format!("p{p}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let buckets: Vec<(u64, u64)> = (1..=1000).map(|v| (v, 1)).collect();
        assert_eq!(percentile_of_buckets(&buckets, 50.0), Some(500));
        assert_eq!(percentile_of_buckets(&buckets, 99.9), Some(999));
        assert_eq!(percentile_of_buckets(&buckets, 100.0), Some(1000));
        assert_eq!(percentile_of_buckets(&buckets, 0.0), Some(1));
        assert_eq!(percentile_of_buckets(&[], 50.0), None);
        assert_eq!((samples_above(99.0, 1000), samples_above(99.0, 0)), (10, 0));
        assert_eq!(percentile_name(99.9), "p99.9");
    }
}
