//! Factors: the settings whose values make the levels of a run, and their values.

mod level;
mod list;
mod rate;
mod server;
mod table;

pub use level::{in_common, varying};
pub use rate::{ClientRate, CommitRate, OfferedRate};
pub use server::{
    Auth, Combine, DEFAULT_PG_MAJOR, FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, Isolate,
    LogConnections, PgSource, ScramIterations, SharedBuffers, StandingState, Tls, Transport,
};
pub use table::{FACTORS, Factor, FactorLists, FactorRow, Factors};
