//! What a series is summed up by, and which percentiles its samples carry.

use serde::{Serialize, Serializer};

use super::bootstrap::Unit;
use crate::record::{Block, RunHead, SeriesKey, percentile_name, samples_above};

/// Percentiles that tables show, if the samples carry them.
pub const TABLE_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// Statistic of a merged series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The mean (the only one that adds up, hence the only one given in shares).
    Mean,
    /// A percentile, 0 to 100.
    Percentile(f64),
    /// The share of statements slower than the run's threshold, 0 to 1.
    SlowShare,
    /// The mean of min(T, cap), the cap being [`CAP`] thresholds. It adds up, and no single stall makes it.
    CappedMean,
}

/// Cap of [`Statistic::CappedMean`], in thresholds.
pub const CAP: u64 = 10;

impl Statistic {
    /// Whether so many samples carry it: a percentile needs ten samples above it.
    pub(super) fn is_carried_by(self, samples: u64) -> bool {
        match self {
            Statistic::Mean | Statistic::SlowShare | Statistic::CappedMean => samples > 0,
            Statistic::Percentile(p) => samples_above(p, samples) >= 10,
        }
    }

    /// Whether it needs a run's threshold. These two are what claims rest on.
    pub(super) fn needs_threshold(self) -> bool {
        matches!(self, Statistic::SlowShare | Statistic::CappedMean)
    }

    /// Unit of its values.
    pub fn unit(self) -> Unit {
        match self {
            Statistic::SlowShare => Unit::Share,
            _ => Unit::Ns,
        }
    }

    /// Unit of a difference of two of them.
    pub fn difference_unit(self) -> Unit {
        match self {
            Statistic::SlowShare => Unit::ShareDifference,
            _ => Unit::NsDifference,
        }
    }
}

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Statistic::Mean => f.pad("mean"),
            Statistic::Percentile(p) => f.pad(&percentile_name(*p)),
            Statistic::SlowShare => f.pad("slow share"),
            Statistic::CappedMean => f.pad("capped mean"),
        }
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string().replace(' ', "-"))
    }
}

impl RunHead {
    /// The statistic whose effect is quoted: the slow share where the run has a threshold, else the quoted
    /// percentile.
    pub fn quoted_statistic(&self) -> Statistic {
        match self.slow_over_ns {
            Some(_) => Statistic::SlowShare,
            None => Statistic::Percentile(self.config.quoted_percentile),
        }
    }

    /// The statistics that a run is summed up by: mean, table percentiles, the quoted one; with a threshold
    /// slow share and capped mean.
    pub(crate) fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        let has_threshold = self.slow_over_ns.is_some();
        let mut percentiles = TABLE_PERCENTILES.to_vec();
        percentiles.push(self.config.quoted_percentile);
        percentiles.sort_by(f64::total_cmp);
        percentiles.dedup();
        let percentiles = percentiles.into_iter().map(Statistic::Percentile);
        let slow = [Statistic::SlowShare, Statistic::CappedMean].into_iter();
        let slow = slow.filter(move |_| has_threshold);
        std::iter::once(Statistic::Mean)
            .chain(percentiles)
            .chain(slow)
    }
}

/// The series whose tail is quoted: adjusted response time; where that was not recorded response time; in a
/// closed loop service time.
pub fn quoted_series(blocks: &[&Block]) -> SeriesKey {
    let clocks = [SeriesKey::READER_ADJUSTED, SeriesKey::READER_RESPONSE];
    let is_there = |key: &SeriesKey| blocks.iter().any(|b| b.series.contains_key(key));
    let found = clocks.into_iter().find(is_there);
    found.unwrap_or(SeriesKey::READER_SERVICE)
}

/// Percentiles at which a curve is drawn: even steps on the 1/(1-p) axis, as far as ten samples lie
/// above, and the ones that tables quote.
pub(super) fn curve_percentiles(samples: u64) -> Vec<f64> {
    let mut all: Vec<f64> = (0..)
        .map(|step| 100.0 * (1.0 - 10f64.powf(-f64::from(step) / 12.0)))
        .take_while(|&p| samples_above(p, samples) >= 10)
        .collect();
    let quoted = TABLE_PERCENTILES.into_iter();
    all.extend(quoted.filter(|&p| samples_above(p, samples) >= 10));
    all.sort_by(f64::total_cmp);
    all.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
    all
}
