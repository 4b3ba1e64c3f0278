//! Factors: the settings whose values make the levels of a run, and their values.

mod level;
mod rate;
mod server;

pub use level::{Factor, Factors, varying};
pub use rate::{ClientRate, OfferedRate};
pub use server::{
    Auth, Combine, DEFAULT_PG_MAJOR, FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS,
    LogConnections, PgSource, StandingState, Tls, Transport,
};
