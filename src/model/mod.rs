//! Model mode: PostgreSQL's ProcArray in this process, roles on OS threads.

mod bench;
mod roles;

pub use bench::ModelBench;
