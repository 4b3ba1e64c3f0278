//! Model mode: PostgreSQL's ProcArray in this process, roles on OS threads.

mod accounting;
#[cfg(test)]
mod accounting_tests;
mod arms;
mod backend;
mod background;
mod bench;
mod block_threads;
mod counters;
mod lock_times;
mod operation_counts;
mod reader;
mod session;
mod start;
mod worker_thread;

pub use bench::ModelBench;
