//! Experiments: a named question with its arms, procedure and figure, a prediction and what would refute
//! it. One file per experiment, and a line in [`registry()`].

mod accounting;
mod anatomy;
mod busy_share;
mod ceiling;
mod churn_tail;
mod commit_rate;
mod defaults;
mod definition;
mod lock_part;
mod locks;
mod membership_hold;
mod pool;
mod registry;
mod standing;

pub(crate) use definition::lay_beside;
pub use definition::{Experiment, Scale};
pub use registry::{analyse, find};
pub(crate) use registry::{chapter, registry};
