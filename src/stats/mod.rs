//! Statistics over blocks: percentiles, intervals, contrasts, guards, summaries.

mod busy_share;
mod conclusion;
mod contender;
mod contrast;
mod guards;
mod level;
mod lock_level;
mod percentile;
mod rounds;
mod summary;
mod sweep;
mod verdict;

pub use busy_share::{HoldRange, busy_share, holds_ns};
pub use conclusion::{Conclusion, Found, conclusions};
pub use contender::ContenderSummary;
pub use contrast::{Contrast, ERROR_RATE, Estimate, contrasts, estimates};
pub use guards::{Guard, Severity, findings, quoted_series};
pub use level::{Effect, LevelSummary, paired_contrasts};
pub use lock_level::{
    LockLevel, READERS_WAIT, SeriesTail, WRITERS_WAIT, lock_levels, merged_counters,
};
pub use percentile::{percentile_name, percentile_of_buckets, rank_of, samples_above};
pub use rounds::{Rounds, Statistic};
pub use summary::{Primary, RunSummary, TABLE_PERCENTILES, summarize};
pub use sweep::{Along, Quantity, Sweep, SweepLine, SweepPoint, sweep_lines};
pub use verdict::{Verdict, judge};
