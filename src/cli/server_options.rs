//! Options of the real server.

use std::path::PathBuf;

use clap::Args;

use super::factor_options::FactorOptions;
use super::outcome::CommandError;
use super::overlay::Overlay;
use crate::config::{Config, ServerChoice, ServerConfig};
use crate::conninfo::Environment;
use crate::factor::{Factor, PgSource};

/// Options of the real server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// The server: auto, docker, local, or as psql takes it: postgres://user@host:port/db, 'host=... user=...'
    /// (password from PGPASSWORD or ~/.pgpass)
    #[arg(long, value_name = "SERVER")]
    pub server: Option<ServerChoice>,
    /// Own builds of PostgreSQL, as directories of binaries with commas: patched against unpatched
    #[arg(long, value_delimiter = ',', value_name = "DIR,...")]
    pg_bin: Vec<PathBuf>,
    /// Images with PostgreSQL on their PATH, such as the official ones, with commas: postgres:16
    #[arg(long, value_delimiter = ',', value_name = "IMAGE,...")]
    pg_image: Vec<String>,
    #[command(flatten)]
    fields: Overlay<ServerConfig>,
}

impl ServerOptions {
    /// Lays the given options over `config`; the versions before own builds and images.
    pub fn apply<const MODEL: bool, const SERVER: bool>(
        &self,
        factors: &FactorOptions<MODEL, SERVER>,
        config: &mut Config,
    ) -> Result<(), CommandError> {
        let Some(server) = &mut config.server else {
            return factors.apply(config);
        };
        let environment = Environment::of_this_process();
        let chosen = self.server.clone().unwrap_or_default();
        let chosen = chosen.with_environment(&environment);
        server.server = chosen.map_err(CommandError::Request)?;
        self.fields.apply(server)?;
        if let Some(url) = server.pgbouncer.take() {
            let url = url.with_environment(&environment);
            server.pgbouncer = Some(url.map_err(CommandError::Request)?);
        }
        factors.apply(config)?;
        let bins = self.pg_bin.iter().cloned().map(PgSource::Bin);
        let images = self.pg_image.iter().cloned().map(PgSource::Image);
        let builds: Vec<PgSource> = bins.chain(images).collect();
        if !builds.is_empty() && !factors.is_given(Factor::Pg) {
            config.factors.pg.clear();
        }
        for build in builds {
            if !config.factors.pg.contains(&build) {
                config.factors.pg.push(build);
            }
        }
        Ok(())
    }
}
