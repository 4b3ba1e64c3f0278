//! What was asked for, what a level of it asks of a server, and which levels are available on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cores::{enough_cores, may_move_others};
use super::patience::Patience;
use super::provision::{
    PgBouncerSpec, ProvisionError, RunningServer, ServerSpec, obtain, provision, reach,
    start_pgbouncer,
};
use crate::arm::Arm;
use crate::config::{Config, ServerChoice, ServerConfig};
use crate::factor::{
    FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, Factors, Isolate, LogConnections, PgSource,
};
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::procarray::PageSize;
use crate::procfs;
use crate::record::{PoolMode, Survey};

/// What was asked for, and the request to stop.
#[derive(Clone)]
pub(super) struct Asked<'a> {
    pub config: &'a Config,
    pub server: &'a ServerConfig,
    pub cancel: Cancel,
    /// procbench itself, for the helper of `cpu-burn`.
    pub helper_program: Option<PathBuf>,
}

impl Asked<'_> {
    /// Whether procbench starts the server.
    pub fn is_ours(&self) -> bool {
        !self.server.is_url()
    }

    /// Slots that churn may use at the same time, with room for backends that
    /// have not quite left.
    pub fn churn_slots(&self) -> u32 {
        2 * self.config.clients + 16
    }

    /// `max_connections` of a server with so many standing connections. Exactly what is
    /// needed: with free slots to spare, placeholders could not decide where churn lands.
    pub fn max_connections(&self, arms: &[Arm], standing: u32) -> u32 {
        self.config.persistent_connections(arms) + standing + self.churn_slots()
    }

    /// Readers on each reader thread: one thread per core at most, so that a
    /// reader seldom waits while its thread serves another.
    pub fn reader_shares(&self) -> impl Iterator<Item = u32> + use<> {
        let readers = self.config.readers;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(readers).max(1);
        (0..threads).map(move |t| readers / threads + u32::from(t < readers % threads))
    }

    /// How long a server that is not ours is waited for.
    pub fn patience(&self) -> Patience {
        let given = self.server.connect_timeout();
        Patience {
            limit: given.unwrap_or(Patience::default().limit),
            cancel: self.cancel.clone(),
        }
    }

    /// Whether a server by URL may be loaded as asked, for all that is known of it. The cap holds for whatever is not
    /// known to be on this machine: behind a proxy or tunnel on loopback, too.
    ///
    /// # Errors
    /// What is beyond the cap, or too few free connections.
    pub fn may_load(&self, survey: &Survey) -> Result<(), Failure> {
        if !survey.is_direct() {
            return match self.config.beyond_cap() {
                Some(beyond) => Err(Failure::Fatal(beyond)),
                None => Ok(()),
            };
        }
        let needed = u64::from(self.config.most_connections());
        // Others must get in beside us; who lifts the cap has nobody else there.
        match (survey.free_connections(), &survey.settings) {
            (Some(free), Ok(settings)) if free < needed && !self.server.own.no_cap => {
                Err(Failure::Fatal(format!(
                    "too few free connections: {needed} are needed, and of max_connections = {} about {free} are free for this role: ask for fewer --readers, --clients or --standing, or give --no-cap if nobody else depends on it",
                    settings.max_connections
                )))
            }
            _ => Ok(()),
        }
    }

    /// Starts a server, or reaches the one by URL.
    ///
    /// # Errors
    /// Why there is none: of ours another level's may start all the same.
    pub fn start_server(
        &self,
        choice: &ServerChoice,
        spec: &ServerSpec,
        say: &dyn Fn(&str),
    ) -> Result<RunningServer, Failure> {
        match choice {
            ServerChoice::Url(url) => reach(url, spec.pg_major(), &self.patience(), say)
                .map_err(|e| Failure::Fatal(e.to_string())),
            ours => provision(ours, spec, say).map_err(|e| Failure::StartLost(e.to_string())),
        }
    }

    /// Starts the PgBouncer of a level, or reaches the user's own.
    ///
    /// # Errors
    /// Why there is none; its arms are then absent, the rest can run.
    pub fn pgbouncer(
        &self,
        server: &RunningServer,
        level: &Factors,
        say: &dyn Fn(&str),
    ) -> Result<RunningServer, ProvisionError> {
        if let Some(url) = &self.server.pgbouncer {
            return reach(url, None, &self.patience(), say)
                .map_err(ProvisionError::when("--pgbouncer"));
        }
        let spec = PgBouncerSpec {
            auth: level.auth.unwrap_or_default(),
            pool_size: self.config.pool_size,
            max_client_conn: 4 * self.config.clients + 100,
            pool_mode: PoolMode::Transaction,
        };
        start_pgbouncer(server, &spec, say)
    }
}

