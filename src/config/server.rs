//! Settings only a server run has.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Disconnect, Protocol, Statement};
use crate::factor::{Auth, Combine, Factor, FactorLists, PgSource, Tls, Transport};

/// What concerns a server by URL only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnServer {
    /// Whether the hard cap is lifted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_cap: bool,
    /// Connections per second of the server's own users, where the user knows them.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `auto`, `docker`, `local` or a URL without its password.
    pub server: String,
    /// Which combinations of the factors' values are levels.
    pub combine: Combine,
    /// What readers and clients run.
    pub query: Statement,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// How statements are sent.
    pub protocol: Protocol,
    /// Address of an existing PgBouncer, for servers given by URL.
    pub pgbouncer: Option<String>,
    /// What concerns a server by URL only.
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
        self.server.contains("://")
    }

    /// Leaves everything that only a server of ours can be given as it is.
    pub fn take_as_is(lists: &mut FactorLists) {
        for factor in ours_only() {
            lists.copy_from(&FactorLists::default(), factor);
        }
    }

    pub(super) fn validate(&self, lists: &FactorLists) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        if !lists.scram_iterations.is_empty() && !lists.auth.contains(&Auth::Scram) {
            return fail("--scram-iterations is for --auth scram: give both".into());
        }
        // Beside others the combination is left out.
        if lists.tls == [Tls::On] && lists.transport.contains(&Transport::Unix) {
            return fail(
                "--tls on is for TCP: PostgreSQL does not encrypt its Unix socket; give --transport tcp"
                    .into(),
            );
        }
        self.validate_source(lists)
    }

    /// What is asked of a server, against where it comes from.
    fn validate_source(&self, lists: &FactorLists) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
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
                return fail(format!(
                    "{name} is for servers that procbench starts; the one at --server URL is what it is"
                ));
            }
        }
        if bins && (images || self.server == "docker") {
            return fail(
                "--pg-bin runs on this machine, not in Docker: give --server local (or auto) and no --pg-image"
                    .into(),
            );
        }
        let odd = |image: &str| image.starts_with('-') || image.trim() != image || image.is_empty();
        if let Some(PgSource::Image(image)) = lists
            .pg
            .iter()
            .find(|s| matches!(s, PgSource::Image(image) if odd(image)))
        {
            return fail(format!(
                "--pg-image '{image}' is not the name of an image, such as postgres:16"
            ));
        }
        if images && self.server == "local" {
            return fail("--pg-image needs Docker: give --server docker (or auto)".into());
        }
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
        let mut config =
            (experiment::find("churn-tail").unwrap().config)(Mode::Server, Scale::Quick);
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
        let refused = |change: fn(&mut Config)| server(change).validate().unwrap_err().0;
        let iterations = refused(|c| c.factors.scram_iterations = vec![ScramIterations(1)]);
        assert!(iterations.contains("--auth scram"), "{iterations}");
        let tls = refused(|c| {
            c.factors.tls = vec![Tls::On];
            c.factors.transport = vec![Transport::Unix];
        });
        assert!(tls.contains("--tls on is for TCP"), "{tls}");
        let url = refused(|c| {
            ServerConfig::take_as_is(&mut c.factors);
            c.server.as_mut().unwrap().server = "postgres://me@h/x".into();
            c.factors.auth = vec![Auth::Scram];
        });
        assert!(url.starts_with("--auth is for servers"), "{url}");
        let bin = refused(|c| {
            c.server.as_mut().unwrap().server = "docker".into();
            c.factors.pg = vec![PgSource::Bin("/opt/pg/bin".into())];
        });
        assert!(bin.starts_with("--pg-bin runs on this machine"), "{bin}");
    }
}
