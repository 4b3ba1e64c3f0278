//! 7.3: how long inserts stop while the oldest partition is removed, and what decides it.

mod archive;
mod arms;
mod assess;
mod drawings;
mod measure;
mod record;
mod sampler;
mod sections;
mod session;
mod tables;

pub(super) use assess::assess;
pub(super) use drawings::drawings;
pub(super) use measure::{measure, planned};
pub use record::PartitionDetach;
