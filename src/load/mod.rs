//! Pacing, schedules, block order and the run's driver, shared by both modes.

pub(crate) mod cancel;
pub(crate) mod client_rates;
pub(crate) mod cpu;
pub mod driver;
#[cfg(test)]
mod driver_tests;
pub(crate) mod keep_awake;
pub mod plan;
pub mod progress;
pub(crate) mod schedule;
pub(crate) mod thread_loop;
pub(crate) mod timer;
pub(crate) mod worker;

pub use cancel::Cancel;
pub use client_rates::ClientRates;
pub use schedule::Schedule;
pub use worker::{Window, Worker};
