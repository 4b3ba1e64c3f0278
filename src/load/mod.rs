//! Pacing, schedules, block order and the run's driver, shared by both modes.

pub mod cancel;
pub mod client_rates;
pub mod cpu;
pub mod driver;
#[cfg(test)]
mod driver_tests;
pub mod keep_awake;
pub mod plan;
pub mod progress;
pub mod schedule;
pub mod thread_loop;
pub mod timer;
pub mod worker;

pub use cancel::Cancel;
pub use client_rates::ClientRates;
pub use schedule::Schedule;
pub use worker::{Begun, Due, Window, Worker};
