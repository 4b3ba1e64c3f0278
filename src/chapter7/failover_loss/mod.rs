//! 7.5: which commits that a client was told are done a new primary does not have.

mod arms;
mod assess;
mod checks;
mod claims;
mod cluster;
mod drawings;
mod leaders;
mod measure;
mod nodes;
mod outcome;
mod page_cache;
mod patroni;
mod record;
mod rejoin;
mod session;
mod summing;
mod tables;
mod trial;
mod waiting;

pub use arms::PatroniArm;
pub(super) use assess::assess;
pub(super) use drawings::drawings;
pub use measure::measure_patroni;
pub(super) use measure::{measure, planned};
pub use record::FailoverLoss;
