//! The model of PostgreSQL's ProcArray.

pub mod locks;
