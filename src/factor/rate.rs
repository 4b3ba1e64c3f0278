//! Rates: what is offered, and how the clients' rate is asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::serde_by_text;

/// The offered rate of one role, total over its workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferedRate {
    /// Closed loop: the next operation starts when the last one has ended.
    Max,
    /// Open loop at this many operations per second.
    PerSecond(f64),
}

/// Rates that can be offered, per second: one operation in a quarter of an hour to one in 100 ns.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=10_000_000.0;

impl OfferedRate {
    /// The rate in operations per second; `None` for a closed loop.
    pub fn per_second(self) -> Option<f64> {
        match self {
            OfferedRate::Max => None,
            OfferedRate::PerSecond(rate) => Some(rate),
        }
    }

    /// A share (0 to 1) of this rate.
    pub fn share(self, share: f64) -> Self {
        match self {
            OfferedRate::Max => OfferedRate::Max,
            OfferedRate::PerSecond(rate) => OfferedRate::PerSecond(rate * share),
        }
    }
}

impl fmt::Display for OfferedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OfferedRate::Max => f.write_str("max (closed loop)"),
            OfferedRate::PerSecond(rate) => write!(f, "{rate:.0}/s"),
        }
    }
}

impl FromStr for OfferedRate {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == "max" {
            return Ok(OfferedRate::Max);
        }
        let rate: f64 = s.trim_end_matches("/s").parse().map_err(|_| {
            format!("'{s}' is not a rate: give operations per second (200) or 'max'")
        })?;
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!("a rate must be greater than zero, not {s}"));
        }
        // Outside of this the gaps between arrivals over- or underflow.
        if !RATES.contains(&rate) {
            return Err(format!(
                "a rate must lie between {} and {} per second, not {s}: 'max' is as fast as possible",
                RATES.start(),
                RATES.end()
            ));
        }
        Ok(OfferedRate::PerSecond(rate))
    }
}

/// The clients' rate: given, or to be calibrated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClientRate {
    /// Half of what the weakest arm sustains at the largest number of standing
    /// connections, measured before the run.
    Auto,
    /// A share (0 to 1) of what the weakest arm sustains there.
    Share(f64),
    /// As given.
    Given(OfferedRate),
}

impl fmt::Display for ClientRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientRate::Auto => f.write_str("auto"),
            ClientRate::Share(share) => write!(f, "{}%", share * 100.0),
            ClientRate::Given(OfferedRate::Max) => f.write_str("max"),
            ClientRate::Given(OfferedRate::PerSecond(rate)) => write!(f, "{rate}/s"),
        }
    }
}

/// Largest share of the sustained rate that can be asked for, in percent.
const MOST_PERCENT: f64 = 1000.0;

impl FromStr for ClientRate {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == "auto" {
            return Ok(ClientRate::Auto);
        }
        if let Some(percent) = s.strip_suffix('%') {
            return match percent.parse::<f64>() {
                Ok(p) if p > 0.0 && p <= MOST_PERCENT => Ok(ClientRate::Share(p / 100.0)),
                _ => Err(format!(
                    "'{s}' is not a share of what is sustained: give 1% to {MOST_PERCENT}%"
                )),
            };
        }
        s.parse().map(ClientRate::Given).map_err(|e: String| {
            format!("{e}, '50%' of what the weakest arm sustains, or 'auto' for that")
        })
    }
}

/// Transactions with an xid that end, per second, over all committers; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct CommitRate(pub f64);

/// Most commits per second that can be asked for.
const MOST_COMMITS: f64 = 10_000_000.0;

impl From<u32> for CommitRate {
    fn from(rate: u32) -> Self {
        CommitRate(f64::from(rate))
    }
}

impl fmt::Display for CommitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CommitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(rate) if (0.0..=MOST_COMMITS).contains(&rate) => Ok(CommitRate(rate)),
            _ => Err(format!(
                "'{text}' is not a rate of commits: 0 to {MOST_COMMITS} per second"
            )),
        }
    }
}

serde_by_text!(ClientRate, CommitRate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!("max".parse(), Ok(OfferedRate::Max));
        assert_eq!("200".parse(), Ok(OfferedRate::PerSecond(200.0)));
        assert_eq!("200/s".parse(), Ok(OfferedRate::PerSecond(200.0)));
        for bad in ["-5", "0", "fast", "NaN", "inf", ""] {
            assert!(bad.parse::<OfferedRate>().is_err(), "{bad}");
        }
    }
}
