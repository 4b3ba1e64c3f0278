//! What kind of server runs.

use std::fmt;

/// What kind of server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// A container.
    Docker,
    /// A throw-away local cluster.
    Local,
    /// Not ours.
    Url,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerKind::Docker => "docker",
            ServerKind::Local => "local",
            ServerKind::Url => "url",
        })
    }
}
