//! 7.1: what each level of `synchronous_commit` waits for, and which fault makes it pay.

mod arms;
mod assess;
mod cells;
mod checks;
mod claims;
mod drawings;
mod faults;
mod freeze;
mod measure;
mod record;
mod sampler;
mod session;
mod summing;
mod tables;

pub(super) use assess::assess;
pub(super) use drawings::drawings;
pub(super) use measure::{measure, planned};
pub use record::LsnLadder;
