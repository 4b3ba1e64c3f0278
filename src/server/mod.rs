//! Server mode: the arms on real PostgreSQL connections.

pub mod provision;
