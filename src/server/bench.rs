//! Server mode's bench: a fresh server for each visit, load threads, standing
//! connections, and one block after another on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::crew::CrewSpec;
use super::fork_count::ForkCount;
use super::levels::{Supply, spec_of};
use super::load_thread::LoadThread;
use super::own_tables;
use super::provision::{
    PgBouncerSpec, RunningPgBouncer, RunningServer, ServerKind, init_pgbench_accounts, provision,
    start_pgbouncer,
};
use super::same_server::SameServer;
use super::server_facts::{
    SettingsSeen, read_settings, server_provenance, server_remarks, server_source,
};
use super::settle::stable_children;
use super::setup_log;
use super::standing::{Layout, Standing};
use super::survey::Surveyed;
use super::visit::{Measured, OpenVisit, Stretch};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::{Config, ServerConfig, Statement};
use crate::config::{ServerChoice, ServerUrl};
use crate::factor::OfferedRate;
use crate::factor::{Factors, PgSource};
use crate::load::cpu::Watched;
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, Visit};
use crate::load::{Cancel, ClientRates};
use crate::procarray::PageSize;
use crate::record::ConnectionCost;
use crate::record::{
    AbsentArm, AbsentLevel, Between, Block, PoolMode, Role, ServerProvenance, ServerSource,
};
use crate::seed::derive_seed;

/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (150_000_000, 450_000_000);

/// What the server bench needs beside the configuration: addresses.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    /// Which server.
    pub choice: ServerChoice,
    /// The user's own PgBouncer, for a server given by URL.
    pub pgbouncer: Option<ServerUrl>,
}

/// Server mode's [`Bench`].
pub struct ServerBench<'a> {
    pub(super) config: &'a Config,
    asked_for: &'a ServerConfig,
    request: &'a ServerRequest,
    pub(super) cancel: Cancel,
    pub(super) say: &'a dyn Fn(&str),
    supply: Supply,
    began_ns: u64,
    pub(super) client_rates: ClientRates,
    /// Arms that take part, as found by [`Bench::prepare`].
    pub(super) arms: Vec<Arm>,
    open: Option<OpenVisit>,
    /// What the first server of each source was; every later one must be the same.
    first: BTreeMap<Option<PgSource>, SameServer>,
    provenance: Option<ServerProvenance>,
    /// Every source that was started, in order.
    sources: Vec<ServerSource>,
    settings: SettingsSeen,
    pub(super) remarks: Vec<String>,
    /// What a connection costs, by level, as far as it is known.
    pub(super) costs: BTreeMap<Factors, ConnectionCost>,
    /// procbench itself, for the helper of `cpu-burn`.
    pub(super) helper_program: Option<PathBuf>,
    /// What was seen of a server by URL.
    surveyed: Option<Surveyed>,
}

impl<'a> ServerBench<'a> {
    /// A bench that has not started anything yet.
    pub fn new(
        (config, asked_for): (&'a Config, &'a ServerConfig),
        request: &'a ServerRequest,
        cancel: Cancel,
        say: &'a dyn Fn(&str),
    ) -> Self {
        ServerBench {
            config,
            asked_for,
            request,
            cancel,
            say,
            supply: Supply::new(&request.choice, &config.factors.pg),
            began_ns: MonotonicClock.now_ns(),
            client_rates: ClientRates::default(),
            arms: config.arms.clone(),
            open: None,
            first: BTreeMap::new(),
            provenance: None,
            sources: Vec::new(),
            settings: SettingsSeen::default(),
            remarks: Vec::new(),
            costs: BTreeMap::new(),
            helper_program: std::env::current_exe().ok(),
            surveyed: None,
        }
    }

    /// Where the `procbench` program is, if it is not the program that runs (as in a test): `cpu-burn`
    /// starts it as its helper.
    #[must_use]
    pub fn with_helper_program(self, program: impl Into<PathBuf>) -> Self {
        ServerBench {
            helper_program: Some(program.into()),
            ..self
        }
    }

    fn is_ours(&self) -> bool {
        !matches!(self.request.choice, ServerChoice::Url(_))
    }

    /// Slots that churn may use at the same time, with room for backends that
    /// have not quite left.
    fn churn_slots(&self) -> u32 {
        2 * self.config.clients + 16
    }

    /// `max_connections` of a server with so many standing connections.
    fn max_connections(&self, standing: u32) -> u32 {
        // Exactly what is needed: with free slots to spare, placeholders could not decide where churn lands.
        self.config.persistent_connections(&self.arms) + standing + self.churn_slots()
    }

