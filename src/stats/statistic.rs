//! What a series is summed up by, and which percentiles its samples carry.

use serde::{Serialize, Serializer};

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
}

impl Statistic {
    /// Whether so many samples carry it: a percentile needs ten samples above it.
    pub(super) fn is_carried_by(self, samples: u64) -> bool {
        match self {
            Statistic::Mean => samples > 0,
            Statistic::Percentile(p) => samples_above(p, samples) >= 10,
        }
    }
}

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Statistic::Mean => f.pad("mean"),
            Statistic::Percentile(p) => f.pad(&percentile_name(*p)),
        }
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl RunHead {
    /// The statistic whose effect is quoted.
    pub fn quoted_statistic(&self) -> Statistic {
        Statistic::Percentile(self.config.quoted_percentile)
    }

    /// The statistics that a run is summed up by: mean, table percentiles, the quoted one.
    pub(super) fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        let mut percentiles = TABLE_PERCENTILES.to_vec();
        percentiles.push(self.config.quoted_percentile);
        percentiles.sort_by(f64::total_cmp);
        percentiles.dedup();
        let percentiles = percentiles.into_iter().map(Statistic::Percentile);
        std::iter::once(Statistic::Mean).chain(percentiles)
    }
}

/// The series whose tail is quoted: response time, or service time in a closed loop.
pub fn quoted_series(blocks: &[&Block]) -> SeriesKey {
    let has_response = |b: &&Block| b.series.contains_key(&SeriesKey::READER_RESPONSE);
    if blocks.iter().any(has_response) {
        SeriesKey::READER_RESPONSE
    } else {
        SeriesKey::READER_SERVICE
    }
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
