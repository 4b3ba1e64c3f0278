//! Server mode's bench: a fresh server for each visit, load threads, standing
//! connections, and one block after another on them.

use std::collections::BTreeMap;

use super::crew::CrewSpec;
use super::load_thread::LoadThread;
use super::provision::{
    PgBouncerSpec, RunningPgBouncer, RunningServer, ServerChoice, ServerKind, ServerSpec,
    ServerUrl, Transport, init_pgbench_accounts, provision, start_pgbouncer,
};
use super::server_facts::{server_provenance, server_remarks};
use super::settle::stable_children;
use super::standing::{Layout, Standing};
use super::visit::{Measured, OpenVisit, Stretch};
use crate::arm::Arm;
use crate::config::{Config, Disconnect, Statement};
use crate::load::cpu::Watched;
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, Visit};
use crate::load::{Cancel, Clock, MonotonicClock, OfferedRate, derive_seed};
use crate::record::{AbsentArm, Block, Factors, Role, ServerProvenance};

/// Closed-loop calibration of one arm: warm-up and measured time.
const CALIBRATION_NS: (u64, u64) = (150_000_000, 450_000_000);

/// What the server bench needs beside the configuration.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    /// Which server.
    pub choice: ServerChoice,
    /// Major version.
    pub pg_major: Option<u32>,
    /// Transport.
    pub transport: Transport,
    /// What readers and clients run.
    pub query: Statement,
    /// When a disconnect is over.
    pub disconnect: Disconnect,
    /// The user's own PgBouncer, for a server given by URL.
    pub pgbouncer: Option<ServerUrl>,
}

/// Server mode's [`Bench`].
pub struct ServerBench<'a> {
    config: &'a Config,
    request: &'a ServerRequest,
    cancel: Cancel,
    say: &'a dyn Fn(&str),
    began_ns: u64,
    client_rate: OfferedRate,
    /// Arms that take part, as found by [`Bench::prepare`].
    arms: Vec<Arm>,
    open: Option<OpenVisit>,
    provenance: Option<ServerProvenance>,
    remarks: Vec<String>,
    announced: bool,
}

