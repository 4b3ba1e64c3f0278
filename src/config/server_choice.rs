//! `--server auto|docker|local|URL`.

use std::fmt;
use std::str::FromStr;

pub use tokio_postgres::config::Host as EndpointHost;

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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(ServerChoice::Auto),
            "docker" => Ok(ServerChoice::Docker),
            "local" => Ok(ServerChoice::Local),
            url if url.contains("://") => url.parse().map(ServerChoice::Url),
            // Not echoed: a pasted connection string may hold a password.
            _ => Err(
                "not a server choice: use auto, docker, local or postgres://user@host:port/dbname"
                    .to_owned(),
            ),
        }
    }
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

serde_by_text!(ServerChoice, ServerUrl);

/// A password in the URL would be seen by every user of the machine.
const PASSWORD: &str = "the server URL contains a password, which ps shows to everyone: put it in PGPASSWORD or ~/.pgpass and leave it out of the URL";

/// The URL itself is never repeated.
fn malformed(why: &str) -> String {
    format!("malformed server URL ({why}): the form is postgres://user@host:port/dbname")
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| malformed("it does not start with postgres://"))?;
        // The last '@', because an unescaped password may itself contain one.
        if let Some(at) = rest.rfind('@')
            && rest[..at].contains(':')
        {
            return Err(PASSWORD.to_owned());
        }
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("password" | "passfile", _) => return Err(PASSWORD.to_owned()),
                ("host", _) | ("sslmode", "disable" | "prefer" | "allow") => {}
                // It would change what is measured, or cannot be honoured.
                (key, _) => {
                    return Err(format!(
                        "the server URL sets {key}: only host and sslmode=disable|prefer are understood after '?' (TLS is not supported)"
                    ));
                }
            }
        }
        if authority.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(malformed("it contains white space"));
        }
        // tokio-postgres knows no sslmode=allow; plain is all that we do.
        let query = query.replace("sslmode=allow", "sslmode=disable");
        let config: tokio_postgres::Config = format!("postgres://{authority}?{query}")
            .parse()
            .map_err(|e: tokio_postgres::Error| malformed(&crate::causes::on_one_line(&e)))?;
        let host = match config.get_hosts() {
            [EndpointHost::Tcp(name)] if name.is_empty() => Err(malformed("the host is missing")),
            [] => Err(malformed("the host is missing")),
            [host] => Ok(host.clone()),
            _ => Err(malformed("it names more than one host")),
        }?;
        let port = match config.get_ports() {
            [] => 5432,
            [0] => return Err(malformed("port 0 cannot be connected to")),
            [port] => *port,
            _ => return Err(malformed("it names more than one port")),
        };
        let given = |name: Option<&str>| name.filter(|n| !n.is_empty()).map(str::to_owned);
        let user = given(config.get_user()).ok_or_else(|| malformed("the user is missing"))?;
        Ok(ServerUrl {
            host,
            port,
            dbname: given(config.get_dbname()).unwrap_or_else(|| user.clone()),
            user,
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            EndpointHost::Tcp(name) if name.contains(':') && !name.starts_with('[') => {
                format!("[{name}]")
            }
            EndpointHost::Tcp(name) => name.clone(),
            // As a host name: with `?host=` beside a port the URL would name two hosts.
            EndpointHost::Unix(dir) => escaped(dir.as_os_str().as_encoded_bytes()),
        };
        let (user, port, dbname) = (&self.user, self.port, &self.dbname);
        write!(f, "postgres://{user}@{host}:{port}/{dbname}")
    }
}

fn escaped(path: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    path.iter().map(one).collect()
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
            "postgres://me@h/x?sslmode=allow",
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
            assert!(error.contains("contains a password"), "{text}");
        }
        for text in ["me:hunter2@h/x", "psql://me:hunter2@h"] {
            let error = text.parse::<ServerChoice>().unwrap_err();
            assert!(!error.contains("hunter2"));
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
            let message = text.parse::<ServerChoice>().unwrap_err();
            assert!(
                message.contains("postgres://user@host:port/dbname"),
                "{text}: {message}"
            );
            assert!(!message.contains('\n'));
        }
        let refused = |text: &str| text.parse::<ServerChoice>().unwrap_err();
        assert!(refused("nonsense").starts_with("not a server choice"));
        let tls = refused("postgres://me@h/x?sslmode=require");
        assert!(tls.starts_with("the server URL sets sslmode"), "{tls}");
    }
}
