//! Axes: positions and ticks of percentiles, of times on a logarithmic axis,
//! and of signed times on an axis that is linear around zero.

use super::time_label;

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Position in the axis's own coordinate.
    pub at: f64,
    pub label: String,
}

/// Position of a percentile (0..100) on the percentile axis:
/// log10(1/(1-p)), so that each further nine takes the same room.
pub(super) fn percentile_position(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

/// Ticks 0, 50, 90, 99, 99.9 ... up to the position `end`, most important first.
pub(super) fn percentile_ticks(end: f64) -> Vec<Tick> {
    let mut percentiles = vec![50.0, 99.0, 90.0];
    // Nine nines is beyond any sample this tool can hold.
    for nines in 3..=9 {
        percentiles.push(100.0 - 10f64.powi(2 - nines));
    }
    percentiles.push(0.0);
    percentiles
        .into_iter()
        .map(|p| Tick {
            at: percentile_position(p),
            label: time_label::percent(p),
        })
        .filter(|tick| tick.at <= end + 1e-6)
        .collect()
}

/// A logarithmic time axis; its coordinate is log10(ns).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogTimeAxis {
    pub low: f64,
    pub high: f64,
}

impl LogTimeAxis {
    /// Covers `low_ns..=high_ns` with a little air, and at least a factor of two.
    pub(super) fn covering(low_ns: f64, high_ns: f64) -> Self {
        let (low, high) = (low_ns.log10(), high_ns.log10());
        let lacking = (2f64.log10() - (high - low)).max(0.0) / 2.0;
        let air = (high - low) * 0.04 + lacking + 0.01;
        Self {
            low: low - air,
            high: high + air,
        }
    }

    /// Coordinate of a time, held inside the axis.
    pub(super) fn position(&self, ns: f64) -> f64 {
        ns.max(1e-3).log10().clamp(self.low, self.high)
    }

    /// As many round ticks as leave `apart` pixels between neighbours on an
    /// axis of `length` pixels.
    pub(super) fn ticks(&self, length: f64, apart: f64) -> Vec<Tick> {
        const STEPS: [&[f64]; 4] = [
            &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0],
        ];
        let per_decade = length / (self.high - self.low);
        for steps in STEPS {
            let ticks = self.at_multiples(steps);
            let closest = ticks
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold(f64::MAX, f64::min);
            if closest * per_decade >= apart {
                return ticks.into_iter().map(tick_at).collect();
            }
        }
        // Very many decades: every second, every third, ...
        let decades = self.at_multiples(&[1.0]);
        let stride = (apart / per_decade).ceil().max(1.0) as usize;
        decades.into_iter().step_by(stride).map(tick_at).collect()
    }

    /// Positions of 1..9 in every decade, for the light grid.
    pub(super) fn light_grid(&self) -> Vec<f64> {
        self.at_multiples(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    }

    fn at_multiples(&self, steps: &[f64]) -> Vec<f64> {
        let decades = self.low.floor() as i32..=self.high.ceil() as i32;
        decades
            .flat_map(|decade| {
                steps
                    .iter()
                    .map(move |step| step.log10() + f64::from(decade))
            })
            .filter(|at| (self.low..=self.high).contains(at))
            .collect()
    }
}

fn tick_at(at: f64) -> Tick {
    Tick {
        at,
        label: time_label::tick(10f64.powf(at)),
    }
}

/// A signed time axis: linear within `threshold_ns` of zero, logarithmic
/// outside (matplotlib's `symlog`). One unit is a decade, or the linear part
/// from zero to the threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignedTimeAxis {
    /// Where the linear part ends.
    pub threshold_ns: f64,
    pub low: f64,
    pub high: f64,
}

impl SignedTimeAxis {
    /// Covers all `extents_ns` and the linear part; the linear part ends at the power of
    /// ten below `smallest_ns`, so that the smallest series still has a shape.
    pub(super) fn covering(extents_ns: &[f64], smallest_ns: f64) -> Self {
        let threshold_ns = 10f64.powf(smallest_ns.max(1.0).log10().floor());
        let mut axis = Self {
            threshold_ns,
            low: -1.0,
            high: 1.0,
        };
        for extent in extents_ns {
            let at = axis.position(*extent);
            axis.low = axis.low.min(at);
            axis.high = axis.high.max(at);
        }
        let air = (0.04 * (axis.high - axis.low)).max(0.15);
        axis.low -= air;
        axis.high += air;
        axis
    }

