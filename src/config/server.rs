//! Settings only a server run has.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ConfigError, Disconnect, OwnServer, Protocol, Statement, one_or_many};
use crate::factor::Factors;
use crate::factor::Transport;
use crate::factor::{Auth, Combine, LogConnections, PgSource, StandingState, Tls};
use crate::procarray::PageSize;

/// Settings only a server run has. Lists make levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `auto`, `docker`, `local` or a URL without its password.
    pub server: String,
    /// Which PostgreSQL, a level each; empty for the default one. One number or none in
    /// files of earlier versions.
    #[serde(
        rename = "pg",
        default,
        serialize_with = "as_names",
        deserialize_with = "sources"
    )]
    pub sources: Vec<PgSource>,
    /// How clients reach the server, a level each.
    #[serde(
        rename = "transport",
        serialize_with = "as_names",
        deserialize_with = "one_or_many"
    )]
    pub transports: Vec<Transport>,
    /// Page size of the shared memory (`huge_pages`), a level each.
    #[serde(rename = "page_size", default = "only_default")]
    pub page_sizes: Vec<PageSize>,
    /// Whether levels whose page size the host does not grant may be left out;
    /// otherwise the run is partial without them.
    #[serde(default)]
    pub page_size_if_granted: bool,
    /// Authentication, a level each.
    #[serde(rename = "auth", default = "only_default")]
    pub auths: Vec<Auth>,
    /// `scram_iterations`, a level each where authentication is by SCRAM; empty for
    /// PostgreSQL's default, which is the only one before 16.
    #[serde(default)]
    pub scram_iterations: Vec<u32>,
    /// With or without TLS, a level each.
    #[serde(default = "only_default")]
    pub tls: Vec<Tls>,
    /// `shared_buffers` as PostgreSQL writes it, a level each.
    #[serde(default = "default_shared_buffers")]
    pub shared_buffers: Vec<String>,
    /// What the standing connections are, a level each.
    #[serde(rename = "standing_state", default = "only_default")]
    pub standing_states: Vec<StandingState>,
    /// What the server logs about each connection, a level each where the version knows it.
    #[serde(default = "only_default")]
    pub log_connections: Vec<LogConnections>,
    /// Which combinations of these lists are levels.
    #[serde(default)]
    pub combine: Combine,
    /// What readers and clients run.
    pub query: Statement,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// How statements are sent; always simply in files of earlier versions.
    #[serde(default)]
    pub protocol: Protocol,
    /// Address of an existing PgBouncer, for servers given by URL.
    pub pgbouncer: Option<String>,
    /// What concerns a server by URL only.
    #[serde(default, skip_serializing_if = "OwnServer::is_default")]
    pub own: OwnServer,
}

fn only_default<T: Default>() -> Vec<T> {
    vec![T::default()]
}

/// `shared_buffers` where nothing else is asked for.
pub fn default_shared_buffers() -> Vec<String> {
    vec!["128MB".to_owned()]
}

fn as_names<T: ToString, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(T::to_string))
}

/// A list of names; one number, or nothing, in files of earlier versions.
fn sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PgSource>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Recorded {
        Names(Vec<String>),
        One(Option<u32>),
    }
    match Recorded::deserialize(deserializer)? {
        Recorded::One(major) => Ok(major.into_iter().map(PgSource::Major).collect()),
        Recorded::Names(names) => names
            .iter()
            .map(|name| name.parse().map_err(serde::de::Error::custom))
            .collect(),
    }
}

/// The range of `scram_iterations` (guc_tables.c, PostgreSQL 16).
const ITERATIONS: std::ops::RangeInclusive<u32> = 1..=i32::MAX as u32;

/// Fewest 8 kB buffers that PostgreSQL takes, in kB.
const LEAST_SHARED_BUFFERS_KB: u64 = 128;

/// `shared_buffers` with its unit, in kB; `None` if it is not of that form.
pub fn size_kb(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "kB" => 1,
        "MB" => 1 << 10,
        "GB" => 1 << 20,
        _ => return None,
    };
    number.checked_mul(unit)
}

impl ServerConfig {
    /// Whether the server is somebody else's: nothing is changed there, and nothing of it is a factor.
    pub fn is_url(&self) -> bool {
        self.server.contains("://")
    }

    /// One value of everything that only a server of ours can be given.
    pub fn take_as_is(&mut self) {
        self.page_sizes = only_default();
        self.auths = only_default();
        self.scram_iterations.clear();
        self.tls = only_default();
        self.shared_buffers = default_shared_buffers();
        self.log_connections = only_default();
    }

