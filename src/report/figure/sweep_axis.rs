//! Axes of sweeps: a number, evenly spaced or logarithmic with a place for
//! zero; and a time or a share against it.

use super::axis::{LogTimeAxis, Tick, linear_ticks};
use super::sweep::{SweepUnit, SweepX};
use super::time_label;

/// Room between zero and the smallest number above it, in decades.
const ZERO_GAP: f64 = 0.7;

/// The horizontal axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberAxis {
    logarithmic: bool,
    /// Where zero stands, if any point is there.
    zero: Option<f64>,
    pub low: f64,
    pub high: f64,
}

impl NumberAxis {
    /// Covers `values`, none below zero.
    pub(super) fn covering(kind: SweepX, values: &[f64]) -> Self {
        let largest = values.iter().copied().fold(0.0, f64::max);
        let least = values.iter().copied().filter(|v| *v > 0.0);
        let least = least.fold(f64::MAX, f64::min).min(largest.max(1.0));
        if kind == SweepX::Linear || largest <= 0.0 {
            return Self {
                logarithmic: false,
                zero: None,
                low: 0.0,
                high: largest.max(1.0),
            };
        }
        let zero = values.contains(&0.0).then(|| least.log10() - ZERO_GAP);
        let high = largest.log10();
        Self {
            logarithmic: true,
            zero,
            low: zero.unwrap_or(least.log10() - 0.05),
            high: high.max(least.log10() + 0.3),
        }
    }

    /// Coordinate of a number.
    pub(super) fn position(&self, value: f64) -> f64 {
        if !self.logarithmic {
            value
        } else if value > 0.0 {
            value.log10()
        } else {
            self.zero.unwrap_or(self.low)
        }
    }

    /// Where the axis is broken between zero and the rest.
    pub(super) fn gap(&self) -> Option<f64> {
        self.zero.map(|zero| zero + ZERO_GAP / 2.0)
    }

    /// Ticks, most important first.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let tick = |value: f64| Tick {
            at: self.position(value),
            label: time_label::grouped(value.round() as u64),
        };
        if !self.logarithmic {
            return linear_ticks(self.high, 5.0).into_iter().map(tick).collect();
        }
        let first = self.gap().unwrap_or(self.low);
        let decades = (first.floor() as i32)..=(self.high.ceil() as i32);
        let at = |step: f64| {
            decades
                .clone()
                .map(move |d| step * 10f64.powi(d))
                .filter(|v| (first..=self.high + 1e-9).contains(&v.log10()))
                .map(tick)
        };
        let mut ticks: Vec<Tick> = self.zero.map(|_| tick(0.0)).into_iter().collect();
        ticks.extend(at(1.0));
        if self.high - first < 1.5 {
            ticks.extend(at(2.0).chain(at(5.0)));
        }
        ticks
    }
}

/// The vertical axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueAxis {
    logarithm: Option<LogTimeAxis>,
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<Tick>,
    pub light_grid: Vec<f64>,
}

impl ValueAxis {
    /// Covers everything between `least` and `most` (the ends of the intervals)
    /// on a plot `height` pixels high. A logarithmic axis needs `least` above zero.
    pub(super) fn covering(
        (unit, logarithmic): (SweepUnit, bool),
        (least, most): (f64, f64),
        height: f64,
    ) -> Self {
        if logarithmic {
            let axis = LogTimeAxis::covering(least, most);
            let ticks = match unit {
                SweepUnit::Time => axis.ticks(height, 20.0),
                _ => axis
                    .ticks(height, 20.0)
                    .into_iter()
                    .map(|t| Tick {
                        label: unit.label(10f64.powf(t.at)),
                        ..t
                    })
                    .collect(),
            };
            return Self {
                low: axis.low,
                high: axis.high,
                ticks,
                light_grid: axis.light_grid(),
                logarithm: Some(axis),
            };
        }
        let high = match unit {
            SweepUnit::Share => 1.0,
            _ if most > 0.0 => most,
            _ => 1.0,
        };
        let ticks = linear_ticks(high, (height / 32.0).clamp(3.0, 8.0))
            .into_iter()
            .map(|at| Tick {
                at,
                label: unit.label(at),
            })
            .collect();
        Self {
            logarithm: None,
            low: 0.0,
            high: high * 1.03,
            ticks,
            light_grid: Vec::new(),
        }
    }

    /// Coordinate of a value, held inside the axis.
    pub(super) fn position(&self, value: f64) -> f64 {
        match &self.logarithm {
            Some(axis) => axis.position(value),
            None => value.clamp(self.low, self.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<String> {
        ticks
            .iter()
            .map(|t| t.label.replace('\u{202f}', " "))
            .collect()
    }

    #[test]
    fn zero_has_its_place_left_of_a_logarithmic_axis() {
        let axis = NumberAxis::covering(SweepX::Logarithmic, &[0.0, 10.0, 10_000.0]);
        assert!(axis.position(0.0) < axis.gap().unwrap());
        assert!(axis.gap().unwrap() < axis.position(10.0));
        assert_eq!(labels(&axis.ticks()), ["0", "10", "100", "1 000", "10 000"]);
        let without = NumberAxis::covering(SweepX::Logarithmic, &[10.0, 40.0]);
        assert_eq!(without.gap(), None);
        assert_eq!(labels(&without.ticks()), ["10", "20"]);
    }

    #[test]
    fn a_linear_axis_begins_at_zero() {
        let axis = NumberAxis::covering(SweepX::Linear, &[500.0, 2_000.0]);
        assert_eq!((axis.low, axis.position(500.0)), (0.0, 500.0));
        assert_eq!(labels(&axis.ticks())[4], "2 000");
        let value = ValueAxis::covering((SweepUnit::Time, false), (90.0, 4.2e5), 300.0);
        assert_eq!(value.low, 0.0);
        assert_eq!(labels(&value.ticks)[1], "100 µs");
        let share = ValueAxis::covering((SweepUnit::Share, false), (0.1, 0.3), 200.0);
        assert_eq!(labels(&share.ticks).last().unwrap(), "100 %");
        let log = ValueAxis::covering((SweepUnit::Time, true), (100.0, 1e6), 200.0);
        assert!(log.position(1e3) < log.position(1e4));
    }
}
