//! Real measurements, checked by what was put into them: a delay in the path, a
//! stall, one slow connection, nothing at all (A/A); and counts that add up.
//!
//! They need local PostgreSQL and PgBouncer: `procbench doctor --install`, or
//! `PROCBENCH_TESTS_NO_SERVER=1` to deselect them (the model's A/A pairs still run).

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

mod a_a_pairs;
mod anatomy;
mod conservation;
mod controls;
mod isolation;
mod pgbench;
mod premapped;
mod relay;
mod relayed;
mod slots;
mod stopped_holder;
mod stopper;
mod support;
mod traced;
