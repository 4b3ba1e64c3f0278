//! A primary and its standby, with a network of ours between them.

mod proxy;
mod servers;

pub(super) use proxy::{Flow, Way};
pub(super) use servers::{Pair, STANDBY, set_and_reload, superuser};
