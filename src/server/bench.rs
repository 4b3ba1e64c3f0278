//! Server mode's bench: a fresh server for each start, load threads, standing connections, and block after block.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::levels::{Asked, Supply, as_measured, check_same_version};
use super::provision::{RunningServer, ServerSpec, init_pgbench_accounts};
use super::server_facts::{
    SettingsSeen, read_settings, server_provenance, server_remarks, server_source,
};
use super::setup_log;
use super::start::{BlockOutcome, BlockRequest, ServerStart};
use super::survey::{Surveyed, check_pooler};
use crate::arm::Arm;
use crate::clock::{Clock, MonotonicClock};
use crate::config::{Config, ServerConfig, Statement, Tracing};
use crate::factor::{Factors, OfferedRate, PgSource};
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, PlannedStart};
use crate::load::{Cancel, ClientRates};
use crate::record::{AbsentArm, AbsentLevel, Block, Role, ServerProvenance, ServerSource, Survey};
use crate::seed::derive_seed;
use crate::stats::{Bursts, ConnectionCost};

/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (150_000_000, 450_000_000);

/// Of each arm before the first traced block.
const WARM_NS: u64 = 100_000_000;

/// Server mode's [`Bench`].
pub struct ServerBench<'a> {
    asked: Asked<'a>,
    say: &'a dyn Fn(&str),
    supply: Supply,
    began_ns: u64,
    client_rates: ClientRates,
    slow_over_ns: Option<u64>,
    /// Arms that take part, as found by [`Bench::prepare`].
    arms: Vec<Arm>,
    open: Option<ServerStart<'a>>,
    provenance: Option<ServerProvenance>,
    /// The first server of each source, in order; every later one must be the same.
    sources: Vec<(Option<PgSource>, ServerSource)>,
    settings: SettingsSeen,
    remarks: Vec<String>,
    /// What a connection costs, by level, as far as it is known.
    costs: BTreeMap<Factors, ConnectionCost>,
    /// What was seen of a server by URL.
    surveyed: Option<Surveyed>,
}

impl<'a> ServerBench<'a> {
    /// A bench that has not started anything yet.
    pub fn new(
        (config, server): (&'a Config, &'a ServerConfig),
        cancel: Cancel,
        say: &'a dyn Fn(&str),
    ) -> Self {
        ServerBench {
            asked: Asked {
                config,
                server,
                cancel,
                helper_program: std::env::current_exe().ok(),
            },
            say,
            supply: Supply::new(&server.server, &config.factors.pg),
            began_ns: MonotonicClock.now_ns(),
            client_rates: ClientRates::default(),
            slow_over_ns: None,
            arms: config.arms.clone(),
            open: None,
            provenance: None,
            sources: Vec::new(),
            settings: SettingsSeen::default(),
            remarks: Vec::new(),
            costs: BTreeMap::new(),
            surveyed: None,
        }
    }

