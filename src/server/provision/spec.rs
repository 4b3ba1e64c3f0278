//! What a provisioned server must be like.

use super::endpoint::Transport;

/// The major version taken when none is asked for.
pub const DEFAULT_PG_MAJOR: u32 = 15;

/// Settings that vary; everything else is in `docker/postgresql.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Major version; `None` takes [`DEFAULT_PG_MAJOR`], or the newest installed one when the
    /// server is local and that one is not there.
    pub pg_major: Option<u32>,
    /// `max_connections`. Sizes the ProcArray, and with it what a fork maps and faults in.
    pub max_connections: u32,
    /// `shared_buffers` as PostgreSQL writes it.
    pub shared_buffers: String,
    /// How the arms connect.
    pub transport: Transport,
    /// Further `name=value` settings for the command line, for experiments that vary one.
    pub settings: Vec<(String, String)>,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            pg_major: None,
            max_connections: 600,
            shared_buffers: "128MB".to_owned(),
            transport: Transport::Tcp,
            settings: Vec::new(),
        }
    }
}

impl ServerSpec {
    /// The `-c name=value` arguments of `postgres`, the same for Docker and local.
    pub(crate) fn postgres_args(&self, port: u16) -> Vec<String> {
        let fixed = [
            ("port".to_owned(), port.to_string()),
            (
                "max_connections".to_owned(),
                self.max_connections.to_string(),
            ),
            ("shared_buffers".to_owned(), self.shared_buffers.clone()),
        ];
        fixed
            .iter()
            .chain(&self.settings)
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_follow_the_fixed_ones() {
        let spec = ServerSpec {
            settings: vec![("huge_pages".into(), "try".into())],
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
                "huge_pages=try"
            ]
        );
    }
}
