//! `--server auto|docker|local|URL`.

use std::fmt;
use std::str::FromStr;

use crate::conninfo::{Conninfo, Environment, is_conninfo};
use crate::names::serde_by_text;

/// Which server to measure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerChoice {
    /// Docker where it works, else local binaries.
    #[default]
    Auto,
    /// A container of this tool's own image.
    Docker,
    /// A throw-away cluster of installed binaries.
    Local,
    /// Somebody's server; nothing is created on it beyond connections.
    Url(Conninfo),
}

impl fmt::Display for ServerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerChoice::Auto => f.write_str("auto"),
            ServerChoice::Docker => f.write_str("docker"),
            ServerChoice::Local => f.write_str("local"),
            ServerChoice::Url(url) => url.fmt(f),
        }
    }
}

impl FromStr for ServerChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(ServerChoice::Auto),
            "docker" => Ok(ServerChoice::Docker),
            "local" => Ok(ServerChoice::Local),
            text if is_conninfo(text) => text.parse().map(ServerChoice::Url),
            // Not echoed: a pasted connection string may hold a password.
            _ => Err(
                "not a server choice: use auto, docker, local, postgres://user@host:port/dbname or 'host=... user=...'"
                    .to_owned(),
            ),
        }
    }
}

serde_by_text!(ServerChoice);

impl ServerChoice {
    /// A server by URL with what was not said laid under, as psql does.
    ///
    /// # Errors
    /// One line on what makes no sense.
    pub fn with_environment(self, environment: &Environment) -> Result<Self, String> {
        match self {
            ServerChoice::Url(url) => url.with_environment(environment).map(ServerChoice::Url),
            ours => Ok(ours),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_connection_strings() {
        assert_eq!("auto".parse(), Ok(ServerChoice::Auto));
        assert_eq!("docker".parse(), Ok(ServerChoice::Docker));
        assert_eq!("local".parse(), Ok(ServerChoice::Local));
        let url: ServerChoice = "postgresql://me@db.example:5433/x".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@db.example:5433/x");
        let pairs: ServerChoice = "host=db.example port=5433 user=me dbname=x"
            .parse()
            .unwrap();
        assert_eq!(pairs, url);
    }

    #[test]
    fn what_is_neither_is_refused_and_not_repeated() {
        for text in [
            "me:hunter2@h/x",
            "psql://me:hunter2@h",
            "hunter2",
            "h?password=hunter2",
        ] {
            let error = text.parse::<ServerChoice>().unwrap_err();
            assert!(
                !error.contains("hunter2") && !error.contains('\n'),
                "{error}"
            );
            assert!(
                error.contains("postgres://user@host:port/dbname"),
                "{error}"
            );
        }
    }
}