    /// Where the `procbench` program is, if it is not the program that runs (as in a test): `cpu-burn`
    /// starts it as its helper.
    #[must_use]
    pub fn with_helper_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.asked.helper_program = Some(program.into());
        self
    }

    /// The arms that have something to show at a level.
    fn arms_at(&mut self, level: &Factors) -> Vec<Arm> {
        let arms = self.arms.clone().into_iter();
        arms.filter(|&arm| self.leaves_out(arm, level).is_none())
            .collect()
    }

    fn start_server(&mut self, level: &Factors) -> Result<RunningServer, Failure> {
        // Seconds, with an image to be made minutes: not begun after a stop request.
        if self.asked.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let silent = |_: &str| {};
        let most = self.asked.max_connections(&self.arms, level.standing);
        let spec = ServerSpec {
            premap: self.arms_at(level).iter().any(|a| a.premapping().is_some()),
            ..self.supply.spec(level, most)
        };
        let first = self.sources.iter().find(|(pg, _)| *pg == level.pg);
        let say = if first.is_none() { self.say } else { &silent };
        let server = self.asked.start_server(&self.supply.choice, &spec, say)?;
        if let Some((_, first)) = first {
            check_same_version(&first.version, server.server_version()).map_err(Failure::Fatal)?;
        } else {
            (self.say)(&format!("procbench: {}", server.chosen_because()));
            let source = server_source(&server, level.pg.as_ref());
            self.sources.push((level.pg.clone(), source));
        }
        if self.asked.server.query == Statement::SelectOnly && self.asked.is_ours() {
            init_pgbench_accounts(&server).map_err(|e| Failure::Fatal(e.to_string()))?;
        }
        Ok(server)
    }

    fn note_server(&mut self, server: &RunningServer, pgbouncer: Option<&RunningServer>) {
        if self.provenance.is_none() {
            self.remarks.extend(server_remarks(server));
            let asked = &self.asked.config.factors;
            self.provenance = Some(server_provenance(server, pgbouncer, asked));
        }
    }

    /// Looks at a server by URL, once, before anything is asked of it.
    fn survey(&mut self, server: &RunningServer) -> Result<(), Failure> {
        if self.asked.is_ours() || self.surveyed.is_some() {
            return Ok(());
        }
        let Some(major) = server.pg_major() else {
            let version = server.server_version();
            let why = format!("'{version}' is no version of PostgreSQL");
            self.asked.may_load(&Survey::unknown(0, &why))?;
            self.remark(format!("the server was not looked at: {why}"));
            return Ok(());
        };
        let found = Surveyed::look(server.endpoint(), major, self.asked.patience());
        let survey = &found.survey;
        self.asked.may_load(survey)?;
        if let (Err(why), Err(_)) = (&survey.settings, &survey.between) {
            let remark = format!("the server could not be looked at: {why}");
            self.remark(remark);
        } else if survey.is_standby() {
            let standby = "the server is a hot standby: it takes its snapshots from the list of its primary's transactions, and runs no writes";
            self.remark(standby.to_owned());
        }
        self.surveyed = Some(found);
        Ok(())
    }

    fn start(&self) -> Result<&ServerStart<'a>, Failure> {
        let open = self.open.as_ref();
        open.ok_or_else(|| Failure::Fatal("no server is open".into()))
    }

    /// What an operation of `cpu-burn` is asked to use next at this level, or why it is not known.
    fn bursts(&self, level: &Factors) -> Result<Bursts, String> {
        let unknown = "what a connection costs was not measured";
        self.costs.get(level).ok_or(unknown)?.next_request()
    }

    /// Says a remark and keeps it, once.
    fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            (self.say)(&format!("procbench: {remark}"));
            self.remarks.push(remark);
        }
    }

    /// Measures what a connection costs, if `cpu-burn` takes part and nothing is known of the level.
    fn learn_connection_cost(&mut self) -> Result<(), Failure> {
        let start = self.start()?;
        let level = start.factors.clone();
        let outside = match &*start.burner.borrow() {
            Ok(burner) => burner.outside_cgroup.clone(),
            Err(_) => return Ok(()),
        };
        if let Some(why) = outside {
            self.remark(format!(
                "cpu-burn did not run in the server's cgroup, so CPU shares differ: {why}"
            ));
        }
        if !self.costs.contains_key(&level) {
            let rate = self.client_rates.at(&level);
            let cost = self.start()?.measure_cost(rate)?;
            self.costs.insert(level, cost);
        }
        Ok(())
    }

    /// Attaches the trace, where one was asked for; without one the run goes on. Then every connection has done
    /// what it does only once, so that counts are those of any later statement.
    fn attach_trace(&mut self) -> Result<(), Failure> {
        if self.asked.server.trace != Tracing::EveryBlock {
            return Ok(());
        }
        if let Err(problem) = self.start()?.watch.attach(self.asked.server.trace) {
            self.remark(format!("not traced: {problem}"));
            return Ok(());
        }
        let level = self.start()?.factors.clone();
        for (arm, path) in self.arms_at(&level).into_iter().zip(0..) {
            self.start()?.run_block(&BlockRequest {
                arm,
                client_rate: self.client_rates.at(&level),
                lengths_ns: (0, WARM_NS),
                burn: self.bursts(&level),
                seed_path: derive_seed(0x5452_4143, &[path]),
            })?;
        }
        Ok(())
    }
}

