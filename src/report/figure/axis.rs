//! Axes: how values become coordinates, and where the ticks stand.

use super::time_label;

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Position in the axis's own coordinate.
    pub at: f64,
    pub label: String,
}

impl Tick {
    fn new(at: f64, label: String) -> Self {
        Tick { at, label }
    }
}

/// How values are spaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spacing {
    Linear,
    /// log10(1/(1-p)) of percentiles 0..100, so that each further nine takes the same room.
    Percentile,
    /// log10; zero, where there is one, stands at a place of its own.
    Logarithmic {
        zero: Option<f64>,
    },
    /// Linear within the threshold of zero, logarithmic outside (matplotlib's `symlog`). One unit is a decade,
    /// or the linear part from zero to the threshold.
    Signed {
        threshold: f64,
    },
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// A share, 0 to 1; drawn in per cent.
    Share,
    /// A bare number.
    Number,
}

impl Unit {
    /// A value with its unit.
    fn label(self, value: f64) -> String {
        match self {
            Unit::Time if value == 0.0 => "0".to_owned(),
            Unit::Time => time_label::tick(value),
            Unit::Share => time_label::percent(100.0 * value),
            Unit::Number => {
                let text = format!("{value:.3}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                match text.parse::<u64>() {
                    Ok(whole) => time_label::grouped(whole),
                    Err(_) => text.to_owned(),
                }
            }
        }
    }
}

/// An axis from `low` to `high` in its own coordinate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    spacing: Spacing,
    pub low: f64,
    pub high: f64,
    /// Most important first.
    pub ticks: Vec<Tick>,
    /// Where light lines stand between the ticks.
    pub light_grid: Vec<f64>,
    /// Where the axis is broken between zero and the rest.
    pub gap: Option<f64>,
}

/// Room between zero and the smallest number above it, in decades.
const ZERO_GAP: f64 = 0.7;

impl Axis {
    fn new(spacing: Spacing, low: f64, high: f64) -> Self {
        Axis {
            spacing,
            low,
            high,
            ticks: Vec::new(),
            light_grid: Vec::new(),
            gap: None,
        }
    }

    /// Percentiles from 0 to the largest of `values`, and to the median at least; ticks at 0, 50, 90, 99, 99.9 ...
    pub(super) fn percentiles(values: impl Iterator<Item = f64>) -> Self {
        let mut axis = Axis::new(Spacing::Percentile, 0.0, 0.31);
        axis.high = values.map(|p| axis.position(p)).fold(axis.high, f64::max);
        let mut percentiles = vec![50.0, 99.0, 90.0];
        // Nine nines is beyond any sample this tool can hold.
        percentiles.extend((3..=9).map(|nines| 100.0 - 10f64.powi(2 - nines)));
        percentiles.push(0.0);
        let tick = |p: f64| Tick::new(axis.position(p), time_label::percent(p));
        axis.ticks = percentiles.into_iter().map(tick).collect();
        axis.ticks.retain(|tick| tick.at <= axis.high + 1e-6);
        axis
    }

    /// Times `low..=high` with a little air, and at least a factor of two; as many round ticks as leave `apart`
    /// pixels between neighbours on an axis of `length` pixels.
    pub(super) fn logarithmic(
        (low, high): (f64, f64),
        unit: Unit,
        length: f64,
        apart: f64,
    ) -> Self {
        const STEPS: [&[f64]; 4] = [
            &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0],
        ];
        let (low, high) = (low.log10(), high.log10());
        let lacking = (2f64.log10() - (high - low)).max(0.0) / 2.0;
        let air = (high - low) * 0.04 + lacking + 0.01;
        let mut axis = Axis::new(Spacing::Logarithmic { zero: None }, low - air, high + air);
        let per_decade = length / (axis.high - axis.low);
        let fits = |steps: &&&[f64]| {
            let at = axis.multiples(steps);
            at.windows(2)
                .all(|pair| (pair[1] - pair[0]) * per_decade >= apart)
        };
        let at = match STEPS.iter().find(fits) {
            Some(steps) => axis.multiples(steps),
            // Very many decades: every second, every third, ...
            None => {
                let stride = (apart / per_decade).ceil().max(1.0) as usize;
                axis.multiples(&[1.0]).into_iter().step_by(stride).collect()
            }
        };
        let tick = |at: f64| Tick::new(at, unit.label(10f64.powf(at)));
        axis.ticks = at.into_iter().map(tick).collect();
        axis.light_grid = axis.multiples(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        axis
    }

