//! What a server of ours does with ProcArrayLock, seen from outside: bpftrace on its exported functions.
//!
//! Needs root and bpftrace; [`missing`] says which of them is not there.

mod account;
mod event;
mod needs;
mod split;
mod symbols;
mod tracer;
mod watch;

pub(super) use account::Account;
pub use needs::missing;
pub(super) use tracer::TraceError;
pub(super) use watch::Watch;
