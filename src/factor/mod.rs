//! Factors: the settings whose values make the levels of a run, and their values.

mod level;
mod list;
mod rate;
mod server;
mod table;

pub(crate) use level::{in_common, varying};
pub(crate) use rate::CommitRate;
pub use rate::{ClientRate, OfferedRate};
pub use server::{Auth, Isolate, LogConnections, PgSource, StandingState, Tls, Transport};
pub(crate) use server::{
    Combine, DEFAULT_PG_MAJOR, FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, ScramIterations,
    SharedBuffers,
};
pub(crate) use table::{FACTORS, FactorRow};
pub use table::{Factor, FactorLists, Factors};