    /// Signed times: all of `extents` and the linear part, which ends at the power of ten below `smallest`,
    /// so that the smallest series still has a shape.
    pub(super) fn signed(extents: &[f64], smallest: f64) -> Self {
        let threshold = 10f64.powf(smallest.max(1.0).log10().floor());
        let mut axis = Axis::new(Spacing::Signed { threshold }, -1.0, 1.0);
        for extent in extents {
            let at = axis.position(*extent);
            (axis.low, axis.high) = (axis.low.min(at), axis.high.max(at));
        }
        let air = (0.04 * (axis.high - axis.low)).max(0.15);
        (axis.low, axis.high) = (axis.low - air, axis.high + air);
        // Zero, the thresholds and the decades.
        let reach = axis.high.max(-axis.low).ceil() as i32;
        let mut wanted = vec![(0.0, 0.0)];
        let mut light = Vec::new();
        for unit in (1..=reach).rev() {
            let decade = threshold * 10f64.powi(unit - 1);
            wanted.extend([1.0, -1.0].map(|sign| (sign * f64::from(unit), sign * decade)));
        }
        for unit in 0..=reach {
            for step in 2..=9 {
                let ns = threshold * f64::from(step) * 10f64.powi(unit - 1);
                light.extend([axis.position(ns), axis.position(-ns)]);
            }
        }
        let inside = |at: f64| (axis.low..=axis.high).contains(&at);
        let tick = |(at, ns)| Tick::new(at, time_label::signed_tick(ns));
        axis.ticks = wanted
            .into_iter()
            .filter(|w| inside(w.0))
            .map(tick)
            .collect();
        light.retain(|at| inside(*at));
        light.sort_by(f64::total_cmp);
        axis.light_grid = light;
        axis
    }

    /// From zero to `high`, with at most `most` steps between round ticks.
    pub(super) fn linear(high: f64, most: f64, unit: Unit) -> Self {
        let mut axis = Axis::new(Spacing::Linear, 0.0, high);
        let tick = |at| Tick::new(at, unit.label(at));
        axis.ticks = linear_ticks(high, most).into_iter().map(tick).collect();
        axis
    }

    /// Numbers from zero on, evenly spaced.
    pub(super) fn even(values: &[f64]) -> Self {
        let largest = values.iter().copied().fold(0.0, f64::max);
        let mut axis = Axis::linear(largest.max(1.0), 5.0, Unit::Number);
        for tick in &mut axis.ticks {
            tick.label = time_label::grouped(tick.at.round() as u64);
        }
        axis
    }

    /// Numbers on a logarithmic axis; zero has a place of its own at the left.
    pub(super) fn decades(values: &[f64]) -> Self {
        let largest = values.iter().copied().fold(0.0, f64::max);
        if largest <= 0.0 {
            return Axis::even(values);
        }
        let least = values.iter().copied().filter(|v| *v > 0.0);
        let least = least.fold(f64::MAX, f64::min).min(largest.max(1.0)).log10();
        let zero = values.contains(&0.0).then_some(least - ZERO_GAP);
        let high = largest.log10().max(least + 0.3);
        let mut axis = Axis::new(
            Spacing::Logarithmic { zero },
            zero.unwrap_or(least - 0.05),
            high,
        );
        axis.gap = zero.map(|zero| zero + ZERO_GAP / 2.0);
        let first = axis.gap.unwrap_or(axis.low);
        let range = (first.floor() as i32)..=(high.ceil() as i32);
        let steps: &[f64] = if high - first < 1.5 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut wanted: Vec<f64> = zero.map(|_| 0.0).into_iter().collect();
        for step in steps {
            let at = range.clone().map(|decade| step * 10f64.powi(decade));
            wanted.extend(at.filter(|v| (first..=high + 1e-9).contains(&v.log10())));
        }
        let label = |v: f64| time_label::grouped(v.round() as u64);
        let tick = |v| Tick::new(axis.position(v), label(v));
        axis.ticks = wanted.into_iter().map(tick).collect();
        axis
    }

