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

pub(crate) use account::{Counted, accounted_columns, queue_columns};
pub use account::{PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, XID_GEN_EXCLUSIVE};
pub(crate) use across::{Cells, Pooled};
pub use analysis::analyse;
pub(crate) use analysis::{Analysis, Claim, Primary};
pub(crate) use anatomy::SetupAccount;
pub use anatomy::{Anatomy, ConnectionPhase};
pub(crate) use argument::{ArgumentRow, ArgumentStep, Support, argument};
pub use bootstrap::{Estimate, Unit};
pub(crate) use busy_prediction::{BusyPrediction, Compared};
pub(crate) use busy_seen::LEAST_BUSY;
pub(crate) use busy_share::TRACED_ON;
#[cfg(test)]
pub(crate) use by_lock::READERS_WAIT;
pub(crate) use by_lock::{Conclusion, LockLevel, SeriesTail};
pub(crate) use connection_cost::{Bursts, ConnectionCost};
pub(crate) use connection_cpu::connection_cpu;
pub use contender::ContenderSummary;
pub use contrast::Contrast;
pub(crate) use dose::Dose;
pub(crate) use finding::{Finding, Outcome, Statement, Value};
pub use guard::Guard;
pub(crate) use guard::Severity;
pub use level::paired_contrasts;
pub(crate) use level::{Found, LevelSummary};
pub(crate) use lock_part::LockPart;
pub(crate) use lock_waits::LockWaits;
pub use paired_ratio::PairedRatio;
pub(crate) use pooling::{
    HARDLY_ANY, KnownRate, LOCK_MATTERS, PoolerCost, Pooling, PoolingAnswer, ReconnectCost,
    WORTH_SAVING,
};
pub(crate) use split::{StatementSplit, splits};
pub(crate) use statistic::CAP;
pub use statistic::{Statistic, quoted_series};
pub(crate) use stretch::Stretch;
pub use sweep::Answer;
pub(crate) use sweep::{Along, BUSY_SHARE, Quantity, Sweep};
pub(crate) use swept::{SweepLine, SweepPoint, Swept};
pub use verdict::{ERROR_RATE, Verdict};
pub(crate) use verdict::{ROUNDS_NEEDED, STARTS_NEEDED};
