//! Settings only a server run has.

use std::time::Duration;

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Disconnect, Protocol, ServerChoice, Statement, Tracing, values};
use crate::conninfo::Conninfo;
use crate::factor::{Auth, Combine, Factor, FactorLists, PgSource, Tls, Transport};

/// What concerns a server by URL only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default)]
pub struct OwnServer {
    /// Lift the cap on rates and connections for a server by URL that is not on this machine
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_cap: bool,
    /// How long a server by URL may take for a connection, and for its first statement [default: 10s]
    #[arg(long = "connect-timeout", value_name = "TIME", value_parser = values::positive_duration, allow_hyphen_values = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ns: Option<u64>,
    /// Connections per second of the server's own users, where the user knows them.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub their_rate: Option<f64>,
}

impl OwnServer {
    /// Whether nothing was asked for; such a file says nothing about it.
    pub fn is_default(&self) -> bool {
        *self == OwnServer::default()
    }
}

/// Settings only a server run has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerConfig {
    /// Which server; a URL is stored without a password.
    #[arg(skip)]
    pub server: ServerChoice,
    /// Which combinations of the lists: all; departures, the first level and those that differ from it in one factor; or one-at-a-time, departures in transport, auth, TLS and log_connections only
    #[arg(long, value_name = "WHICH")]
    pub combine: Combine,
    /// What readers and clients run: SQL, or 'select-only' for pgbench's script on pgbench_accounts
    #[arg(long, value_name = "SQL")]
    pub query: Statement,
    /// When a disconnect is over
    #[arg(long, value_enum)]
    pub disconnect: Disconnect,
    /// How readers and clients send their statements (not through PgBouncer when prepared)
    #[arg(long, value_enum, value_name = "HOW")]
    pub protocol: Protocol,
    /// Your own PgBouncer before a server given by URL
    #[arg(long, value_name = "URL")]
    pub pgbouncer: Option<Conninfo>,
    /// Which blocks to trace (root, bpftrace): off, twins (a traced block after each: where statements spend their time)
    /// or every-block (acquisitions and holds of ProcArrayLock; their times are not to be quoted)
    #[arg(long, value_name = "WHICH")]
    #[serde(default, skip_serializing_if = "Tracing::is_off")]
    pub trace: Tracing,
    /// What concerns a server by URL only.
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "OwnServer::is_default")]
    pub own: OwnServer,
}

/// The factors of which a server by URL is as it is.
fn ours_only() -> impl Iterator<Item = Factor> {
    Factor::all().filter(|f| f.row().ours_only)
}

impl ServerConfig {
    /// Whether the server is somebody else's: nothing is changed there, and nothing of it is a factor.
    pub fn is_url(&self) -> bool {
        matches!(self.server, ServerChoice::Url(_))
    }

    /// How long a server by URL may take for a connection, and for its first statement, where that was said.
    pub fn connect_timeout(&self) -> Option<Duration> {
        let of_text = || match &self.server {
            ServerChoice::Url(url) => url.connect_timeout(),
            _ => None,
        };
        let given = self.own.connect_timeout_ns.map(Duration::from_nanos);
        given.or_else(of_text)
    }

    /// Leaves everything that only a server of ours can be given as it is.
    pub fn take_as_is(lists: &mut FactorLists) {
        for factor in ours_only() {
            lists.clear(factor);
        }
    }

