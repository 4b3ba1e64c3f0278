//! Axes: how values become coordinates, and where the ticks stand.

use crate::report::format;
use crate::stats::Unit;

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Position in the axis's own coordinate.
    pub at: f64,
    pub label: String,
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
    /// Whether labels that find no room below it stand on a second line.
    pub two_lines: bool,
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
            two_lines: false,
        }
    }

    /// With a tick at each of `values` that lies on the axis.
    fn with_ticks(
        mut self,
        values: impl IntoIterator<Item = f64>,
        label: impl Fn(f64) -> String,
    ) -> Self {
        let tick = |value| Tick {
            at: self.position(value),
            label: label(value),
        };
        let ticks = values.into_iter().map(tick);
        self.ticks = ticks.filter(|t| self.has(t.at)).collect();
        self
    }

    /// Percentiles from 0 to the largest of `values`, and to the median at least; ticks at 0, 50, 90, 99, 99.9 ...
    pub(super) fn percentiles(values: &[f64]) -> Self {
        let mut axis = Axis::new(Spacing::Percentile, 0.0, 0.31);
        let ends = values.iter().map(|p| axis.position(*p));
        axis.high = ends.fold(axis.high, f64::max);
        // Nine nines is beyond any sample this tool can hold.
        let nines = (3..=9).map(|nines| 100.0 - 10f64.powi(2 - nines));
        let percentiles = [50.0, 99.0, 90.0].into_iter().chain(nines).chain([0.0]);
        axis.with_ticks(percentiles, format::percent)
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
        let fits = |values: &Vec<f64>| {
            let mut pairs = values.windows(2);
            pairs.all(|pair| (pair[1] / pair[0]).log10() * per_decade >= apart)
        };
        let values = STEPS.iter().map(|steps| axis.multiples(steps)).find(fits);
        // Very many decades: every second, every third, ...
        let stride = (apart / per_decade).ceil().max(1.0) as usize;
        let values =
            values.unwrap_or_else(|| axis.multiples(&[1.0]).into_iter().step_by(stride).collect());
        let light = axis.multiples(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        axis.light_grid = light.into_iter().map(f64::log10).collect();
        axis.with_ticks(values, |value| label(value, unit))
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
        let reach = axis.high.max(-axis.low).ceil() as i32;
        let decade = |k: i32| threshold * 10f64.powi(k);
        let light = (-1..reach).flat_map(|k| (2..=9).map(move |step| f64::from(step) * decade(k)));
        let light = light.flat_map(|ns| [ns, -ns]).map(|ns| axis.position(ns));
        axis.light_grid = light.filter(|at| axis.has(*at)).collect();
        axis.light_grid.sort_by(f64::total_cmp);
        // Zero, the decades and the thresholds.
        let decades = (0..reach).rev().flat_map(|k| [decade(k), -decade(k)]);
        axis.with_ticks(std::iter::once(0.0).chain(decades), format::signed_tick)
    }

    /// From `low` (zero or less) to `high`, with round ticks, zero among them, at most `most` steps.
    pub(super) fn linear((low, high): (f64, f64), most: f64, unit: Unit) -> Self {
        let rough = (high - low) / most.max(1.0);
        let decade = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0].map(|m| m * decade);
        let step = steps.into_iter().find(|s| *s >= rough * (1.0 - 1e-9));
        let step = step.unwrap_or(10.0 * decade);
        let [first, last] = [low, high].map(|end| (end.abs() / step + 1e-9).floor() as i32);
        let ticks = (-first..=last).map(|k| f64::from(k) * step);
        Axis::new(Spacing::Linear, low, high).with_ticks(ticks, |value| label(value, unit))
    }

    /// Numbers from zero on, evenly spaced.
    pub(super) fn even(values: &[f64]) -> Self {
        let largest = values.iter().copied().fold(1.0, f64::max);
        Axis::linear((0.0, largest), 5.0, Unit::Number)
    }

    /// Names at 1, 2, 3 and so on.
    pub(super) fn names(names: &[&str]) -> Self {
        let places = (1..=names.len()).map(|place| place as f64);
        let name = |place: f64| names[place as usize - 1].to_owned();
        let axis = Axis::new(Spacing::Linear, 0.85, names.len() as f64);
        Axis {
            two_lines: true,
            ..axis.with_ticks(places, name)
        }
    }

    /// Numbers on a logarithmic axis; zero has a place of its own at the left.
    pub(super) fn decades(values: &[f64]) -> Self {
        let positive = || values.iter().copied().filter(|v| *v > 0.0);
        let Some(least) = positive().min_by(f64::total_cmp) else {
            return Axis::even(values);
        };
        let least = least.log10();
        let high = positive().fold(0.0, f64::max).log10().max(least + 0.3);
        let zero = values.contains(&0.0).then_some(least - ZERO_GAP);
        let low = zero.unwrap_or(least - 0.05);
        let mut axis = Axis::new(Spacing::Logarithmic { zero }, low, high);
        axis.gap = zero.map(|zero| zero + ZERO_GAP / 2.0);
        let first = axis.gap.unwrap_or(low);
        let steps: &[f64] = if high - first < 1.5 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let numbers = steps.iter().flat_map(|step| axis.multiples(&[*step]));
        let numbers = numbers.filter(|v| v.log10() >= first);
        let zero = zero.map(|_| 0.0).into_iter();
        let values: Vec<f64> = zero.chain(numbers).collect();
        axis.with_ticks(values, |value| label(value, Unit::Number))
    }

    /// Coordinate of a value.
    pub(super) fn position(&self, value: f64) -> f64 {
        match self.spacing {
            Spacing::Percentile => -(1.0 - value / 100.0).log10(),
            Spacing::Linear => value,
            Spacing::Logarithmic { zero: Some(zero) } if value <= 0.0 => zero,
            Spacing::Logarithmic { .. } => value.max(1e-3).log10(),
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

    /// Pixel of a coordinate on an axis that runs from pixel `from` to pixel `to`; of its nearer end for what lies
    /// outside.
    pub(super) fn pixel(&self, at: f64, (from, to): (f64, f64)) -> f64 {
        let at = at.clamp(self.low, self.high);
        from + (to - from) * (at - self.low) / (self.high - self.low)
    }

    /// Where the linear part of a signed axis ends.
    pub(super) fn threshold(&self) -> Option<f64> {
        match self.spacing {
            Spacing::Signed { threshold } => Some(threshold),
            _ => None,
        }
    }

    /// Whether a coordinate is on the axis, rounding aside.
    fn has(&self, at: f64) -> bool {
        (self.low - 1e-6..=self.high + 1e-6).contains(&at)
    }

    /// The multiples of powers of ten on a logarithmic axis.
    fn multiples(&self, steps: &[f64]) -> Vec<f64> {
        let decades = self.low.floor() as i32..=self.high.ceil() as i32;
        let values = decades.flat_map(|d| steps.iter().map(move |step| step * 10f64.powi(d)));
        values.filter(|v| self.has(v.log10())).collect()
    }
}

/// A value with its unit.
fn label(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format::percent(100.0 * value),
        _ if value == 0.0 => "0".to_owned(),
        Unit::ShareDifference => format::points_tick(value),
        Unit::Ns | Unit::NsDifference | Unit::NsPerConnection => format::tick(value),
        Unit::Count | Unit::PerSecond | Unit::Number => format::number(value),
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn each_further_nine_takes_the_same_room() {
        let axis = Axis::percentiles(&[99.9]);
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
            let axis = Axis::logarithmic((1e3, high), Unit::Ns, 300.0, 20.0);
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
    fn names_stand_at_their_places() {
        let axis = Axis::names(&["off", "local", "on"]);
        assert_eq!(labels(&axis), ["off", "local", "on"]);
        let places: Vec<f64> = axis.ticks.iter().map(|t| t.at).collect();
        assert_eq!(places, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn linear_ticks_are_round_and_few() {
        let axis = |high| Axis::linear((0.0, high), 5.0, Unit::Number);
        assert_eq!(labels(&axis(1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(
            labels(&axis(4e3)),
            ["0", "1,000", "2,000", "3,000", "4,000"]
        );
        let signed = Axis::linear((-0.021, 0.04), 5.0, Unit::ShareDifference);
        let expected = ["\u{2212}2 pp", "0", "+2 pp", "+4 pp"];
        assert_eq!(
            labels(&signed),
            expected.map(|l| l.replace(' ', "\u{202f}"))
        );
    }
}
