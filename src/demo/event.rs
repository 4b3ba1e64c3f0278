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

/// What a demonstration says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Something to read, such as that a server starts.
    Said(String),
    /// A step begins: its number among all, and how many seconds it has.
    Step(usize, u32),
    /// It waits, or goes on.
    Paused(bool),
    /// A second of a step is over.
    Second(Box<Second>),
}

/// One second, and what it stands beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// The second alone.
    pub now: Stretch,
    /// Its step so far.
    pub step: Stretch,
    /// The calm, once its step is over.
    pub calm: Option<Stretch>,
    /// Connections to the server that stay open.
    pub open_connections: u32,
}
