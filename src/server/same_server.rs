//! That every start of a run gets the same kind and version of server as the first.

use super::provision::{RunningServer, ServerKind, ServerSpec};
use crate::config::ServerChoice;
use crate::factor::PgSource;

/// What the first server of a run was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameServer {
    kind: ServerKind,
    pg_major: Option<u32>,
    server_version: String,
}

impl SameServer {
    /// Takes note of the first server.
    pub fn of(server: &RunningServer) -> Self {
        SameServer {
            kind: server.kind(),
            pg_major: server.pg_major(),
            server_version: server.server_version().to_owned(),
        }
    }

    /// What `asked` was decided to be: `auto` must not decide anew in mid-run.
    pub fn choice(&self, asked: &ServerChoice) -> ServerChoice {
        match self.kind {
            ServerKind::Docker => ServerChoice::Docker,
            ServerKind::Local => ServerChoice::Local,
            ServerKind::Url => asked.clone(),
        }
    }

    /// `spec` with the major version that was taken. A server by URL is what it is.
    pub fn spec(&self, spec: ServerSpec) -> ServerSpec {
        let taken = self.pg_major.filter(|_| self.kind != ServerKind::Url);
        ServerSpec {
            source: spec.source.or(taken.map(PgSource::Major)),
            ..spec
        }
    }

    /// Whether a later server's `server_version` is the first's, package suffix included.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, server_version: &str) -> Result<(), String> {
        let first = &self.server_version;
        if server_version == first {
            return Ok(());
        }
        Err(format!(
            "this server is PostgreSQL {server_version}, the first of this run was {first}: a run must not mix \
             them; measure again when no upgrade is under way"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(kind: ServerKind) -> SameServer {
        SameServer {
            kind,
            pg_major: Some(17),
            server_version: "17.6 (Debian 17.6-1)".to_owned(),
        }
    }

    #[test]
    fn auto_decides_only_once() {
        for (kind, choice) in [
            (ServerKind::Docker, ServerChoice::Docker),
            (ServerKind::Local, ServerChoice::Local),
        ] {
            assert_eq!(first(kind).choice(&ServerChoice::Auto), choice);
            let spec = first(kind).spec(ServerSpec::default());
            assert_eq!(spec.source, Some(PgSource::Major(17)));
        }
        let url = ServerChoice::Url("postgres://me@h/x".parse().unwrap());
        assert_eq!(first(ServerKind::Url).choice(&url), url);
        let spec = first(ServerKind::Url).spec(ServerSpec::default());
        assert_eq!(spec.source, None);
    }

    #[test]
    fn another_version_is_refused_in_one_line() {
        let first = first(ServerKind::Local);
        assert!(first.check("17.6 (Debian 17.6-1)").is_ok());
        for other in ["17.6 (Debian 17.6-2)", "15.18 (Debian 15.18-0+deb12u1)"] {
            let line = first.check(other).unwrap_err().to_string();
            assert!(line.contains(other) && line.contains("17.6 (Debian 17.6-1)"));
            assert!(!line.contains('\n'));
        }
    }
}
