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

pub use conduct::{Source, conduct};
pub use event::{Command, Event};
pub use lines::Lines;
pub use live::Live;
pub use replay::Replay;
pub use seen::steps_taken;
pub use step::{Step, config, steps};
pub use terminal::show;