impl Bench for ServerBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        let pooled = self.arms.iter().any(|a| a.needs_pgbouncer());
        if !pooled && self.asked.is_ours() {
            return Ok(Vec::new());
        }
        // On a version that is available; `absent_levels` names the others.
        let levels = self.asked.config.levels();
        let there = |l: &Factors| self.supply.look_for(l, self.say).is_ok();
        let first = Factors {
            standing: 0,
            ..levels.into_iter().find(there).unwrap_or_default()
        };
        // One that cannot be reached is said before anything is planned.
        let server = self.start_server(&first)?;
        if !pooled {
            return Ok(Vec::new());
        }
        let started = self.asked.pgbouncer(&server, &first, self.say);
        let started = started.and_then(|pooler| match self.asked.server.pgbouncer {
            Some(_) => check_pooler(pooler.endpoint(), &self.asked.patience()).map(|()| pooler),
            None => Ok(pooler),
        });
        self.note_server(&server, started.as_ref().ok());
        let Err(reason) = started else {
            return Ok(Vec::new());
        };
        if !self.asked.is_ours() {
            return Err(Failure::Fatal(reason.to_string()));
        }
        let gone = self.arms.extract_if(.., |a| a.needs_pgbouncer());
        let gone = gone.map(|arm| AbsentArm {
            arm,
            reason: reason.to_string(),
            lost: false,
        });
        Ok(gone.collect())
    }

    fn absent_levels(&mut self, levels: &[Factors]) -> Vec<AbsentLevel> {
        let absent = levels.iter().filter_map(|level| {
            let most = self.asked.max_connections(&self.arms, level.standing);
            let reason = self.supply.check(level, most, self.say).err()?;
            let of_pages = self.supply.look_for(level, self.say).is_ok();
            Some(AbsentLevel {
                factors: level.clone(),
                reason,
                wanted: !(of_pages && self.asked.config.page_size_if_granted),
            })
        });
        absent.collect()
    }

    fn leaves_out(&mut self, arm: Arm, level: &Factors) -> Option<String> {
        let major = self.supply.look_for(level, self.say).ok().flatten();
        self.asked.config.leaves_out(arm, level, major)
    }

    fn set_client_rates(&mut self, rates: ClientRates) {
        self.client_rates = rates;
        // At another rate a connection costs something else.
        self.costs.clear();
    }

    fn set_slow_over(&mut self, slow_over_ns: Option<u64>) {
        self.slow_over_ns = slow_over_ns;
    }

    fn open_start(&mut self, planned: &PlannedStart) -> Result<(), Failure> {
        let server = self.start_server(&planned.factors)?;
        self.survey(&server)?;
        let mut start =
            ServerStart::open(self.asked.clone(), &self.arms, server, &planned.factors)?;
        self.note_server(&start.server, start.pgbouncer.as_ref());
        // Not those of the server of `prepare`: without standing connections it has another `max_connections`.
        let settings = read_settings(&start.server, &self.asked.patience());
        let settings = settings.unwrap_or_else(|problem| {
            self.remark(format!("a server's settings could not be read: {problem}"));
            BTreeMap::new()
        });
        self.settings.note(&settings);
        start.factors = as_measured(
            &start.factors,
            &start.server,
            &settings,
            self.asked.is_ours(),
        );
        self.open = Some(start);
        self.learn_connection_cost()?;
        self.attach_trace()
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let start = self.start()?;
        let (settle, settled) = start.settle();
        let factors = start.factors.clone();
        let burn = self.bursts(&factors);
        let mark = setup_log::mark(start, spec.arm);
        let config = self.asked.config;
        let request = BlockRequest {
            arm: spec.arm,
            client_rate: self.client_rates.at(&spec.factors),
            lengths_ns: (config.warmup_ns, config.block_ns()),
            burn,
            seed_path: spec.arrivals_path(),
        };
        let mut done = start.run_block(&request)?;
        let logged = setup_log::counters_since(start, mark, &done.record);
        done.counters.extend(logged);
        match start.traced(&request, &done, self.slow_over_ns)? {
            Some(Ok(account)) => {
                done.counters.extend(account.counters);
                done.record.series.extend(account.series);
            }
            Some(Err(problem)) => self.remark(format!("not traced: {problem}")),
            None => {}
        }
        if let Some(cost) = self.costs.get_mut(&factors) {
            let tallies = &done.record.tallies;
            cost.add(spec.arm, &done.cpu, tallies, &done.counters);
        }
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            start: spec.start,
            factors,
            start_ns: done.window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: done.window.measured_ns(),
            settle_ns: settle.as_nanos() as u64,
            settled,
            tallies: done.record.tallies,
            cpu: done.cpu,
            counters: done.counters,
            series: done.record.series,
        })
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let start = self.start()?;
        start.settle();
        let BlockOutcome { window, record, .. } = start.run_block(&BlockRequest {
            arm,
            client_rate: OfferedRate::Max,
            lengths_ns: CALIBRATION_NS,
            burn: self.bursts(&start.factors),
            seed_path: derive_seed(0, &[arm.index() as u64]),
        })?;
        let clients = record.tallies.get(&Role::Client);
        let done = clients.map_or(0, |t| t.succeeded());
        Ok(done as f64 * 1e9 / window.measured_ns() as f64)
    }

    fn close_start(&mut self) {
        let was_open = self.open.take().is_some();
        if let Some(surveyed) = &mut self.surveyed
            && was_open
            && !self.asked.cancel.is_cancelled()
        {
            surveyed.look_again(self.arms.iter().any(|a| a.needs_pgbouncer()));
        }
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        let provenance = self.provenance.clone().map(|provenance| ServerProvenance {
            servers: self.sources.iter().map(|(_, s)| s.clone()).collect(),
            settings: self.settings.as_recorded(),
            survey: self.surveyed.as_ref().map(|s| s.survey.clone()),
            ..provenance
        });
        (provenance, self.remarks.clone())
    }
}

#[cfg(test)]
#[path = "bench_tests.rs"]
mod tests;