impl<'a> ServerBench<'a> {
    /// A bench that has not started anything yet.
    pub fn new(
        config: &'a Config,
        request: &'a ServerRequest,
        cancel: Cancel,
        say: &'a dyn Fn(&str),
    ) -> Self {
        ServerBench {
            config,
            request,
            cancel,
            say,
            began_ns: MonotonicClock.now_ns(),
            client_rate: OfferedRate::Max,
            arms: config.arms.clone(),
            open: None,
            provenance: None,
            remarks: Vec::new(),
            announced: false,
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

    fn spec(&self, standing: u32) -> ServerSpec {
        let config = self.config;
        // Exactly what is needed: with free slots to spare, placeholders could
        // not decide where churn lands.
        let persistent = config.readers + config.clients + 2 * config.pool_size;
        ServerSpec {
            pg_major: self.request.pg_major,
            max_connections: persistent + standing + self.churn_slots(),
            transport: self.request.transport,
            ..ServerSpec::default()
        }
    }

    fn start_server(&mut self, standing: u32) -> Result<RunningServer, Failure> {
        // Seconds, with an image to be made minutes: not begun after a stop request.
        if self.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let silent = |_: &str| {};
        let say: &dyn Fn(&str) = if self.announced { &silent } else { self.say };
        let server = provision(&self.request.choice, &self.spec(standing), say)
            .map_err(|e| Failure::Fatal(e.to_string()))?;
        if !self.announced {
            (self.say)(&format!(
                "procbench: PostgreSQL {} ({})",
                server.server_version(),
                server.chosen_because()
            ));
            self.announced = true;
        }
        if self.request.query == Statement::SelectOnly && server.kind() != ServerKind::Url {
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

    fn pgbouncer_spec(&self) -> PgBouncerSpec {
        PgBouncerSpec {
            pool_size: self.config.pool_size,
            max_client_conn: 4 * self.config.clients + 100,
            url: self.request.pgbouncer.clone(),
        }
    }

    fn wants_pgbouncer(&self) -> bool {
        self.arms.iter().any(|a| a.needs_pgbouncer())
    }

    fn note_server(&mut self, server: &RunningServer, pgbouncer: Option<&RunningPgBouncer>) {
        if self.provenance.is_none() {
            self.remarks.extend(server_remarks(server));
            self.provenance = Some(server_provenance(server, pgbouncer));
        }
    }

    fn open(&self) -> Result<&OpenVisit, Failure> {
        self.open
            .as_ref()
            .ok_or_else(|| Failure::Fatal("no visit is open".into()))
    }

    fn factors(&self, server: &RunningServer, standing: u32) -> Factors {
        let setting = |name: &str| {
            self.provenance
                .as_ref()
                .and_then(|p| p.settings.get(name))
                .cloned()
        };
        Factors {
            standing,
            pg: server.pg_major().map(|m| m.to_string()),
            slot_order: Some(if self.is_ours() {
                self.config.slot_order.to_string()
            } else {
                "unknown".to_owned()
            }),
            lock: None,
            transport: Some(server.endpoint().transport().to_string()),
            huge_pages: setting("huge_pages"),
        }
    }
}

impl Bench for ServerBench<'_> {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        if !self.wants_pgbouncer() {
            return Ok(Vec::new());
        }
        let server = self.start_server(0)?;
        match start_pgbouncer(&server, &self.pgbouncer_spec(), self.say) {
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

    fn set_client_rate(&mut self, rate: OfferedRate) {
        self.client_rate = rate;
    }

    fn open_visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        let server = self.start_server(visit.standing)?;
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
        let pgbouncer = if self.wants_pgbouncer() {
            let started = start_pgbouncer(&server, &self.pgbouncer_spec(), &|_| {});
            Some(started.map_err(|e| failed("PgBouncer", e.to_string()))?)
        } else {
            None
        };
        let config = self.config;
        let layout = Layout {
            standing: visit.standing,
            placeholders: if self.is_ours() {
                self.churn_slots()
            } else {
                0
            },
            order: config.slot_order,
            descending: server.pg_major().is_none_or(|major| major <= 16),
        };
        let readers = self
            .reader_shares()
            .map(|count| {
                let spec = CrewSpec::Readers {
                    server: server.endpoint().clone(),
                    count,
                    statement: self.request.query.clone(),
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
                statement: self.request.query.clone(),
                disconnect: self.request.disconnect,
                arms: self.arms.clone(),
                pool_size: config.pool_size,
            },
            &self.cancel,
        )
        .map_err(|e| failed("the clients cannot connect", e.message))?;
        let standing = Standing::open(server.endpoint(), layout, &self.cancel)
            .map_err(|e| failed("the standing connections cannot be opened", e.message))?;
        self.note_server(&server, pgbouncer.as_ref());
        let base_children = stable_children(&server);
        let watched = Watched {
            postmaster: server.postmaster_pid(),
            pgbouncer: pgbouncer.as_ref().and_then(RunningPgBouncer::pid),
        };
        let factors = self.factors(&server, visit.standing);
        self.open = Some(OpenVisit {
            readers,
            clients,
            _standing: standing,
            pgbouncer,
            server,
            base_children,
            watched,
            factors,
        });
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        let visit = self.open()?;
        let (settle, settled) = visit.settle(&self.cancel);
        let Measured {
            window,
            record,
            cpu,
        } = visit.measure(&Stretch {
            config: self.config,
            arm: spec.arm,
            rates: (self.config.reader_rate, self.client_rate),
            lengths_ns: (self.config.warmup_ns, self.config.block_ns()),
            seed_path: u64::from(spec.index) + 1,
            cancel: &self.cancel,
        })?;
        Ok(Block {
            index: spec.index,
            arm: spec.arm,
            twin: spec.twin,
            round: spec.round,
            visit: spec.visit,
            factors: visit.factors.clone(),
            start_ns: window.measure_from_ns.saturating_sub(self.began_ns),
            measured_ns: window.measured_ns(),
            settle_ns: settle.as_nanos() as u64,
            settled,
            tallies: record.tallies,
            cpu,
            counters: BTreeMap::new(),
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
        self.open = None;
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        (self.provenance.clone(), self.remarks.clone())
    }
}
