//! Server mode: the arms on real PostgreSQL connections.

mod arms;
mod bench;
pub mod burner;
mod fork_count;
mod frontend;
mod levels;
mod life;
mod load_thread;
mod server_facts;
mod setup_log;
mod standing;
mod start;
mod survey;
mod target;
#[cfg(test)]
mod testing;
pub mod trace;
mod traced_twin;

pub mod provision;

pub use crate::procfs;
pub use bench::ServerBench;
pub use frontend::{Frontend, FrontendError, Login, ServerError, Startup};
pub use target::Target;
