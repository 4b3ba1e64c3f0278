//! What passes between a demonstration and who shows it.

use crate::stats::Stretch;

/// What somebody asks of a demonstration that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The next step.
    Next,
    /// The step before.
    Back,
    /// Stops after this second, or goes on.
    Pause,
    /// More transactions per second; a stored run plays faster.
    Faster,
    /// Fewer transactions per second; a stored run plays slower.
    Slower,
    /// More standing connections.
    More,
    /// Fewer standing connections.
    Fewer,
}

impl Command {
    /// What was asked for, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Command::Next => "the next step",
            Command::Back => "the step before",
            Command::Pause => "a pause",
            Command::Faster => "faster",
            Command::Slower => "slower",
            Command::More => "more standing connections",
            Command::Fewer => "fewer standing connections",
        }
    }
}

/// What a demonstration says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Something to read, such as that a server starts.
    Said(String),
    /// A step begins: its number among all, and how many seconds it has; none: until a key ends it.
    Step(usize, Option<u32>),
    /// What is started, in words; the next second is after that.
    Starting(String),
    /// It waits, or goes on.
    Paused(bool),
    /// A second of a step is over.
    Second(Box<Second>),
    /// Nothing more is measured; what is left to do takes some seconds.
    Ending(&'static str),
}

/// One second, and what it stands beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// The second alone.
    pub now: Stretch,
    /// Its step so far, at the same settings.
    pub step: Stretch,
    /// The calm, once its step was left.
    pub calm: Option<Stretch>,
    /// Connections to the server that stay open.
    pub open_connections: u32,
    /// Why its step's numbers are not to be quoted, if other programs or a full machine disturb them.
    pub caution: Option<String>,
}