    /// The server's part of every level, crossed into `levels`. A server by URL is what it is.
    pub(super) fn cross_into(&self, mut levels: Vec<Factors>) -> Vec<Factors> {
        if self.is_url() {
            return levels;
        }
        if !self.sources.is_empty() {
            levels = super::crossed(&levels, &self.sources, |l, v| l.pg = Some(v));
        }
        levels = super::crossed(&levels, &self.transports, |l, v| l.transport = Some(v));
        levels = super::crossed(&levels, &self.page_sizes, |l, v| l.page_size = Some(v));
        levels = super::crossed(&levels, &self.auths, |l, v| l.auth = Some(v));
        if !self.scram_iterations.is_empty() {
            levels = levels
                .into_iter()
                .flat_map(|level| self.with_iterations(level))
                .collect();
        }
        levels = super::crossed(&levels, &self.tls, |l, v| l.tls = Some(v));
        levels = super::crossed(&levels, &self.shared_buffers, |l, v| {
            l.shared_buffers = Some(v)
        });
        levels = super::crossed(&levels, &self.standing_states, |l, v| {
            l.standing_state = Some(v)
        });
        levels = super::crossed(&levels, &self.log_connections, |l, v| {
            l.log_connections = Some(v)
        });
        super::combine::kept(levels, self)
    }

    /// A level with each number of iterations, if its authentication has any.
    fn with_iterations(&self, level: Factors) -> Vec<Factors> {
        if level.auth != Some(Auth::Scram.to_string()) {
            return vec![level];
        }
        super::crossed(&[level], &self.scram_iterations, |l, v| {
            l.scram_iterations = Some(v)
        })
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        for (name, empty, such_as) in [
            ("--transport", self.transports.is_empty(), "tcp,unix"),
            ("--page-size", self.page_sizes.is_empty(), "4k,2m"),
            ("--auth", self.auths.is_empty(), "trust,scram"),
            ("--tls", self.tls.is_empty(), "off,on"),
            (
                "--shared-buffers",
                self.shared_buffers.is_empty(),
                "128MB,1GB",
            ),
            (
                "--standing-state",
                self.standing_states.is_empty(),
                "idle,in-transaction",
            ),
            (
                "--log-connections",
                self.log_connections.is_empty(),
                "setup_durations,off",
            ),
        ] {
            if empty {
                return fail(format!(
                    "{name} is empty: give one or more, such as {such_as}"
                ));
            }
        }
        for size in &self.shared_buffers {
            if size_kb(size).is_none_or(|kb| kb < LEAST_SHARED_BUFFERS_KB) {
                return fail(format!(
                    "--shared-buffers '{size}' is not a size from {LEAST_SHARED_BUFFERS_KB}kB on: write it as 128MB or 1GB"
                ));
            }
        }
        if !self.scram_iterations.is_empty() && !self.auths.contains(&Auth::Scram) {
            return fail("--scram-iterations is for --auth scram: give both".into());
        }
        if self
            .scram_iterations
            .iter()
            .any(|n| !ITERATIONS.contains(n))
        {
            return fail(format!(
                "--scram-iterations takes numbers from {} to {}, as PostgreSQL's scram_iterations does",
                ITERATIONS.start(),
                ITERATIONS.end()
            ));
        }
        // Beside others the combination is left out.
        if self.tls == [Tls::On] && self.transports.contains(&Transport::Unix) {
            return fail(
                "--tls on is for TCP: PostgreSQL does not encrypt its Unix socket; give --transport tcp"
                    .into(),
            );
        }
        if self.log_connections == [LogConnections::SetupDurations]
            && !self.is_url()
            && self.cross_into(vec![Factors::standing(0)]).is_empty()
        {
            return fail(
                "--log-connections setup_durations needs PostgreSQL 18 or later: give --pg 18, or off beside it"
                    .into(),
            );
        }
        self.validate_source()
    }

