//! Server mode: the arms on real PostgreSQL connections.

mod arms;
mod bench;
pub(crate) mod burner;
mod certificate;
mod connection_cost;
pub(crate) mod cores;
mod fork_count;
mod frontend;
mod levels;
mod life;
mod load_thread;
mod patience;
mod premapping;
mod server_facts;
mod setup_log;
mod slot_check;
mod standing;
mod start;
mod survey;
mod target;
#[cfg(test)]
mod testing;
mod tls;
pub mod trace;
mod traced_twin;

pub mod provision;

pub use bench::ServerBench;
pub(crate) use frontend::FrontendError;
pub use frontend::{Frontend, Startup};
pub(crate) use patience::stop_requested;
pub use target::Target;
pub(crate) use target::event_loop;
