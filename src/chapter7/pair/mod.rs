//! A primary and its standby, with a network of ours between them.

mod proxy;
mod servers;
mod sessions;
mod spec;
mod standby;
mod stopped;

pub(super) use proxy::{Flow, Proxy};
pub(super) use servers::{Pair, STANDBY};
pub(super) use sessions::{
    at_level, connect, defaults, set_and_reload, superuser, until_ready, value,
};
pub(super) use standby::Standby;
pub(super) use stopped::{Stopped, receiver};