    /// What is asked of a server, against where it comes from.
    fn validate_source(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        let has = |wanted: fn(&PgSource) -> bool| self.sources.iter().any(wanted);
        let (bins, images) = (
            has(|s| matches!(s, PgSource::Bin(_))),
            has(|s| matches!(s, PgSource::Image(_))),
        );
        if self.is_url() {
            let ours = [
                ("--pg with several versions", self.sources.len() > 1),
                ("--pg-bin", bins),
                ("--pg-image", images),
                ("--page-size", self.page_sizes != [PageSize::Small]),
                ("--auth", self.auths != [Auth::Trust]),
                ("--scram-iterations", !self.scram_iterations.is_empty()),
                ("--tls", self.tls != [Tls::Off]),
                (
                    "--shared-buffers",
                    self.shared_buffers != default_shared_buffers(),
                ),
                (
                    "--log-connections setup_durations",
                    self.log_connections == [LogConnections::SetupDurations],
                ),
            ];
            if let Some((name, _)) = ours.iter().find(|o| o.1) {
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
        if let Some(PgSource::Image(image)) = self
            .sources
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

    fn server(change: impl FnOnce(&mut ServerConfig)) -> Config {
        let mut config =
            (experiment::find("churn-tail").unwrap().config)(Mode::Server, Scale::Quick);
        config.standing = vec![0];
        change(config.server.as_mut().unwrap());
        config
    }

    #[test]
    fn every_list_makes_levels() {
        let config = server(|s| {
            s.sources = vec![PgSource::Major(13), PgSource::Bin("/opt/own/bin".into())];
            s.transports = vec![Transport::Tcp];
            s.page_sizes = PageSize::ALL.to_vec();
            s.auths = vec![Auth::Trust, Auth::Md5, Auth::Scram];
            s.tls = vec![Tls::Off, Tls::On];
        });
        config.validate().unwrap();
        let levels = config.levels();
        assert_eq!(levels.len(), 2 * 2 * 3 * 2);
        let last = levels.last().unwrap();
        assert_eq!(last.pg.as_deref(), Some("/opt/own/bin"));
        assert_eq!(last.page_size.as_deref(), Some("2m"));
        assert_eq!(
            (last.auth.as_deref(), last.tls.as_deref()),
            (Some("scram"), Some("on"))
        );
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn iterations_make_levels_of_scram_alone() {
        let config = server(|s| {
            s.auths = vec![Auth::Trust, Auth::Scram];
            s.scram_iterations = vec![1, 4096];
            s.sources = vec![PgSource::Major(17)];
        });
        config.validate().unwrap();
        let found: Vec<_> = config
            .levels()
            .into_iter()
            .map(|l| (l.auth.unwrap(), l.scram_iterations))
            .collect();
        let scram = |n: &str| ("scram".to_owned(), Some(n.to_owned()));
        assert_eq!(
            found,
            [("trust".to_owned(), None), scram("1"), scram("4096")]
        );
    }

    #[test]
    fn files_with_one_version_and_one_transport_are_read() {
        let mut old = serde_json::to_value(server(|_| {})).unwrap();
        let fields = old["server"].as_object_mut().unwrap();
        for name in [
            "page_size",
            "auth",
            "tls",
            "shared_buffers",
            "standing_state",
        ] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        fields.insert("transport".into(), "unix".into());
        for (recorded, expected) in [
            (serde_json::json!(17), vec![PgSource::Major(17)]),
            (serde_json::Value::Null, Vec::new()),
        ] {
            old["server"]["pg"] = recorded;
            let config: Config = serde_json::from_value(old.clone()).unwrap();
            let server = config.server.unwrap();
            assert_eq!(server.sources, expected);
            assert_eq!(server.transports, [Transport::Unix]);
            assert_eq!(server.auths, [Auth::Trust]);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        let refused = |change: fn(&mut ServerConfig)| server(change).validate().unwrap_err().0;
        assert!(refused(|s| s.auths.clear()).contains("--auth is empty"));
        assert!(refused(|s| s.scram_iterations = vec![1]).contains("--auth scram"));
        let none = refused(|s| {
            s.auths = vec![Auth::Scram];
            s.scram_iterations = vec![0];
        });
        assert!(none.contains("from 1 to 2147483647"), "{none}");
        assert!(refused(|s| s.shared_buffers = vec!["12".into()]).contains("128MB"));
        assert!(refused(|s| s.shared_buffers = vec!["8kB".into()]).contains("128kB"));
        let tls = refused(|s| {
            s.tls = vec![Tls::On];
            s.transports = vec![Transport::Unix];
        });
        assert!(tls.contains("--tls on is for TCP"));
        let url = refused(|s| {
            s.server = "postgres://me@h/x".into();
            s.auths = vec![Auth::Scram];
        });
        assert!(url.starts_with("--auth is for servers"));
        let bin = refused(|s| {
            s.server = "docker".into();
            s.sources = vec![PgSource::Bin("/opt/pg/bin".into())];
        });
        assert!(bin.starts_with("--pg-bin runs on this machine"));
    }
}
