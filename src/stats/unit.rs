//! What a bare number is a number of.

use serde::Serialize;

/// Unit of a value that is stored without a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A duration, in ns.
    Ns,
    /// A difference of durations, in ns, with its sign.
    NsDifference,
    /// A slope: ns for each further standing connection.
    NsPerConnection,
    /// A share of a whole, 0 to 1.
    Share,
    /// Events.
    Count,
    /// Events per second.
    PerSecond,
    /// A mean number of something.
    Number,
}