/// The server that a level asks for, with room for so many connections.
fn spec_of(level: &Factors, max_connections: u32) -> ServerSpec {
    let log_connections = level.log_connections.unwrap_or_default();
    let logged = (log_connections != LogConnections::Off)
        .then(|| ("log_connections".to_owned(), log_connections.to_string()));
    ServerSpec {
        source: level.pg.clone(),
        max_connections,
        shared_buffers: level.shared_buffers.clone().unwrap_or_default(),
        transport: level.transport.unwrap_or_default(),
        page_size: level.page_size.unwrap_or_default(),
        auth: level.auth.unwrap_or_default(),
        scram_iterations: level.scram_iterations.map(|n| n.0),
        tls: level.tls.unwrap_or_default(),
        premap: false,
        pair: None,
        settings: logged.into_iter().collect(),
    }
}

/// A level as `server` has it: with what was asked for or, of a server by URL, what it says of itself.
pub(super) fn as_measured(
    level: &Factors,
    server: &RunningServer,
    settings: &BTreeMap<String, String>,
    is_ours: bool,
) -> Factors {
    let major = server.pg_major().map(PgSource::Major);
    Factors {
        pg: level.pg.clone().or(major),
        slot_order: level.slot_order.filter(|_| is_ours),
        transport: Some(server.endpoint().transport()),
        // With `try`, the setting does not say which one it is.
        page_size: match settings.get("huge_pages").map(String::as_str) {
            Some("off") => Some(PageSize::Small),
            Some("on") => Some(PageSize::Huge),
            _ if is_ours => level.page_size,
            _ => None,
        },
        ..level.clone()
    }
}

/// Whether a later server of a run is of the version of the first, package suffix included.
///
/// # Errors
/// When it is not.
pub(super) fn check_same_version(first: &str, now: &str) -> Result<(), String> {
    if now == first {
        return Ok(());
    }
    Err(format!(
        "this server is PostgreSQL {now}, the first of this run was {first}: a run must not mix \
         them; measure again when no upgrade is under way"
    ))
}

/// Where the servers of a run come from.
pub(super) struct Supply {
    /// `auto` decided, once for the whole run.
    pub(super) choice: ServerChoice,
    /// The major version of each available source, or why another is not available.
    known: BTreeMap<Option<PgSource>, Result<Option<u32>, String>>,
}

impl Supply {
    /// Nothing is known yet. With `auto`, sources that run in one place only put all of them there: levels
    /// of one run are to differ in their factors alone.
    pub(super) fn new(asked: &ServerChoice, sources: &[PgSource]) -> Self {
        let has =
            |kind: fn(&PgSource) -> bool| *asked == ServerChoice::Auto && sources.iter().any(kind);
        let choice = if has(|s| matches!(s, PgSource::Bin(_))) {
            ServerChoice::Local
        } else if has(|s| matches!(s, PgSource::Image(_))) {
            ServerChoice::Docker
        } else {
            asked.clone()
        };
        Supply {
            choice,
            known: BTreeMap::new(),
        }
    }

