//! The ratio of two quantities measured in pairs, with its interval.

/// Student's t, 97.5 % quantile, for 1 to 30 degrees of freedom.
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// Geometric mean of the ratios of pairs, with its 95 % interval by Student's t over their logarithms.
///
/// Ratios multiply, so it is their logarithms that are averaged: the ratio of `a` to `b` is then exactly the
/// inverse of that of `b` to `a`. What both sides of a pair share (the machine's mood) falls out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedRatio {
    /// First over second.
    pub ratio: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of pairs.
    pub pairs: usize,
}

impl PairedRatio {
    /// Of `(first, second)` pairs. `None` with fewer than two, or where a quantity is not positive.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let usable = |x: f64| x.is_finite() && x > 0.0;
        if pairs.len() < 2 || !pairs.iter().all(|&(a, b)| usable(a) && usable(b)) {
            return None;
        }
        let logs: Vec<f64> = pairs.iter().map(|(a, b)| (a / b).ln()).collect();
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Beyond the table, its last value: a little too wide.
        let t = T_975[(logs.len() - 2).min(T_975.len() - 1)];
        let half = t * (variance / n).sqrt();
        Some(PairedRatio {
            ratio: mean.exp(),
            low: (mean - half).exp(),
            high: (mean + half).exp(),
            pairs: logs.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // Logarithms 0, 1, 2: mean 1, standard deviation 1, half-width 4.303 / sqrt(3).
        let pairs = [0.0, 1.0, 2.0].map(|x: f64| (3.0 * x.exp(), 3.0));
        let found = PairedRatio::of(&pairs).unwrap();
        let half = 4.303 / 3f64.sqrt();
        for (found, expected) in [
            (found.ratio, 1.0),
            (found.low, 1.0 - half),
            (found.high, 1.0 + half),
        ] {
            assert!((found.ln() - expected).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(found.pairs, 3);
    }

    #[test]
    fn swapping_the_sides_inverts_it() {
        let pairs = [(10.0, 12.0), (9.0, 9.5), (20.0, 17.0), (8.0, 8.1)];
        let there = PairedRatio::of(&pairs).unwrap();
        let back = PairedRatio::of(&pairs.map(|(a, b)| (b, a))).unwrap();
        assert!((there.ratio * back.ratio - 1.0).abs() < 1e-12);
        assert!((there.low * back.high - 1.0).abs() < 1e-12);
        assert!(there.low < there.ratio && there.ratio < there.high);
    }

    #[test]
    fn a_drift_that_both_sides_share_falls_out() {
        let pairs: Vec<_> = (1..=12)
            .map(|k| (f64::from(k) * 1.5, f64::from(k)))
            .collect();
        let found = PairedRatio::of(&pairs).unwrap();
        assert!((found.ratio - 1.5).abs() < 1e-12 && found.high - found.low < 1e-9);
    }

    #[test]
    fn what_has_no_ratio_has_none() {
        assert_eq!(PairedRatio::of(&[(1.0, 1.0)]), None);
        assert_eq!(PairedRatio::of(&[(1.0, 1.0), (1.0, 0.0)]), None);
        assert_eq!(PairedRatio::of(&[(1.0, 1.0), (f64::NAN, 1.0)]), None);
    }
}
