//! Server mode: the arms on real PostgreSQL connections.

pub mod procfs;
pub mod provision;
