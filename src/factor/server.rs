//! The values of a server's factors.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::names::{named_enum, serde_by_text};

/// The major version taken when none is asked for.
pub const DEFAULT_PG_MAJOR: u32 = 15;
/// The first major version with `scram_iterations`.
pub const FIRST_WITH_ITERATIONS: u32 = 16;
/// First major version whose `log_connections` takes a list with `setup_durations`.
pub const FIRST_WITH_SETUP_DURATIONS: u32 = 18;

/// Where a PostgreSQL comes from; the value of the factor `pg`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PgSource {
    /// A major version: the image of this repository's `docker/`, or installed binaries.
    Major(u32),
    /// A directory of binaries, such as an own build.
    Bin(PathBuf),
    /// An image with PostgreSQL on its PATH, such as `postgres:16`.
    Image(String),
}

impl fmt::Display for PgSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PgSource::Major(major) => write!(f, "{major}"),
            PgSource::Bin(dir) => write!(f, "{}", dir.display()),
            PgSource::Image(image) => write!(f, "image {image}"),
        }
    }
}

impl PgSource {
    /// The major version where the name tells it: of an image, its tag's first number.
    pub fn major(&self) -> Option<u32> {
        match self {
            PgSource::Major(major) => Some(*major),
            PgSource::Bin(_) => None,
            PgSource::Image(image) => {
                let tag = image.rsplit_once(':')?.1;
                let digits = tag.split(|c: char| !c.is_ascii_digit()).next()?;
                digits.parse().ok()
            }
        }
    }
}

impl FromStr for PgSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(image) = text.strip_prefix("image ") {
            return Ok(PgSource::Image(image.to_owned()));
        }
        match text.parse() {
            Ok(major) => Ok(PgSource::Major(major)),
            Err(_) if text.contains('/') => Ok(PgSource::Bin(text.into())),
            Err(_) => Err(format!(
                "'{text}' is neither a PostgreSQL major version nor a directory"
            )),
        }
    }
}

named_enum! {
    /// How clients reach the server.
    #[derive(Default)]
    pub enum Transport: "transport" {
        /// TCP over loopback.
        #[default]
        Tcp = "tcp",
        /// A Unix socket (bind-mounted out of the container with Docker).
        Unix = "unix",
    }
}

named_enum! {
    /// How clients prove who they are (`pg_hba.conf`), on servers of our own.
    #[derive(Default)]
    pub enum Auth: "authentication" {
        /// They need not.
        #[default]
        Trust = "trust",
        /// A password hashed by MD5.
        Md5 = "md5",
        /// SCRAM-SHA-256 with PostgreSQL's default number of iterations (4,096), or
        /// the factor `scram_iterations`.
        Scram = "scram",
    }
}

named_enum! {
    /// Whether connections are encrypted, on servers of our own.
    #[derive(Default)]
    pub enum Tls: "TLS choice" {
        /// Not.
        #[default]
        Off = "off",
        /// By TLS, with a certificate made for the run.
        On = "on",
    }
}

named_enum! {
    /// What the standing connections are.
    #[derive(Default)]
    pub enum StandingState: "state of standing connections" {
        /// Idle, outside any transaction.
        #[default]
        Idle = "idle",
        /// Idle in a transaction that has an xid.
        InTransaction = "in-transaction",
    }
}

named_enum! {
    /// What a server of our own logs about each connection (`log_connections`).
    #[derive(Default)]
    pub enum LogConnections: "log_connections" {
        /// Nothing.
        #[default]
        Off = "off",
        /// How long its setup took, from PostgreSQL 18 on (postgres.c `PostgresMain`).
        SetupDurations = "setup_durations",
    }
}

named_enum! {
    /// Whether readers and their backends have cores of their own, on servers of our own.
    #[derive(Default)]
    pub enum Isolate: "isolation" {
        /// Not: the scheduler decides.
        #[default]
        Off = "off",
        /// Everything else of server and load runs on the other cores.
        On = "on",
    }
}

named_enum! {
    /// Which combinations of the factors' values are levels.
    #[derive(Default)]
    pub enum Combine: "combination" {
        /// Every one that can exist.
        #[default]
        All = "all",
        /// Of transport, authentication, TLS and `log_connections` the first value of each, and those that
        /// differ from it in one of them.
        OneAtATime = "one-at-a-time",
        /// The first value of every factor, and those that differ from it in one of them.
        Departures = "departures",
    }
}

/// `shared_buffers` as PostgreSQL writes it, such as `128MB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedBuffers(String);

/// Fewest 8 kB buffers that PostgreSQL takes, in kB.
const LEAST_SHARED_BUFFERS_KB: u64 = 128;

impl SharedBuffers {
    /// In kB.
    pub fn kb(&self) -> u64 {
        size_kb(&self.0).unwrap_or(0)
    }
}

/// A size with its unit in kB; `None` if it is not of that form.
fn size_kb(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "kB" => 1,
        "MB" => 1 << 10,
        "GB" => 1 << 20,
        _ => return None,
    };
    number.checked_mul(unit)
}

impl Default for SharedBuffers {
    fn default() -> Self {
        SharedBuffers("128MB".to_owned())
    }
}

impl fmt::Display for SharedBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SharedBuffers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match size_kb(text) {
            Some(kb) if kb >= LEAST_SHARED_BUFFERS_KB => Ok(SharedBuffers(text.to_owned())),
            _ => Err(format!(
                "'{text}' is not a size from {LEAST_SHARED_BUFFERS_KB}kB on: write it as 128MB or 1GB"
            )),
        }
    }
}

/// `scram_iterations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScramIterations(pub u32);

/// The range of `scram_iterations` (guc_tables.c, PostgreSQL 16).
const ITERATIONS: std::ops::RangeInclusive<u32> = 1..=i32::MAX as u32;

impl fmt::Display for ScramIterations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ScramIterations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(n) if ITERATIONS.contains(&n) => Ok(ScramIterations(n)),
            _ => Err(format!(
                "'{text}' is no number from {} to {}, as PostgreSQL's scram_iterations takes",
                ITERATIONS.start(),
                ITERATIONS.end()
            )),
        }
    }
}

serde_by_text!(PgSource, SharedBuffers, ScramIterations);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_round_trip_by_their_names() {
        for source in [
            PgSource::Major(18),
            PgSource::Bin("/opt/patched/bin".into()),
            PgSource::Image("postgres:16".into()),
        ] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        assert!(
            "sixteen"
                .parse::<PgSource>()
                .unwrap_err()
                .contains("sixteen")
        );
    }
}
