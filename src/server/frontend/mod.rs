//! The client: the frontend's side of the protocol (version 3), as far as load, standing connections and
//! looks at a server need it: startup with authentication, statements, their rows as text, Terminate.
//!
//! A load generator is to cost little beside the server and to know when each message went and came.
//! tokio-postgres gives every connection a second task and a queue between the two, and keeps every row; it
//! stays where no time is taken: its `Config` reads the URL of a server.
//! Messages are composed and passwords answered by postgres-protocol, which is its lower half.
//! Mirrors what libpq sends (PostgreSQL 15: fe-protocol3.c `build_startup_packet`, fe-exec.c
//! `PQsendQuery`, `PQsendPrepare`, `PQsendQueryPrepared`, fe-connect.c `sendTerminateConn`).

mod authentication;
mod connection;
mod error;
mod incoming;
mod stream;

pub(crate) use authentication::{Login, SessionSettings};
pub(crate) use connection::Row;
pub(crate) use connection::now;
pub use connection::{Frontend, Startup};
pub use error::FrontendError;
#[cfg(test)]
pub(crate) use error::ServerError;
pub(in crate::server) use error::alert_in_words;
pub(crate) use stream::{Socket, Stream};
