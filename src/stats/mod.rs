//! Statistics over blocks: everything that is estimated from a run, as one [`Analysis`].

mod account;
mod analysis;
mod anatomy;
mod bootstrap;
mod busy_share;
mod by_lock;
mod connection_cpu;
mod contender;
mod contrast;
mod cpu_cost;
mod finding;
mod guard;
mod guards;
mod level;
mod paired_ratio;
mod pooling;
mod rounds;
mod split;
mod statistic;
mod sweep;
mod swept;

pub use account::{
    Counted, FOUND_BUSY, PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, XID_GEN_EXCLUSIVE,
    accounted_columns, queue_columns,
};
pub use analysis::{ANALYSIS_SCHEMA_VERSION, Analysis, Claim, Primary, analyse};
pub use anatomy::{Anatomy, ConnectionPhase, PhaseTimes, SetupAccount};
pub use bootstrap::{Estimate, Unit};
pub use busy_share::{HoldRange, busy_share};
pub use by_lock::{Conclusion, LockLevel, READERS_WAIT, SeriesTail, WRITERS_WAIT};
pub use connection_cpu::{ConnectionCpu, connection_cpu};
pub use contender::ContenderSummary;
pub use contrast::{Contrast, ERROR_RATE, Verdict, judge};
pub use cpu_cost::{ConnectionCost, CpuPerTransaction, CpuSum};
pub use finding::{Finding, Outcome, Statement, Value};
pub use guard::{Guard, Severity};
pub use level::{Found, LevelSummary, paired_contrasts};
pub use paired_ratio::PairedRatio;
pub use pooling::{
    ConnectTimes, HARDLY_ANY, KnownRate, LOCK_MATTERS, Pooling, PoolingAnswer, ReconnectCost,
    WORTH_SAVING,
};
pub use split::{StatementSplit, splits};
pub use statistic::{Statistic, TABLE_PERCENTILES, quoted_series};
pub use sweep::{Along, Answer, Quantity, Sweep};
pub use swept::{SweepLine, SweepPoint, Swept};