    /// Coordinate of a signed time.
    pub(super) fn position(&self, ns: f64) -> f64 {
        let scaled = ns / self.threshold_ns;
        if scaled.abs() <= 1.0 {
            scaled
        } else {
            scaled.signum() * (1.0 + scaled.abs().log10())
        }
    }

    /// Zero, the thresholds and the decades, most important first.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let mut ticks = vec![Tick {
            at: 0.0,
            label: time_label::signed_tick(0.0),
        }];
        let reach = self.high.max(-self.low).ceil() as i32;
        for unit in (1..=reach).rev() {
            for sign in [1.0, -1.0] {
                let at = sign * f64::from(unit);
                if (self.low..=self.high).contains(&at) {
                    let ns = sign * self.threshold_ns * 10f64.powi(unit - 1);
                    ticks.push(Tick {
                        at,
                        label: time_label::signed_tick(ns),
                    });
                }
            }
        }
        ticks
    }

    /// Positions of the multiples between the ticks.
    pub(super) fn light_grid(&self) -> Vec<f64> {
        let reach = self.high.max(-self.low).ceil() as i32;
        let mut grid = Vec::new();
        for unit in 0..=reach {
            for step in 2..=9 {
                let ns = self.threshold_ns * f64::from(step) * 10f64.powi(unit - 1);
                grid.extend([self.position(ns), self.position(-ns)]);
            }
        }
        grid.retain(|at| (self.low..=self.high).contains(at));
        grid.sort_by(f64::total_cmp);
        grid
    }
}

/// Round ticks 0, step, 2 step ... up to `high`, at most `most` steps.
pub(super) fn linear_ticks(high: f64, most: f64) -> Vec<f64> {
    let rough = high / most.max(1.0);
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * decade)
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade);
    let count = (high / step + 1e-9).floor() as u32;
    (0..=count).map(|k| f64::from(k) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<String> {
        ticks
            .iter()
            .map(|t| t.label.replace('\u{202f}', " ").replace('\u{2212}', "-"))
            .collect()
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let at = |p| percentile_position(p);
        assert_eq!(at(0.0), 0.0);
        assert!((at(99.0) - at(90.0) - 1.0).abs() < 1e-9);
        assert!((at(99.999) - at(99.99) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn percentile_ticks_end_with_the_curves() {
        let shown = labels(&percentile_ticks(percentile_position(99.95)));
        assert_eq!(shown, ["50 %", "99 %", "90 %", "99.9 %", "0 %"]);
        let shown = labels(&percentile_ticks(percentile_position(99.99)));
        assert!(
            shown.contains(&"99.99 %".to_owned()),
            "the last percentile has its tick"
        );
    }

    #[test]
    fn log_ticks_thin_out_with_the_room() {
        let axis = LogTimeAxis::covering(60e3, 5e6);
        let shown = labels(&axis.ticks(300.0, 20.0));
        assert_eq!(
            shown,
            [
                "50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms"
            ]
        );
        let wide = LogTimeAxis::covering(10.0, 1e10);
        assert_eq!(labels(&wide.ticks(100.0, 20.0)).len(), 5);
        let narrow = LogTimeAxis::covering(100e3, 101e3);
        assert!(
            narrow.ticks(300.0, 20.0).len() >= 2,
            "an axis has at least two ticks"
        );
    }

    #[test]
    fn the_signed_axis_is_continuous_odd_and_monotone() {
        let axis = SignedTimeAxis::covering(&[-150.0, 600e3], 150.0);
        assert_eq!(axis.threshold_ns, 100.0);
        assert!((axis.position(100.0) - axis.position(100.001)).abs() < 1e-4);
        assert_eq!(axis.position(-1e4), -axis.position(1e4));
        let values = [-1e6, -101.0, -99.0, 0.0, 1.0, 100.0, 1e3, 1e6];
        assert!(
            values
                .windows(2)
                .all(|v| axis.position(v[0]) < axis.position(v[1]))
        );
        let shown = labels(&axis.ticks());
        for label in ["0", "+100 ns", "-100 ns", "+100 µs"] {
            assert!(shown.contains(&label.to_owned()), "{label} in {shown:?}");
        }
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            linear_ticks(950.0, 5.0),
            vec![0.0, 200.0, 400.0, 600.0, 800.0]
        );
        assert_eq!(linear_ticks(1.0, 5.0).len(), 6);
    }
}
