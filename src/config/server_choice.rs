//! `--server auto|docker|local|URL`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::config::{Host, SslMode};

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
    Url(ServerUrl),
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
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(ServerChoice::Auto),
            "docker" => Ok(ServerChoice::Docker),
            "local" => Ok(ServerChoice::Local),
            url if url.contains("://") => url.parse().map(ServerChoice::Url),
            // Not echoed: a pasted connection string may hold a password.
            _ => Err(ServerUrlError::UnknownChoice),
        }
    }
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointHost {
    /// Address or host name.
    Tcp(String),
    /// Directory of the Unix socket `.s.PGSQL.<port>`.
    Unix(PathBuf),
}

/// A server address without password: `postgres://user@host:port/dbname`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Where.
    pub host: EndpointHost,
    /// Port, 5432 unless given.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Database; the role's name unless given.
    pub dbname: String,
}

/// What is wrong with a `--server` value. The value itself is never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// Neither a keyword nor a URL.
    #[error("not a server choice: use auto, docker, local or postgres://user@host:port/dbname")]
    UnknownChoice,
    /// A password in the URL would be seen by every user of the machine.
    #[error(
        "the server URL contains a password, which ps shows to everyone: put it in PGPASSWORD or ~/.pgpass and leave it out of the URL"
    )]
    Password,
    /// Not a URL of the expected form.
    #[error("malformed server URL ({0}): the form is postgres://user@host:port/dbname")]
    Malformed(String),
    /// A parameter that would change what is measured, or cannot be honoured.
    #[error(
        "the server URL sets {0}: only host and sslmode=disable|prefer are understood after '?' (TLS is not supported)"
    )]
    Parameter(String),
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |why: &str| ServerUrlError::Malformed(why.to_owned());
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| malformed("it does not start with postgres://"))?;
        // The last '@', because an unescaped password may itself contain one.
        if let Some(at) = rest.rfind('@')
            && rest[..at].contains(':')
        {
            return Err(ServerUrlError::Password);
        }
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (key, value) {
                ("password" | "passfile", _) => return Err(ServerUrlError::Password),
                ("host", _) | ("sslmode", "disable" | "prefer" | "allow") => {}
                _ => return Err(ServerUrlError::Parameter(key.to_owned())),
            }
        }
        if authority
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(malformed("it contains white space"));
        }
        // tokio-postgres knows no sslmode=allow; plain is all we do, so leave sslmode out altogether.
        let hosts: Vec<&str> = query
            .split('&')
            .filter(|p| p.starts_with("host="))
            .collect();
        let cleaned = if hosts.is_empty() {
            format!("postgres://{authority}")
        } else {
            format!("postgres://{authority}?{}", hosts.join("&"))
        };
        let config: tokio_postgres::Config =
            cleaned.parse().map_err(|e: tokio_postgres::Error| {
                ServerUrlError::Malformed(crate::causes::on_one_line(&e))
            })?;
        debug_assert_ne!(config.get_ssl_mode(), SslMode::Require);
        let host = match config.get_hosts() {
            [Host::Tcp(name)] if !name.is_empty() => EndpointHost::Tcp(name.clone()),
            [Host::Unix(dir)] => EndpointHost::Unix(dir.clone()),
            [] | [_] => return Err(malformed("the host is missing")),
            _ => return Err(malformed("it names more than one host")),
        };
        let port = match config.get_ports() {
            [] => 5432,
            [0] => return Err(malformed("port 0 cannot be connected to")),
            [port] => *port,
            _ => return Err(malformed("it names more than one port")),
        };
        let user = match config.get_user() {
            Some(user) if !user.is_empty() => user.to_owned(),
            _ => return Err(malformed("the user is missing")),
        };
        let dbname = match config.get_dbname() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => user.clone(),
        };
        Ok(ServerUrl {
            host,
            port,
            user,
            dbname,
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, port, db) = (&self.user, self.port, &self.dbname);
        match &self.host {
            EndpointHost::Tcp(name) if name.contains(':') && !name.starts_with('[') => {
                write!(f, "postgres://{user}@[{name}]:{port}/{db}")
            }
            EndpointHost::Tcp(name) => write!(f, "postgres://{user}@{name}:{port}/{db}"),
            EndpointHost::Unix(dir) => {
                // As a host name: with `?host=` beside a port the URL would name two hosts.
                let escaped: String = dir
                    .as_os_str()
                    .as_encoded_bytes()
                    .iter()
                    .map(|&byte| match byte {
                        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => {
                            char::from(b).to_string()
                        }
                        b => format!("%{b:02X}"),
                    })
                    .collect();
                write!(f, "postgres://{user}@{escaped}:{port}/{db}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_urls() {
        assert_eq!("auto".parse(), Ok(ServerChoice::Auto));
        assert_eq!("docker".parse(), Ok(ServerChoice::Docker));
        assert_eq!("local".parse(), Ok(ServerChoice::Local));
        let url: ServerUrl = "postgresql://me@db.example:5433/x".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@db.example:5433/x");
        let url: ServerUrl = "postgres://me@h?sslmode=disable".parse().unwrap();
        assert_eq!((url.port, url.dbname.as_str()), (5432, "me"));
        let url: ServerUrl = "postgres://me@%2Frun%2Fpostgresql/x".parse().unwrap();
        assert_eq!(url.host, EndpointHost::Unix("/run/postgresql".into()));
        let url: ServerUrl = "postgres://me@/x?host=/run/postgresql".parse().unwrap();
        assert_eq!(url.host, EndpointHost::Unix("/run/postgresql".into()));
    }

    #[test]
    fn what_is_printed_can_be_given_again() {
        for text in [
            "postgres://me@db.example:5433/x",
            "postgres://me@[2001:db8::1]:5432/x",
            "postgres://me@%2Frun%2Fmy%20own:5433/x",
            "postgres://me@/x?host=/run/postgresql",
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string().parse(), Ok(url), "{text}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for text in [
            "postgres://me:hunter2@h/x",
            "postgres://me:hunt@er2@h/x",
            "postgres://me:hunter2/@h/x",
            "postgres://me@h/x?password=hunter2",
            "postgres://me@h/x?sslmode=disable&password=hunter2",
        ] {
            let error = text.parse::<ServerChoice>().unwrap_err();
            assert_eq!(error, ServerUrlError::Password, "{text}");
            assert!(error.to_string().contains("PGPASSWORD"));
        }
        for text in ["me:hunter2@h/x", "psql://me:hunter2@h"] {
            let error = text.parse::<ServerChoice>().unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }

    #[test]
    fn malformed_urls_give_one_line_with_the_form() {
        for text in [
            "postgres://",
            "postgres://h:5432/x",
            "postgres://me@h:notaport/x",
            "postgres://me@h:0/x",
            "postgres://me@h:99999/x",
            "postgres://me@a,b/x",
            "postgres://me@h h/x",
            "postgres://@h/x",
            "mysql://me@h/x",
        ] {
            let message = text.parse::<ServerChoice>().unwrap_err().to_string();
            assert!(
                message.contains("postgres://user@host:port/dbname"),
                "{text}: {message}"
            );
            assert!(!message.contains('\n'));
        }
        assert_eq!(
            "nonsense".parse::<ServerChoice>(),
            Err(ServerUrlError::UnknownChoice)
        );
        assert_eq!(
            "postgres://me@h/x?sslmode=require".parse::<ServerUrl>(),
            Err(ServerUrlError::Parameter("sslmode".into()))
        );
    }
}