    fn start_server(&mut self, level: &Factors) -> Result<RunningServer, Failure> {
        // Seconds, with an image to be made minutes: not begun after a stop request.
        if self.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let silent = |_: &str| {};
        let spec = spec_of(level, self.max_connections(level.standing));
        let provisioned = match self.first.get(&level.pg) {
            None => provision(&self.supply.choice, &spec, self.say),
            Some(first) => provision(
                &first.choice(&self.request.choice),
                &first.spec(spec),
                &silent,
            ),
        };
        let server = provisioned.map_err(|e| match self.is_ours() {
            // Another level's may start all the same.
            true => Failure::VisitLost(e.to_string()),
            false => Failure::Fatal(e.to_string()),
        })?;
        match self.first.get(&level.pg) {
            None => {
                (self.say)(&format!("procbench: {}", server.chosen_because()));
                let first = SameServer::of(&server);
                self.first.insert(level.pg.clone(), first);
                self.sources.push(server_source(&server, level.pg.as_ref()));
            }
            Some(first) => first
                .check(server.server_version())
                .map_err(|e| Failure::Fatal(e.to_string()))?,
        }
        if self.asked_for.query == Statement::SelectOnly && server.kind() != ServerKind::Url {
            init_pgbench_accounts(&server, 1, &silent)
                .map_err(|e| Failure::Fatal(e.to_string()))?;
        }
        Ok(server)
    }

    /// Readers on each reader thread: one thread a core at most, so that a
    /// reader seldom waits while its thread serves another.
    fn reader_shares(&self) -> impl Iterator<Item = u32> + use<> {
        let readers = self.config.readers;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(readers).max(1);
        (0..threads).map(move |t| readers / threads + u32::from(t < readers % threads))
    }

    fn pgbouncer_spec(&self, level: &Factors) -> Result<PgBouncerSpec, Failure> {
        Ok(PgBouncerSpec {
            auth: level.auth.unwrap_or_default(),
            pool_size: self.config.pool_size,
            max_client_conn: 4 * self.config.clients + 100,
            pool_mode: PoolMode::Transaction,
            url: self.request.pgbouncer.clone(),
        })
    }

    fn wants_pgbouncer(&self) -> bool {
        self.arms.iter().any(|a| a.needs_pgbouncer())
    }

    fn note_server(&mut self, server: &RunningServer, pgbouncer: Option<&RunningPgBouncer>) {
        if self.provenance.is_none() {
            self.remarks.extend(server_remarks(server));
            self.provenance = Some(server_provenance(server, pgbouncer, &self.config.factors));
        }
    }

    /// Reads the settings of a visit's server into the provenance. Not done with the server of
    /// [`Bench::prepare`], which has no standing connections and hence another `max_connections`.
    fn note_settings(&mut self, server: &RunningServer) -> BTreeMap<String, String> {
        let settings = read_settings(server).unwrap_or_else(|problem| {
            let remark = format!("a server's settings could not be read: {problem}");
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
            BTreeMap::new()
        });
        self.settings.note(&settings);
        if let Some(provenance) = &mut self.provenance {
            provenance.settings = self.settings.as_recorded();
        }
        settings
    }

    /// Looks at a server by URL, once, before anything is asked of it. The cap holds for whatever is not
    /// known to be on this machine: behind a proxy or tunnel on loopback, too.
    fn survey(&mut self, server: &RunningServer) -> Result<(), Failure> {
        if self.is_ours() || self.surveyed.is_some() {
            return Ok(());
        }
        let found = Surveyed::look(server.endpoint());
        let direct = found
            .as_ref()
            .is_ok_and(|s| s.survey.between == Between::Nothing);
        if !direct && let Some(beyond) = self.config.beyond_cap() {
            return Err(Failure::Fatal(beyond));
        }
        match found {
            Ok(found) => {
                let needed = u64::from(self.config.most_connections());
                let (free, most) = (found.survey.free_connections, found.survey.max_connections);
                // Others must get in beside us; who lifts the cap has nobody else there.
                if direct && free < needed && !self.asked_for.own.no_cap {
                    return Err(Failure::Fatal(format!(
                        "too few free connections: {needed} are needed, and of max_connections = {most} about {free} are free for this role: ask for fewer --readers, --clients or --standing, or give --no-cap if nobody else depends on it"
                    )));
                }
                self.surveyed = Some(found);
            }
            Err(problem) => self
                .remarks
                .push(format!("the server could not be looked at: {problem}")),
        }
        Ok(())
    }

