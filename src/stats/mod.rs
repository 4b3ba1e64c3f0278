//! Statistics over blocks: percentiles, intervals, contrasts, guards, summaries.

mod contrast;
mod guards;
mod percentile;
mod rounds;
mod summary;

pub use contrast::{Contrast, ERROR_RATE, Estimate, contrasts, estimates};
pub use guards::{Guard, Severity, findings, quoted_series};
pub use percentile::{percentile_name, percentile_of_buckets, rank_of, samples_above};
pub use rounds::{Rounds, Statistic};
pub use summary::{
    ContenderSummary, Effect, LevelSummary, Primary, RunSummary, TABLE_PERCENTILES, Verdict, judge,
    paired_contrasts, summarize,
};
