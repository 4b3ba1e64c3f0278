//! A demonstration: one arm after another, second by second, on a real server or from a stored run.

mod charts;
mod conduct;
mod event;
mod keys;
mod lines;
mod live;
mod replay;
mod scene;
mod screen;
mod seen;
mod step;
mod terminal;

pub(crate) use conduct::conduct;
pub(crate) use event::{Command, Event};
pub(crate) use lines::Lines;
pub(crate) use live::Live;
pub(crate) use replay::Replay;
pub(crate) use seen::steps_taken;
pub(crate) use step::config;
pub use terminal::show;