    /// Makes sure that a source is available: builds its image, or finds its binaries. Minutes for an image.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn look_for(
        &mut self,
        level: &Factors,
        say: &dyn Fn(&str),
    ) -> Result<Option<u32>, String> {
        if let Some(known) = self.known.get(&level.pg) {
            return known.clone();
        }
        let found = obtain(&self.choice, &spec_of(level, 0), say).map_err(|e| e.to_string());
        let outcome = found.map(|(choice, major)| {
            self.choice = choice;
            major
        });
        self.known.insert(level.pg.clone(), outcome.clone());
        outcome
    }

    /// The server that a level asks for, of the major version that was found: later starts must not find
    /// another one. A server by URL is what it is.
    pub(super) fn spec(&self, level: &Factors, max_connections: u32) -> ServerSpec {
        let spec = spec_of(level, max_connections);
        let found = self.known.get(&level.pg).and_then(|k| *k.as_ref().ok()?);
        ServerSpec {
            source: spec.source.or(found.map(PgSource::Major)),
            ..spec
        }
    }

    /// Whether a level is available.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn check(
        &mut self,
        level: &Factors,
        max_connections: u32,
        say: &dyn Fn(&str),
    ) -> Result<(), String> {
        let major = self.look_for(level, say).map_err(|r| match &level.pg {
            Some(pg) => format!("PostgreSQL {pg}: {r}"),
            None => r,
        })?;
        let came_with = |first, asked, lack| match major {
            Some(major) if asked && major < first => {
                Err(format!("PostgreSQL {major} {lack}: they came with {first}"))
            }
            _ => Ok(()),
        };
        let iterations = level.scram_iterations.is_some();
        came_with(FIRST_WITH_ITERATIONS, iterations, "has no scram_iterations")?;
        let logged = level.log_connections == Some(LogConnections::SetupDurations);
        came_with(
            FIRST_WITH_SETUP_DURATIONS,
            logged,
            "does not log setup_durations",
        )?;
        if level.isolate == Some(Isolate::On) {
            enough_cores()?;
            if self.choice == ServerChoice::Docker {
                may_move_others()?;
            }
        }
        let spec = spec_of(level, max_connections);
        let needed = huge_pages_needed(&spec);
        match procfs::free_huge_pages().unwrap_or(0) {
            free if free < needed && spec.page_size == PageSize::Huge => Err(format!(
                "2 MB pages: {free} free, about {needed} needed: grant them with sysctl vm.nr_hugepages={needed}"
            )),
            _ => Ok(()),
        }
    }
}

/// 2 MB pages for a server's shared memory, roughly and not too few: its buffers with their headers,
/// and for each connection its PGPROC and its share of the lock tables (64 locks of about 300 bytes).
fn huge_pages_needed(spec: &ServerSpec) -> u64 {
    const FIXED_KB: u64 = 24 << 10;
    const CONNECTION_KB: u64 = 24;
    let buffers_kb = spec.shared_buffers.kb() * 21 / 20;
    let connections_kb = CONNECTION_KB * u64::from(spec.max_connections);
    (buffers_kb + FIXED_KB + connections_kb).div_ceil(2 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::Auth;

    #[test]
    fn a_levels_factors_become_a_spec() {
        let level = Factors {
            pg: Some(PgSource::Major(17)),
            page_size: Some(PageSize::Huge),
            auth: Some(Auth::Scram),
            shared_buffers: Some("1GB".parse().unwrap()),
            ..Factors::standing(500)
        };
        let spec = spec_of(&level, 600);
        assert_eq!(spec.source, Some(PgSource::Major(17)));
        assert_eq!(spec.max_connections, 600);
        assert_eq!((spec.page_size, spec.auth), (PageSize::Huge, Auth::Scram));
        assert_eq!(huge_pages_needed(&spec), 557);
    }

    #[test]
    fn later_starts_get_the_version_that_was_found() {
        let mut supply = Supply::new(&ServerChoice::Local, &[]);
        let level = Factors::standing(0);
        assert_eq!(supply.spec(&level, 10).source, None);
        supply.known.insert(None, Ok(Some(17)));
        let found = Some(PgSource::Major(17));
        assert_eq!(supply.spec(&level, 10).source, found);
        // What was asked for is taken as it is, and so is a server by URL.
        let asked = Some(PgSource::Bin("/opt/pg/bin".into()));
        let other = Factors {
            pg: asked.clone(),
            ..level.clone()
        };
        assert_eq!(supply.spec(&other, 10).source, asked);
        supply.known.insert(None, Ok(None));
        assert_eq!(supply.spec(&level, 10).source, None);
    }

    #[test]
    fn another_version_is_refused_in_one_line() {
        let first = "17.6 (Debian 17.6-1)";
        assert!(check_same_version(first, "17.6 (Debian 17.6-1)").is_ok());
        for other in ["17.6 (Debian 17.6-2)", "15.18 (Debian 15.18-0+deb12u1)"] {
            let line = check_same_version(first, other).unwrap_err();
            assert!(line.contains(other) && line.contains(first));
            assert!(!line.contains('\n'));
        }
    }
}
