//! Model mode: PostgreSQL's ProcArray in this process, roles on OS threads.

mod accounting;
#[cfg(test)]
mod accounting_tests;
mod backend;
mod background;
mod bench;
mod block_threads;
mod client;
mod connection;
mod cost;
mod counters;
mod lock_times;
mod operation_counts;
mod reader;
mod visit;
mod worker_thread;

pub use accounting::{Acquisitions, ServerAction};
pub use bench::ModelBench;
pub use cost::{ConnectionCpu, connection_cpu};
