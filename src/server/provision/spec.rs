//! What a provisioned server must be like.

use crate::factor::{Auth, PgSource, SharedBuffers, Tls, Transport};
use crate::procarray::PageSize;

/// Settings that vary; everything else is in `docker/postgresql.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Which PostgreSQL; `None` takes `DEFAULT_PG_MAJOR`, or the newest installed one when the
    /// server is local and that one is not there.
    pub source: Option<PgSource>,
    /// `max_connections`. Sizes the ProcArray, and with it what a fork maps and faults in.
    pub max_connections: u32,
    /// `shared_buffers` as PostgreSQL writes it.
    pub shared_buffers: SharedBuffers,
    /// How the arms connect.
    pub transport: Transport,
    /// Pages of the shared memory (`huge_pages`).
    pub page_size: PageSize,
    /// How the arms' role proves who it is.
    pub auth: Auth,
    /// `scram_iterations` with [`Auth::Scram`]; `None` for PostgreSQL's default. From 16 on.
    pub scram_iterations: Option<u32>,
    /// Whether TCP connections are encrypted.
    pub tls: Tls,
    /// Further `name=value` settings for the command line, for experiments that vary one.
    pub settings: Vec<(String, String)>,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            source: None,
            max_connections: 600,
            shared_buffers: SharedBuffers::default(),
            transport: Transport::Tcp,
            page_size: PageSize::Small,
            auth: Auth::Trust,
            scram_iterations: None,
            tls: Tls::Off,
            settings: Vec::new(),
        }
    }
}

impl ServerSpec {
    /// The major version, where one was asked for.
    pub fn pg_major(&self) -> Option<u32> {
        match self.source {
            Some(PgSource::Major(major)) => Some(major),
            _ => None,
        }
    }

    /// The `-c name=value` arguments of `postgres`, the same for Docker and local.
    pub(crate) fn postgres_args(&self, port: u16) -> Vec<String> {
        let huge_pages = match self.page_size {
            PageSize::Small => "off",
            PageSize::Huge => "on",
        };
        let mut settings = vec![
            ("port", port.to_string()),
            ("max_connections", self.max_connections.to_string()),
            ("shared_buffers", self.shared_buffers.to_string()),
            ("huge_pages", huge_pages.to_owned()),
        ];
        if self.auth != Auth::Trust {
            settings.push(("password_encryption", method(self.auth).to_owned()));
        }
        if let Some(iterations) = self.scram_iterations {
            settings.push(("scram_iterations", iterations.to_string()));
        }
        if self.tls == Tls::On {
            // server.crt and server.key in the data directory.
            settings.push(("ssl", "on".to_owned()));
        }
        let further = self.settings.iter().map(|(n, v)| (n.as_str(), v.clone()));
        settings.extend(further);
        settings
            .iter()
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
            .collect()
    }
}

/// PostgreSQL's name of a method in `pg_hba.conf` and `password_encryption`.
pub(crate) fn method(auth: Auth) -> &'static str {
    match auth {
        Auth::Trust => "trust",
        Auth::Md5 => "md5",
        Auth::Scram => "scram-sha-256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_follow_the_fixed_ones() {
        let spec = ServerSpec {
            settings: vec![("jit".into(), "on".into())],
            page_size: PageSize::Huge,
            ..ServerSpec::default()
        };
        assert_eq!(
            spec.postgres_args(4000),
            [
                "-c",
                "port=4000",
                "-c",
                "max_connections=600",
                "-c",
                "shared_buffers=128MB",
                "-c",
                "huge_pages=on",
                "-c",
                "jit=on"
            ]
        );
    }
}
