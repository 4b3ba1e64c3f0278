//! Statistics over blocks.

mod percentile;
pub use percentile::{percentile_of_buckets};
