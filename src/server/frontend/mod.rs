//! The frontend's side of the protocol (version 3), as far as a load needs it: startup with authentication,
//! statements whose rows nobody looks at, Terminate.
//!
//! A load generator is to cost little beside the server and to know when each message went and came.
//! tokio-postgres gives every connection a second task and a queue between the two, and keeps every row.
//! Messages are composed and passwords answered by postgres-protocol, which is its lower half.
//! Mirrors what libpq sends (PostgreSQL 15: fe-protocol3.c `build_startup_packet`, fe-exec.c
//! `PQsendQuery`, `PQsendPrepare`, `PQsendQueryPrepared`, fe-connect.c `sendTerminateConn`).

mod authentication;
mod connection;
mod error;
mod incoming;

pub use connection::{Frontend, Login, Startup};
pub use error::{FrontendError, ServerError};