    pub(super) fn validate(&self, lists: &FactorLists) -> anyhow::Result<()> {
        ensure!(
            lists.scram_iterations.is_empty() || lists.auth.contains(&Auth::Scram),
            "--scram-iterations is for --auth scram: give both"
        );
        // Beside others the combination is left out.
        ensure!(
            lists.tls != [Tls::On] || !lists.transport.contains(&Transport::Unix),
            "--tls on is for TCP: PostgreSQL does not encrypt its Unix socket; give --transport tcp"
        );
        let has = |wanted: fn(&PgSource) -> bool| lists.pg.iter().any(wanted);
        let bins = has(|s| matches!(s, PgSource::Bin(_)));
        let images = has(|s| matches!(s, PgSource::Image(_)));
        if self.is_url() {
            let given = ours_only().find(|f| !lists.texts(*f).is_empty());
            let ours = given.map(|f| format!("--{}", f.row().option));
            let sources = [
                ("--pg with several versions", lists.pg.len() > 1),
                ("--pg-bin", bins),
                ("--pg-image", images),
            ];
            let source = sources.iter().find(|s| s.1).map(|s| s.0.to_owned());
            if let Some(name) = source.or(ours) {
                bail!(
                    "{name} is for servers that procbench starts; the one at --server URL is what it is"
                );
            }
        }
        ensure!(
            !bins || !images && self.server != ServerChoice::Docker,
            "--pg-bin runs on this machine, not in Docker: give --server local (or auto) and no --pg-image"
        );
        for source in &lists.pg {
            if let PgSource::Image(image) = source {
                ensure!(
                    !image.is_empty() && !image.starts_with('-') && image.trim() == image,
                    "--pg-image '{image}' is not the name of an image, such as postgres:16"
                );
            }
        }
        ensure!(
            !images || self.server != ServerChoice::Local,
            "--pg-image needs Docker: give --server docker (or auto)"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::Config;
    use crate::experiment::{self, Scale};
    use crate::factor::ScramIterations;
    use crate::procarray::PageSize;

    fn server(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Server, Scale::Quick);
        config.factors.standing = vec![0];
        change(&mut config);
        config
    }

    #[test]
    fn every_list_makes_levels() {
        let config = server(|c| {
            c.factors.pg = vec![PgSource::Major(13), PgSource::Bin("/opt/own/bin".into())];
            c.factors.page_size = PageSize::ALL.to_vec();
            c.factors.auth = vec![Auth::Trust, Auth::Md5, Auth::Scram];
            c.factors.tls = vec![Tls::Off, Tls::On];
        });
        config.validate().unwrap();
        let levels = config.levels();
        assert_eq!(levels.len(), 2 * 2 * 3 * 2);
        let last = levels.last().unwrap();
        assert_eq!(last.pg, Some(PgSource::Bin("/opt/own/bin".into())));
        assert_eq!(last.page_size, Some(PageSize::Huge));
        assert_eq!((last.auth, last.tls), (Some(Auth::Scram), Some(Tls::On)));
    }

    #[test]
    fn iterations_make_levels_of_scram_alone() {
        let config = server(|c| {
            c.factors.auth = vec![Auth::Trust, Auth::Scram];
            c.factors.scram_iterations = vec![ScramIterations(1), ScramIterations(4096)];
            c.factors.pg = vec![PgSource::Major(17)];
        });
        config.validate().unwrap();
        let found: Vec<_> = config
            .levels()
            .into_iter()
            .map(|l| (l.auth.unwrap(), l.scram_iterations.map(|n| n.0)))
            .collect();
        let expected = [
            (Auth::Trust, None),
            (Auth::Scram, Some(1)),
            (Auth::Scram, Some(4096)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        let refused = |change: fn(&mut Config)| server(change).validate().unwrap_err().to_string();
        let iterations = refused(|c| c.factors.scram_iterations = vec![ScramIterations(1)]);
        assert!(iterations.contains("--auth scram"), "{iterations}");
        let tls = refused(|c| {
            c.factors.tls = vec![Tls::On];
            c.factors.transport = vec![Transport::Unix];
        });
        assert!(tls.contains("--tls on is for TCP"), "{tls}");
        let url = refused(|c| {
            ServerConfig::take_as_is(&mut c.factors);
            c.arms = vec![crate::arm::Arm::Quiet];
            c.server.as_mut().unwrap().server = "postgres://me@h/x".parse().unwrap();
            c.factors.auth = vec![Auth::Scram];
        });
        assert!(url.starts_with("--auth is for servers"), "{url}");
        let bin = refused(|c| {
            c.server.as_mut().unwrap().server = ServerChoice::Docker;
            c.factors.pg = vec![PgSource::Bin("/opt/pg/bin".into())];
        });
        assert!(bin.starts_with("--pg-bin runs on this machine"), "{bin}");
    }
}
