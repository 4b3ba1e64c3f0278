//! What a contrast lets one say.

use serde::Serialize;

use super::contrast::{Contrast, ERROR_RATE};

/// What a contrast lets one say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// First is higher: the permutation test fires and the noise floor is exceeded.
    Higher,
    /// First is lower.
    Lower,
    /// The test fires, but the difference is not above the run's noise floor.
    WithinNoiseFloor,
    /// The test does not fire.
    NoDifferenceShown,
    /// Fewer than six paired rounds.
    TooFewRounds,
    /// There is no usable A/A twin to judge by.
    NoNoiseFloor,
    /// One side is struck out.
    StruckOut,
}

impl Verdict {
    /// Whether it says anything about the two contenders.
    pub fn is_usable(self) -> bool {
        !matches!(
            self,
            Verdict::TooFewRounds | Verdict::NoNoiseFloor | Verdict::StruckOut
        )
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Higher => "higher",
            Verdict::Lower => "lower",
            Verdict::WithinNoiseFloor => "within the noise floor",
            Verdict::NoDifferenceShown => "no difference shown",
            Verdict::TooFewRounds => "too few rounds to say",
            Verdict::NoNoiseFloor => "no noise floor to judge by",
            Verdict::StruckOut => "struck out",
        }
    }
}

/// Judges a contrast against the test and the noise floor. Reports a
/// difference where there is none in at most [`ERROR_RATE`] of all cases.
pub fn judge(contrast: &Contrast, noise_floor_ns: Option<f64>, struck: bool) -> Verdict {
    if struck {
        return Verdict::StruckOut;
    }
    match contrast.p_value {
        None => Verdict::TooFewRounds,
        Some(p) if p > ERROR_RATE => Verdict::NoDifferenceShown,
        Some(_) => {
            let d = contrast.difference.value_ns;
            let Some(floor) = noise_floor_ns else {
                return Verdict::NoNoiseFloor;
            };
            if d.abs() <= floor {
                Verdict::WithinNoiseFloor
            } else if d > 0.0 {
                Verdict::Higher
            } else {
                Verdict::Lower
            }
        }
    }
}
