//! Server mode: the arms on real PostgreSQL connections.

mod bench;
mod connect;
mod crew;
mod death;
#[cfg(test)]
mod fake_server;
mod frontend;
mod levels;
mod load_thread;
mod operations;
mod phase_stream;
mod pool;
mod same_server;
mod server_facts;
mod session;
mod settle;
pub mod setup_log;
mod standing;
mod task_loop;
mod tls;
mod visit;

pub mod provision;

pub use crate::procfs;
pub use bench::{ServerBench, ServerRequest};
pub use connect::{Target, classify, classify_io};
pub use frontend::{Frontend, FrontendError, Login, ServerError, Startup};
pub use phase_stream::{PhaseStream, PhaseTimes};
pub use session::{ConnectError, Session};
pub use standing::{Layout, Opening};