    pub(super) fn open(&self) -> Result<&OpenVisit, Failure> {
        self.open
            .as_ref()
            .ok_or_else(|| Failure::Fatal("no visit is open".into()))
    }

    fn factors(
        &self,
        server: &RunningServer,
        level: &Factors,
        settings: &BTreeMap<String, String>,
    ) -> Factors {
        Factors {
            pg: level
                .pg
                .clone()
                .or_else(|| server.pg_major().map(PgSource::Major)),
            slot_order: level.slot_order.filter(|_| self.is_ours()),
            transport: Some(server.endpoint().transport()),
            // With `try`, which one it is cannot be told from the setting.
            page_size: match settings.get("huge_pages").map(String::as_str) {
                Some("off") => Some(PageSize::Small),
                Some("on") => Some(PageSize::Huge),
                _ if self.is_ours() => level.page_size,
                _ => None,
            },
            ..level.clone()
        }
    }
}

impl Bench for ServerBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        if !self.wants_pgbouncer() {
            return Ok(Vec::new());
        }
        // On a version that can be had; what is absent is told by `absent_levels`.
        let levels = self.config.levels();
        let level = self.supply.first_to_be_had(&levels, self.say).cloned();
        let first = Factors {
            standing: 0,
            ..level.unwrap_or_default()
        };
        let server = self.start_server(&first)?;
        match start_pgbouncer(&server, &self.pgbouncer_spec(&first)?, self.say) {
            Ok(pgbouncer) => {
                self.note_server(&server, Some(&pgbouncer));
                Ok(Vec::new())
            }
            Err(absent) => {
                self.note_server(&server, None);
                let reason = absent.to_string();
                let gone: Vec<AbsentArm> = self
                    .arms
                    .iter()
                    .filter(|a| a.needs_pgbouncer())
                    .map(|&arm| AbsentArm {
                        arm,
                        reason: reason.clone(),
                        lost: false,
                    })
                    .collect();
                self.arms.retain(|a| !a.needs_pgbouncer());
                Ok(gone)
            }
        }
    }

    fn absent_levels(&mut self, levels: &[Factors]) -> Vec<AbsentLevel> {
        let placeholder = Supply::new(&self.request.choice, &[]);
        let mut supply = std::mem::replace(&mut self.supply, placeholder);
        let most = |standing| self.max_connections(standing);
        let absent = supply.absent(self.config, levels, most, self.say);
        self.supply = supply;
        absent
    }

    fn set_client_rates(&mut self, rates: ClientRates) {
        self.client_rates = rates;
        // At another rate a connection costs something else.
        self.costs.clear();
    }

    fn open_visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        let server = self.start_server(&visit.factors)?;
        self.survey(&server)?;
        let failed = |what: &str, message: String| {
            if self.cancel.is_cancelled() {
                return Failure::Interrupted;
            }
            let hint = if message.contains("53300") || message.contains("too many clients") {
                ": ask for fewer standing connections, or raise the server's max_connections"
            } else {
                ""
            };
            Failure::Fatal(format!("{what}: {message}{hint}"))
        };
        if self.is_ours() {
            own_tables::create(&server, &self.arms, self.config.clients)
                .map_err(|e| failed("the tables of vacuum and commit", e.message))?;
        }
        let pgbouncer = if self.wants_pgbouncer() {
            let asked = self.pgbouncer_spec(&visit.factors)?;
            let started = start_pgbouncer(&server, &asked, &|_| {});
            Some(started.map_err(|e| failed("PgBouncer", e.to_string()))?)
        } else {
            None
        };
        let config = self.config;
        let layout = Layout {
            standing: visit.factors.standing,
            placeholders: if self.is_ours() {
                self.churn_slots()
            } else {
                0
            },
            order: visit.factors.slot_order.unwrap_or_default(),
            state: visit.factors.standing_state.unwrap_or_default(),
            descending: server.pg_major().is_none_or(|major| major <= 16),
        };
        let readers = self
            .reader_shares()
            .map(|count| {
                let spec = CrewSpec::Readers {
                    server: server.endpoint().clone(),
                    count,
                    statement: self.asked_for.query.clone(),
                    protocol: self.asked_for.protocol,
                };
                LoadThread::start("readers", spec, &self.cancel).map(|thread| (thread, count))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| failed("the readers cannot connect", e.message))?;
        let clients = LoadThread::start(
            "clients",
            CrewSpec::Clients {
                server: server.endpoint().clone(),
                pgbouncer: pgbouncer.as_ref().map(|p| p.endpoint().clone()),
                count: config.clients,
                statement: self.asked_for.query.clone(),
                protocol: self.asked_for.protocol,
                disconnect: self.asked_for.disconnect,
                arms: self.arms.clone(),
                pool_size: config.pool_size,
            },
            &self.cancel,
        )
        .map_err(|e| failed("the clients cannot connect", e.message))?;
        let standing = Standing::open(server.endpoint(), layout, &self.cancel)
            .map_err(|e| failed("the standing connections cannot be opened", e.message))?;
        self.note_server(&server, pgbouncer.as_ref());
        let settings = self.note_settings(&server);
        let base_children = stable_children(&server);
        let watched = Watched {
            postmaster: server.postmaster_pid(),
            pgbouncer: pgbouncer.as_ref().and_then(RunningPgBouncer::pid),
        };
        let factors = self.factors(&server, &visit.factors, &settings);
        let burner = self.start_burner(watched.postmaster);
        self.open = Some(OpenVisit {
            readers,
            clients,
            burner: RefCell::new(burner),
            standing,
            pgbouncer,
            server,
            base_children,
            watched,
            last_reading: RefCell::new(None),
            forks: RefCell::new(ForkCount::start()),
            factors,
        });
        self.learn_connection_cost()
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let visit = self.open()?;
        let (settle, settled) = visit.settle(&self.cancel);
        let factors = visit.factors.clone();
        let burn_ns = self.burn_ns(&factors);
        let mark = setup_log::mark(visit, spec.arm);
        let Measured {
            window,
            record,
            cpu,
            mut counters,
        } = visit.measure(&Stretch {
            config: self.config,
            arm: spec.arm,
            rates: (self.config.reader_rate, self.client_rates.at(&spec.factors)),
            lengths_ns: (self.config.warmup_ns, self.config.block_ns()),
            burn_ns,
            seed_path: u64::from(spec.index) + 1,
            cancel: &self.cancel,
        })?;
        counters.extend(setup_log::counters_since(visit, mark, &record));
        if let Some(cost) = self.costs.get_mut(&factors) {
            cost.add(spec.arm, &cpu, &record.tallies, burn_ns.unwrap_or(0));
        }
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            visit: spec.visit,
            factors,
            start_ns: window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: window.measured_ns(),
            settle_ns: settle.as_nanos() as u64,
            settled,
            tallies: record.tallies,
            cpu,
            counters,
            series: record.series,
        })
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let visit = self.open()?;
        visit.settle(&self.cancel);
        let Measured { window, record, .. } = visit.measure(&Stretch {
            config: self.config,
            arm,
            rates: (self.config.reader_rate, OfferedRate::Max),
            lengths_ns: CALIBRATION_NS,
            burn_ns: self.burn_ns(&visit.factors),
            seed_path: derive_seed(0, &[arm.index() as u64]),
            cancel: &self.cancel,
        })?;
        let done = record
            .tallies
            .get(&Role::Client)
            .map_or(0, |t| t.succeeded());
        Ok(done as f64 * 1e9 / window.measured_ns() as f64)
    }

    fn close_visit(&mut self) {
        let endpoint = self.open.as_ref().map(|o| o.server.endpoint().clone());
        self.open = None;
        if let (Some(endpoint), Some(surveyed)) = (endpoint, &mut self.surveyed)
            && !self.cancel.is_cancelled()
        {
            surveyed.look_again(&endpoint);
        }
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        let provenance = self.provenance.clone().map(|provenance| ServerProvenance {
            servers: self.sources.clone(),
            survey: self.surveyed.as_ref().map(|s| s.survey.clone()),
            ..provenance
        });
        (provenance, self.remarks.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::experiment::Scale;

    #[test]
    fn only_arms_that_take_part_hold_connections() {
        let mut config =
            (crate::experiment::find("churn-tail").unwrap().config)(Mode::Server, Scale::Full);
        (config.readers, config.clients, config.pool_size) = (4, 20, 7);
        let held = |arms: &[Arm]| config.persistent_connections(arms);
        assert_eq!(held(&[Arm::Quiet, Arm::Unpooled, Arm::ForkOnly]), 4);
        assert_eq!(held(&[Arm::KeptOpen, Arm::Unpooled]), 24);
        assert_eq!(held(&[Arm::Pool]), 11);
        assert_eq!(held(&[Arm::Pgbouncer]), 11);
        assert_eq!(held(&[Arm::Pgbouncer, Arm::PgbouncerKept]), 11);
        assert_eq!(held(&[Arm::FailedLogin, Arm::CpuBurn]), 4);
        assert_eq!(held(&Arm::all().collect::<Vec<_>>()), 4 + 3 * 20 + 7 + 7);
    }
}
