//! Server mode: the arms on real PostgreSQL connections.

mod arms;
mod asked;
mod bench;
mod block_load;
pub mod burner;
mod connection_cost;
mod death;
mod event_loop;
mod fork_count;
mod frontend;
mod levels;
mod load_thread;
mod same_server;
mod server_facts;
mod settle;
pub mod setup_log;
mod socket;
mod standing;
mod start;
mod statements;
mod survey;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod workers;

pub mod provision;

pub use crate::procfs;
pub use asked::ServerRequest;
pub use bench::ServerBench;
pub use frontend::{Frontend, FrontendError, Login, ServerError, Startup};
pub use target::Target;
