//! The values of a server's factors.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::names::named_enum;

/// The major version taken when none is asked for.
pub const DEFAULT_PG_MAJOR: u32 = 15;
/// The first major version with `scram_iterations`.
pub const FIRST_WITH_ITERATIONS: u32 = 16;
/// First major version whose `log_connections` takes a list with `setup_durations`.
pub const FIRST_WITH_SETUP_DURATIONS: u32 = 18;

/// Where a PostgreSQL comes from; the value of the factor `pg`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        /// [`ServerConfig::scram_iterations`](crate::config::ServerConfig::scram_iterations).
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
    /// Which combinations of transport, authentication, TLS and `log_connections` are levels.
    #[derive(Default)]
    pub enum Combine: "combination" {
        /// Every one that can exist.
        #[default]
        All = "all",
        /// The first value of each, and those that differ from it in one of them.
        OneAtATime = "one-at-a-time",
    }
}

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
