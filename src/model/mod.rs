//! Model mode: PostgreSQL's ProcArray in this process, roles on OS threads.

mod bench;
mod cost;
mod counters;
mod roles;
mod visit;

pub use bench::ModelBench;
pub use cost::{ConnectionCpu, connection_cpu};
