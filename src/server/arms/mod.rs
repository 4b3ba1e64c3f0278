//! The arms in server mode: one file per arm, or per family of arms that differ in an address or a word.
//! `table` names each arm's file; what is known about an arm beside what it does is in [`crate::arm`].

mod client;
mod cpu_burn;
mod failed_login;
mod fork_only;
mod own_table;
mod persistent;
mod pool;
mod table;
mod unpooled;

pub(super) use client::{Client, Phases, Setup};
pub(super) use table::all_clients;