    /// Coordinate of a value, held inside the axis where it is logarithmic or linear.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.spacing {
            Spacing::Percentile => -(1.0 - value / 100.0).log10(),
            Spacing::Linear => value.clamp(self.low, self.high),
            Spacing::Logarithmic { zero: Some(zero) } if value <= 0.0 => zero,
            Spacing::Logarithmic { .. } => value.max(1e-3).log10().clamp(self.low, self.high),
            Spacing::Signed { threshold } => {
                let scaled = value / threshold;
                if scaled.abs() <= 1.0 {
                    scaled
                } else {
                    scaled.signum() * (1.0 + scaled.abs().log10())
                }
            }
        }
    }

    /// Pixel of a coordinate on an axis that runs from pixel `from` to pixel `to`.
    pub(super) fn pixel(&self, at: f64, (from, to): (f64, f64)) -> f64 {
        from + (to - from) * (at - self.low) / (self.high - self.low)
    }

    /// Where the linear part of a signed axis ends.
    pub(super) fn threshold(&self) -> Option<f64> {
        match self.spacing {
            Spacing::Signed { threshold } => Some(threshold),
            _ => None,
        }
    }

    fn multiples(&self, steps: &[f64]) -> Vec<f64> {
        let decades = self.low.floor() as i32..=self.high.ceil() as i32;
        let at = decades.flat_map(|d| steps.iter().map(move |step| step.log10() + f64::from(d)));
        at.filter(|at| (self.low..=self.high).contains(at))
            .collect()
    }
}

/// Round ticks 0, step, 2 step ... up to `high`, at most `most` steps.
fn linear_ticks(high: f64, most: f64) -> Vec<f64> {
    let rough = high / most.max(1.0);
    let decade = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade);
    let step = steps
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade);
    let count = (high / step + 1e-9).floor() as u32;
    (0..=count).map(|k| f64::from(k) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn each_further_nine_takes_the_same_room() {
        let axis = Axis::percentiles([99.9].into_iter());
        let step = |a, b| axis.position(b) - axis.position(a);
        assert!((step(90.0, 99.0) - step(99.0, 99.9)).abs() < 1e-9);
        assert_eq!(
            labels(&axis),
            [
                "50\u{202f}%",
                "99\u{202f}%",
                "90\u{202f}%",
                "99.9\u{202f}%",
                "0\u{202f}%"
            ]
        );
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_keep_their_distance() {
        for high in [3e3, 1e5, 1e9, 1e12] {
            let axis = Axis::logarithmic((1e3, high), Unit::Time, 300.0, 20.0);
            let at: Vec<f64> = axis
                .ticks
                .iter()
                .map(|t| axis.pixel(t.at, (0.0, 300.0)))
                .collect();
            assert!(
                at.len() >= 2 && at.windows(2).all(|p| p[1] - p[0] >= 20.0),
                "{high}: {at:?}"
            );
            assert!(at.iter().all(|p| (0.0..=300.0).contains(p)));
        }
    }

    #[test]
    fn a_signed_axis_is_linear_around_zero_and_symmetric() {
        let axis = Axis::signed(&[-5e5, 2e6], 3e3);
        assert_eq!(axis.threshold(), Some(1e3));
        assert_eq!((axis.position(500.0), axis.position(-500.0)), (0.5, -0.5));
        assert_eq!(axis.position(1e4), 2.0);
        assert_eq!(axis.ticks[0].label, "0");
        assert!(axis.low < axis.position(-5e5) && axis.high > axis.position(2e6));
    }

    #[test]
    fn zero_has_a_place_of_its_own_on_a_logarithmic_axis() {
        let axis = Axis::decades(&[0.0, 10.0, 1000.0]);
        assert!(axis.position(0.0) < axis.gap.unwrap() && axis.gap.unwrap() < axis.position(10.0));
        assert_eq!(labels(&axis)[0], "0");
        assert_eq!(Axis::decades(&[10.0, 1000.0]).gap, None);
        assert_eq!(Axis::even(&[0.0]).high, 1.0);
    }

    #[test]
    fn linear_ticks_are_round_and_few() {
        assert_eq!(
            linear_ticks(1.0, 5.0),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(
            linear_ticks(4000.0, 5.0),
            [0.0, 1000.0, 2000.0, 3000.0, 4000.0]
        );
    }
}
