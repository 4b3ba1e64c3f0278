//! Statistics over blocks: percentiles, intervals, contrasts, guards, summaries.

mod analysis;
mod busy_share;
mod client_rate;
mod conclusion;
mod contender;
mod contrast;
mod cpu_cost;
mod guard;
mod guards;
mod level;
mod lock_level;
mod paired_ratio;
mod phases;
mod rounds;
mod sweep;
mod verdict;

pub use analysis::{Analysis, Primary, TABLE_PERCENTILES, analyse};
pub use busy_share::{HoldRange, busy_share, holds_ns};
pub use client_rate::{client_rate, concerns_clients};
pub use conclusion::{Conclusion, Found, conclusions};
pub use contender::ContenderSummary;
pub use contrast::{Contrast, ERROR_RATE, Estimate, contrasts, estimates};
pub use cpu_cost::{CpuPerTransaction, CpuSum, cpu_per_transaction};
pub use guard::{Guard, Severity};
pub use guards::{findings, quoted_series};
pub use level::{Effect, LevelSummary, paired_contrasts};
pub use lock_level::{
    LockLevel, READERS_WAIT, SeriesTail, WRITERS_WAIT, lock_levels, merged_counters,
};
pub use paired_ratio::PairedRatio;
pub use phases::{Anatomy, ConnectionPhase, PhaseTimes, SetupAccount, anatomies};
pub use rounds::{Rounds, Statistic};
pub use sweep::{Along, Quantity, Sweep, SweepLine, SweepPoint, sweep_lines};
pub use verdict::{Verdict, judge};
