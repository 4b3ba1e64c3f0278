//! Trouble: what the program leaves when a server refuses, dies or hangs, and when the user stops it. After
//! each case the run file is valid and says what happened, and nothing that was started is left.
//!
//! They need local PostgreSQL and PgBouncer (or `PROCBENCH_TESTS_NO_SERVER=1`, which deselects every test
//! that starts a server) and a Docker engine (or `PROCBENCH_TESTS_NO_DOCKER=1`).

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

mod burner;
mod cluster;
mod demo;
mod encrypted;
mod failover_loss;
mod interrupted;
mod killed;
mod killed_child;
mod lsn_ladder;
mod odd_servers;
mod partition_detach;
mod passwords;
mod place;
mod procbench_process;
mod refused;
mod terminal;
mod too_many_clients;
mod traced;
mod wanted;
