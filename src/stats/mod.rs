//! Statistics over blocks: everything that is estimated from a run, as one [`Analysis`].

mod account;
mod across;
mod analysis;
mod anatomy;
mod argument;
mod bootstrap;
mod busy_prediction;
mod busy_seen;
mod busy_share;
mod by_lock;
mod connection_cost;
mod connection_cpu;
mod contender;
mod contrast;
mod cpu_cost;
mod dose;
mod finding;
mod guard;
mod guards;
mod level;
mod lock_part;
mod lock_wait;
mod lock_waits;
mod paired_ratio;
mod pooling;
#[cfg(test)]
mod power_tests;
mod rounds;
mod split;
mod statistic;
mod stretch;
mod sweep;
mod swept;
mod verdict;

pub use account::{
    Counted, FOUND_BUSY, PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, XID_GEN_EXCLUSIVE,
    accounted_columns, queue_columns,
};
pub use across::{Cells, Interaction, Pooled};
pub use analysis::{ANALYSIS_SCHEMA_VERSION, Analysis, Claim, Primary, analyse};
pub use anatomy::{Anatomy, ConnectionPhase, PhaseTimes, SetupAccount};
pub use argument::{ArgumentRow, ArgumentStep, Support, argument};
pub use bootstrap::{Estimate, Unit};
pub use busy_prediction::{BusyPrediction, Compared, LEAST_BUSY};
pub use busy_share::{HoldRange, TRACED_ON, busy_share};
pub use by_lock::{Conclusion, LockLevel, READERS_WAIT, SeriesTail, WRITERS_WAIT};
pub use connection_cost::{Bursts, ConnectionCost};
pub use connection_cpu::{ConnectionCpu, connection_cpu};
pub use contender::ContenderSummary;
pub use contrast::Contrast;
pub use cpu_cost::{CpuPerTransaction, CpuSum};
pub use dose::Dose;
pub use finding::{Finding, Outcome, Statement, Value};
pub use guard::{Guard, Severity};
pub use level::{Found, LevelSummary, paired_contrasts};
pub use lock_part::LockPart;
pub use lock_waits::LockWaits;
pub use paired_ratio::PairedRatio;
pub use pooling::{
    ConnectTimes, HARDLY_ANY, KnownRate, LOCK_MATTERS, PoolerCost, Pooling, PoolingAnswer,
    ReconnectCost, WORTH_SAVING,
};
pub use split::{StatementSplit, splits};
pub use statistic::{CAP, Statistic, TABLE_PERCENTILES, quoted_series};
pub use stretch::Stretch;
pub use sweep::{Along, Answer, BUSY_SHARE, Quantity, Sweep};
pub use swept::{SweepLine, SweepPoint, Swept};
pub use verdict::{ERROR_RATE, ROUNDS_NEEDED, Rule, STARTS_NEEDED, Verdict};
