//! procbench: what PostgreSQL connection churn does to running queries.
//!
//! Data flows one way: arguments, config, plan, workers, run file, renderers.
//! Both modes ([`model`] and [`server`]) share [`load`], [`record`], [`stats`]
//! and [`report`]; a mode only supplies operations.

pub mod arm;
mod causes;
mod cgroup;
pub mod chapter7;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conninfo;
mod console;
pub mod demo;
mod doctor;
pub mod execute;
pub mod experiment;
pub mod factor;
pub mod load;
pub mod model;
mod names;
mod parallel;
pub mod procarray;
pub mod procfs;
pub mod record;
pub mod report;
pub mod secret;
pub mod seed;
pub mod server;
pub mod stats;
#[cfg(test)]
mod testing;
